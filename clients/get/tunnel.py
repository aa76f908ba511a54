"""A tunnel through an HTTP proxy: CONNECT, and TLS with the origin inside it (RFC 9110 9.3.6)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence

from netlab import __version__
from netlab.errors import NetlabError, PeerUnreachable
from netlab.flow import Flow, Outcome
from netlab.http.client import ClientConnection, ClientSettings, Pair
from netlab.http.url import Url
from netlab.net.dial import Timings
from netlab.net.secure import TlsOptions, secure
from netlab.net.tls import TlsLayer


async def ask(connection: ClientConnection, proxy: Url, url: Url, more: Sequence[Pair] = ()) -> bytes:
    """Have the proxy connect to the origin; the bytes that came behind its answer. Raises PeerUnreachable.

    `more` are fields for the proxy alone.
    """
    fields: list[Pair] = [("Host", url.endpoint), ("User-Agent", f"netlab/{__version__}"), *more]
    if proxy.basic is not None:
        fields.append(("Proxy-Authorization", proxy.basic))
    exchange = connection.begin("CONNECT", url.endpoint, fields, url=url.endpoint)
    try:
        response = await exchange.answer()
    except NetlabError as error:
        connection.abort()
        words = f"the proxy {proxy.authority} did not answer CONNECT: {error}"
        raise PeerUnreachable(words, stage="proxy") from error
    except BaseException:
        connection.abort()
        raise
    connection.exchange = None
    if not connection.core.switched:
        connection.abort()
        words = f"the proxy {proxy.authority} answered CONNECT {url.endpoint} with {response.status} {response.reason}"
        raise PeerUnreachable(words.rstrip(), stage="proxy")
    return connection.core.rest()


async def enter(
    outer: ClientConnection, early: bytes, url: Url, tls: ssl.SSLContext, settings: ClientSettings, seconds: float
) -> ClientConnection:
    """The connection to the origin through an open tunnel. Its flow is the proxy connection's, unless that has TLS of
    its own: then the tunnel's bytes get a flow for themselves, whose parent is that connection's.
    """
    carrier: Flow | None = None
    flow = outer.flow
    if outer.transport.get_extra_info("ssl_object") is not None:
        carrier = flow
        flow = flow.log.open("tcp", flow.service, carrier)
        flow.client, flow.server = carrier.client, carrier.server
        dialled = (carrier.details or {}).get("timings", {})
        flow.detail(timings=Timings(resolve=dialled["resolve"], connect=dialled["connect"], tls=0.0))
    flow.label = url.endpoint
    connection = ClientConnection(flow, settings, carrier)

    async def begin(layer: TlsLayer) -> asyncio.Transport:
        layer.take_over(outer.transport, early)
        transport: asyncio.Transport = outer.transport
        return transport

    started = flow.log.now()
    try:
        await secure(connection, url.host, TlsOptions(context=tls), flow, begin, seconds=seconds)
    except BaseException as error:
        for ended in (flow, outer.flow):
            ended.end(Outcome.UNREACHABLE if isinstance(error, PeerUnreachable) else Outcome.CANCELLED, str(error))
        raise
    assert flow.details is not None
    flow.details["timings"]["tls"] = flow.log.now() - started
    return connection
