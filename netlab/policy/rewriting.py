"""Rewriting: a path on its way to an upstream, and back in redirects and cookies, so that what they mean is found."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

Pair = tuple[str, str]

PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)\}", re.ASCII)
REFERENCE = re.compile(r"(?:(https?):)?//([^/?#]*)([^?#]*)(.*)", re.IGNORECASE | re.DOTALL)
REFRESH = re.compile(r"""(\s*[0-9.]+\s*[;,]\s*(?:url\s*=\s*)?["']?)([^"']*)(["']?.*)""", re.IGNORECASE | re.DOTALL)
DEFAULT_PORTS = {"http": ":80", "https": ":443"}

REDIRECTING = frozenset(("location", "content-location", "refresh", "set-cookie"))
"""Fields of a response that name places as the upstream sees them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rewrite:
    """How a path changes on its way: something taken from its front, something put there, or another one altogether.

    strip  a path; `/v1` makes `/v1/users` into `/users`
    add    a path; `/api` makes `/users` into `/api/users`
    whole  the path instead, `{name}` standing for what the route's pattern caught
    """

    strip: str = ""
    add: str = ""
    whole: str = ""

    def onward(self, target: str, caught: Mapping[str, str]) -> str:
        """Path and query for the upstream."""
        path, mark, query = target.partition("?")
        if self.whole:
            return PLACEHOLDER.sub(lambda name: caught.get(name[1], ""), self.whole) + mark + query
        return _moved(path, self.strip, self.add) + mark + query

    def back(self, path: str) -> str:
        """The path by which a client finds what the upstream calls so; what it cannot find is left as it is."""
        if self.whole or not is_below(path, self.add):
            return path
        return _moved(path, self.add, self.strip)

    def back_scope(self, path: str) -> str:
        """The path of a cookie: where the client sends it when the upstream means this and all below."""
        if self.whole:
            return "/"
        if is_below(self.add, path):  # it is meant for more than the client can see of the upstream
            return self.strip.rstrip("/") or "/"
        return self.back(path)


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """An origin as one side sees it: `https` and `shop.test:8453`."""

    scheme: str
    authority: str

    @property
    def host(self) -> str:
        return re.sub(r":\d*\Z", "", self.authority).lower()

    def is_of(self, scheme: str | None, authority: str) -> bool:
        """Whether a reference names this origin; one without scheme has whichever is asked."""
        scheme = (scheme or self.scheme).lower()
        mine, theirs = (
            a.lower().removesuffix(DEFAULT_PORTS.get(s, ""))
            for s, a in ((self.scheme, self.authority), (scheme, authority))
        )
        return scheme == self.scheme and mine == theirs


@dataclass(frozen=True, kw_only=True, slots=True)
class WayBack:
    """What the client calls what the upstream calls otherwise.

    upstream  the origin as the upstream knows itself
    asked     the authority it was sent in Host: some speak of themselves so, whichever scheme they think it has
    client    the origin as the client asked for it
    """

    rewrite: Rewrite
    upstream: Seen
    asked: str
    client: Seen

    def fields(self, pairs: list[Pair]) -> list[Pair]:
        """The fields of a response with everything named as the client has to."""
        changes = {
            "location": self.reference,
            "content-location": self.reference,
            "refresh": self.refresh,
            "set-cookie": self.cookie,
        }
        return [
            (name, change(value)) if (change := changes.get(name.lower())) is not None else (name, value)
            for name, value in pairs
        ]

    def reference(self, value: str) -> str:
        """A URI-reference (RFC 9110 10.2.2): of the upstream's own origin, or a path of it; others stay."""
        if value.startswith("/") and not value.startswith("//"):
            path, rest = _split(value)
            return self.rewrite.back(path) + rest
        match = REFERENCE.fullmatch(value)
        if match is None:
            return value
        scheme, authority, path, rest = match.groups()
        own = self.upstream.is_of(scheme, authority) or authority.lower() == self.asked.lower()
        if not own:
            return value
        return f"{self.client.scheme}://{self.client.authority}{self.rewrite.back(path or '/')}{rest}"

    def refresh(self, value: str) -> str:
        """`5; url=/next`: not in any RFC, understood by every browser."""
        match = REFRESH.fullmatch(value)
        return value if match is None else match[1] + self.reference(match[2]) + match[3]

    def cookie(self, value: str) -> str:
        """A Set-Cookie line: its Path where the client finds it, its Domain the client's (RFC 6265 4.1.2)."""
        pair, *attributes = value.split(";")
        if pair.lstrip().startswith("__Host-"):
            return value  # RFC 6265bis 4.1.3.2: such a cookie has the path / and no domain
        kept = [changed for attribute in attributes if (changed := self._attribute(attribute)) is not None]
        return ";".join([pair, *kept])

    def _attribute(self, attribute: str) -> str | None:
        name, equals, value = attribute.partition("=")
        key, value = name.strip().lower(), value.strip()
        if key == "path" and value.startswith("/"):
            return f"{name}={self.rewrite.back_scope(value)}"
        if key == "domain" and equals and not covers(value, self.client.host):
            if not covers(value, self.upstream.host):
                return attribute  # of neither: the client will refuse it, as it would without us
            return f"{name}={self.client.host}" if is_name(self.client.host) else None
        return attribute


def is_below(path: str, top: str) -> bool:
    """Whether a path is another one, or below it."""
    top = top.rstrip("/")
    return path.startswith(top) and (len(path) == len(top) or path[len(top)] == "/")


def covers(domain: str, host: str) -> bool:
    """Whether a cookie with this Domain is sent to a host (RFC 6265 5.1.3)."""
    domain = domain.lower().removeprefix(".")
    return host == domain or host.endswith(f".{domain}")


def is_name(host: str) -> bool:
    """Whether browsers take a Domain with it: a name of two labels or more, no address."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return "." in host
    return False


def check_template(whole: str, caught: set[str]) -> None:
    """ValueError for a placeholder that no pattern catches."""
    for name in PLACEHOLDER.findall(whole):
        if name not in caught:
            raise ValueError(f"has {{{name}}}, which the route's pattern does not catch")


def _moved(path: str, strip: str, add: str) -> str:
    strip = strip.rstrip("/")
    rest = path[len(strip) :] if strip and is_below(path, strip) else path
    return add.rstrip("/") + rest if rest or add.rstrip("/") else "/"


def _split(reference: str) -> tuple[str, str]:
    """Path, and query with fragment."""
    found = re.search(r"[?#]", reference)
    at = found.start() if found is not None else len(reference)
    return reference[:at], reference[at:]
