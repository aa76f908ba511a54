"""PURGE: a client from a network that may, throws out what is stored of a URI."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from netlab.http.cache.rules import Network
from netlab.http.exchange import Exchange


def may_purge(exchange: Exchange, purgers: Sequence[Network]) -> bool:
    """By where the request came from; a Unix socket has no address, and may not."""
    client = exchange.flow.client
    if not isinstance(client, tuple):
        return False
    address = ipaddress.ip_address(str(client[0]).partition("%")[0])
    return any(address.version == network.version and address in network for network in purgers)


def purged(exchange: Exchange, uri: str, count: int) -> None:
    """Say what is gone; 404 where there was nothing."""
    exchange.flow.note("cache.purged", uri=uri, responses=count)
    if count:
        exchange.text(200, f"{count} stored response{'s' if count > 1 else ''} thrown out\n")
    else:
        exchange.refuse(404, f"nothing is stored of {uri}")
