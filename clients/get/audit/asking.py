"""Asking for the audit: one request on a connection of its own, with everything that was said kept."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from typing import NamedTuple

from clients.get.client import Client
from clients.get.hop import Hop
from clients.get.request import Request
from netlab.flow import FlowLog, Level
from netlab.http.client import ClientSettings, Pair
from netlab.http.url import Url
from netlab.net.addresses import AddressMap, Overrides
from netlab.net.dial import Dialer, Timeouts

MOST = 1 << 20
"""Bytes of an answer that are read; what was asked is what counts."""


class Asked(NamedTuple):
    """A request that was answered, its content up to a bound, and the flows of its client."""

    hop: Hop
    body: bytes
    flows: FlowLog

    @property
    def server(self) -> str:
        """Who answered, in its own words."""
        return (self.hop.response.fields.get("server") if self.hop.response is not None else None) or ""


class Asker:
    """Sends requests, each as a client that knows nothing of the others."""

    def __init__(self, addresses: AddressMap, overrides: Overrides, seconds: float) -> None:
        self.addresses, self._overrides, self._seconds = addresses, overrides, seconds

    async def ask(
        self,
        request: Request,
        tls: Callable[[], ssl.SSLContext],
        *,
        proxy: Url | None = None,
        to_proxy: Sequence[Pair] = (),
    ) -> Asked:
        """NetlabError for what went wrong."""
        flows, seconds = FlowLog(Level.FULL), self._seconds
        dialer = Dialer(
            flows,
            addresses=self.addresses,
            overrides=self._overrides,
            timeouts=Timeouts(resolve=seconds, connect=seconds, tls=seconds),
            service="get",
        )
        settings = ClientSettings(patience=seconds)
        async with Client(dialer, tls=tls, proxy=proxy, to_proxy=to_proxy, settings=settings) as client:
            hop = await client.send(request)
            received = bytearray()
            try:
                async for piece in hop.content():
                    received += piece
                    if len(received) > MOST:
                        break
            finally:
                client.done(hop)
        return Asked(hop, bytes(received), flows)
