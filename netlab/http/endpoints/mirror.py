"""Paths that show a request to whoever sent it, as JSON in httpbin's form."""

from __future__ import annotations

import base64
import json
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl

from netlab.cores.http1 import Request, encode_fields
from netlab.http.exchange import Exchange
from netlab.http.routes import Routes

LIMIT = 32 << 20
"""Bytes of content these paths take; more is a 413."""
JSON = encode_fields([("Content-Type", "application/json")])


def register(routes: Routes) -> None:
    routes.add("GET", "/headers", headers, "the request's fields")
    routes.add("*", "/anything", anything, "everything about the request")
    routes.add("*", "/anything/{rest...}", anything, "everything about the request")


def headers(exchange: Exchange) -> None:
    respond_json(exchange, {"headers": joined_fields(exchange.request)})


def anything(exchange: Exchange, rest: str = "") -> None:
    exchange.collect(LIMIT, lambda body: respond_json(exchange, mirror(exchange, body)))


def respond_json(exchange: Exchange, value: Any, status: int = 200) -> None:
    exchange.respond(status, JSON, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n")


def joined_fields(request: Request) -> dict[str, str]:
    """Name → value; the name in Title-Case, as httpbin shows it, repeated fields joined by a comma."""
    fields: dict[str, str] = {}
    for name, value in request.fields:
        key = "-".join(part.capitalize() for part in name.split("-"))
        fields[key] = f"{fields[key]},{value}" if key in fields else value
    return fields


def mirror(exchange: Exchange, body: bytes) -> dict[str, Any]:
    """What `/anything` tells: the request in httpbin's form."""
    request = exchange.request
    return {
        "args": query_of(request),
        **content_of(request, body),
        "headers": joined_fields(request),
        "method": request.method,
        "origin": origin_of(exchange),
        "url": url_of(exchange),
    }


def query_of(request: Request) -> dict[str, Any]:
    return grouped(parse_qsl(request.path.partition("?")[2], keep_blank_values=True))


def origin_of(exchange: Exchange) -> str:
    client = exchange.flow.client
    return str(client[0]) if isinstance(client, tuple) else str(client or "")


def url_of(exchange: Exchange) -> str:
    """The request's URL as the client meant it (RFC 9110 7.1)."""
    request = exchange.request
    scheme = "https" if exchange.connection.secure else "http"
    return request.target if request.form == "absolute" else f"{scheme}://{request.authority}{request.path}"


def content_of(request: Request, body: bytes) -> dict[str, Any]:
    """`data`, `form`, `files` and `json`: the content, read as its type says."""
    found: dict[str, Any] = {"data": "", "files": {}, "form": {}, "json": None}
    kind = (request.fields.get("content-type") or "").partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        found["form"] = grouped(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    elif kind == "multipart/form-data":
        found["form"], found["files"] = parts_of(request.fields.get("content-type") or "", body)
    else:
        found["data"] = as_text(body, kind)
        try:
            found["json"] = json.loads(body)
        except ValueError:
            pass  # most content is not JSON, and says nothing of it
    return found


def parts_of(content_type: str, body: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields and the files of a multipart/form-data body (RFC 7578)."""
    message: Message = BytesParser(policy=HTTP).parsebytes(
        b"Content-Type: %b\r\n\r\n%b" % (content_type.encode(), body)
    )
    form: list[tuple[str, str]] = []
    files: list[tuple[str, str]] = []
    for part in message.get_payload() if message.is_multipart() else []:
        assert isinstance(part, Message)
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        text = as_text(content if isinstance(content, bytes) else b"", part.get_content_type())
        (files if part.get_filename() is not None else form).append((str(name or ""), text))
    return grouped(form), grouped(files)


def grouped(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Pairs as a dict; a name that occurs more than once has a list."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found


def as_text(body: bytes, kind: str) -> str:
    """Content as text, or, where it is none, as a data URL."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return f"data:{kind or 'application/octet-stream'};base64,{base64.b64encode(body).decode()}"
