"""A message's structure (RFC 2045, 2046): its parts with the place of each in the bytes, at a bounded cost."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from netlab.cores.mail_fields import Field, decode_charset, decode_words, from_base64, parameters, parse_fields

_END_OF_HEADER = re.compile(rb"\r?\n\r?\n")
_BLANK_FIRST = re.compile(rb"\r?\n")
_AFTER_DELIMITER = re.compile(rb"(--)?[ \t]*(?:\r?\n|\Z)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of a message is taken apart. What is beyond is kept and shown as it is, undivided."""

    depth: int = 20
    parts: int = 1000
    fields: int = 1000
    header_bytes: int = 256 << 10
    """Of one part."""
    text_bytes: int = 8 << 20
    """Of a part that is shown as text."""


LIMITS = Limits()


@dataclass(slots=True)
class Part:
    """One node of the tree. `start`, `body` and `end` are offsets in the message's bytes."""

    id: str  # "0" is the message itself, "1" its first part, "1.2" that one's second
    start: int
    body: int
    end: int
    fields: list[Field] = field(default_factory=list)
    type: str = "text/plain"
    parameters: dict[str, str] = field(default_factory=dict)
    disposition: str = ""
    filename: str = ""
    content_id: str = ""
    encoding: str = "7bit"
    parts: list[Part] = field(default_factory=list)
    within: str = ""  # the type of the multipart that it is in
    defects: list[str] = field(default_factory=list)

    def get(self, name: str) -> str:
        """The value of the first field of that (lower-case) name."""
        return next((each.value for each in self.fields if each.name.lower() == name), "")

    def all(self, name: str) -> list[str]:
        return [each.value for each in self.fields if each.name.lower() == name]

    @property
    def is_leaf(self) -> bool:
        return not self.parts

    @property
    def is_coded(self) -> bool:
        """Whether its bytes are not what it carries."""
        return self.encoding in ("base64", "quoted-printable")

    @property
    def is_body(self) -> bool:
        """Text that is read with the message, and not besides it."""
        shown = self.type in ("text/plain", "text/html") and self.disposition != "attachment" and not self.filename
        return self.is_leaf and shown

    @property
    def is_inline(self) -> bool:
        """Not to be read, and shown within what is."""
        return self.disposition == "inline" or (bool(self.content_id) and self.within == "multipart/related")

    def walk(self, into_messages: bool = True) -> Iterator[Part]:
        """This part and all below, in the order of the message."""
        yield self
        if into_messages or self.type != "message/rfc822":
            for part in self.parts:
                yield from part.walk(into_messages)

    def data(self, content: bytes) -> bytes:
        """What it carries, its transfer coding undone (RFC 2045 6); never larger than it is."""
        data = content[self.body : self.end]
        if self.encoding == "base64":
            return from_base64(data)
        if self.encoding == "quoted-printable":
            return binascii.a2b_qp(data)
        return data

    def text(self, content: bytes, limits: Limits = LIMITS) -> tuple[str, str]:
        """What it carries as text, and what is wrong with that."""
        cut = self.end - self.body > limits.text_bytes
        part = Part(self.id, self.start, self.body, self.body + limits.text_bytes) if cut else self
        part.encoding = self.encoding
        text, problem = decode_charset(part.data(content), self.parameters.get("charset", ""))
        return text, f"only its first {limits.text_bytes >> 20} MiB are shown" if cut else problem


def parse(content: bytes, limits: Limits = LIMITS) -> Part:
    """The tree of a message. Whatever the bytes are, it is one; what is wrong stands in `defects`."""
    return _Walk(content, limits).message("0", 0, len(content), 0)


class _Walk:
    """One pass over a message; `left` is how many more parts may be made."""

    def __init__(self, content: bytes, limits: Limits) -> None:
        self.content, self.limits, self.left = content, limits, limits.parts

    def message(self, name: str, start: int, end: int, depth: int, within: str = "") -> Part:
        part = self._headed(name, start, end)
        part.within = within
        if part.type.startswith("multipart/"):
            self._divide(part, depth)
        elif part.type == "message/rfc822" and not part.is_coded and self._may_go_deeper(part, depth):
            inner = self.message("1" if name == "0" else f"{name}.1", part.body, end, depth + 1, part.type)
            part.parts.append(inner)
        return part

    def _headed(self, name: str, start: int, end: int) -> Part:
        """A part whose fields are read, and the place of its body."""
        content, limits = self.content, self.limits
        blank = _BLANK_FIRST.match(content, start, end)
        found = blank or _END_OF_HEADER.search(content, start, end)
        header, body = (found.start(), found.end()) if found else (end, end)
        part = Part(name, start, body, end)
        if header - start > limits.header_bytes:
            part.defects.append(f"the header is longer than {limits.header_bytes >> 10} KiB: the rest is not looked at")
            header = start + limits.header_bytes
        part.fields, defects = parse_fields(content, start, header, limits.fields)
        part.defects += defects
        kind, part.parameters = parameters(part.get("content-type"))
        part.type = kind.lower() if kind.count("/") == 1 else "text/plain"  # RFC 2045 5.2
        disposition, told = parameters(part.get("content-disposition"))
        part.disposition = disposition.lower()
        part.filename = (told.get("filename") or part.parameters.get("name", ""))[:255]
        part.content_id = decode_words(part.get("content-id"))[:255].strip("<> ")
        part.encoding = (part.get("content-transfer-encoding") or "7bit").strip().lower()[:40]
        return part

    def _may_go_deeper(self, part: Part, depth: int) -> bool:
        if depth >= self.limits.depth:
            part.defects.append(f"parts are nested deeper than {self.limits.depth}: this one is not taken apart")
        elif self.left <= 0:
            part.defects.append(f"the message has more than {self.limits.parts} parts: this one is not taken apart")
        else:
            self.left -= 1
            return True
        return False

    def _divide(self, part: Part, depth: int) -> None:
        boundary = part.parameters.get("boundary", "")
        if not boundary or len(boundary) > 200:
            part.defects.append("a multipart needs a boundary of 1 to 70 characters (RFC 2046 5.1.1)")
            return
        for number, (start, end) in enumerate(self._pieces(part, boundary.encode("utf-8", "replace")), 1):
            if not self._may_go_deeper(part, depth):
                break
            name = str(number) if part.id == "0" else f"{part.id}.{number}"
            part.parts.append(self.message(name, start, end, depth + 1, part.type))
        if not part.parts and not part.defects:
            part.defects.append("the boundary of this multipart is not found in it")

    def _pieces(self, part: Part, boundary: bytes) -> Iterator[tuple[int, int]]:
        """Where the bodies between the delimiter lines are; the line's own line end belongs to the delimiter."""
        content, delimiter = self.content, b"--" + boundary
        begun, position = -1, part.body
        while (position := content.find(delimiter, position, part.end)) >= 0:
            line = position
            position += len(delimiter)
            after = _AFTER_DELIMITER.match(content, position, part.end)
            if after is None or (line > part.body and content[line - 1] != 0x0A):
                continue
            if begun >= 0:
                yield begun, max(begun, line - (2 if content[line - 2 : line] == b"\r\n" else 1))
            begun = -1 if after[1] else after.end()
            if after[1]:
                return
        if begun >= 0:
            part.defects.append("the multipart has no end (RFC 2046 5.1.2)")
            yield begun, part.end
