"""How far a request may go: loops found by Via, and Max-Forwards (RFC 9110 7.6)."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from netlab.cores.http1 import Request
from netlab.http.exchange import Exchange
from netlab.http.own_methods import trace
from netlab.policy.forwarding import Hop, has_loop
from netlab.policy.gateway_errors import Failure

Pair = tuple[str, str]
COUNTED = frozenset(("TRACE", "OPTIONS"))
"""Methods whose Max-Forwards must be looked at."""
METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE"
ALLOW = [("Allow", METHODS)]
ALLOW_TUNNELS = [("Allow", f"{METHODS}, CONNECT")]


def own_hop(**settings: Any) -> Hop:
    """A Hop with these settings, and what makes this process another than all others."""
    return Hop(name=f"netlab-{secrets.token_hex(4)}", secret=secrets.token_bytes(32), **settings)


def loop(request: Request, hop: Hop) -> Failure | None:
    """Whether this request has been here before (RFC 9110 7.6.3)."""
    via = request.fields.get("via")
    if via is None or not has_loop(via, hop):
        return None
    return Failure(508, "proxy_loop_detected", "this request has been through this proxy before: its Via field says so")


def hops_left(request: Request) -> int | None:
    """What Max-Forwards says, where it has to be heeded and is a number."""
    if request.method not in COUNTED:
        return None
    value = request.fields.get("max-forwards", "") or ""
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None


def ends_here(exchange: Exchange, allow: list[Pair] = ALLOW) -> bool:
    """Answer what must not go further: a TRACE with content, and what has come to its last hop. Whether it did."""
    request = exchange.request
    if request.method not in COUNTED:
        return False
    if hops_left(request) != 0 and not (request.method == "TRACE" and request.frame.has_body):
        return False
    if request.method == "TRACE":
        trace(exchange)  # which refuses content, as no hop may pass it on
    else:
        exchange.respond(204, allow)
    return True


def one_less(left: int) -> Callable[[list[Pair]], list[Pair]]:
    """Fields that travel on with one hop less."""

    def change(fields: list[Pair]) -> list[Pair]:
        return [(name, str(left - 1)) if name.lower() == "max-forwards" else (name, value) for name, value in fields]

    return change
