"""Clients behind trusted proxies: whom limits, logs and flows are about is not the proxy, but who stands before it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from netlab.http.authentication import Handler, Work
from netlab.http.exchange import Exchange
from netlab.policy.forwarding import Network, client_address, is_trusted


class Believing:
    """A handler to whom the client is the one that trusted proxies name in X-Forwarded-For. The connection's own flow
    keeps the proxy's address, and so do the fields that travel on.
    """

    def __init__(self, trusted: Sequence[Network], inner: Handler) -> None:
        self._trusted, self._inner = trusted, inner

    def __call__(self, exchange: Exchange) -> Work:
        flow, told = exchange.flow, exchange.request.fields.get("x-forwarded-for")
        peer = flow.client
        if told is not None and isinstance(peer, tuple) and is_trusted(peer[0], self._trusted):
            address = client_address(told, peer[0], self._trusted)
            if is_address(address):
                flow.client = (address, 0)
        return self._inner(exchange)


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
