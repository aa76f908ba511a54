"""Connections from a proxy that says, in a PROXY header in front of everything else, who its client is."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from netlab.cores.proxy_protocol import Header, HeaderReader
from netlab.errors import RemoteProtocolError
from netlab.flow import Flow, Outcome
from netlab.net.gate import Gate
from netlab.net.reset import will_reset

SECONDS = 5.0
"""How long the header may take; at least 3, so that a lost segment does not end the connection (section 2)."""


def believe(flow: Flow, header: Header, proxy: Any) -> None:
    """A connection's client is whom a header names; that the proxy said so is kept with it."""
    if header.source is not None and header.destination is not None:
        flow.client, flow.server = header.source, header.destination
        flow.detail(proxy=proxy)
    flow.note(
        "proxy_header.received",
        "client",
        end=header.size,
        version=header.version,
        source=header.source,
        destination=header.destination,
        local=header.local,
        tlvs={f"{tlv.kind:#04x}": tlv.value.hex() for tlv in header.tlvs},
    )


class HeaderFirst(asyncio.Protocol):
    """Has a connection until its header is read, and gives it to the protocol behind, whose client is whom it names.

    One that begins with anything else is ended by RST: whether a header comes is never guessed, for then any client
    could write one (section 2).
    """

    def __init__(self, protocol: Any, gate: Gate) -> None:
        self._protocol, self._gate = protocol, gate
        self._connection = getattr(protocol, "app", protocol)  # itself, or what is above a TLS layer
        self._reader = HeaderReader()
        self._transport: Any = None
        self.deadline = math.inf

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.deadline = asyncio.get_running_loop().time() + SECONDS
        if not self._gate.enter(self, self):  # the client's address counts when it is known
            transport.abort()

    def data_received(self, data: bytes) -> None:
        found = self._reader.receive(data)
        if isinstance(found, RemoteProtocolError):
            self._refuse(Outcome.VIOLATION, str(found))
        elif found is not None:
            self._hand_over(found)

    def _hand_over(self, header: Header) -> None:
        self._gate.leave(self, self)
        protocol, self._connection.told = self._protocol, header
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        if self._reader.rest:
            protocol.data_received(self._reader.rest)

    def eof_received(self) -> bool:
        violation = self._reader.receive(b"")
        self._refuse(Outcome.VIOLATION, str(violation))
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._gate.leave(self, self)

    def _refuse(self, outcome: str, reason: str) -> None:
        """A flow for it, so that whoever looks for a connection that came to nothing finds it."""
        flow = self._connection.flows.open("tcp", self._connection.service)
        flow.client = self._transport.get_extra_info("peername")
        flow.server = self._transport.get_extra_info("sockname")
        flow.end(outcome, reason)
        will_reset(self._transport)
        self.abort()

    # -- what a gate says ------------------------------------------------------------------------------------------

    def expire(self, now: float) -> None:
        self._refuse(Outcome.TIMEOUT, f"no PROXY header within {SECONDS:g} s")

    def drain(self) -> None:
        self.abort()

    def abort(self) -> None:
        self.deadline = math.inf
        self._transport.abort()
