"""Which route a request takes: by host, path, method, field, cookie, API version, SNI and lot; the first wins."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, NamedTuple, Protocol, TypeVar

Thing = TypeVar("Thing")

PORT = re.compile(r":\d*\Z")
PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)(\.\.\.)?\}", re.ASCII)
NUMBER = r"([0-9]{1,9}(?:\.[0-9]{1,9}){0,3})"
VERSION = re.compile(rf"[vV]?{NUMBER}")
SEGMENT = re.compile(rf"/v{NUMBER}(?=/|\Z)")
MEMBER = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')
PARAMETER = re.compile(rf';[ \t]*(?:api-)?v(?:ersion)?="?v?{NUMBER}"?[ \t]*(?:;|\Z)', re.IGNORECASE)
VENDOR = re.compile(rf"/vnd\.[^;]*?[.-]v{NUMBER}(?:\+|[ \t]*;|[ \t]*\Z)", re.IGNORECASE)
WEIGHT = re.compile(r";[ \t]*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*(?:;|\Z)", re.IGNORECASE)
REMEMBERED = 256  # characters of a field whose version is remembered


class FieldsRead(Protocol):
    """Fields, looked up by lower-case name."""

    def get(self, name: str, default: str | None = None, /) -> str | None: ...


def no_lot(key: str) -> float:
    """Where nobody draws, a share of requests is all of them."""
    return 0.0


class Asked(NamedTuple):
    """What of a request routes look at; `path` is without query.

    sni  the name that TLS was asked for; empty without TLS
    lot  a number, 0 or more and less than 1: by chance for the key "", else the same for all with the same key
    """

    method: str
    authority: str
    path: str
    fields: FieldsRead
    sni: str = ""
    lot: Callable[[str], float] = no_lot


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """What a request has to be to take a route; what is empty is not looked at.

    hosts     names, `*` standing for any characters: `api.test`, `*.shop.test`, `api.*`
    path      that path and all below it
    pattern   the whole path, with `{name}` for one segment and `{name...}` for any number of them
    methods   GET stands for HEAD too
    fields    (lower-case name, value with `*` for any characters; None: the field is there)
    versions  of the API: 2 stands for 2.1 too
    cookies   (name, value with `*` for any characters; None: the cookie is there)
    snis      names asked for in TLS, as hosts
    share     the part of requests that takes it, and the key by which they are drawn (empty: by chance)
    """

    hosts: tuple[str, ...] = ()
    path: str = ""
    pattern: str = ""
    methods: tuple[str, ...] = ()
    fields: tuple[tuple[str, str | None], ...] = ()
    versions: tuple[str, ...] = ()
    cookies: tuple[tuple[str, str | None], ...] = ()
    snis: tuple[str, ...] = ()
    share: tuple[float, str] | None = None

    def looks_at(self) -> list[str]:
        """What it looks at, in words."""
        words = [WORDS[name] for name in WORDS if getattr(self, name)]
        fields = [f"the field {name}" for name, _ in self.fields]
        return words + fields + [f"the cookie {name}" for name, _ in self.cookies]


class Found(NamedTuple, Generic[Thing]):
    """The route that a request takes, and what its pattern caught, as it stands in the path (not decoded)."""

    route: Thing
    caught: Mapping[str, str]


class Routes(Generic[Thing]):
    """Routes in their order."""

    def __init__(self, routes: Iterable[tuple[Match, Thing]]) -> None:
        self._routes = [(_Compiled(match), thing) for match, thing in routes]
        self._looked_at = list(dict.fromkeys(word for route, _ in self._routes for word in route.match.looks_at()))

    def find(self, asked: Asked) -> Found[Thing] | None:
        """The first route that matches; None: `why_none` says what was looked at."""
        for compiled, thing in self._routes:
            caught = compiled.matches(asked)
            if caught is not None:
                return Found(thing, caught)
        return None

    def why_none(self, asked: Asked) -> str:
        """One sentence on a request that no route takes, with what was looked at and what was there."""
        seen = {
            WORDS["hosts"]: f"the host {host_name(asked.authority) or '(none)'}",
            WORDS["path"]: f"the path {asked.path[:200]}",
            WORDS["pattern"]: f"the path {asked.path[:200]}",
            WORDS["methods"]: f"the method {asked.method[:40]}",
            WORDS["versions"]: f"the API version {api_version(asked) or '(none)'}",
            WORDS["snis"]: f"the SNI {asked.sni or '(none)'}",
        }
        told = ", ".join(dict.fromkeys(seen.get(word, word) for word in self._looked_at))
        return f"no route takes this request ({len(self._routes)} looked at {told or 'nothing'})"

    def __len__(self) -> int:
        return len(self._routes)


class _Compiled:
    """A match with its expressions made."""

    __slots__ = ("_below", "_cookies", "_fields", "_hosts", "_pattern", "_snis", "match", "methods")

    def __init__(self, match: Match) -> None:
        self.match = match
        self._hosts, self._snis = _Names(match.hosts), _Names(match.snis)
        self._below = match.path.rstrip("/")
        self._pattern = path_pattern(match.pattern) if match.pattern else None
        self.methods = frozenset(match.methods) | ({"HEAD"} if "GET" in match.methods else set())
        self._fields = [(name, None if value is None else wildcard(value)) for name, value in match.fields]
        self._cookies = [_cookie(name, value) for name, value in match.cookies]

    def matches(self, asked: Asked) -> Mapping[str, str] | None:
        """What the pattern caught, which may be nothing; None: no match."""
        path, below = asked.path, self._below
        if below and not (path.startswith(below) and (len(path) == len(below) or path[len(below)] == "/")):
            return None
        if self.methods and asked.method not in self.methods:
            return None
        if self.match.hosts and host_name(asked.authority) not in self._hosts:
            return None
        if self.match.snis and asked.sni.lower() not in self._snis:
            return None
        if self.match.versions and not self._is_version(api_version(asked)):
            return None
        if not all(_has(asked.fields, name, value) for name, value in self._fields):
            return None
        if self._cookies and not self._has_cookies(asked.fields.get("cookie") or ""):
            return None
        found = None if self._pattern is None else self._pattern.fullmatch(path)
        if (self._pattern is not None and found is None) or not self._is_drawn(asked):
            return None
        return NOTHING if found is None else found.groupdict()

    def _has_cookies(self, field: str) -> bool:
        return all(cookie.search(field) for cookie in self._cookies)

    def _is_drawn(self, asked: Asked) -> bool:
        share = self.match.share
        return share is None or asked.lot(share[1]) < share[0]

    def _is_version(self, version: str) -> bool:
        return any(version == wanted or version.startswith(f"{wanted}.") for wanted in self.match.versions)


class _Names:
    """Names of hosts, some with wildcards."""

    __slots__ = ("_exact", "_wildcards")

    def __init__(self, names: Iterable[str]) -> None:
        lower = [name.lower().removesuffix(".") for name in names]
        self._exact = frozenset(name for name in lower if "*" not in name)
        self._wildcards = [wildcard(name) for name in lower if "*" in name]

    def __contains__(self, name: str) -> bool:
        return name in self._exact or any(pattern.fullmatch(name) for pattern in self._wildcards)


def _cookie(name: str, value: str | None) -> re.Pattern[str]:
    """The expression for one cookie among those of a Cookie field (RFC 6265 4.2)."""
    wanted = "[^;]*" if value is None else "[^;]*".join(map(re.escape, value.split("*")))
    return re.compile(rf"(?:\A|;)[ \t]*{re.escape(name)}=(\"?){wanted}\1[ \t]*(?:;|\Z)")


def _has(fields: FieldsRead, name: str, value: re.Pattern[str] | None) -> bool:
    found = fields.get(name)
    return found is not None and (value is None or value.fullmatch(found) is not None)


# -- reading -----------------------------------------------------------------------------------------------------


def host_name(authority: str) -> str:
    """The host without its port, as it is compared."""
    return PORT.sub("", authority).lower().removesuffix(".")


def wildcard(text: str) -> re.Pattern[str]:
    """`*` for any characters, everything else for itself."""
    return re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL)


@lru_cache(maxsize=256)
def path_pattern(pattern: str) -> re.Pattern[str]:
    """The expression for a whole path; ValueError for a placeholder that occurs twice, or stands in broken braces."""
    literals = PLACEHOLDER.split(pattern)
    names = literals[1::3]
    if len(set(names)) != len(names):
        raise ValueError(f"has a placeholder twice: {pattern}")
    if re.search(r"[{}]", "".join(literals[::3])):
        raise ValueError(f"has braces that hold no placeholder such as {{id}} or {{rest...}}: {pattern}")
    spelled = re.escape(literals[0])
    for name, rest, literal in zip(names, literals[2::3], literals[3::3], strict=True):
        spelled += f"(?P<{name}>{'.*' if rest else '[^/]+'}){re.escape(literal)}"
    return re.compile(spelled, re.DOTALL)


def caught(pattern: str, target: str) -> Mapping[str, str]:
    """What a route's pattern catches of a path, whose query is not looked at."""
    found = path_pattern(pattern).fullmatch(target.partition("?")[0]) if pattern else None
    return NOTHING if found is None else found.groupdict()


