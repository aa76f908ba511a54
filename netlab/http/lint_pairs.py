"""Fields of a request that contradict each other, its method or its connection."""

from __future__ import annotations

import re
from collections.abc import Iterator

from netlab.cores.fields import Fields

Contradiction = tuple[str, str, str]
"""The field, one sentence, and the section that it goes against."""


def contradictions(
    method: str, version: str, fields: Fields, *, has_body: bool, secure: bool
) -> Iterator[Contradiction]:
    yield from _conditions(method, fields)
    yield from _connection(version, fields)
    yield from _caching(fields)
    yield from _content(method, fields, has_body=has_body)
    yield from _browser(fields)
    if not secure:
        yield from _in_the_clear(fields)


def _conditions(method: str, fields: Fields) -> Iterator[Contradiction]:
    if "if-none-match" in fields and "if-modified-since" in fields:
        sentence = "If-Modified-Since is ignored, because If-None-Match is there and more exact."
        yield "If-Modified-Since", sentence, "RFC 9110 13.1.3"
    if "if-match" in fields and "if-unmodified-since" in fields:
        sentence = "If-Unmodified-Since is ignored, because If-Match is there and more exact."
        yield "If-Unmodified-Since", sentence, "RFC 9110 13.1.4"
    if "if-range" in fields and "range" not in fields:
        yield "If-Range", "If-Range without Range means nothing and must not be sent.", "RFC 9110 13.1.5"
    if "range" in fields and method != "GET":
        yield "Range", f"Range has a meaning with GET only and is ignored with {method[:20]}.", "RFC 9110 14.2"
    if "if-modified-since" in fields and method not in ("GET", "HEAD"):
        yield "If-Modified-Since", "If-Modified-Since counts with GET and HEAD only.", "RFC 9110 13.1.3"
    if "max-forwards" in fields and method not in ("TRACE", "OPTIONS"):
        yield "Max-Forwards", "Max-Forwards counts with TRACE and OPTIONS only.", "RFC 9110 7.6.2"
    if "access-control-request-method" in fields and method != "OPTIONS":
        sentence = "Access-Control-Request-Method belongs to a preflight, which is an OPTIONS request."
        yield "Access-Control-Request-Method", sentence, "Fetch"


def _connection(version: str, fields: Fields) -> Iterator[Contradiction]:
    options = fields.tokens("connection")
    if "close" in options and "keep-alive" in options:
        yield "Connection", "Connection says both close and keep-alive; close counts.", "RFC 9112 9.3"
    for name, section in (("upgrade", "RFC 9110 7.8"), ("te", "RFC 9110 10.1.4")):
        if name in fields and name not in options:
            shown = {"upgrade": "Upgrade", "te": "TE"}[name]
            yield shown, f"{shown} must be named in Connection, so that no proxy passes it on.", section
    for option in options:
        if option in END_TO_END:
            sentence = f"Connection names {option}, which is meant for the server at the end, not for the next hop."
            yield "Connection", sentence, "RFC 9110 7.6.1"
        elif option not in fields and option not in ("close", "keep-alive"):
            yield "Connection", f"Connection names {option[:60]}, and there is no such field.", "RFC 9110 7.6.1"
    if version == "1.0" and "transfer-encoding" in fields:
        yield "Transfer-Encoding", "HTTP/1.0 knows no Transfer-Encoding.", "RFC 9112 6.1"


def _caching(fields: Fields) -> Iterator[Contradiction]:
    directives = {token.partition("=")[0] for token in fields.tokens("cache-control")}
    if "no-cache" in directives and "only-if-cached" in directives:
        sentence = "no-cache wants the origin asked, only-if-cached wants it left alone."
        yield "Cache-Control", sentence, "RFC 9111 5.2.1"
    if "no-cache" in directives and "max-stale" in directives:
        yield "Cache-Control", "no-cache takes nothing unconfirmed, max-stale takes what is stale.", "RFC 9111 5.2.1"
    if "pragma" in fields and "cache-control" in fields:
        yield "Pragma", "Pragma is ignored, because Cache-Control is there.", "RFC 9111 5.4"
    for name in ("accept", "accept-encoding", "accept-language"):
        tokens = fields.tokens(name)
        if tokens and all(REFUSED.search(token) for token in tokens) and any(token.startswith("*") for token in tokens):
            shown = "-".join(part.capitalize() for part in name.split("-"))
            yield shown, f"{shown} refuses everything there is.", "RFC 9110 12.4.2"


def _content(method: str, fields: Fields, *, has_body: bool) -> Iterator[Contradiction]:
    if has_body and method in ("GET", "HEAD", "DELETE"):
        sentence = f"Content with {method} has no meaning that servers agree on; some refuse it."
        yield "Content-Length", sentence, {"DELETE": "RFC 9110 9.3.5"}.get(method, "RFC 9110 9.3.1")
    if not has_body:
        if "expect" in fields:
            yield "Expect", "Expect: 100-continue announces content, and none follows.", "RFC 9110 10.1.1"
        for name in ("Content-Type", "Content-Encoding", "Trailer"):
            if name.lower() in fields:
                yield name, f"{name} is about content, and this request has none.", "RFC 9110 8"
    if "trailer" in fields and has_body and "transfer-encoding" not in fields:
        yield "Trailer", "Trailers can follow only where the content comes in chunks.", "RFC 9110 6.5.1"


def _browser(fields: Fields) -> Iterator[Contradiction]:
    agent, brands = fields.get("user-agent") or "", fields.get("sec-ch-ua") or ""
    for name, brand in BRANDS.items():
        if name in brands and brand not in agent:
            sentence = (
                f"Sec-CH-UA says {name}, and User-Agent does not say {brand.rstrip('/')}: one of them is made up."
            )
            yield "Sec-CH-UA", sentence, "User-Agent Client Hints"
            break
    if fields.get("sec-ch-ua-mobile") == "?1" and "Mobile" not in agent:
        sentence = "Sec-CH-UA-Mobile says that it is a phone, and User-Agent does not."
        yield "Sec-CH-UA-Mobile", sentence, "User-Agent Client Hints"
    if fields.get("sec-fetch-user") is not None and fields.get("sec-fetch-mode") not in (None, "navigate"):
        sentence = "Sec-Fetch-User is sent with navigations only, and Sec-Fetch-Mode says it is none."
        yield "Sec-Fetch-User", sentence, "Fetch Metadata"


def _in_the_clear(fields: Fields) -> Iterator[Contradiction]:
    scheme = (fields.get("authorization") or "").partition(" ")[0].lower()
    if scheme in ("basic", "bearer"):
        section = {"basic": "RFC 7617 4", "bearer": "RFC 6750 5.3"}[scheme]
        sentence = (
            f"The {scheme.capitalize()} credentials go over the network in the clear, and whoever reads them has them."
        )
        yield "Authorization", sentence, section
    if (fields.get("referer") or "").startswith("https:"):
        sentence = "A page that came over TLS is named in a request that does not."
        yield "Referer", sentence, "RFC 9110 10.1.3"


REFUSED = re.compile(r";\s*q=0(?:\.0*)?$")
BRANDS = {"Google Chrome": "Chrome/", "Chromium": "Chrom", "Microsoft Edge": "Edg/", "Opera": "OPR/"}
END_TO_END = {
    "host",
    "cache-control",
    "authorization",
    "cookie",
    "content-length",
    "content-type",
    "date",
    "user-agent",
}
"""Fields that must not be taken off on the way (RFC 9110 7.6.1)."""
