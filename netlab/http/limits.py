"""Rate limits for parts of a server: who asked for how much, 429 and the fields that tell a client where it stands."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from netlab.clock import Clock
from netlab.config_values import Kind
from netlab.cores.http1 import encode_fields
from netlab.http.authentication import Handler, Work
from netlab.http.exchange import Exchange
from netlab.http.prefixes import Prefixes
from netlab.policy.limit import Concurrency, FixedWindow, Limit, PerKey, SlidingWindow, TokenBucket, Verdict, parse_rate

KEYS = ("client", "user", "api-key", "all")
ALGORITHMS = ("token-bucket", "fixed-window", "sliding-window", "concurrency")
API_KEY = "x-api-key"
NETWORK = 64
"""Leading bits by which IPv6 clients are told apart: whoever has one address has all of its network."""


@dataclass(frozen=True, slots=True)
class LimitRule:
    """So many requests in so much time, for each key, below a path.

    Written `[PATH=]COUNT/TIME[:KEY][:ALGORITHM][:burst=N]`, or `[PATH=]COUNT[:KEY]:concurrency`.
    """

    count: int
    window: float
    key: str = "client"
    algorithm: str = "token-bucket"
    burst: int = 0  # 0: the count
    path: str = "/"

    kind: ClassVar[Kind]

    @classmethod
    def parse(cls, text: str) -> LimitRule:
        path, equals, rest = text.partition("=") if text.startswith("/") else ("/", "=", text)
        rate, *parts = rest.split(":")
        key, algorithm, burst = "client", "token-bucket", 0
        for part in parts:
            if part in KEYS:
                key = part
            elif part in ALGORITHMS:
                algorithm = part
            elif match := re.fullmatch(r"burst=([1-9][0-9]{0,8})", part):
                burst = int(match[1])
            else:
                raise ValueError
        if not equals or (burst and algorithm != "token-bucket"):
            raise ValueError("needs a token-bucket for a burst" if burst else "")
        if algorithm == "concurrency":
            if not re.fullmatch(r"[1-9][0-9]{0,8}", rate):
                raise ValueError("needs a plain number for concurrency, such as 20:client:concurrency")
            return cls(int(rate), 0.0, key, algorithm, 0, path)
        count, window = parse_rate(rate)
        return cls(count, window, key, algorithm, burst, path)

    def make(self, now: float) -> Limit:
        match self.algorithm:
            case "fixed-window":
                return FixedWindow(self.count, self.window, now)
            case "sliding-window":
                return SlidingWindow(self.count, self.window, now)
            case "concurrency":
                return Concurrency(self.count)
        return TokenBucket(self.count / self.window, self.burst or self.count, now)

    @property
    def name(self) -> str:
        """What it is called in RateLimit fields."""
        return self.key if self.path == "/" else f"{self.key} {self.path}"

    @property
    def words(self) -> str:
        each = "" if self.key == "all" else f" for each {self.key}"
        if self.algorithm == "concurrency":
            return f"{self.count} requests at the same time{each}"
        return f"{self.count} requests in {self.window:g} s{each}"

    def __str__(self) -> str:
        rate = str(self.count) if self.algorithm == "concurrency" else f"{self.count}/{self.window:g}s"
        burst = f":burst={self.burst}" if self.burst else ""
        return f"{self.path}={rate}:{self.key}:{self.algorithm}{burst}"


LimitRule.kind = Kind(
    parse=LimitRule.parse,
    allowed=(
        "[PATH=]COUNT/TIME such as 100/s or 60/m, with :client, :user, :api-key or :all, "
        ":token-bucket, :fixed-window, :sliding-window or :concurrency, and :burst=N behind it"
    ),
    metavar="[PATH=]COUNT/TIME[:KEY][:ALGORITHM]",
)


class Limited:
    """A handler behind limits: all of those that hold for a request's path have to admit it."""

    def __init__(self, rules: Sequence[LimitRule], clock: Clock, inner: Handler) -> None:
        self._limits = Prefixes([(rule.path, (rule, PerKey(rule.make))) for rule in rules])
        self._clock, self._inner = clock, inner

    def __call__(self, exchange: Exchange) -> Work:
        found = self._limits.all(exchange.request.path.partition("?")[0])
        now = self._clock.now()
        told: list[tuple[str, str]] = []
        for rule, limits in found:
            limit = limits.limit(KEY_OF[rule.key](exchange), now)
            verdict = limit.admit(now)
            if not verdict.admitted:
                refuse(exchange, rule, verdict)
                return None
            told += verdict.fields(rule.name)
            if isinstance(limit, Concurrency):
                exchange.when_over(limit.release)
        if told:
            block = encode_fields(told)
            exchange.amend(lambda before: before + block)
        return self._inner(exchange)


def refuse(exchange: Exchange, rule: LimitRule, verdict: Verdict) -> None:
    """429 (RFC 6585 4), with what the client may do and when."""
    exchange.flow.note("limit.refused", rule=str(rule), remaining=verdict.remaining, retry=round(verdict.retry, 3))
    exchange.refuse(429, f"{rule.words} are allowed here", verdict.fields(rule.name))


def client_key(exchange: Exchange) -> Hashable:
    """The client's address; of IPv6 its network."""
    client = exchange.flow.client
    address = str(client[0]) if isinstance(client, tuple) else client
    if address is not None and ":" in address:
        whole = ipaddress.IPv6Address(address.partition("%")[0])
        return whole.ipv4_mapped or whole.packed[: NETWORK // 8]
    return address


def user_key(exchange: Exchange) -> Hashable:
    """Who was authenticated, else the client's address."""
    return client_key(exchange) if exchange.user is None else ("user", exchange.user)


def api_key(exchange: Exchange) -> Hashable:
    """The key a client shows in X-API-Key, else its address."""
    key = exchange.request.fields.get(API_KEY)
    return client_key(exchange) if key is None else ("api-key", key)


KEY_OF: dict[str, Callable[[Exchange], Hashable]] = {
    "client": client_key,
    "user": user_key,
    "api-key": api_key,
    "all": lambda exchange: None,
}
