"""TLS inside of a connection that stands already: behind a CONNECT, or what SOCKS has connected."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from netlab.errors import NetlabError
from netlab.flow import Flow, Outcome
from netlab.net.secure import TlsOptions, secure
from netlab.net.tls import TlsLayer

P = TypeVar("P", bound=asyncio.Protocol)


async def secure_within(
    outer: Any,
    flow: Flow,
    factory: Callable[[Flow], P],
    host: str,
    tls: TlsOptions,
    *,
    early: bytes = b"",
    seconds: float,
) -> tuple[asyncio.Transport, P, Flow]:
    """Make the caller's protocol, with TLS between it and the transport `outer`, whose flow is given.

    The flow that comes back is the same, unless there is TLS around it already: then the bytes of the tunnel are on
    one of their own, whose parent ends with it. Failures are PeerUnreachable; then, and when cancelled, the transport
    is aborted and the flow has ended. `early` is what came behind the last message outside.
    """
    inner, carrier = flow, None
    if outer.get_extra_info("ssl_object") is not None:
        inner, carrier = flow.log.open("tcp", flow.service, flow), _Carrier(flow)
        inner.client, inner.server, inner.label = flow.client, flow.server, flow.label
    protocol = factory(inner)

    async def begin(layer: TlsLayer) -> asyncio.Transport:
        layer.take_over(outer, early)
        if carrier is not None:
            carrier.carry(layer, outer)
        transport: asyncio.Transport = outer
        return transport

    started = flow.log.now()
    try:
        transport = await secure(protocol, host, tls, inner, begin, seconds=seconds)
    except BaseException as error:
        for ended in (inner, flow):
            ended.end(Outcome.UNREACHABLE if isinstance(error, NetlabError) else Outcome.CANCELLED, str(error))
        raise
    if flow.details is not None and "timings" in flow.details:
        flow.details["timings"]["tls"] += flow.log.now() - started
    return transport, protocol, inner


class _Carrier(asyncio.Protocol):
    """Stands below TLS inside of TLS, only so that the outer connection's flow ends with it."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._layer: TlsLayer

    def carry(self, layer: TlsLayer, outer: Any) -> None:
        self._layer = layer
        outer.set_protocol(self)

    def data_received(self, data: bytes) -> None:
        self._layer.data_received(data)

    def eof_received(self) -> bool:
        return self._layer.eof_received()

    def pause_writing(self) -> None:
        self._layer.pause_writing()

    def resume_writing(self) -> None:
        self._layer.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        self._layer.connection_lost(error)
        self._flow.end(Outcome.OK if error is None else Outcome.CUT)
