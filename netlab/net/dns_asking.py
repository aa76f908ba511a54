"""Asking a DNS server: one query, and the one reply that is its answer (RFC 5452 9)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from random import Random

from netlab.clock import Clock
from netlab.cores.dns_codes import QUERY, rcode_name, type_name
from netlab.cores.dns_message import Message, parse, serialize_query
from netlab.cores.dns_names import to_text
from netlab.cores.resolution_asking import Ask, Result
from netlab.errors import PeerUnreachable, RemoteProtocolError
from netlab.flow import Flow, FlowLog, Outcome
from netlab.net.addresses import SocketAddress
from netlab.net.dial import Dialer, Timeouts
from netlab.net.outgoing import Outgoing
from netlab.net.poller import Poller, Readers, watching
from netlab.net.tasks import Tasks
from netlab.net.udp import unreachable
from netlab.net.udp_call import UdpCall

Locate = Callable[[str], SocketAddress]
"""From a server's address to where it is really asked."""

Then = Callable[[Result], None]
LARGEST_REPLY = 4096  # bytes that are read of a datagram: more than was offered to any server


class Asker:
    """Sends queries over UDP, each from a port of its own, or over TCP, and believes only what answers them."""

    def __init__(
        self, flows: FlowLog, clock: Clock, dialer: Dialer, locate: Locate, ids: Random, tasks: Tasks, service: str
    ) -> None:
        """`ids` must not be guessable: `random.SystemRandom`, or a seeded one where nobody forges."""
        self.flows, self.clock, self.dialer, self.locate, self.ids = flows, clock, dialer, locate, ids
        self.tasks, self.service = tasks, service
        self.under_way: set[Query] = set()
        self._watching: Poller | Readers | None = None

    @property
    def watching(self) -> Poller | Readers:
        if self._watching is None:
            self._watching = watching()
        return self._watching

    def send(self, ask: Ask, parent: Flow | None, then: Then) -> Query:
        """Ask; `then` is called once, later, with what came of it. Every query is a flow, joined to its question's."""
        query = Query(self, ask, parent, then)
        self.under_way.add(query)
        if ask.tcp:
            self.tasks.start(query.over_tcp(self.dialer), f"ask {ask.address} over TCP")
        else:
            query.over_udp(self.watching)
        return query

    async def ask(self, ask: Ask, parent: Flow | None = None) -> Result:
        """The same, for who waits."""
        answered: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        query = self.send(ask, parent, lambda result: None if answered.done() else answered.set_result(result))
        try:
            return await answered
        finally:
            query.cancel()

    def close(self) -> None:
        """Hear of nothing any more; who still waits is not called."""
        for query in list(self.under_way):
            query.cancel()
        if self._watching is not None:
            self._watching.close()


