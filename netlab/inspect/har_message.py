"""The `request` and `response` objects of a HAR entry, from the events of an HTTP flow (HAR 1.2)."""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import UTC
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl

from netlab.inspect.record import SUMMARY, FlowRecord, Record

UNKNOWN = -1
"""HAR's number for a size or time that is not known."""

MAX_DECODED = 8 << 20
"""The most bytes a compressed body is unpacked to; a longer one stays as it was sent."""

_FORM = "application/x-www-form-urlencoded"

Pair = tuple[str, str]


def request(flow: FlowRecord, connection: FlowRecord | None) -> Record:
    """What was asked; of a flow recorded at summary only method, target and sizes are known."""
    head, fields = _head(flow, "request.received")
    method, _, target = flow.label.partition(" ")
    method, target = str(head.get("method", method)), str(head.get("target", target))
    version = _version(head.get("version"))
    item: Record = {
        "method": method,
        "url": str(head.get("url") or _url(flow, connection, method, target, head.get("host") or _get(fields, "host"))),
        "httpVersion": version,
        "cookies": [_cookie(name, value) for name, value in _cookie_pairs(fields)],
        "headers": _named(fields),
        "queryString": _named(_query(target.partition("?")[2])),
        "headersSize": _head_size(flow, "request.received", f"{method} {target} {version}", fields),
        "bodySize": _size(flow, "request", flow.received),
    }
    body = _body(flow, "request")
    if body is not None:
        item["postData"] = _post_data(body, _get(fields, "content-type") or "")
    return item


def response(flow: FlowRecord) -> Record:
    """What was answered; status 0 where nothing was."""
    head, fields = _head(flow, "response.sent")
    status = str(head.get("status", flow.result))
    size = _size(flow, "response", flow.sent)
    reason = str(head.get("reason") or "")
    version = _version(head.get("version") or flow.fields_of("request.received").get("version"))
    return {
        "status": int(status) if status.isascii() and status.isdigit() else 0,
        "statusText": reason,
        "httpVersion": version,
        "cookies": [_set_cookie(value) for name, value in fields if name.lower() == "set-cookie"],
        "headers": _named(fields),
        "content": _content(flow, fields, size),
        "redirectURL": _get(fields, "location") or "",
        "headersSize": _head_size(flow, "response.sent", f"{version} {status} {reason}", fields),
        "bodySize": size,
    }


def _head(flow: FlowRecord, event: str) -> tuple[dict[str, Any], list[Pair]]:
    head = flow.fields_of(event)
    return head, [(str(name), str(value)) for name, value in head.get("fields") or ()]


def _get(fields: list[Pair], wanted: str) -> str | None:
    return next((value for name, value in fields if name.lower() == wanted), None)


def _named(pairs: list[Pair]) -> list[Record]:
    return [{"name": name, "value": value} for name, value in pairs]


def _query(text: str) -> list[Pair]:
    return parse_qsl(text.partition("#")[0], keep_blank_values=True)


def _version(version: Any) -> str:
    match version:
        case None:
            return "HTTP/1.1"
        case [major, minor]:
            return f"HTTP/{major}.{minor}"
    text = str(version)
    return text if text.startswith("HTTP/") else f"HTTP/{text}"


def _url(flow: FlowRecord, connection: FlowRecord | None, method: str, target: str, host: str | None) -> str:
    """The target URI (RFC 9112 3.3), from what stands in the request and what the connection is."""
    if "://" in target and not target.startswith("/"):
        return target
    secure = connection is not None and (connection.plain is not None or "tls" in connection.details)
    authority = target if method == "CONNECT" else host or flow.server or ""
    if method == "CONNECT" or target == "*":
        path = ""
    else:
        path = target if target.startswith("/") else f"/{target}"
    return f"{'https' if secure else 'http'}://{authority}{path}"


def _head_size(flow: FlowRecord, event: str, first_line: str, fields: list[Pair]) -> int:
    """The head's bytes with the empty line behind it. An event's span can be longer: a short body went in one write."""
    if not any(flow.all(event)):
        return UNKNOWN
    lines = [first_line, *(f"{name}: {value}" for name, value in fields), ""]
    spans = [found.end - found.start for found in flow.all(event) if found.end > found.start]
    return min([sum(len(line) + 2 for line in lines), *spans])


