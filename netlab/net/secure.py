"""The TLS stage of a dial: a handshake waited for, within its time, cancelled without a trace."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from netlab.errors import NetlabError, PeerUnreachable
from netlab.flow import Flow
from netlab.net.addresses import canonical
from netlab.net.tls import TlsLayer


@dataclass(frozen=True, kw_only=True, slots=True)
class TlsOptions:
    """How a connection of ours is secured."""

    context: ssl.SSLContext
    server_name: str = ""  # asked for in SNI and looked for in the certificate; empty: the host that is dialled


class Handshake(asyncio.Protocol):
    """Stands in the protocol's place until TLS is established, and keeps the result for who waits for it."""

    def __init__(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol
        self.established: asyncio.Future[asyncio.Transport] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        transport.set_protocol(self._protocol)
        self._protocol.connection_made(transport)
        if not self.established.done():
            self.established.set_result(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.established.done():
            words = "the connection ended during the TLS handshake"
            self.established.set_exception(error or PeerUnreachable(words, stage="tls"))


async def secure(
    protocol: asyncio.BaseProtocol,
    host: str,
    options: TlsOptions,
    flow: Flow,
    begin: Callable[[TlsLayer], Awaitable[asyncio.Transport]],
    *,
    seconds: float,
) -> asyncio.Transport:
    """The TLS transport of a connection that `begin` gives a raw transport; the protocol's `connection_made` is called.

    Failures are PeerUnreachable with the stage `tls`; then, and when cancelled, the raw transport is aborted.
    """
    handshake = Handshake(protocol)
    name = canonical(options.server_name or host)
    layer = TlsLayer(handshake, options.context, server_side=False, server_hostname=name, flow=flow)
    raw: asyncio.Transport | None = None
    try:
        raw = await begin(layer)
        async with asyncio.timeout(seconds or None):
            return await handshake.established
    except BaseException as error:
        handshake.established.cancel()  # nobody waits for it any more
        if raw is not None:
            raw.abort()
        if isinstance(error, TimeoutError):
            words = f"{host} did not complete the TLS handshake within {seconds:g} s"
            raise PeerUnreachable(words, stage="tls", timed_out=True) from None
        if isinstance(error, PeerUnreachable) or not isinstance(error, NetlabError | OSError):
            raise
        raise PeerUnreachable(str(error), stage="tls") from error
