"""One run of `netlab tcp`: the connection, what passes over it, and the states it goes through."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from captures.dissect import packet
from clients.tcp.show import Show
from netlab.errors import UsageError
from netlab.flow import Event, Flow, FlowLog, Level
from netlab.net import tcp_facts
from netlab.net.addresses import AddressMap
from netlab.net.dial import Dialer, Timeouts
from netlab.net.outgoing import Outgoing
from netlab.net.packet_watch import PacketWatch, Passing
from netlab.net.standard_input import StandardInput
from netlab.net.tasks import Tasks

if TYPE_CHECKING:
    from clients.tcp import Addresses, Config

LOOK = 0.01
"""Seconds between two looks at the connection's state."""
PARTING = 2.0
"""How long the last states are followed once both halves have ended."""
OVER = ("CLOSED", "TIME-WAIT", "")


class Wire(Outgoing):
    """The connection: hands on what comes, and tells when it may be written to and when it is over."""

    __slots__ = ("session", "writable")

    def __init__(self, flow: Flow, session: Session) -> None:
        super().__init__(flow)
        self.session = session
        self.writable = asyncio.Event()
        self.writable.set()

    def feed(self, data: bytes) -> None:
        self.session.received(data)

    def lost(self, error: Exception | None) -> None:
        self.writable.set()
        self.session.lost(error)

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()


