"""What the cache decides, noted on flows: the verdict at every level, the reasons where events are kept."""

from __future__ import annotations

from typing import Any

from netlab.flow import Flow
from netlab.http.cache.stored import Key, Stored
from netlab.http.exchange import Exchange
from netlab.policy.http_cache.verdict import Verdict


def consulted(exchange: Exchange, key: Key, verdict: str, reason: str, section: str, directive: str = "") -> None:
    """How a request was answered, or why it went on: a word of Cache-Status, hit, or collapsed."""
    flow = exchange.flow
    flow.detail(cache=verdict)
    if flow.events is not None:
        flow.note("cache.consulted", verdict=verdict, **_why(key, reason, section, directive))


def judged(flow: Flow, key: Key, verdict: Verdict) -> None:
    """Whether an answer is kept."""
    if flow.events is not None:
        name = "response.stored" if verdict.allowed else "response.passed"
        flow.note(name, rule=verdict.rule, **_why(key, verdict.reason, verdict.section, verdict.directive))


def validated(flow: Flow, stored: Stored, now: float) -> None:
    if flow.events is not None:
        reason = f"what is stored still holds: {stored.fresh.arithmetic(now)}"
        flow.note("response.validated", **_why(stored.key, reason, "RFC 9111 4.3.4", stored.fresh.because))


def used_stale(flow: Flow, key: Key, reason: str, section: str, directive: str) -> None:
    if flow.events is not None:
        flow.note("response.used_stale", **_why(key, reason, section, directive))


def invalidated(flow: Flow, method: str, uris: list[str], count: int) -> None:
    if flow.events is not None:
        reason = f"{method} may have changed what is behind these URIs"
        flow.note("cache.invalidated", uris=uris, responses=count, reason=reason, section="RFC 9111 4.4")


def _why(key: Key, reason: str, section: str, directive: str) -> dict[str, Any]:
    facts = {"uri": key.uri, "reason": reason, "section": section}
    return {**facts, "directive": directive} if directive else facts
