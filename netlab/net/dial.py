"""Dialing: the one way out of netlab, from a host and port to a connection whose leg can be seen."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypedDict, TypeVar

from netlab.errors import PeerUnreachable
from netlab.flow import Flow, FlowLog, Outcome
from netlab.net import race
from netlab.net.addresses import AddressMap, Overrides, SocketAddress
from netlab.net.resolve import Resolved, Resolver, SystemResolver, known, resolve
from netlab.net.secure import TlsOptions, secure
from netlab.text import host_port

P = TypeVar("P", bound=asyncio.Protocol)


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeouts:
    """How long each stage of a dial may take, in seconds; 0 is for ever."""

    resolve: float = 5.0
    connect: float = 10.0
    tls: float = 10.0

    def within(self, seconds: float) -> Timeouts:
        """The same, none of them longer than this."""

        def bounded(stage: float) -> float:
            return min(stage, seconds) if stage and seconds else stage or seconds

        return Timeouts(resolve=bounded(self.resolve), connect=bounded(self.connect), tls=bounded(self.tls))


class Timings(TypedDict):
    """How long each stage took, in seconds; a stage that did not happen took 0."""

    resolve: float
    connect: float
    tls: float


class How(TypedDict, total=False):
    """What a dial may be told besides; see `Dialer.dial`."""

    tls: TlsOptions | None
    timeouts: Timeouts | None
    source: str | None
    parent: Flow | None
    allow: Check | None


class Objection(Protocol):
    """Why an address must not be dialled."""

    @property
    def reason(self) -> str: ...


Check = Callable[[SocketAddress], Objection | None]
"""Whether an address may be dialled: asked about what is really connected to, after every name has been resolved, so
that a name cannot lead where its address would not be let (SSRF, DNS rebinding).
"""


class Dialer:
    """Makes every outgoing connection: resolves, checks, connects, secures, and notes the leg on a flow.

    addresses  the lab's address map, asked before any resolver
    overrides  addresses a person laid down for a host and port; they go before the map
    resolver   for the names nothing else knows; None: the system's
    allow      the check of each address; None: every address may be dialled
    """

    def __init__(
        self,
        flows: FlowLog,
        *,
        addresses: AddressMap | None = None,
        overrides: Overrides | None = None,
        resolver: Resolver | None = None,
        allow: Check | None = None,
        timeouts: Timeouts | None = None,
        service: str = "",
    ) -> None:
        self.flows, self.service = flows, service
        self.addresses = AddressMap() if addresses is None else addresses
        self.overrides = Overrides() if overrides is None else overrides
        self.resolver = resolver or SystemResolver()
        self.allow = allow
        self.timeouts = timeouts or Timeouts()

    async def dial(
        self,
        host: str,
        port: int,
        factory: Callable[[Flow], P],
        *,
        tls: TlsOptions | None = None,
        timeouts: Timeouts | None = None,
        source: str | None = None,
        parent: Flow | None = None,
        allow: Check | None = None,
    ) -> tuple[asyncio.Transport, P, Flow]:
        """Connect, and make the protocol object of the connection with its flow.

        The flow (kind `tcp`, on its tapes the client side is us) is the protocol's to end, as `Outgoing` does; its
        details hold `timings`. Failures are PeerUnreachable, whose `stage` says how far the dial came; then, and when
        cancelled, nothing is left open and the flow has ended. `source` is the local address to call from (one of
        loopback only where that is where the call goes); `allow` is asked about each address after the dialer's own
        check.
        """
        dial = _Dial(self, host, port, timeouts or self.timeouts, parent)
        try:
            sock = await dial.connect(await dial.find(allow), source)
            protocol = _make(factory, dial.flow, sock)
            if tls is None:
                transport = await race.adopt(sock, protocol)
            else:
                transport = await dial.secure(sock, protocol, tls)
        except BaseException as error:
            dial.failed(error)
            raise
        return transport, protocol, dial.flow

    def known(self, host: str, port: int) -> Sequence[SocketAddress] | None:
        """Where to connect to, mapped to real ports and checked; None for a name that a resolver has to be asked for.

        PeerUnreachable for one that cannot be, or must not be dialled.
        """
        resolved = known(host, port, self.addresses, self.overrides)
        return None if resolved is None else self.targets(resolved, port)

    async def locate(self, host: str, port: int) -> Sequence[SocketAddress]:
        """Likewise, with the resolver's help."""
        found = self.known(host, port)
        return self.targets(await self.ask(host, self.timeouts.resolve), port) if found is None else found

    def targets(self, resolved: Resolved, port: int, allow: Check | None = None) -> Sequence[SocketAddress]:
        """The addresses that may be dialled, mapped to real ports."""
        targets: Sequence[SocketAddress] = [self.addresses.locate(address, port) for address in resolved.addresses]
        for check in (self.allow, allow):
            if check is not None:
                targets = _allowed(targets, check)
        return targets

    async def ask(self, host: str, seconds: float) -> Resolved:
        """What the resolver says, within its time."""
        try:
            async with asyncio.timeout(seconds or None):
                return await resolve(host, self.resolver)
        except TimeoutError:
            words = f"no answer about {host} from the resolver within {seconds:g} s"
            raise PeerUnreachable(words, stage="resolve", timed_out=True) from None