def api_version(asked: Asked) -> str:
    """The version of an API that a request wants, empty for none.

    A segment of the path says it (`/v2/`, `/api/v2.1/`), else Accept-Version, else Accept by a parameter
    (`application/json;version=2`) or in a vendor's type (`application/vnd.shop.v2+json`), else Content-Type likewise.
    """
    found = SEGMENT.search(asked.path)
    if found is not None:
        return found[1]
    named = asked.fields.get("accept-version")
    if named is not None and (found := VERSION.fullmatch(named.strip())) is not None:
        return found[1]
    return _of_types(asked.fields.get("accept")) or _of_types(asked.fields.get("content-type"))


def _of_types(value: str | None) -> str:
    if value is None:
        return ""
    return _remembered(value) if len(value) <= REMEMBERED else _of_members(value)


def _of_members(value: str) -> str:
    """The version in the member with the highest weight of those that name one."""
    best, best_weight = "", 0.0
    for member in MEMBER.findall(value):
        found = PARAMETER.search(member) or VENDOR.search(member)
        weighed = WEIGHT.search(member)
        weight = float(weighed[1]) if weighed is not None else 1.0
        if found is not None and weight > best_weight:
            best, best_weight = found[1], weight
    return best


_remembered = lru_cache(maxsize=256)(_of_members)


def is_version(text: str) -> bool:
    """Whether this can stand for a version: 2, v2, 2.1."""
    return VERSION.fullmatch(text) is not None


NOTHING: Mapping[str, str] = {}
WORDS: Mapping[str, str] = {
    "hosts": "host",
    "path": "path",
    "pattern": "path pattern",
    "methods": "method",
    "versions": "API version",
    "snis": "SNI",
    "share": "lot",
}


def check_methods(methods: Sequence[str]) -> None:
    """ValueError names what is no method."""
    for method in methods:
        if not re.fullmatch(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", method):
            raise ValueError(f"has {method[:40]!r}, which is no method")
