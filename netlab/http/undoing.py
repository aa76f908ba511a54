"""Content codings of a response undone on its way, for a client that did not offer them itself."""

from __future__ import annotations

import re

from netlab.errors import RemoteProtocolError
from netlab.http.decoding import CODINGS, CodingError, Decoding
from netlab.policy.coding import accepts

FIELD = re.compile(
    rb"^(accept-ranges|content-(?:digest|encoding|md5)|etag|repr-digest):[ \t]*([^\r\n]*)\r\n",
    re.IGNORECASE | re.MULTILINE,
)
FREE = 1 << 20
"""Bytes that small content may grow to; what one read grows to is in memory at once."""
WITHOUT_CONTENT = (204, 206, 304)  # of a part of coded bytes nothing can be undone


class Undone:
    """A Recoding. `accept` is what the client's Accept-Encoding said; empty: nothing."""

    __slots__ = ("_accept", "_decoding")

    def __init__(self, accept: str) -> None:
        self._accept = accept
        self._decoding: Decoding | None = None

    def head(self, status: int, block: bytes, length: int | None) -> tuple[bytes, int | None]:
        self._decoding = None
        found = [value for name, value in FIELD.findall(block) if name.lower() == b"content-encoding"]
        codings = [part.strip().lower() for part in b",".join(found).decode("latin-1").split(",") if part.strip()]
        if status in WITHOUT_CONTENT or all(accepts(self._accept, coding) for coding in codings):
            return block, length
        if any(coding not in CODINGS for coding in codings):
            return block, length  # the origin made it up: nobody has offered it
        self._decoding = Decoding(codings, free=FREE)
        return FIELD.sub(_without, block), None

    def piece(self, data: bytes) -> bytes:
        """RemoteProtocolError for content that is not in the coding its fields promise."""
        if self._decoding is None:
            return data
        try:
            return b"".join(self._decoding.decode(data))
        except CodingError as error:
            raise broken(error) from error

    def end(self) -> bytes:
        decoding, self._decoding = self._decoding, None
        if decoding is not None:
            try:
                decoding.finish()
            except CodingError as error:
                raise broken(error) from error
        return b""


def broken(error: CodingError) -> RemoteProtocolError:
    return RemoteProtocolError(str(error), offset=0, rule="response.content_coding", section="RFC 9110 8.4", status=502)


def _without(match: re.Match[bytes]) -> bytes:
    """Fields of the coded bytes go with them; the tag becomes a weak one (RFC 9110 8.8.1)."""
    if match[1].lower() != b"etag":
        return b""
    return b"%b: W/%b\r\n" % (match[1], match[2]) if match[2].startswith(b'"') else match[0]
