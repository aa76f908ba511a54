"""Asking a DNS server: one query, and the one reply that is its answer (RFC 5452 9)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from random import Random

from netlab.clock import Clock
from netlab.cores.dns_codes import rcode_name, type_name
from netlab.cores.dns_message import QR, Message, parse, serialize
from netlab.cores.dns_names import to_text
from netlab.cores.resolution_asking import Ask, Result
from netlab.errors import PeerUnreachable, RemoteProtocolError
from netlab.flow import Flow, FlowLog, Outcome
from netlab.net.addresses import SocketAddress
from netlab.net.dial import Dialer, Timeouts
from netlab.net.outgoing import Outgoing
from netlab.net.udp import UdpClient

Locate = Callable[[str], SocketAddress]
"""From a server's address to where it is really asked."""


class Asker:
    """Sends queries over UDP, each from a port of its own, or over TCP, and believes only what answers them."""

    def __init__(self, flows: FlowLog, clock: Clock, dialer: Dialer, locate: Locate, ids: Random, service: str) -> None:
        """`ids` must not be guessable: `random.SystemRandom`, or a seeded one where nobody forges."""
        self.flows, self.clock, self.dialer, self.locate, self.ids = flows, clock, dialer, locate, ids
        self.service = service

    async def ask(self, ask: Ask, parent: Flow | None = None) -> Result:
        """What came of it; every query is a flow, joined to the question it is asked for."""
        query = Message(self.ids.randrange(1 << 16), ask.flags, question=[ask.question], edns=ask.edns)
        where = self.locate(ask.address)
        flow = self.flows.open("dns", self.service, parent)
        flow.server = (where.address, where.port)
        flow.label = f"{to_text(ask.question.name)} {type_name(ask.question.type)} @{ask.address}"
        began, problem, case_lost, reply = time.monotonic(), "no answer in time", False, None
        try:
            async with asyncio.timeout(ask.timeout):
                if ask.tcp:
                    reply = await self._over_tcp(where, query, flow)
                else:
                    reply, case_lost = await self._over_udp(where, query, flow)
        except TimeoutError:
            flow.outcome = Outcome.TIMEOUT
        except (PeerUnreachable, RemoteProtocolError) as error:
            problem, flow.outcome = str(error), Outcome.UNREACHABLE
        if reply is None:
            flow.end(flow.outcome or Outcome.VIOLATION, "other capitals" if case_lost else problem)
        else:
            flow.note("reply.received", "server", rcode=rcode_name(reply.rcode), answers=len(reply.answer))
            flow.end(Outcome.OK, rcode_name(reply.rcode))
        return Result(self.clock.now(), reply, time.monotonic() - began, problem, flow.sent, case_lost)

    async def _over_udp(self, where: SocketAddress, query: Message, flow: Flow) -> tuple[Message | None, bool]:
        data = serialize(query)
        with UdpClient(where.address, where.port) as client:
            flow.client = client.sock.getsockname()
            if flow.full:
                flow.wire = self.flows.tape()
                flow.wire.write(self.flows.now(), "client", data)
            client.send(data)
            flow.received = len(data)
            while True:
                received = await client.receive()
                if flow.wire is not None:
                    flow.wire.write(self.flows.now(), "server", received)
                flow.sent += len(received)
                found = self._match(query, received, flow)
                if found is not None:
                    return found if isinstance(found, Message) else None, found is False

    def _match(self, query: Message, data: bytes, flow: Flow) -> Message | bool | None:
        """The reply, None for what is ignored, False for one that repeats the question in other capitals."""
        try:
            reply = parse(data)
        except RemoteProtocolError as error:
            flow.note("reply.ignored", "server", reason=str(error), offset=error.offset)
            return None
        if reply.id != query.id or not reply.flags & QR or reply.opcode != query.opcode:
            flow.note("reply.ignored", "server", reason="of another id, or no reply")
            return None
        if reply.question == query.question or (not reply.question and reply.rcode):
            return reply
        mine, theirs = query.question[0], reply.question[0] if reply.question else None
        if theirs is not None and theirs._replace(name=theirs.name.lower()) == mine._replace(name=mine.name.lower()):
            flow.note("reply.ignored", "server", reason="its question has other capitals (0x20)")
            return False
        flow.note("reply.ignored", "server", reason="of another question")
        return None

    async def _over_tcp(self, where: SocketAddress, query: Message, flow: Flow) -> Message | None:
        timeouts = Timeouts()
        _, stream, _ = await self.dialer.dial(where.address, where.port, _Reply, timeouts=timeouts, parent=flow)
        try:
            data = serialize(query)
            flow.received = len(data)
            stream.write(len(data).to_bytes(2, "big") + data)
            while True:
                received = await stream.message()
                flow.sent += len(received)
                found = self._match(query, received, flow)
                if isinstance(found, Message):
                    return found
        finally:
            stream.close()


class _Reply(Outgoing):
    """Our end of a TCP connection to a server: messages behind their lengths."""

    def __init__(self, flow: Flow) -> None:
        super().__init__(flow)
        self._buffer = bytearray()
        self._arrived = asyncio.Event()
        self._gone = False

    def feed(self, data: bytes) -> None:
        self._buffer += data
        self._gone = self._gone or not data
        self._arrived.set()

    def lost(self, error: Exception | None) -> None:
        self._gone = True
        self._arrived.set()

    async def message(self) -> bytes:
        """The next message; PeerUnreachable where the server has closed before it was whole."""
        while True:
            if len(self._buffer) >= 2:
                end = 2 + (self._buffer[0] << 8 | self._buffer[1])
                if len(self._buffer) >= end:
                    message = bytes(self._buffer[2:end])
                    del self._buffer[:end]
                    return message
            if self._gone:
                raise PeerUnreachable("the server closed the connection without an answer", stage="connect")
            self._arrived.clear()
            await self._arrived.wait()
