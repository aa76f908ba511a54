"""A client of a proxy that speaks SOCKS: asked who it is, connected where it wants, then a tunnel like any other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from netlab.cores.socks import Connect, Credentials, Reply, ServerCore
from netlab.errors import NetlabError, PeerUnreachable, RemoteProtocolError, Truncated
from netlab.flow import Flow, Outcome
from netlab.http.connect import Tunnels
from netlab.http.connection import HttpConnection
from netlab.http.destination import tunnelled
from netlab.net.dial import Check
from netlab.net.tasks import Tasks
from netlab.policy.gateway_errors import Failure, failure

EARLY = 64 << 10
"""Bytes a client may send ahead while its far end is dialled; then it is held back."""

Recognise = Callable[[str, str, str], Awaitable[bool]]
"""Whether user and password are right; the third is the client's address."""


class Permitted(NamedTuple):
    """A "yes": what each dialled address is asked, and what is to be called when the tunnel is over."""

    allow: Check
    releases: Sequence[Callable[[], None]] = ()


Permit = Callable[[str, str | None, str, int], Failure | Permitted]
"""Asked with a client's address, the user's name, and the host and port that are wanted."""


class SocksService:
    """What the SOCKS clients of one proxy share. `recognise` is None where anybody may come."""

    def __init__(self, tunnels: Tunnels, tasks: Tasks, permit: Permit, recognise: Recognise | None = None) -> None:
        self.tunnels, self.tasks, self.permit, self.recognise = tunnels, tasks, permit, recognise

    def client(self) -> SocksClient:
        return SocksClient(self)


class SocksClient:
    """One client, from its first byte to the tunnel: a Delegate of its connection."""

    __slots__ = ("_ahead", "_connection", "_core", "_flow", "_releases", "_service", "_user", "_waiting")

    def __init__(self, service: SocksService) -> None:
        self._service = service
        self._core = ServerCore(authenticate=service.recognise is not None)
        self._connection: HttpConnection
        self._flow: Flow
        self._waiting: asyncio.Task[Any] | None = None
        self._ahead = 0
        self._user: str | None = None
        self._releases: Sequence[Callable[[], None]] = ()

    # -- what the connection says --------------------------------------------------------------------------------

    def begin(self, connection: HttpConnection) -> None:
        self._connection = connection
        flow = self._flow = connection.flows.open("socks", connection.service, connection.flow)
        flow.label = "SOCKS"
        if connection.flow is not None:
            flow.client, flow.server = connection.flow.client, connection.flow.server

    def feed(self, data: bytes) -> None:
        self._heed(self._core.receive(data))
        if self._waiting is not None:
            self._ahead += len(data)
            if self._ahead > EARLY:
                self._connection.hold()

    def writable(self) -> None:
        """A few bytes were written; nobody waits for their leaving."""

    def timed_out(self, stage: str) -> None:
        self._end(Outcome.TIMEOUT, f"no {stage} in time")

    def drain(self) -> None:
        self._end(Outcome.CANCELLED)

    def ended(self, error: Exception | None) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
        self._flow.end(self._flow.outcome or Outcome.CUT)
        self._release()

    # -- what the client says ------------------------------------------------------------------------------------

    def _heed(self, events: list[Any]) -> None:
        for event in events:
            match event:
                case Credentials():
                    self._wait_for(self._recognise(event), "SOCKS user")
                case Connect():
                    self._wait_for(self._connect(event), f"SOCKS to {event.host}")
                case RemoteProtocolError():
                    self._flow.note("protocol.violated", "client", **event.facts())
                    self._answer()
                    self._end(Outcome.CUT if isinstance(event, Truncated) else Outcome.VIOLATION, event.reason)
                    return
        self._answer()

    async def _recognise(self, given: Credentials) -> None:
        recognise = self._service.recognise
        assert recognise is not None
        try:
            right = await recognise(given.user, given.password, self._client)
        except NetlabError:  # too many are being checked
            right = False
        self._waiting = None
        events = self._core.admit(right)
        if right:
            self._user = given.user
            self._flow.note("authentication.accepted", mechanism="socks", user=given.user)
            self._connection.set_deadline("header", self._connection.http.settings.header_timeout)
            self._connection.release()
            self._heed(events)
            return
        self._flow.note("authentication.refused", rule="socks.wrong", reason="user or password are wrong")
        self._answer()
        self._end(Outcome.REFUSED, "user or password are wrong")

    async def _connect(self, asked: Connect) -> None:
        flow, service = self._flow, self._service
        to = tunnelled(asked.host, asked.port)
        flow.label = f"SOCKS{asked.version} {to.authority}"
        flow.note("request.received", "client", host=asked.host, port=asked.port, version=asked.version)
        permitted = service.permit(self._client, self._user, to.host, to.port)
        if isinstance(permitted, Failure):
            self._refuse(Reply.NOT_ALLOWED, permitted)
            return
        self._releases = permitted.releases
        try:
            far = await service.tunnels.reach(to, permitted.allow, flow)
        except NetlabError as error:
            self._refuse(reply_to(error), failure(error))
            return
        self._waiting = None
        if faults := service.tunnels.gateway.faults:
            from netlab.http.faults import strike_near_end

            strike_near_end(faults, self._connection, flow, to.host)
        own = far.transport.get_extra_info("sockname") if far is not None else ("0.0.0.0", 0)  # noqa: S104  "none"
        self._core.grant(own[0], own[1])
        self._answer()
        flow.end(Outcome.OK, "granted")
        tunnel = self._connection.delegate = service.tunnels.join(far, to, flow)
        tunnel.when_over(self._release)
        tunnel.begin(self._connection, self._core.rest())

    # -- answers -------------------------------------------------------------------------------------------------

    def _refuse(self, reply: Reply, why: Failure) -> None:
        self._waiting = None
        self._flow.note("request.refused", reply=reply.name.lower(), error=why.error, reason=why.reason)
        self._core.refuse(reply)
        self._answer()
        outcome = Outcome.REFUSED if reply is Reply.NOT_ALLOWED else Outcome.UNREACHABLE
        self._end(outcome, reply.name.lower().replace("_", " "))

    def _release(self) -> None:
        releases, self._releases = self._releases, ()
        for release in releases:
            release()

    def _answer(self) -> None:
        if data := self._core.outgoing():
            self._connection.write(data)

    def _end(self, outcome: str, result: str | None = None) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
        self._flow.end(outcome, result)
        self._connection.linger()

    def _wait_for(self, work: Any, name: str) -> None:
        self._connection.set_deadline("", 0)  # what is waited for has deadlines of its own
        self._waiting = self._service.tasks.start(work, name, self._ended_work)

    def _ended_work(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and task.exception() is not None:  # our bug, which the loop's handler reports
            self._end(Outcome.ERROR)

    @property
    def _client(self) -> str:
        client = self._flow.client
        return str(client[0]) if isinstance(client, tuple) else ""


def reply_to(error: NetlabError) -> Reply:
    """Why there is no connection, in SOCKS 5's few words (RFC 1928 6)."""
    reason = str(error)
    match error:
        case PeerUnreachable(stage="policy"):
            return Reply.NOT_ALLOWED
        case PeerUnreachable(stage="connect") if "refused" in reason:
            return Reply.CONNECTION_REFUSED
        case PeerUnreachable(stage="connect") if "no route" in reason:
            return Reply.NETWORK_UNREACHABLE
        case PeerUnreachable():
            return Reply.HOST_UNREACHABLE
    return Reply.GENERAL_FAILURE
