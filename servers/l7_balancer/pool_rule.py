"""A pool as people write it: its name, its upstreams, and what of the balancer's settings is different for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from netlab.balancing.settings import Balancing
from netlab.config import Kind, Setting, settings
from netlab.config.sources import nearest, parse
from netlab.config.values import Duration
from netlab.errors import UsageError
from netlab.http.request_key import KeyOf, RequestKey, source
from netlab.http.route_rule import POOL_NAME, words_of
from netlab.http.weighted import WeightedTarget
from netlab.policy.balance import HASHING


@dataclass(frozen=True, kw_only=True)
class Sticky:
    """By what requests are known that belong together: `cookie`, `cookie:NAME` for one of ours, or a key of theirs."""

    text: str

    kind: ClassVar[Kind]

    @classmethod
    def parse(cls, text: str) -> Sticky:
        if text != "cookie":
            RequestKey.parse(text)
        return cls(text=text)

    @property
    def cookie(self) -> str:
        """The name of our cookie, where it is one."""
        what, _, name = self.text.partition(":")
        return (name or "netlab_upstream") if what == "cookie" else ""

    @property
    def key(self) -> RequestKey:
        """What it is, where it is theirs."""
        return RequestKey(self.text)

    def __str__(self) -> str:
        return self.text


Sticky.kind = Kind(
    parse=Sticky.parse,
    allowed="cookie, cookie:NAME, header:NAME, query:NAME, source, host, path or uri",
    metavar="cookie|KEY",
    choices=("cookie", *RequestKey.kind.choices),
)


URI = RequestKey("uri")


@dataclass(frozen=True, kw_only=True)
class Sessions:
    """Which requests belong together."""

    hash_on: RequestKey = URI
    """What ring_hash and maglev go by: source, uri, path, host, header:NAME, cookie:NAME, query:NAME."""
    sticky: Sticky | None = None
    """Keep a client at its upstream: by a signed cookie of ours, or by what it shows (source, header:NAME …)."""
    sticky_lasts: Duration = 0.0
    """For how long; 0 is as long as the browser runs, or half an hour after the last request."""
    sticky_failover: Literal["another", "refuse"] = "another"
    """What becomes of a session whose upstream takes nothing: it moves, or is refused."""


@dataclass(frozen=True, kw_only=True)
class PoolSettings(Balancing, Sessions):
    """What can be set for a pool."""

    def hash_key(self) -> KeyOf | None:
        """What of a request the balancer goes by, if it hashes."""
        if self.balance == "source_hash":
            return source
        return self.hash_on.of if self.balance in HASHING else None


@dataclass(frozen=True, kw_only=True)
class PoolRule:
    """Written `NAME to=URL[*WEIGHT],… backup=URL KEY=VALUE …`; the other keys are the flags of `PoolSettings`, without
    dashes before them. `text` is what was written.
    """

    name: str
    to: tuple[WeightedTarget, ...] = ()
    backup: tuple[WeightedTarget, ...] = ()
    overrides: dict[str, Any] = field(default_factory=dict, hash=False)
    text: str = ""

    kind: ClassVar[Kind]

    @classmethod
    def parse(cls, text: str) -> PoolRule:
        """ValueError, beginning with "has" or "needs", says what is wrong."""
        name, *words = words_of(text) or [""]
        if not POOL_NAME.fullmatch(name):
            raise ValueError(f"needs a name first, not {name[:40]!r}")
        found: dict[str, list[WeightedTarget]] = {"to": [], "backup": []}
        overrides: dict[str, Any] = {}
        for key, value in _pairs(words):
            if key in found:
                found[key] += [_parsed(WeightedTarget.kind, key, part) for part in value.split(",")]
            elif (setting := KNOWN.get(key)) is not None:
                overrides[setting.name] = _parsed(setting.kind, key, value)
            else:
                raise ValueError(f"has {key[:40]!r}, which no pool has{nearest(key, ('to', 'backup', *KNOWN))}")
        if not found["to"] and not found["backup"]:
            raise ValueError(f"needs to=URL: pool {name} has no upstream")
        return cls(name=name, to=tuple(found["to"]), backup=tuple(found["backup"]), overrides=overrides, text=text)

    def __str__(self) -> str:
        return self.text


def _pairs(words: list[str]) -> Iterator[tuple[str, str]]:
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f"has {word[:60]!r}, which is not KEY=VALUE")
        yield key, value


def _parsed(kind: Kind, key: str, value: str) -> Any:
    try:
        return parse(kind, value, f"has {key}=")
    except UsageError as error:
        raise ValueError(str(error)) from None


KNOWN: dict[str, Setting] = {setting.name.replace("_", "-"): setting for setting in settings(PoolSettings)}
PoolRule.kind = Kind(
    parse=PoolRule.parse,
    allowed="NAME and KEY=VALUE with blanks between, such as 'api to=:9101,:9102*3 balance=maglev check=http:/health'",
    metavar="'NAME KEY=VALUE …'",
)