class Session:
    """Holds what is known of the connection; `run` is its life."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.flows = FlowLog(Level.FULL, flow_bytes=0)  # for the events; the bytes are shown, not kept
        self.show = Show(config, self.flows.now)
        self.input = StandardInput()
        self.tasks = Tasks("tcp")
        self.wire: Wire | None = None
        self.state = ""
        self.error: Exception | None = None
        self.sent = self.came = 0
        self.peer_ended = asyncio.Event()
        self.gone = asyncio.Event()  # the transport is
        self.heard = 0.0  # when something last came
        self.gave_up = False
        self._ends: tuple[tuple[str, int], tuple[str, int]] | None = None
        self._packets: list[Passing] = []  # seen before the connection's own port was known

    async def run(self, addresses: Addresses | None) -> int:
        watch = self._watch()
        try:
            await self._connect(await _map(addresses))
            await self._talk()
            await self._part()
        finally:
            if watch is not None:
                watch.read()
                watch.close()
            await self.tasks.cancel()
            if self.wire is not None:
                self.wire.abort()
        self.show.end(self.sent, self.came, self.error, gave_up=self.gave_up)
        return 1 if self.error is not None or self.gave_up else 0

    # -- the beginning -------------------------------------------------------------------------------------------

    async def _connect(self, known: AddressMap) -> None:
        target, seconds = self.config.target, self.config.timeout
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon(noted)

        def noted() -> None:
            for item in following.take():
                if item[0] == "noted":
                    self._dial_noted(item[2])

        following = self.flows.subscribe(wake)
        dialer = Dialer(self.flows, addresses=known, timeouts=Timeouts(resolve=seconds, connect=seconds), service="tcp")
        try:
            _, self.wire, flow = await dialer.dial(target.host, target.port, lambda flow: Wire(flow, self))
        finally:
            noted()
            following.close()
        assert isinstance(flow.client, tuple)
        assert isinstance(flow.server, tuple)
        self._ends = (flow.client[0], flow.client[1]), (flow.server[0], flow.server[1])
        self.heard = self.flows.now()
        self.look()
        self.show.connected(*self._ends, self._info())
        self._show_held()

    def _dial_noted(self, event: Event) -> None:
        if event.name == "connect.started":
            self.enter("SYN-SENT", event.time, f"to {event.fields['address']}")
        elif event.name == "connection.opened":
            self.enter("ESTABLISHED", event.time)
        elif event.name == "connect.failed":
            self.enter("CLOSED", event.time, "no connection")

    # -- states --------------------------------------------------------------------------------------------------

    def _info(self) -> dict[str, int]:
        return {} if self.wire is None else tcp_facts.tcp_info(self.wire.transport)

    def look(self) -> str:
        """Ask the kernel for the state, and show it if it is new."""
        state = tcp_facts.state(self._info())
        if state in OVER and self._ends is not None:  # the socket no longer knows; the system may
            state = tcp_facts.state_after(*self._ends)
        if state:
            self.enter(state, self.flows.now())
        return state

    def enter(self, state: str, time: float, remark: str = "") -> None:
        if state != self.state or remark:
            self.state = state
            self.show.state(state, time, remark)

    async def _follow(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(LOOK)

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(self.config.every)
            self.show.info(self._info())

    # -- what passes ---------------------------------------------------------------------------------------------

    async def _talk(self) -> None:
        """Until both halves have ended, or the other side has."""
        self.tasks.start(self._follow(), "states")
        if self.config.every:
            self.tasks.start(self._report(), "times")
        sending = self.tasks.start(self._send(), "input")
        ended = self.tasks.start(self.peer_ended.wait(), "the other half")
        await asyncio.wait({sending, ended}, return_when=asyncio.FIRST_COMPLETED)
        if not self.peer_ended.is_set():
            await self._await_end()
        sending.cancel()

    async def _send(self) -> None:
        """Standard input to the connection, and at its end our FIN."""
        wire = self.wire
        assert wire is not None
        while data := await self.input.read():
            self.show.sent(data, self.sent)
            self.sent += len(data)
            wire.write(data)
            await wire.writable.wait()
        if not self.gone.is_set():
            wire.transport.write_eof()
            self.look()

    async def _await_end(self) -> None:
        """Our half has ended; the other may take its time, as long as it says something now and then."""
        wait = self.config.wait or float("inf")
        while not self.peer_ended.is_set():
            left = max(self.heard, self.flows.now() - wait) + wait - self.flows.now()
            if left <= 0:
                self.gave_up = True
                return
            try:
                async with asyncio.timeout(min(left, 3600.0)):
                    await self.peer_ended.wait()
            except TimeoutError:
                if self.flows.now() - self.heard >= wait:
                    self.gave_up = True
                    return

    def received(self, data: bytes) -> None:
        self.heard = self.flows.now()
        if data:
            self.show.received(data, self.came)
            self.came += len(data)
        else:
            self.look()
            self.peer_ended.set()

    def lost(self, error: Exception | None) -> None:
        self.error = self.error or error
        self.gone.set()
        self.peer_ended.set()

    async def _part(self) -> None:
        """End our half if it has not, follow the last states, and let the socket go."""
        wire = self.wire
        assert wire is not None
        if self.error is not None:
            self.enter("CLOSED", self.flows.now(), "reset by the other side")
            return
        if not self.gone.is_set() and not self.gave_up:
            wire.transport.write_eof()
            await self._until_over()
        wire.close()
        try:
            async with asyncio.timeout(PARTING):
                await self.gone.wait()
        except TimeoutError:
            wire.abort()
        self.look()

    async def _until_over(self) -> None:
        for _ in range(round(PARTING / LOOK)):
            if self.look() in OVER:
                return
            await asyncio.sleep(LOOK)

    # -- packets -------------------------------------------------------------------------------------------------

    def _watch(self) -> PacketWatch | None:
        if self.config.packets == "none" or self.config.quiet:
            return None
        try:
            return PacketWatch(self.config.target.port, self._passed)
        except OSError as error:
            if self.config.packets == "all":
                why = "this user may not see packets" if isinstance(error, PermissionError) else str(error)
                raise UsageError(f"--packets all: {why}; root may, or who has the capability CAP_NET_RAW") from None
            return None

    def _passed(self, passing: Passing) -> None:
        if self._ends is None:
            if len(self._packets) < 64:  # the handshake is among the first
                self._packets.append(passing)
        else:
            self._show_packet(passing)

    def _show_held(self) -> None:
        held, self._packets = self._packets, []
        for passing in held:
            self._show_packet(passing)

    def _show_packet(self, passing: Passing) -> None:
        """Show a packet if it is this connection's, and one of those that are wanted."""
        layers = packet(passing.data)
        if len(layers) < 2 or layers[1].name != "tcp" or self._ends is None:
            return
        ip, tcp = layers[:2]
        ends = (
            (ip.value(f"{ip.name}.src"), tcp.value("tcp.srcport")),
            (ip.value(f"{ip.name}.dst"), tcp.value("tcp.dstport")),
        )
        if ends in (self._ends, self._ends[::-1]):
            flags = tcp.value("tcp.flags") or 0
            if self.config.packets == "all" or flags & 0x07:  # FIN, SYN or RST
                self.show.packet(tcp, passing, ours=ends == self._ends)


async def _map(addresses: Addresses | None) -> AddressMap:
    return AddressMap() if addresses is None else AddressMap.from_json(await addresses())
