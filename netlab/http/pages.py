"""Pages a server answers with when something is wrong: what, where, and which rule."""

from __future__ import annotations

from netlab.cores.http1 import phrase
from netlab.errors import RemoteProtocolError


def violation_page(error: RemoteProtocolError) -> tuple[list[tuple[str, str]], bytes]:
    """Fields and body that tell a client's author which bytes broke which rule, with a caret under the first."""
    lines = [
        f"{error.status} {phrase(error.status)}",
        f"{error.reason}.",
        f"rule {error.rule}, {error.section}, at byte {error.offset} of this connection",
    ]
    if error.excerpt:
        before, after = visible(error.excerpt[: error.caret]), visible(error.excerpt[error.caret :])
        lines += ["", before + after, " " * len(before) + "^"]
    return [("Content-Type", "text/plain; charset=utf-8")], ("\n".join(lines) + "\n").encode()


def visible(data: bytes) -> str:
    """Bytes as printable ASCII, one unambiguous spelling each."""
    return "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte != 0x5C else ESCAPES.get(byte, f"\\x{byte:02x}") for byte in data
    )


ESCAPES = {0x0D: "\\r", 0x0A: "\\n", 0x09: "\\t", 0x5C: "\\\\"}
