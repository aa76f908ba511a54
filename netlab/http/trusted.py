"""Clients behind trusted proxies: whom limits, logs and flows are about is not the proxy, but who stands before it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from netlab.http.exchange import Exchange, Handler, Work
from netlab.http.gateway import arrival_of
from netlab.policy.forwarding import Network, seen_first


class Believing:
    """A handler to whom the client is the one that trusted proxies name in X-Forwarded-For or Forwarded. The
    connection's own flow keeps the proxy's address, and so do the fields that travel on.
    """

    def __init__(self, trusted: Sequence[Network], inner: Handler) -> None:
        self._trusted, self._inner = trusted, inner

    def __call__(self, exchange: Exchange) -> Work:
        fields = exchange.request.fields
        if "x-forwarded-for" in fields or "forwarded" in fields:
            arrival = arrival_of(exchange)
            client = seen_first(fields, arrival, self._trusted).client
            if client != arrival.client and is_address(client):
                exchange.flow.client = (client, 0)
        return self._inner(exchange)


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