class Query:
    """One query under way."""

    __slots__ = ("_ask", "_asker", "_began", "_call", "_case_lost", "_flow", "_id", "_then", "_timer", "_where")

    def __init__(self, asker: Asker, ask: Ask, parent: Flow | None, then: Then) -> None:
        self._asker, self._ask = asker, ask
        self._then: Then | None = then
        self._id = asker.ids.getrandbits(16)
        self._where = where = asker.locate(ask.address)
        self._flow = flow = asker.flows.open("dns", asker.service, parent)
        flow.server = where
        if flow.level:
            flow.label = f"{to_text(ask.question.name)} {type_name(ask.question.type)} @{ask.address}"
        loop = asyncio.get_running_loop()
        self._began, self._case_lost = time.monotonic(), False
        self._call: UdpCall | _Replies | None = None
        self._timer = loop.call_later(ask.timeout, self._end, Outcome.TIMEOUT, "no answer in time")

    def _query(self) -> bytes:
        ask = self._ask
        return serialize_query(self._id, ask.flags, ask.question, ask.edns)

    # -- one end for all ways ------------------------------------------------------------------------------------

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        self._then = None
        self._end(Outcome.CANCELLED, "not waited for any more")

    def _end(self, outcome: str, problem: str = "", reply: Message | None = None) -> None:
        """It is over; the first call counts."""
        then, self._then = self._then, None
        flow = self._flow
        self._asker.under_way.discard(self)
        if self._call is not None:
            self._call.close()
        self._timer.cancel()
        if reply is not None:
            problem = rcode_name(reply.rcode)
            if flow.full:
                flow.note("reply.received", "server", rcode=problem, answers=len(reply.answer))
        flow.end(outcome, problem)
        if then is not None:
            taken = time.monotonic() - self._began  # a loop's own time may be that of the turn's beginning
            then(Result(self._asker.clock.now(), reply, taken, problem, flow.sent, self._case_lost))

    def _came(self, data: bytes) -> None:
        """A message from the server asked: the answer, or one to be ignored."""
        flow = self._flow
        flow.sent += len(data)
        if flow.wire is not None and not self._ask.tcp:
            flow.wire.write(flow.log.now(), "server", data)
        reply = self._match(data)
        if reply is not None:
            self._end(Outcome.OK, reply=reply)
        elif self._case_lost:
            self._end(Outcome.VIOLATION, "other capitals")

    def _match(self, data: bytes) -> Message | None:
        """The reply, or None for what is none; notes whether one came that has the question in other capitals."""
        reason, reply = "", None
        if len(data) < 3 or data[0] << 8 | data[1] != self._id or not data[2] & 0x80:
            reason = "of another id, or no reply"
        else:
            try:
                reply = parse(data)
            except RemoteProtocolError as error:
                reason = f"{error} (byte {error.offset})"
        if reply is not None:
            reason = self._objection(reply)
        if reason:
            self._flow.note("reply.ignored", "server", reason=reason)
            return None
        return reply

    def _objection(self, reply: Message) -> str:
        """Why a message with our id is no answer to the query; empty where it is one."""
        if reply.opcode != QUERY:
            return "of another kind"
        mine, theirs = self._ask.question, reply.question[0] if reply.question else None
        if (mine == theirs and len(reply.question) == 1) or (theirs is None and reply.rcode):
            return ""
        if theirs is not None and theirs._replace(name=theirs.name.lower()) == mine._replace(name=mine.name.lower()):
            self._case_lost = True
            return "its question has other capitals (0x20)"
        return "of another question"

    # -- UDP -----------------------------------------------------------------------------------------------------

    def over_udp(self, watching: Poller | Readers) -> None:
        flow, data = self._flow, self._query()
        try:
            call = UdpCall(watching, self._where, self._came, self._refused, largest=LARGEST_REPLY)
        except OSError as error:
            asyncio.get_running_loop().call_soon(self._refused, error)
            return
        self._call = call
        flow.received = len(data)
        if flow.full:
            flow.client = call.address
            flow.wire = flow.log.tape()
            flow.wire.write(flow.log.now(), "client", data)
        call.send(data)

    def _refused(self, error: OSError) -> None:
        self._end(Outcome.UNREACHABLE, unreachable(error, str(self._where)))

    # -- TCP -----------------------------------------------------------------------------------------------------

    async def over_tcp(self, dialer: Dialer) -> None:
        """Dial, and ask; what comes then is the stream's to tell."""
        where, timeouts = self._where, Timeouts().within(self._ask.timeout)
        try:
            _, stream, _ = await dialer.dial(where.address, where.port, _Replies, timeouts=timeouts, parent=self._flow)
        except PeerUnreachable as error:
            self._end(Outcome.UNREACHABLE, str(error))
            return
        if self._then is None:
            stream.close()
            return
        self._call, data = stream, self._query()
        self._flow.received = len(data)
        stream.ask(data, self._came, self._lost)

    def _lost(self) -> None:
        self._end(Outcome.UNREACHABLE, "the server closed the connection without an answer")


class _Replies(Outgoing):
    """Our end of a TCP connection to a server: messages behind their lengths (RFC 1035 4.2.2)."""

    def __init__(self, flow: Flow) -> None:
        super().__init__(flow)
        self._buffer = bytearray()
        self._came: Callable[[bytes], None] | None = None
        self._lost: Callable[[], None] | None = None

    def ask(self, data: bytes, came: Callable[[bytes], None], lost: Callable[[], None]) -> None:
        """Send a query; `came` gets every message, `lost` is called when there will be none."""
        self._came, self._lost = came, lost
        self.write(len(data).to_bytes(2, "big") + data)
        if self.peer_ended:
            lost()

    def feed(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        while self._came is not None and len(buffer) >= 2:
            end = 2 + (buffer[0] << 8 | buffer[1])
            if end > len(buffer):
                break
            message = bytes(buffer[2:end])
            del buffer[:end]
            self._came(message)
        if not data:
            self.lost(None)

    def lost(self, error: Exception | None) -> None:
        if self._lost is not None:
            self._lost()

    def close(self) -> None:
        self._came = self._lost = None
        super().close()
