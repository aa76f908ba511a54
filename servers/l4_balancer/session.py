"""One client's connection: what it says first, which upstream has it, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netlab.cores.proxy_protocol import HeaderReader
from netlab.cores.tls_hello import ClientHello, HelloReader
from netlab.errors import RemoteProtocolError
from netlab.flow import Flow, Outcome
from netlab.net.poller import Socket
from netlab.net.presence import DEPARTED, Presence, presence
from netlab.net.proxied import believe
from netlab.net.race import explain
from netlab.net.relay import JOINED, Relay
from servers.l4_balancer.choice import Choice
from servers.l4_balancer.looking import Onlooker
from servers.l4_balancer.pool import Member
from servers.l4_balancer.telling import Known

if TYPE_CHECKING:
    from servers.l4_balancer.server import Server


class Session(Relay):
    """A PROXY header if one must come, a ClientHello if routes look at it, an upstream, and bytes both ways."""

    __slots__ = (
        "_address",
        "_choice",
        "_early",
        "_flow",
        "_hello",
        "_inside",
        "_known",
        "_leg",
        "_looker",
        "_place",
        "_reader",
        "_server",
    )

    def __init__(self, server: Server, sock: Socket, address: Any, local: Any) -> None:
        super().__init__(server.poller, sock, idle=server.config.idle_timeout, pipes=server.pipes)
        self._server, self._address = server, address
        flow = self._flow = server.context.flows.open("tcp", "l4-balancer")
        flow.client, flow.server = address, local
        self._known = Known(address, local)
        self._choice: Choice | None = None
        self._leg: Flow | None = None
        self._looker: Onlooker | None = None
        self._place = 0  # which of the upstream's addresses it is
        self._early = b""  # what the client has said and no upstream has heard
        self._reader = HeaderReader() if server.config.accept_proxy_protocol else None
        self._hello = HelloReader() if server.config.route else None
        if flow.events is not None:
            flow.wire = flow.log.tape()
            flow.note("connection.opened", "client")
        self._inside = server.gate.enter(self, address[0])

    def begin(self) -> None:
        """It has been accepted."""
        if not self._inside:
            self._refuse(Outcome.REFUSED, "there are as many connections as may be")
        elif self._reader is None and self._hello is None:
            self._choose(None, ())
        else:
            self.set_deadline("first", self._server.config.first_timeout)

    # -- what the client says first ------------------------------------------------------------------------------

    def first(self, data: bytes) -> None:
        if self._flow.wire is not None and data:
            self._flow.wire.write(self.poller.now, "client", data)
        if self._reader is not None:
            self._read_header(self._reader, data)
        else:
            self._read_hello(data)

    def _read_header(self, reader: HeaderReader, data: bytes) -> None:
        found = reader.receive(data)
        if isinstance(found, RemoteProtocolError):
            self._flow.note("violation", "client", reason=str(found), rule=found.rule, section=found.section)
            self._refuse(Outcome.VIOLATION, str(found))  # 2.1: abort, so that the sender notices
        elif found is not None:
            self._reader = None
            self._known.header = found
            believe(self._flow, found, self._flow.client)
            if self._hello is None:
                self._early = reader.rest
                self._choose(None, ())
            elif reader.rest:
                self._read_hello(reader.rest)

    def _read_hello(self, data: bytes) -> None:
        assert self._hello is not None
        self._early += data
        found = self._hello.receive(data) if data else None
        if isinstance(found, ClientHello):
            self._known.authority = found.server_name or ""
            self._flow.note("client_hello.received", "client", sni=found.server_name, alpn=list(found.alpn))
            self._choose(found.server_name, found.alpn)
        elif found is not None or not data:  # it is not TLS, or ended before we could know: no name is asked for
            self._choose(None, ())

    # -- the upstream ----------------------------------------------------------------------------------------------

    def _choose(self, name: str | None, offered: tuple[str, ...]) -> None:
        server, flow = self._server, self._flow
        group = server.pools.group_for(name, offered)
        if group is None:
            self._refuse(
                Outcome.REFUSED, f"no route takes SNI {name or '(none)'}, ALPN {', '.join(offered) or '(none)'}"
            )
            return
        if server.herald.names:
            self._known.unique_id = server.unique_id()
            flow.detail(unique_id=self._known.unique_id)
        key = str(self._known.ends[0][0]).encode()
        self._choice = Choice(group, self, flow, key, server.now)
        self.call()

    def call(self) -> None:
        """Connect to an upstream that takes it, if enough have not been tried."""
        choice, server = self._choice, self._server
        assert choice is not None
        member = choice.pick() if len(choice.tried) <= server.config.retries else None
        if member is not None:
            self._call(member)
        elif choice.tried or not server.wait(self, choice.group):
            self._refuse(Outcome.UNREACHABLE, choice.nobody())

    def call_again(self) -> bool:
        """It has waited for an upstream with less to do; False: there still is none."""
        assert self._choice is not None
        member = self._choice.pick()
        if member is None:
            return False
        self._server.leave(self, self._choice.group)
        self._call(member)
        return True

    def _call(self, member: Member) -> None:
        if not member.places:
            self._failed(member, member.unknown)
            return
        self._place = 0
        self._connect(member)

    def _connect(self, member: Member) -> None:
        target, server = member.places[self._place], self._server
        if self._flow.events is not None:
            leg = self._leg = self._flow.log.open("tcp", "l4-balancer", self._flow, self._flow.level)
            leg.label, leg.server, leg.wire = member.name, tuple(target), leg.log.tape()
            leg.note("connect.started", "client", address=str(target))
        first = server.herald.header(self._known) + self._early
        self.connect(target, seconds=server.config.connect_timeout, first=first)

    def joined(self) -> None:
        leg = self._leg
        if leg is not None and self.far is not None:
            leg.client = self.far.getsockname()
            leg.note("connection.opened", "client")
            assert leg.wire is not None
            assert self._flow.wire is not None
            if self.up.pending:
                leg.wire.write(self.poller.now, "client", self.up.pending)
            looker = self._looker = Onlooker(self._flow)
            if self._early:
                looker.write(self.poller.now, "client", self._early)
            self.up.tapes = (self._flow.wire, leg.wire, looker)
            self.down.tapes = (looker, self._flow.wire, leg.wire)  # it counts on bytes of the server's to be kept next
        if (faults := self._server.context.faults) and self._choice is not None and self._choice.member is not None:
            from servers.l4_balancer.struck import strike

            strike(faults, self, self._flow, leg, self._known.authority, self._choice.member.places[self._place])

    def heard(self) -> None:
        assert self._choice is not None
        self._choice.succeeded()

    def unreachable(self, error: OSError) -> None:
        assert self._choice is not None
        member = self._choice.member
        assert member is not None
        why = explain(error, str(member.places[self._place]))
        if self._leg is not None:
            self._leg.end(Outcome.TIMEOUT if isinstance(error, TimeoutError) else Outcome.UNREACHABLE, why)
            self._leg = None
        self._place += 1
        if self._place < len(member.places):
            self._connect(member)
        else:
            self._failed(member, why)

    def _failed(self, member: Member, why: str) -> None:
        """This upstream cannot be had: another may."""
        assert self._choice is not None
        self._flow.note("connect.failed", upstream=member.name, error=why)
        self._choice.give_up(why)
        self.call()

    # -- the end ---------------------------------------------------------------------------------------------------

    def timed_out(self, stage: str) -> None:
        self._flow.note("deadline.passed", stage=stage)
        if stage == "queue":
            self._refuse(
                Outcome.TIMEOUT, "all upstreams have as many connections as they may, and none had less in time"
            )
        elif stage == "first":
            self._refuse(Outcome.TIMEOUT, "what must come first did not come in time")
        else:
            self._flow.outcome, self._flow.result = Outcome.TIMEOUT, "no byte in time"
            if self._choice is not None and not self.down.moved and self.up.moved:
                self._choice.failed()  # it was asked something, and said nothing
            self.close()

    def _refuse(self, outcome: str, reason: str) -> None:
        self._flow.outcome, self._flow.result = outcome, reason
        self.reset()

    def look_for_client(self) -> None:
        """One that has ended its side, and had all of it passed on, may have left: then nobody needs the upstream."""
        if self.phase is not JOINED or not self.up.ended or self.up.pending:
            return
        if presence(self.near.getsockname(), self._address) is Presence.GONE:
            self._flow.note("client.departed", "client", reason=DEPARTED)
            self._flow.outcome, self._flow.result = Outcome.CUT, "the client is gone"
            self.close()

    def cut(self, reason: str) -> None:
        """Its upstream has no more time."""
        self._refuse(Outcome.CANCELLED, reason)

    def abort(self) -> None:
        self._flow.outcome = self._flow.outcome or Outcome.CANCELLED
        self.reset()

    def over(self, error: OSError | None) -> None:
        flow, choice, leg = self._flow, self._choice, self._leg
        if self._inside:
            self._server.gate.leave(self, self._address[0])
        if self.far is not None:
            flow.received, flow.sent = len(self._early) + self.up.moved, self.down.moved
        outcome, result = flow.outcome, flow.result
        if not outcome:
            outcome = Outcome.OK if error is None else Outcome.CUT
            if error is not None:
                result = "reset by the client" if self.broken == "client" else "reset by the upstream"
        if choice is not None:
            if error is not None and self.broken == "server" and not self.down.moved:
                choice.failed()  # it took the connection and said nothing
            choice.release()
            self._server.leave(self, choice.group)
            self._server.released()
        if self._looker is not None:
            self._looker.end(flow.received, flow.sent, outcome)
        if leg is not None:
            leg.received, leg.sent = flow.received, flow.sent
            leg.end(outcome, result)
        flow.end(outcome, result)
