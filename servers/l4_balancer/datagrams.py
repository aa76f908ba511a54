"""Datagrams: a client's go to one upstream, and its answers back, for as long as they keep coming."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from typing import TYPE_CHECKING

from netlab.cores.proxy_protocol import Header, HeaderReader
from netlab.flow import Flow, Outcome
from netlab.net.proxied import believe
from netlab.net.race import explain
from netlab.net.sweep import Sweep
from netlab.net.udp import Address, UdpSocket
from netlab.net.udp_call import UdpCall
from servers.l4_balancer.choice import Choice
from servers.l4_balancer.pool import Member
from servers.l4_balancer.telling import Known

if TYPE_CHECKING:
    from servers.l4_balancer.server import Server

Key = tuple[Address, object]
"""A client: where it sends from, and whom a PROXY header names."""


class Datagrams:
    """All sessions of one balancer, the one that was idle longest first."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.sessions: OrderedDict[Key, DatagramSession] = OrderedDict()
        self.sweep = Sweep()

    def came(self, sock: UdpSocket, data: bytes, address: Address) -> None:
        """A client's datagram."""
        header: Header | None = None
        if self.server.config.accept_proxy_protocol:
            reader = HeaderReader()
            found = reader.receive(data) if data else None
            if not isinstance(found, Header):
                self._ignore(sock, address, str(found or "a datagram without a PROXY header"))
                return
            header, data = found, reader.rest
        key = address, header.source if header is not None else None
        session = self.sessions.get(key)
        if session is None:
            if len(self.sessions) >= self.server.config.max_sessions:
                next(iter(self.sessions.values())).end(Outcome.CANCELLED, "others need the room")
            session = self.sessions[key] = DatagramSession(self, sock, key, header)
            self.sweep.add(session)
        else:
            self.sessions.move_to_end(key)
        session.ask(data)

    def _ignore(self, sock: UdpSocket, address: Address, why: str) -> None:
        flow = self.server.context.flows.open("udp", "l4-balancer")
        flow.client, flow.server = address, sock.address
        flow.end(Outcome.VIOLATION, why)

    def forget(self, session: DatagramSession, key: Key) -> None:
        self.sweep.discard(session)
        if self.sessions.get(key) is session:
            del self.sessions[key]

    def close(self) -> None:
        for session in list(self.sessions.values()):
            session.end(Outcome.CANCELLED, "")
        self.sweep.close()


class DatagramSession:
    """One client's: the upstream that has it, and when it is over."""

    __slots__ = (
        "_answers",
        "_call",
        "_choice",
        "_flow",
        "_group",
        "_key",
        "_known",
        "_leg",
        "_sock",
        "_unanswered",
        "deadline",
    )

    def __init__(self, group: Datagrams, sock: UdpSocket, key: Key, header: Header | None) -> None:
        server = group.server
        self._group, self._sock, self._key = group, sock, key
        flow = self._flow = server.context.flows.open("udp", "l4-balancer")
        flow.client, flow.server = key[0], sock.address
        if flow.full:
            flow.wire = flow.log.tape()
        if header is not None:
            believe(flow, header, key[0])
        self._known = Known(key[0], flow.server, header, unique_id=server.unique_id() if server.herald.names else "")
        assert server.pools.main is not None
        self._choice = Choice(server.pools.main, self, flow, str(self._known.ends[0][0]).encode(), server.now)
        self._call: UdpCall | None = None
        self._leg: Flow | None = None
        self._unanswered = b""  # what was asked last, for another upstream if this one is not there
        self._answers = 0
        self.deadline = math.inf

    def ask(self, data: bytes) -> None:
        """A datagram from the client."""
        flow = self._flow
        flow.received += len(data)
        if flow.wire is not None:
            at = flow.wire.offsets["client"]
            flow.wire.write(flow.log.now(), "client", data)
            flow.note("datagram.received", "client", start=at, end=at + len(data), size=len(data))
        self._unanswered = data
        self._extend()
        if self._call is None:
            self._connect()
        else:
            self._send(data)

    def _extend(self) -> None:
        self.deadline = asyncio.get_running_loop().time() + (self._group.server.config.udp_timeout or math.inf)

    # -- the upstream ----------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        """To an upstream that takes it, with what was asked last."""
        choice, server = self._choice, self._group.server
        while len(choice.tried) <= server.config.retries and (member := choice.pick()) is not None:
            if not member.places:
                choice.give_up(member.unknown)
                continue
            try:
                self._call = UdpCall(server.poller, member.places[0], self.answered, self.refused)
            except OSError as error:
                choice.give_up(explain(error, member.name))
                continue
            self._open_leg(member)
            self._send(self._unanswered)
            return
        self.end(Outcome.UNREACHABLE, choice.nobody())

    def _open_leg(self, member: Member) -> None:
        if self._flow.full and self._call is not None:
            leg = self._leg = self._flow.log.open("udp", "l4-balancer", self._flow, self._flow.level)
            leg.label, leg.client, leg.server = member.name, self._call.address, tuple(member.places[0])
            leg.wire = leg.log.tape()

    def _send(self, data: bytes) -> None:
        assert self._call is not None
        data = self._group.server.herald.header(self._known, transport="datagram") + data
        if self._leg is not None and self._leg.wire is not None:
            self._leg.wire.write(self._leg.log.now(), "client", data)
            self._leg.received += len(data)
        self._call.send(data)

    def answered(self, data: bytes) -> None:
        """A datagram from the upstream."""
        self._choice.succeeded()
        self._unanswered = b""
        self._answers += 1
        self._record(data)
        self._sock.send(data, self._key[0])
        self._extend()
        if self._answers == self._group.server.config.udp_answers:
            self.end(Outcome.OK, "")

    def _record(self, data: bytes) -> None:
        for flow in (self._flow, self._leg):
            if flow is not None:
                flow.sent += len(data)
                if flow.wire is not None:
                    at = flow.wire.offsets["server"]
                    flow.wire.write(flow.log.now(), "server", data)
                    flow.note("datagram.sent", "server", start=at, end=at + len(data), size=len(data))

    def refused(self, error: OSError) -> None:
        """Nothing listens there: what was not answered goes to another."""
        choice = self._choice
        if choice.member is None:
            return
        why = explain(error, choice.member.name)
        self._flow.note("connect.failed", upstream=choice.member.name, error=why)
        self._let_go(Outcome.UNREACHABLE, why)
        choice.give_up(why)
        if self._unanswered:
            self._connect()
        else:
            self.end(Outcome.UNREACHABLE, why)

    # -- the end ---------------------------------------------------------------------------------------------------

    def expire(self, now: float) -> None:
        """Nobody has said anything for long enough, which is how such a session ends."""
        silent = not self._answers
        if silent and self._group.server.config.udp_answers:
            self._choice.failed()
        self.end(Outcome.TIMEOUT if silent else Outcome.OK, "no answer" if silent else "")

    def cut(self, reason: str) -> None:
        """Its upstream has no more time."""
        self.end(Outcome.CANCELLED, reason)

    def end(self, outcome: str, result: str) -> None:
        self.deadline = math.inf
        self._group.forget(self, self._key)
        self._let_go(outcome, result)
        self._choice.release()
        self._flow.end(outcome, result or f"{self._answers} answer{'' if self._answers == 1 else 's'}")

    def _let_go(self, outcome: str, result: str) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.close()
        if self._leg is not None:
            self._leg.end(outcome, result)
            self._leg = None
