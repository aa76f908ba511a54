"""Cross-origin sharing (the Fetch standard's CORS protocol): which pages of other origins may read an answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

EXPOSED = (  # what pages may read besides the safelisted fields (Fetch 3.2.6)
    "Accept-Ranges",
    "Content-Range",
    "Deprecation",
    "ETag",
    "Link",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "Sunset",
    "WWW-Authenticate",
    "X-Total-Count",
)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
TOKENS = re.compile(rf"(?:{TOKEN.pattern})?(?:[ \t]*,[ \t]*(?:{TOKEN.pattern})?)*")
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:\*\.)?(?:[a-z0-9._-]+|\[[0-9a-f:]+\])(?::(?:\d{1,5}|\*))?")
SENT = re.compile(r"[a-z][a-z0-9+.-]*://[a-z0-9._:\[\]-]+")  # what a browser writes; "null" apart

Pairs = list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sharing:
    """Who may read, and how.

    origins      `*` for all, `null`, or origins, in which `*.` stands for names below and `:*` for any port
    credentials  whether cookies and Authorization of the browser's own may come with a request; never with `*`
    max_age      seconds for which a browser may remember what a preflight was told
    """

    origins: tuple[str, ...]
    credentials: bool = False
    max_age: int = 600

    @property
    def everyone(self) -> bool:
        return "*" in self.origins

    def allows(self, origin: str) -> bool:
        return self.everyone or any(covers(allowed, origin) for allowed in self.origins)

    def fields(self, origin: str | None) -> Pairs:
        """The fields of an answer to a request with this Origin (None: without one)."""
        exposed = ("Access-Control-Expose-Headers", ", ".join(EXPOSED))
        if self.everyone:
            return [("Access-Control-Allow-Origin", "*"), exposed]
        vary = ("Vary", "Origin")  # RFC 9110 12.5.5: of a cache's sake even where the origin is refused, or missing
        if origin is None or not self.allows(origin):
            return [vary]
        credentials = [("Access-Control-Allow-Credentials", "true")] if self.credentials else []
        return [("Access-Control-Allow-Origin", origin), *credentials, exposed, vary]

    def preflight(self, origin: str, method: str, names: str | None, methods: Sequence[str] = METHODS) -> Pairs:
        """The fields of the answer to a preflight: it asks for a method, and for the names of fields."""
        fields = [pair for pair in self.fields(origin) if not pair[0].endswith("Expose-Headers")]
        fields.append(("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers"))
        if not self.allows(origin) or not TOKEN.fullmatch(method):
            return fields
        allowed = methods if method in methods else (*methods, method)
        fields.append(("Access-Control-Allow-Methods", ", ".join(allowed)))
        if names is not None and TOKENS.fullmatch(names):
            fields.append(("Access-Control-Allow-Headers", names))
        fields.append(("Access-Control-Max-Age", str(self.max_age)))
        return fields


def parse_origin(text: str) -> str:
    """An origin to allow, in the form browsers send: lower case, without a default port. ValueError if it is none."""
    lower = text.lower().removesuffix("/")
    if lower in ("*", "null"):
        return lower
    if not ORIGIN.fullmatch(lower):
        raise ValueError
    for scheme, port in (("http", ":80"), ("https", ":443")):
        if lower.startswith(f"{scheme}://"):
            return lower.removesuffix(port)
    return lower


def covers(allowed: str, origin: str) -> bool:
    """Whether an allowed origin, perhaps with wildcards, is the one that a browser sent."""
    if allowed == origin:
        return True
    if "*" not in allowed or not SENT.fullmatch(origin):
        return False
    try:
        mine, theirs = urlsplit(allowed.replace("*", "0")), urlsplit(origin)
        host, port = theirs.hostname or "", theirs.port
    except ValueError:
        return False
    if theirs.scheme != mine.scheme:
        return False
    if not allowed.endswith(":*") and port != mine.port:
        return False
    name = mine.hostname or ""
    return host.endswith(name[1:]) and len(host) >= len(name) if "://*." in allowed else host == name