class Detour(Dialer):
    """A dialer that another one makes the connections for; a subclass says how."""

    def __init__(self, direct: Dialer) -> None:
        super().__init__(
            direct.flows,
            addresses=direct.addresses,
            overrides=direct.overrides,
            resolver=direct.resolver,
            allow=direct.allow,
            timeouts=direct.timeouts,
            service=direct.service,
        )
        self._direct = direct


def _make(factory: Callable[[Flow], P], flow: Flow, sock: socket.socket) -> P:
    try:
        return factory(flow)
    except BaseException:
        sock.close()
        raise


class _Dial:
    """One dial under way: its flow, its times, its stages."""

    __slots__ = ("dialer", "flow", "host", "port", "timeouts", "timings")

    def __init__(self, dialer: Dialer, host: str, port: int, timeouts: Timeouts, parent: Flow | None) -> None:
        self.dialer, self.host, self.port, self.timeouts = dialer, host, port, timeouts
        self.timings = Timings(resolve=0.0, connect=0.0, tls=0.0)
        flow = self.flow = dialer.flows.open("tcp", dialer.service, parent)
        flow.label = host_port(host, port)
        flow.detail(timings=self.timings)
        if flow.full:
            flow.wire = dialer.flows.tape()

    async def find(self, allow: Check | None) -> Sequence[SocketAddress]:
        """Where to connect to: resolved, mapped to real ports, and checked."""
        dialer = self.dialer
        resolved = known(self.host, self.port, dialer.addresses, dialer.overrides)
        if resolved is None:
            started = self.flow.log.now()
            resolved = await dialer.ask(self.host, self.timeouts.resolve)
            self.timings["resolve"] = self.flow.log.now() - started
        self.flow.note("name.resolved", host=self.host, addresses=list(resolved.addresses), source=resolved.source)
        return dialer.targets(resolved, self.port, allow)

    async def connect(self, targets: Sequence[SocketAddress], source: str | None) -> socket.socket:
        """A socket connected to one of the targets."""
        flow, seconds = self.flow, self.timeouts.connect
        started = flow.log.now()
        targets, source = _from(source, targets)
        try:
            async with asyncio.timeout(seconds or None):
                sock, target = await race.connect(targets, source=source, notice=self._notice)
        except race.AllFailed as error:
            raise PeerUnreachable(self._explain(error.attempts), stage="connect") from error
        except TimeoutError:
            where = ", ".join(map(self._place, targets))
            words = f"{where} does not answer (no connection within {seconds:g} s)"
            raise PeerUnreachable(words, stage="connect", timed_out=True) from None
        self.timings["connect"] = flow.log.now() - started
        flow.client, flow.server = sock.getsockname(), tuple(target)
        flow.note("connection.opened", "client")
        return sock

    async def secure(self, sock: socket.socket, protocol: asyncio.Protocol, tls: TlsOptions) -> asyncio.Transport:
        """The socket's TLS transport, established."""
        started = self.flow.log.now()

        async def begin(layer: asyncio.Protocol) -> asyncio.Transport:
            return await race.adopt(sock, layer)

        transport = await secure(protocol, self.host, tls, self.flow, begin, seconds=self.timeouts.tls)
        self.timings["tls"] = self.flow.log.now() - started
        return transport

    def failed(self, error: BaseException) -> None:
        """Note how the dial ended, without a connection."""
        flow = self.flow
        if isinstance(error, PeerUnreachable):
            flow.note("dial.failed", stage=error.stage, error=str(error))
            flow.end(Outcome.TIMEOUT if error.timed_out else Outcome.UNREACHABLE, str(error))
        else:
            flow.end(Outcome.CANCELLED if isinstance(error, asyncio.CancelledError) else Outcome.ERROR)

    def _notice(self, name: str, target: SocketAddress, error: OSError | None) -> None:
        self.flow.note(name, "client", address=str(target), error=str(error or ""))

    def _place(self, target: SocketAddress) -> str:
        return str(target) if self.host == target.address else f"{self.host} ({target.address}) port {target.port}"

    def _explain(self, attempts: Sequence[race.Attempt]) -> str:
        return "; ".join(dict.fromkeys(race.explain(error, self._place(target)) for target, error in attempts))


def _allowed(targets: Sequence[SocketAddress], allow: Check) -> Sequence[SocketAddress]:
    objections = [(target, allow(target)) for target in targets]
    allowed = [target for target, objection in objections if objection is None]
    if allowed:
        return allowed
    target, objection = objections[0]
    assert objection is not None
    raise PeerUnreachable(f"{target} must not be dialled: {objection.reason}", stage="policy")


def _from(source: str | None, targets: Sequence[SocketAddress]) -> tuple[Sequence[SocketAddress], str | None]:
    """The targets that can be reached from a source address, and that address where it leads anywhere."""
    if source is None:
        return targets, None
    fitting = [target for target in targets if (":" in target.address) == (":" in source)]
    if is_loopback(source) and not any(is_loopback(target.address) for target in fitting):
        return targets, None  # the world is not reached from loopback, nor does a call from there hide anything
    if not fitting:
        raise PeerUnreachable(f"{targets[0]} cannot be reached from {source}: another family", stage="connect")
    return fitting, source


def is_loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"
