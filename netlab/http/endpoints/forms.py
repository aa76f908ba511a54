"""Content of a request read as its type says: forms, files (RFC 7578) and JSON."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from netlab.cores.http1 import Request
from netlab.errors import RemoteProtocolError
from netlab.http.endpoints.arguments import grouped
from netlab.http.multipart import Content, Event, MultipartParser, Part, PartEnd, boundary_of

DEEPEST = 200
"""Levels of nesting up to which JSON is told again."""
PIECE = 64 << 10


def content_of(request: Request, body: bytes) -> dict[str, Any]:
    """`data`, `form`, `files` and `json`, as httpbin tells them; what is no form is data."""
    found: dict[str, Any] = {"data": "", "files": {}, "form": {}, "json": None}
    content_type = request.fields.get("content-type") or ""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "application/x-www-form-urlencoded":
        found["form"] = grouped(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    elif media_type == "multipart/form-data":
        found["form"], found["files"] = parts_of(boundary_of(content_type) or "", body)
    else:
        found["data"], found["json"] = as_text(body), as_json(body)
    return found


def parts_of(boundary: str, body: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fields and files of a multipart body; of one that is broken, no more than stands in front of the break."""
    form: list[tuple[str, str]] = []
    files: list[tuple[str, str]] = []
    part, content = Part("", None, ""), bytearray()
    for event in events_of(boundary, body):
        match event:
            case Part():
                part, content = event, bytearray()
            case Content(data):
                content += data
            case PartEnd() if part.filename is None:
                form.append((part.name, content.decode("utf-8", "replace")))
            case PartEnd():
                files.append((part.name, as_text(bytes(content), part.media_type)))
    return grouped(form), grouped(files)


def events_of(boundary: str, body: bytes) -> Iterator[Event]:
    """What the body holds, read in pieces: the parser's buffer is made for content that arrives."""
    parser = MultipartParser(boundary)
    for start in range(0, len(body) if boundary else 0, PIECE):
        try:
            yield from parser.receive(body[start : start + PIECE])
        except RemoteProtocolError:
            return


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
