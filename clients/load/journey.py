"""What one visitor does: a request, or several one after the other on the same connection."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clients.get.request import parse_fields
from netlab import __version__
from netlab.cores.http1_output import encode_fields
from netlab.errors import UsageError
from netlab.http.url import Url

METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
NUMBER = "{n}"
"""Stands for the number of the journey, so that requests can differ."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """One request of a journey. `numbered` tells that {n} is somewhere in it."""

    method: str
    target: str
    fields: bytes  # as they go out, without those that frame the content
    content: bytes | None = None

    @property
    def numbered(self) -> bool:
        return NUMBER in self.target or NUMBER.encode() in (self.content or b"")

    def with_number(self, number: int) -> Ask:
        digits = str(number)
        content = None if self.content is None else self.content.replace(NUMBER.encode(), digits.encode())
        target = self.target.replace(NUMBER, digits)
        return Ask(method=self.method, target=target, fields=self.fields, content=content)

    def __str__(self) -> str:
        return f"{self.method} {self.target}"


def journey(
    url: Url,
    requests: Sequence[str],
    *,
    method: str = "",
    data: str = "",
    fields: Sequence[str] = (),
) -> tuple[Ask, ...]:
    """The requests `METHOD TARGET [CONTENT]`, or, without any, that for the URL itself."""
    given, without = parse_fields(fields)
    names = {name.lower() for name, _ in given} | without
    if framing := names & {"connection", "content-length", "transfer-encoding"}:
        raise UsageError(f"-H {min(framing)!r} is written by the protocol itself (see --new-connections)")
    usual = [("Host", url.authority), ("User-Agent", f"netlab/{__version__}"), ("Accept", "*/*")]
    if url.basic:
        usual.append(("Authorization", url.basic))
    block = encode_fields([*((name, value) for name, value in usual if name.lower() not in names), *given])
    if not requests:
        content = _content(data)
        return (_ask(method or ("POST" if data else "GET"), url.target, content, block),)
    if method or data:
        raise UsageError("--method and --data are for the URL itself; a --request has its own: 'POST /path CONTENT'")
    return tuple(_parse(text, block) for text in requests)


def _parse(text: str, block: bytes) -> Ask:
    method, _, rest = text.strip().partition(" ")
    target, _, content = rest.strip().partition(" ")
    if not METHOD.fullmatch(method) or not target.startswith("/"):
        raise UsageError(f"--request {text!r} is not METHOD /TARGET [CONTENT], such as 'POST /login user=ann'")
    return _ask(method, target, _content(content.strip()), block)


def _ask(method: str, target: str, content: bytes | None, block: bytes) -> Ask:
    if content is not None and b"\r\ncontent-type:" not in b"\r\n" + block.lower():
        kind = b"application/json" if content[:1] in (b"{", b"[") else b"application/x-www-form-urlencoded"
        block += b"Content-Type: %b\r\n" % kind
    return Ask(method=method, target=target, fields=block, content=content)


def _content(text: str) -> bytes | None:
    """TEXT, or @FILE."""
    if not text.startswith("@"):
        return text.encode("utf-8", "surrogateescape") if text else None
    try:
        return Path(text[1:]).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {text[1:]}: {error.strerror}") from error