def _size(flow: FlowRecord, message: str, counted: int) -> int:
    size = flow.fields_of(f"{message}.ended").get("size", counted)
    return size if isinstance(size, int) and size >= 0 else UNKNOWN


def _body(flow: FlowRecord, message: str) -> dict[str, Any] | None:
    for event in flow.events:
        body = event.fields.get("body") if event.name.startswith(message + ".") else None
        if isinstance(body, dict):
            return body
    return None


def _cookie_pairs(fields: list[Pair]) -> Iterator[Pair]:
    for name, value in fields:
        if name.lower() == "cookie":
            for pair in value.split(";"):
                cookie, _, content = pair.strip().partition("=")
                yield cookie, content


def _cookie(name: str, value: str) -> Record:
    return {"name": name, "value": value}


def _set_cookie(line: str) -> Record:
    """A Set-Cookie line's cookie and the attributes HAR knows (RFC 6265 4.1.1)."""
    first, *attributes = line.split(";")
    name, _, value = first.strip().partition("=")
    cookie = {**_cookie(name, value), "httpOnly": False, "secure": False}
    for attribute in attributes:
        key, _, content = attribute.strip().partition("=")
        match key.lower():
            case "path" | "domain":
                cookie[key.lower()] = content
            case "secure":
                cookie["secure"] = True
            case "httponly":
                cookie["httpOnly"] = True
            case "expires":
                cookie["expires"] = _iso_date(content)
    return cookie


def _iso_date(text: str) -> str | None:
    try:
        return parsedate_to_datetime(text).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return None


def _post_data(body: dict[str, Any], content_type: str) -> Record:
    data: Record = {"mimeType": content_type, "params": [], "text": body.get("text", "")}
    if "base64" in body:
        text = _as_text(b64decode(body["base64"]), content_type)
        data["text"] = body["base64"] if text is None else text
        if text is None:
            data |= {"_encoding": "base64", "comment": "text is base64, for which HAR has no name here"}
    if content_type.partition(";")[0].strip().lower() == _FORM and "_encoding" not in data:
        data["params"] = _named(_query(data["text"]))
    if body.get("truncated"):
        data["comment"] = "the beginning: recording ended before the body did"
    return data


def _content(flow: FlowRecord, fields: list[Pair], size: int) -> Record:
    """The body as the page's script would see it: unpacked, as text where it is text."""
    kind = _get(fields, "content-type") or ""
    content: Record = {"size": max(size, 0), "mimeType": kind or "x-unknown"}
    body = _body(flow, "response")
    if body is None:
        if flow.level == SUMMARY:
            content["comment"] = "not recorded at level summary"
        return content
    if "text" in body:
        content["text"] = body["text"]
    else:
        content |= _unpacked(b64decode(body.get("base64", "")), _get(fields, "content-encoding"), kind, size)
    if body.get("truncated"):
        content["comment"] = "the beginning: recording ended before the body did"
    return content


def _unpacked(data: bytes, coding: str | None, kind: str, size: int) -> Record:
    decoded = _decompressed(data, coding) if coding else data
    if decoded is None:
        return {"text": b64encode(data).decode("ascii"), "encoding": "base64", "comment": f"as it was sent: {coding}"}
    sizes = {"size": len(decoded), "compression": len(decoded) - size} if coding else {}
    text = _as_text(decoded, kind)
    if text is None:
        return {**sizes, "text": b64encode(decoded).decode("ascii"), "encoding": "base64"}
    return {**sizes, "text": text}


def _decompressed(data: bytes, coding: str) -> bytes | None:
    """None where the coding is not one of zlib's, or the data is not whole, or longer than MAX_DECODED."""
    if coding.lower() not in ("gzip", "x-gzip", "deflate"):
        return None
    inflate = zlib.decompressobj(47)  # gzip or zlib form, told apart by their heads
    try:
        decoded = inflate.decompress(data, MAX_DECODED)
    except zlib.error:
        return None
    return decoded if inflate.eof else None


def _as_text(data: bytes, content_type: str) -> str | None:
    """None where the bytes are not text in the charset that their type names, or in UTF-8."""
    message = Message()
    message["content-type"] = content_type
    try:
        text = data.decode(message.get_content_charset("utf-8"))
    except (UnicodeDecodeError, LookupError):
        return None
    return None if "\0" in text else text
