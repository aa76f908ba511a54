"""Pages a server answers with when something is wrong: what, where, and which rule; as text, HTML or a problem."""

from __future__ import annotations

import html
import json
from typing import Any

from netlab.cores.http1 import phrase
from netlab.errors import RemoteProtocolError
from netlab.policy.media import choose_type

TEXT, HTML, PROBLEM = "text/plain", "text/html", "application/problem+json"
OFFERED = (TEXT, HTML, PROBLEM, "application/json")

STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
pre{overflow-x:auto;background:#f4f4f4;padding:.6rem}@media(prefers-color-scheme:dark){body{background:#181a1f;
color:#ddd}pre{background:#23262d}}"""

Page = tuple[list[tuple[str, str]], bytes]
"""Fields and content of an answer."""


def refusal_page(status: int, why: str, accept: str | None, see: str = "") -> Page:
    """Why a request is refused, in the form that its Accept prefers; for a client that takes anything as text.

    `see` is the path of a page that helps on.
    """
    media_type = choose_type(accept, OFFERED) or TEXT  # RFC 9110 12.5.1: a refusal may disregard Accept
    if media_type == TEXT:
        page = _text(f"{status} {phrase(status)}", why, *([f"see {see}"] if see else []))
    elif media_type == HTML:
        page = _html(f"{status} {phrase(status)}", why, see=see)
    else:
        page = _problem(status, why, {"see": see} if see else {})
    page[0].append(("Vary", "Accept"))
    return page


def violation_page(error: RemoteProtocolError, accept: str | None = None) -> Page:
    """Tells a client's author which bytes broke which rule, with a caret under the first.

    `accept` is the request's, where there was one that could be read.
    """
    status, before, after = error.status, "", ""
    if error.excerpt:
        before, after = visible(error.excerpt[: error.caret]), visible(error.excerpt[error.caret :])
    where = f"rule {error.rule}, {error.section}, at byte {error.offset} of this connection"
    shown = [before + after, " " * len(before) + "^"] if error.excerpt else []
    media_type = choose_type(accept, OFFERED) or TEXT
    if media_type == TEXT:
        return _text(f"{status} {phrase(status)}", f"{error.reason}.", where, *([""] if shown else []), *shown)
    if media_type == HTML:
        return _html(f"{status} {phrase(status)}", f"{error.reason}.", where, picture="\n".join(shown))
    facts = {"rule": error.rule, "section": error.section, "offset": error.offset}
    return _problem(status, error.reason, facts | ({"excerpt": before + after, "caret": len(before)} if shown else {}))


def _text(*lines: str) -> Page:
    return [("Content-Type", "text/plain; charset=utf-8")], ("\n".join(lines) + "\n").encode()


def _html(title: str, *lines: str, picture: str = "", see: str = "") -> Page:
    told = "".join(f"<p>{html.escape(line)}</p>\n" for line in lines)
    if see:
        told += f'<p>see <a href="{html.escape(see)}">{html.escape(see)}</a></p>\n'
    if picture:
        told += f"<pre>{html.escape(picture)}</pre>\n"
    page = (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n<h1>{title}</h1>\n{told}</html>\n"
    )
    return [("Content-Type", "text/html; charset=utf-8")], page.encode()


def _problem(status: int, detail: str, more: dict[str, Any]) -> Page:
    """RFC 9457; without a `type` the title is the status code's own (4.2.1)."""
    told = {"title": phrase(status), "status": status, "detail": detail, **more}
    return [("Content-Type", PROBLEM)], json.dumps(told, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def visible(data: bytes) -> str:
    """Bytes as printable ASCII, one unambiguous spelling each."""
    return "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte != 0x5C else ESCAPES.get(byte, f"\\x{byte:02x}") for byte in data
    )


ESCAPES = {0x0D: "\\r", 0x0A: "\\n", 0x09: "\\t", 0x5C: "\\\\"}
