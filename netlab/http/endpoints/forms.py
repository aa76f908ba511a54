"""Content of a request read as its type says: forms, files (RFC 7578) and JSON."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn
from urllib.parse import parse_qsl, unquote

from netlab.cores.http1 import Request
from netlab.http.endpoints.arguments import grouped

DEEPEST = 200
"""Levels of nesting up to which JSON is told again."""

PARAMETER = re.compile(r';\s*([\w!#$%&\'*+.^`|~-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)', re.DOTALL)
EXTENDED = re.compile(r"([\w-]+)'[\w-]*'(.*)")


class Part(NamedTuple):
    """One part of a multipart body; a part with a file name is a file."""

    name: str
    filename: str | None
    media_type: str
    content: bytes


def content_of(request: Request, body: bytes) -> dict[str, Any]:
    """`data`, `form`, `files` and `json`, as httpbin tells them; what is no form is data."""
    found: dict[str, Any] = {"data": "", "files": {}, "form": {}, "json": None}
    content_type = request.fields.get("content-type") or ""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "application/x-www-form-urlencoded":
        found["form"] = grouped(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    elif media_type == "multipart/form-data":
        parts = list(parts_of(parameters(content_type).get("boundary", ""), body))
        found["form"] = grouped(
            [(part.name, part.content.decode("utf-8", "replace")) for part in parts if part.filename is None]
        )
        found["files"] = grouped(
            [(part.name, as_text(part.content, part.media_type)) for part in parts if part.filename is not None]
        )
    else:
        found["data"], found["json"] = as_text(body), as_json(body)
    return found


def parts_of(boundary: str, body: bytes) -> Iterator[Part]:
    """The parts of a multipart body (RFC 2046 5.1); what stands before the first and behind the last is dropped."""
    if not boundary:
        return
    mark = re.escape(boundary.encode("latin-1", "replace"))
    start: int | None = None
    for delimiter in re.finditer(rb"(?:\A|\r?\n)--%b(--)?[ \t]*(?:(?=\r?\n)|\Z)" % mark, body):
        if start is not None:
            yield part_of(body[start : delimiter.start()])
        if delimiter[1]:
            return
        start = delimiter.end()


def part_of(data: bytes) -> Part:
    """A part from what stands between two delimiters; it begins with the line end of the first."""
    rest = re.sub(rb"\A\r?\n", b"", data, count=1)
    head, _, content = (b"\r\n" + rest).partition(b"\r\n\r\n")  # an empty line at once: no fields
    fields: dict[str, str] = {}
    for line in head.decode("utf-8", "replace").splitlines():
        name, _, value = line.partition(":")
        fields[name.strip().lower()] = value.strip()
    disposition = parameters(fields.get("content-disposition", ""))
    media_type = fields.get("content-type") or "application/octet-stream"
    return Part(disposition.get("name", ""), disposition.get("filename"), media_type, content)


def parameters(value: str) -> dict[str, str]:
    """The parameters of a field such as Content-Type; the RFC 8187 form of one wins over its plain form."""
    found: dict[str, str] = {}
    for name, text in PARAMETER.findall(value):
        if text.startswith('"'):
            text = re.sub(r'\\(["\\])', r"\1", text[1:-1])  # browsers leave other backslashes alone
        extended = EXTENDED.fullmatch(text.strip()) if name.endswith("*") else None
        if extended is not None and extended[1].lower() in ("utf-8", "iso-8859-1"):
            found[name[:-1].lower()] = unquote(extended[2], extended[1], "replace")
        elif not name.endswith("*"):
            found.setdefault(name.lower(), text.strip() if not text.startswith('"') else text)
    return found


def as_text(body: bytes, media_type: str = "application/octet-stream") -> str:
    """Content as text, or, where it is none, as a data URL (RFC 2397)."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return f"data:{media_type};base64,{base64.b64encode(body).decode()}"


def as_json(body: bytes) -> Any:
    """What the content means as JSON; None where it is none, as most content is, or nested past all use."""
    try:
        value = json.loads(body.decode(), parse_constant=_not_json, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    return value if body.count(b"[") + body.count(b"{") <= DEEPEST or is_shallow(value) else None


def is_shallow(value: Any) -> bool:
    """Whether a value can be written again: the encoder's recursion ends where the interpreter's does."""
    level = [value]
    for _ in range(DEEPEST):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner += item.values()
            elif isinstance(item, list):
                inner += item
        if not inner:
            return True
        level = inner
    return False


def _finite(text: str) -> float:
    number = float(text)
    if number in (math.inf, -math.inf):
        raise ValueError(f"{text} is past what a double holds, and cannot be written again")
    return number


def _not_json(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON (RFC 8259 6)")
