"""Cache-Control, read for what it says to a shared cache: directives of requests and of responses (RFC 9111 5.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from netlab.policy.http_cache.structured import Token, parse_dictionary

FOREVER = 1 << 31
"""Seconds that stand for more than can be counted (RFC 9111 1.2.2)."""
MEMBER = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+')
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
DIGITS = re.compile(r"[0-9]+")
NAMES = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
WRONG = "\x00"
"""Stands for an argument that is none: it is not left out, for the directive was meant."""


class Lookup(Protocol):
    """Fields by lower-case name."""

    def get(self, name: str) -> str | None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestDirectives:
    """What a client asks of caches (RFC 9111 5.2.1); times in seconds."""

    no_store: bool = False
    no_cache: bool = False
    only_if_cached: bool = False
    max_age: int | None = None
    max_stale: int | None = None
    min_fresh: int | None = None
    stale_if_error: int | None = None  # RFC 5861 4


@dataclass(frozen=True, kw_only=True, slots=True)
class ResponseDirectives:
    """What an origin asks of shared caches (RFC 9111 5.2.2), and in which field it says so.

    `no_cache` and `private` are the unqualified forms; of the qualified ones there are the fields they name.
    """

    field: str = "Cache-Control"
    no_store: bool = False
    no_cache: bool = False
    no_cache_fields: frozenset[str] = frozenset()
    private: bool = False
    private_fields: frozenset[str] = frozenset()
    public: bool = False
    must_revalidate: bool = False
    proxy_revalidate: bool = False
    must_understand: bool = False
    max_age: int | None = None
    s_maxage: int | None = None
    stale_while_revalidate: int | None = None  # RFC 5861 3
    stale_if_error: int | None = None  # RFC 5861 4

    @property
    def targeted(self) -> bool:
        """Whether they are for this cache in particular, so that Cache-Control and Expires count for nothing."""
        return self.field != "Cache-Control"


NOTHING_ASKED = RequestDirectives()
NOTHING_SAID = ResponseDirectives()


def request_directives(fields: Lookup) -> RequestDirectives:
    """Of a request; where it has no Cache-Control, Pragma: no-cache says the same (RFC 9111 5.4)."""
    value = fields.get("cache-control")
    if value is None:
        pragma = fields.get("pragma")
        if pragma is not None and "no-cache" in members(pragma):
            return RequestDirectives(no_cache=True)
        return NOTHING_ASKED
    said = members(value)
    stale = said.get("max-stale")
    return RequestDirectives(
        no_store="no-store" in said,
        no_cache="no-cache" in said,
        only_if_cached="only-if-cached" in said,
        max_age=seconds(said, "max-age"),
        # RFC 9111 5.2.1.2: without an argument, however stale
        max_stale=FOREVER if stale is None and "max-stale" in said else seconds(said, "max-stale"),
        min_fresh=seconds(said, "min-fresh"),
        stale_if_error=seconds(said, "stale-if-error"),
    )


def response_directives(fields: Lookup, targets: Sequence[str] = ()) -> ResponseDirectives:
    """Of a response: by the first of the targeted fields that is valid and not empty (RFC 9213 2.2), else by
    Cache-Control.
    """
    for target in targets:
        value = fields.get(target.lower())
        if value is not None and (said := targeted_members(value)):
            return _response(said, target)
    value = fields.get("cache-control")
    return NOTHING_SAID if value is None else _response(members(value), "Cache-Control")


def _response(said: Mapping[str, str | None], field: str) -> ResponseDirectives:
    no_cache_fields, private_fields = _field_names(said, "no-cache"), _field_names(said, "private")
    return ResponseDirectives(
        field=field,
        no_store="no-store" in said,
        no_cache="no-cache" in said and not no_cache_fields,
        no_cache_fields=no_cache_fields,
        private="private" in said and not private_fields,
        private_fields=private_fields,
        public="public" in said,
        must_revalidate="must-revalidate" in said,
        proxy_revalidate="proxy-revalidate" in said,
        must_understand="must-understand" in said,
        max_age=seconds(said, "max-age"),
        s_maxage=seconds(said, "s-maxage"),
        stale_while_revalidate=seconds(said, "stale-while-revalidate"),
        stale_if_error=seconds(said, "stale-if-error"),
    )


# -- reading them ------------------------------------------------------------------------------------------------


def members(value: str) -> dict[str, str | None]:
    """Lower-case name → argument, quotes taken off; None where there is none.

    Of a directive that is repeated the first counts (RFC 9111 4.2.1), except that `no-cache` and `private` without
    fields are stricter than those that name some, which add up.
    """
    found: dict[str, str | None] = {}
    for match in MEMBER.finditer(value):
        name, equals, argument = match[0].strip(" \t").partition("=")
        bare = name.strip(" \t")
        key, given = bare.lower(), _argument(argument, blank_before=bare != name) if equals else None
        if not key:
            continue
        if key not in found:
            found[key] = given
        elif key in ("no-cache", "private"):
            before = found[key]
            found[key] = None if before is None or given is None else f"{before},{given}"
    return found


def _argument(text: str, *, blank_before: bool) -> str:
    """A token or a quoted string; RFC 9111 5.2 wants both forms taken for any directive."""
    if quoted := QUOTED.fullmatch(text):
        return re.sub(r"\\(.)", r"\1", quoted[1])
    return WRONG if blank_before or text != text.strip(" \t") or '"' in text else text


def targeted_members(value: str) -> dict[str, str | None]:
    """The same of a targeted field, a structured dictionary whose parameters mean nothing (RFC 9213 2.1); nothing
    where it cannot be parsed. A directive of the wrong type is left out.
    """
    parsed = parse_dictionary(value)
    found: dict[str, str | None] = {}
    for name, item in (parsed or {}).items():
        if item is True:
            found[name] = None
        elif isinstance(item, bool):
            continue  # ?0: it is not meant
        elif isinstance(item, int) or (isinstance(item, str | Token) and name in ("no-cache", "private")):
            found[name] = str(item)
        elif name not in SECONDS:
            found[name] = None
    return found


SECONDS = frozenset(("max-age", "s-maxage", "stale-while-revalidate", "stale-if-error"))


def seconds(said: Mapping[str, str | None], name: str) -> int | None:
    """A directive's delta-seconds. One that is no number is taken for 0: whoever sent it wanted a limit, and a
    response whose freshness cannot be understood is stale (RFC 9111 4.2.1).
    """
    if name not in said:
        return None
    return delta_seconds(said[name] or "") or 0


def delta_seconds(text: str) -> int | None:
    """A number of seconds, at most `FOREVER` (RFC 9111 1.2.2); None if it is no number."""
    if not DIGITS.fullmatch(text):
        return None
    significant = text.lstrip("0")
    return min(int(significant or "0"), FOREVER) if len(significant) <= 10 else FOREVER


def _field_names(said: Mapping[str, str | None], name: str) -> frozenset[str]:
    """The fields that a qualified directive names, lower case; none where it is not qualified, or not readably so."""
    argument = said.get(name)
    if argument is None:
        return frozenset()
    names = [part.strip(" \t").lower() for part in argument.split(",") if part.strip(" \t")]
    return frozenset(names) if all(NAMES.fullmatch(each) for each in names) else frozenset()
