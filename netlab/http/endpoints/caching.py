"""Paths for caches and validators: 304, entity tags, Cache-Control, and response fields of the client's choice."""

from __future__ import annotations

import re
import uuid
from email.utils import formatdate
from functools import partial

from netlab.cores.http1 import encode_fields
from netlab.errors import LocalProtocolError
from netlab.http.endpoints.answers import JSON, NO_SCRIPTS, Unusable, answering, printed, respond, respond_json
from netlab.http.endpoints.arguments import grouped, query, segment
from netlab.http.endpoints.mirror import WITHOUT_CONTENT, mirror
from netlab.http.endpoints.status import respond_status
from netlab.http.exchange import Exchange
from netlab.http.routes import Routes
from netlab.service import Context

TAG = re.compile(r'\s*(?:W/)?"?([^"]*)"?\s*')


def register(routes: Routes, context: Context) -> None:
    routes.add("GET", "/cache", partial(cache, context), "304 to any conditional request, else validators")
    routes.add("GET", "/cache/{seconds}", cache_control, "Cache-Control: public with this max-age")
    routes.add("GET", "/etag/{etag}", etag, "this entity tag, with If-None-Match and If-Match")
    routes.add("GET POST", "/response-headers", response_headers, "a response field for each ?name=value")


def cache(context: Context, exchange: Exchange) -> None:
    fields = exchange.request.fields
    if fields.get("if-modified-since") or fields.get("if-none-match"):
        respond_status(exchange, 304)
        return
    tag = uuid.UUID(int=context.random.getrandbits(128), version=4).hex
    respond_json(
        exchange,
        mirror(exchange, WITHOUT_CONTENT),
        fields=[("Last-Modified", formatdate(usegmt=True)), ("ETag", tag)],  # the system's time, as Date is
    )


@answering
def cache_control(exchange: Exchange, seconds: str) -> None:
    fields = [("Cache-Control", f"public, max-age={segment(seconds)}")]
    respond_json(exchange, mirror(exchange, WITHOUT_CONTENT), fields=fields)


@answering
def etag(exchange: Exchange, etag: str) -> None:
    """The tag is sent as it stands in the path, without quotes if it has none there, as httpbin does.

    RFC 9110 8.8.3 wants them: /etag/%22abc%22 has them. Either way it is compared without.
    """
    fields = [checked("ETag", etag)]
    tag = opaque(etag)
    wanted, had = (tags(exchange.request.fields.get(name)) for name in ("if-match", "if-none-match"))
    if wanted and tag not in wanted and "*" not in wanted:
        respond_status(exchange, 412)
    elif tag in had or "*" in had:
        respond(exchange, 304, fields)
    else:
        respond_json(exchange, mirror(exchange, WITHOUT_CONTENT), fields=fields)


def tags(field: str | None) -> list[str]:
    """The tags of a list, with or without quotes, weak ones too."""
    return [opaque(part) for part in field.split(",")] if field else []


def opaque(tag: str) -> str:
    match = TAG.match(tag)
    return match[1].strip() if match else tag


@answering
def response_headers(exchange: Exchange) -> None:
    """The fields asked for, in the response and, with its own Content-Type and Content-Length, in its content."""
    fields = [checked(name, value) for name, value in query(exchange.request)]
    names = {name.lower() for name, _ in fields}
    if "content-type" not in names:
        fields.append(JSON)
    length = 0
    while (body := told(fields, length)) and len(body) != length:  # the length is part of what it counts
        length = len(body)
    respond(exchange, 200, [*fields, NO_SCRIPTS], body)


def told(fields: list[tuple[str, str]], length: int) -> bytes:
    """As JSON in which no browser finds a tag, whatever Content-Type was asked for."""
    text = printed(grouped([*fields, ("Content-Length", str(length))]))
    for sign in (b"<", b">", b"&"):
        text = text.replace(sign, b"\\u%04x" % ord(sign))
    return text


def checked(name: str, value: str) -> tuple[str, str]:
    """A field as the client asked for it, if it is one and does not change how the message is framed."""
    try:
        encode_fields([(name, value)])
    except LocalProtocolError as error:
        raise Unusable(f"{error}; for responses that are wrong on purpose see /broken") from None
    return name, value
