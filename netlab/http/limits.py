"""Rate limits for parts of a server: who asked for how much, 429 and the fields that tell a client where it stands."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Hashable, Sequence
from functools import partial

from netlab.clock import Clock
from netlab.http.exchange import Exchange, Handler, Work
from netlab.http.prefixes import Prefixes
from netlab.http.rules import LimitRule
from netlab.policy.limit import Concurrency, FixedWindow, Limit, PerKey, SlidingWindow, TokenBucket, Verdict

API_KEY = "x-api-key"
NETWORK = 64
"""Leading bits by which IPv6 clients are told apart: whoever has one address has all of its network."""


class Limited:
    """A handler behind limits: all of those that hold for a request's path have to admit it."""

    def __init__(self, rules: Sequence[LimitRule], clock: Clock, inner: Handler) -> None:
        self._limits = Prefixes([(rule.path, (rule, PerKey(partial(make, rule)))) for rule in rules])
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
            # names and numbers of our own making, so not checked again as `encode_fields` would
            block = "".join([f"{name}: {value}\r\n" for name, value in told]).encode("ascii")
            exchange.amend(lambda before: before + block)
        return self._inner(exchange)


def make(rule: LimitRule, now: float) -> Limit:
    """The limit that a rule describes, for one key."""
    match rule.algorithm:
        case "fixed-window":
            return FixedWindow(rule.count, rule.window, now)
        case "sliding-window":
            return SlidingWindow(rule.count, rule.window, now)
        case "concurrency":
            return Concurrency(rule.count)
    return TokenBucket(rule.count / rule.window, rule.burst or rule.count, now)


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
