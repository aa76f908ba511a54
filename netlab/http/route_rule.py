"""A reverse proxy's route as people write it: what a request has to be, where it goes, and under which conditions."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from netlab.config.values import Kind
from netlab.http.request_key import RequestKey
from netlab.http.retry_on import RetryOn
from netlab.http.rules import MECHANISMS, LimitRule
from netlab.http.target import Target
from netlab.policy.auth.names import parse_roles
from netlab.policy.rewriting import Rewrite, check_template
from netlab.policy.routing import PLACEHOLDER, Match, check_methods, is_version, path_pattern
from netlab.units import parse_duration

NAMES = {"jwt": "bearer"}
POOL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
FIELD_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class RouteRule:
    """Written `KEY=VALUE …`: `host= path= pattern= method= field= cookie= version= sni= share=` say what a request has
    to be, `to=` or `pool=` where it goes, `strip= add= as=` by which path, and the others under which conditions.
    `text` is what was written.
    """

    match: Match = field(default_factory=Match)
    to: tuple[Target, ...] = ()
    pool: str = ""
    rewrite: Rewrite = field(default_factory=Rewrite)
    timeout: float | None = None
    retries: int | None = None
    retry_on: RetryOn | None = None
    auth: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    limits: tuple[LimitRule, ...] = ()
    compress: bool | None = None
    cache: bool | None = None
    preserve_host: bool | None = None
    maintenance: bool = False
    text: str = ""

    kind: ClassVar[Kind]

    @classmethod
    def parse(cls, text: str) -> RouteRule:
        """ValueError, beginning with "has" or "needs", says what is wrong."""
        rule = cls(text=text)
        for word in words_of(text):
            key, equals, value = word.partition("=")
            if not equals and key in SWITCHES:
                rule = replace(rule, **SWITCHES[key])
            elif equals and key in READERS:
                rule = READERS[key](rule, value)
            else:
                raise ValueError(f"has {word[:60]!r}, where one of {', '.join((*READERS, *SWITCHES))} may stand")
        return _checked(rule)

    def __str__(self) -> str:
        return self.text

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """How one proves who one is; roles alone are those of tokens."""
        return self.auth or (("bearer",) if self.roles else ())


def words_of(text: str) -> list[str]:
    """Separated by blanks or semicolons; quotes keep a value with blanks together."""
    lexer = shlex.shlex(text, posix=True)
    lexer.whitespace += ";"
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        return list(lexer)
    except ValueError as error:
        raise ValueError(f"has a quote that does not end ({error})") from None


def _checked(rule: RouteRule) -> RouteRule:
    rewrite, pattern = rule.rewrite, rule.match.pattern
    if rule.pool and rule.to:
        raise ValueError("has both to= and pool=: say either where it goes or whose upstreams have it")
    if rewrite.whole:
        if rewrite.strip or rewrite.add:
            raise ValueError("has as= together with strip= or add=: say either the whole path or what changes of it")
        check_template(rewrite.whole, {name for name, _ in PLACEHOLDER.findall(pattern)})
    if rewrite.strip and rule.match.path and not rule.match.path.startswith(rewrite.strip.rstrip("/")):
        raise ValueError(f"has strip={rewrite.strip}, which paths below {rule.match.path} do not begin with")
    if rule.roles and "none" in rule.auth:
        raise ValueError("has roles= together with auth=none")
    return rule


# -- values ------------------------------------------------------------------------------------------------------


def _hosts(rule: RouteRule, value: str) -> RouteRule:
    hosts = tuple(value.lower().split(","))
    if not all(re.fullmatch(r"[a-z0-9*._-]+|\[[0-9a-f:.]+\]", host) for host in hosts):
        raise ValueError(f"has host={value}, which is no name of a host, with * for any characters, and no port")
    return replace(rule, match=replace(rule.match, hosts=rule.match.hosts + hosts))


def _path(key: str, value: str) -> str:
    if not re.fullmatch(r"/[!-\"$-~]*", value) or "?" in value:
        raise ValueError(f"has {key}={value}, which is no path that begins with / and holds no query")
    return value


def _pattern(rule: RouteRule, value: str) -> RouteRule:
    path_pattern(_path("pattern", value))
    return replace(rule, match=replace(rule.match, pattern=value))


def _methods(rule: RouteRule, value: str) -> RouteRule:
    methods = tuple(value.split(","))
    check_methods(methods)
    return replace(rule, match=replace(rule.match, methods=rule.match.methods + methods))


def _field(rule: RouteRule, value: str) -> RouteRule:
    name, colon, wanted = value.partition(":")
    if not FIELD_NAME.fullmatch(name):
        raise ValueError(f"has field={value}, which is not NAME or NAME:VALUE")
    pair = (name.lower(), wanted.strip() if colon else None)
    return replace(rule, match=replace(rule.match, fields=(*rule.match.fields, pair)))


def _cookie(rule: RouteRule, value: str) -> RouteRule:
    name, colon, wanted = value.partition(":")
    if not FIELD_NAME.fullmatch(name):
        raise ValueError(f"has cookie={value}, which is not NAME or NAME:VALUE")
    cookies = (*rule.match.cookies, (name, wanted if colon else None))
    return replace(rule, match=replace(rule.match, cookies=cookies))


def _snis(rule: RouteRule, value: str) -> RouteRule:
    names = tuple(value.lower().split(","))
    if not all(re.fullmatch(r"[a-z0-9*._-]+", name) for name in names):
        raise ValueError(f"has sni={value}, which is no name of a host, with * for any characters")
    return replace(rule, match=replace(rule.match, snis=rule.match.snis + names))


def _share(rule: RouteRule, value: str) -> RouteRule:
    text, colon, key = value.partition(":")
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        drawn_by = RequestKey.parse(key).text if colon else ""
    except ValueError:
        share, drawn_by = -1.0, ""
    if not 0 <= share <= 1:
        raise ValueError(f"has share={value}, which is not such as 5%, 5%:source or 5%:cookie:NAME")
    return replace(rule, match=replace(rule.match, share=(share, drawn_by)))


def _pool(rule: RouteRule, value: str) -> RouteRule:
    if not POOL_NAME.fullmatch(value):
        raise ValueError(f"has pool={value}, which is no name of a pool")
    return replace(rule, pool=value)


def _versions(rule: RouteRule, value: str) -> RouteRule:
    versions = tuple(version.lower().removeprefix("v") for version in value.split(","))
    if not all(map(is_version, versions)):
        raise ValueError(f"has version={value}, which is not a number such as 2 or 2.1")
    return replace(rule, match=replace(rule.match, versions=rule.match.versions + versions))


def _to(rule: RouteRule, value: str) -> RouteRule:
    try:
        targets = tuple(Target.parse(part) for part in value.split(","))
    except ValueError as error:
        raise _said(error, f"has to={value}, which is not {Target.kind.allowed}") from None
    return replace(rule, to=rule.to + targets)


def _timeout(rule: RouteRule, value: str) -> RouteRule:
    try:
        return replace(rule, timeout=parse_duration(value))
    except ValueError:
        raise ValueError(f"has timeout={value}, which is not a duration such as 5s or 500ms") from None


def _retries(rule: RouteRule, value: str) -> RouteRule:
    if not re.fullmatch(r"[0-9]{1,3}", value):
        raise ValueError(f"has retries={value}, which is no number")
    return replace(rule, retries=int(value))


def _retry_on(rule: RouteRule, value: str) -> RouteRule:
    try:
        return replace(rule, retry_on=RetryOn.parse(value))
    except ValueError:
        raise ValueError(f"has retry-on={value}, which is not {RetryOn.kind.allowed}") from None


def _auth(rule: RouteRule, value: str) -> RouteRule:
    names = tuple(NAMES.get(name, name) for name in value.split(","))
    if not set(names) <= set(MECHANISMS) or ("none" in names and len(names) > 1):
        raise ValueError(f"has auth={value}, where {', '.join(MECHANISMS)} and jwt (the same as bearer) are known")
    return replace(rule, auth=names)


def _roles(rule: RouteRule, value: str) -> RouteRule:
    try:
        return replace(rule, roles=rule.roles + parse_roles(value))
    except ValueError as error:
        raise ValueError(f"has roles={value}, where {error}") from None


def _limit(rule: RouteRule, value: str) -> RouteRule:
    try:
        limit = LimitRule.parse(value)
    except ValueError as error:
        raise _said(error, f"has limit={value}, which is not {LimitRule.kind.allowed}") from None
    return replace(rule, limits=(*rule.limits, limit))


def _said(error: ValueError, otherwise: str) -> ValueError:
    """A reason that is fit to be shown, or one that is."""
    return error if str(error).startswith(("has ", "needs ")) else ValueError(otherwise)


def _rewriting(key: str) -> Callable[[RouteRule, str], RouteRule]:
    def read(rule: RouteRule, value: str) -> RouteRule:
        return replace(rule, rewrite=replace(rule.rewrite, **{REWRITES[key]: _path(key, value)}))

    return read


REWRITES = {"strip": "strip", "add": "add", "as": "whole"}
READERS: dict[str, Callable[[RouteRule, str], RouteRule]] = {
    "host": _hosts,
    "path": lambda rule, value: replace(rule, match=replace(rule.match, path=_path("path", value))),
    "pattern": _pattern,
    "method": _methods,
    "field": _field,
    "cookie": _cookie,
    "version": _versions,
    "sni": _snis,
    "share": _share,
    "pool": _pool,
    "to": _to,
    **{key: _rewriting(key) for key in REWRITES},
    "timeout": _timeout,
    "retries": _retries,
    "retry-on": _retry_on,
    "auth": _auth,
    "roles": _roles,
    "limit": _limit,
}
SWITCHES: dict[str, dict[str, Any]] = {
    "compress": {"compress": True},
    "no-compress": {"compress": False},
    "no-cache": {"cache": False},
    "preserve-host": {"preserve_host": True},
    "replace-host": {"preserve_host": False},
    "maintenance": {"maintenance": True},
}
RouteRule.kind = Kind(
    parse=RouteRule.parse,
    allowed="KEY=VALUE with blanks between, such as 'host=api.* path=/v1 to=http://127.0.0.1:9102 strip=/v1'",
    metavar="'KEY=VALUE …'",
)


def targets_of(rules: Iterable[RouteRule], otherwise: Iterable[Target]) -> list[Target]:
    """Every upstream that is named anywhere, once."""
    return list(dict.fromkeys([*otherwise, *(target for rule in rules for target in rule.to)]))
