"""The layer 4 balancer: what it listens on, and what every connection shares."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from netlab.balancing.admin import Admin
from netlab.balancing.checks import Checks
from netlab.balancing.group import Group
from netlab.balancing.member import Member as Balanced
from netlab.balancing.settings import refuse_changes
from netlab.balancing.steering import Steering
from netlab.errors import UsageError
from netlab.flow import FlowLog, Level, Outcome
from netlab.net import poller
from netlab.net.dial import Dialer, Timeouts
from netlab.net.gate import Gate, GateLimits
from netlab.net.listen import DatagramListener, Listener
from netlab.net.poller import Acceptor, Poller, Socket
from netlab.net.splice import Pipes
from netlab.net.tasks import Tasks
from netlab.net.udp import UdpListener
from netlab.service import Context
from servers.l4_balancer.config import Config
from servers.l4_balancer.datagrams import Datagrams
from servers.l4_balancer.pool import Member
from servers.l4_balancer.pools import Pools
from servers.l4_balancer.session import Session
from servers.l4_balancer.telling import Herald

FIXED = (
    "listen",
    "status_listen",
    "expose",
    "protocol",
    "max_connections",
    "max_connections_per_address",
    "accept_proxy_protocol",
    "tls",
    "alpn",
    "client_certificates",
    "client_ca",
)
"""Settings that are made use of only at the start."""
TICK, LOOK = 0.25, 2.0
"""Seconds between looks at drains, and at whether clients that have said their last word are still there."""


class Server:
    """Accepts, and gives each connection to an upstream that takes it."""

    def __init__(self, config: Config, context: Context) -> None:
        if not poller.AVAILABLE:
            raise UsageError("l4-balancer relays by epoll, which this system has not: it runs on Linux")
        self.config, self.context = config, context
        self.tasks = Tasks("l4-balancer")
        self.gate = Gate(GateLimits(connections=config.max_connections, per_address=config.max_connections_per_address))
        self.dialer = context.dialer("l4-balancer", Timeouts().within(config.connect_timeout))
        self.herald = Herald(config)
        quiet = Dialer(FlowLog(Level.OFF), addresses=context.addresses)  # checks come every few seconds
        checks = Checks(quiet, context.clock, context.random.random, self.tasks, self.turned)
        self.pools = Pools(context, self.dialer, self.tasks, checks)
        self.pools.take(config)
        self.steering = Steering(
            "l4-balancer", lambda: self.pools.steered, context.clock, lambda: self.pools.names.drain
        )
        self.admin = Admin(self.steering, context.flows, self.tasks)
        self.now = context.flows.now
        self.pipes = Pipes()
        self.datagrams = Datagrams(self)
        self._poller: Poller | None = None
        self._waiting: dict[Group[Member], OrderedDict[Session, None]] = {}

    @property
    def poller(self) -> Poller:
        """Made in the loop that serves."""
        if self._poller is None:
            self._poller = Poller()
        return self._poller

    def listeners(self) -> Sequence[Listener | DatagramListener]:
        config = self.config
        udp = UdpListener(
            name="l4-balancer",
            scheme="udp",
            host=config.listen.host,
            port=config.listen.port,
            handler=self.datagrams.came,
            reuse_port=self.context.reuse_port,
        )
        status, fixed = config.status_listen, config.listen.port
        admin = self.admin.listener(status.host, status.port if fixed else 0, reuse_port=self.context.reuse_port)
        if config.protocol == "udp":
            return [udp, admin]
        tcp = Listener(
            name="l4-balancer",
            scheme="tls" if config.tls else "tcp",
            host=config.listen.host,
            port=config.listen.port,
            accept=None if config.tls else self.accept,
            factory=self.secure_factory() if config.tls else None,
            gate=self.gate,
            accept_proxy_protocol=config.accept_proxy_protocol,
            reuse_port=self.context.reuse_port,
        )
        return [tcp, admin] if config.protocol == "tcp" else [tcp, udp, admin]

    def secure_factory(self) -> Callable[[], asyncio.Protocol]:
        """What is made of each connection whose TLS ends here."""
        from netlab.net.certs import Authority
        from netlab.net.tls import TlsLayer
        from netlab.net.tls_context import ServerContexts
        from servers.l4_balancer.secure import SecureSession

        config = self.config
        contexts = ServerContexts(
            Authority.load(self.context.state),
            alpn=config.alpn,
            client_certificates=config.client_certificates,
            client_ca=config.client_ca,
        )
        return lambda: TlsLayer(SecureSession(self), contexts, server_side=True)

    def accept(self, sock: Socket) -> Acceptor:
        """Each connection that comes is a session, until the acceptor is closed."""
        bound = sock.getsockname()
        local = None if bound[0] in EVERYWHERE else bound

        def accepted(near: Socket, address: Any) -> None:
            Session(self, near, address, local or near.getsockname()).begin()

        return Acceptor(self.poller, sock, accepted)

    async def background(self) -> None:
        """Check, look up, end drains, and keep what latencies were, until cancelled."""
        self.pools.start()
        look = self.now() + LOOK
        while True:
            await asyncio.sleep(TICK)
            if self.now() >= look:
                look = self.now() + LOOK
                self.look_for_clients()
            self.pools.tidy()
            self.steering.lately.look(self.pools.members(), self.now())

    def look_for_clients(self) -> None:
        """End what was begun for clients that have left; where TLS ends here, tunnels look for theirs."""
        for session in list(self.gate.connections):
            if isinstance(session, Session):
                session.look_for_client()

    def reload(self, config: Config) -> bool:
        """Take other settings while connections are open; whether they are other ones.

        UsageError leaves all as it was. What was done by hand stays, and what is known of upstreams that are in both.
        """
        changed = config != self.config
        refuse_changes(self.config, config, FIXED)
        self.config, self.herald = config, Herald(config)
        self.pools.take(config)
        return changed

    def turned(self, member: Balanced, up: bool) -> None:
        """An upstream went down, or is back: a flow of its own, so that whoever watches sees it."""
        flow = self.context.flows.open("health", "l4-balancer")
        flow.label = f"{member.name} is {'up' if up else 'down'}: {member.checked}"
        flow.end(Outcome.OK if up else Outcome.UNREACHABLE, "up" if up else "down")

    def unique_id(self) -> str:
        """For one connection, so that it can be found again in others' logs."""
        return f"{self.context.random.getrandbits(64):016x}"

    # -- connections that wait for an upstream with less to do -----------------------------------------------------

    def wait(self, session: Session, group: Group[Member]) -> bool:
        """Let it wait, if it is only work that its upstreams have too much of, and there is room."""
        queue = self._waiting.setdefault(group, OrderedDict())
        if not group.busy or len(queue) >= self.config.queue or not self.config.queue_timeout:
            return False
        queue[session] = None
        session.hold("queue", self.config.queue_timeout)
        return True

    def leave(self, session: Session, group: Group[Member]) -> None:
        """It does not wait any more."""
        if group in self._waiting:
            self._waiting[group].pop(session, None)

    def released(self) -> None:
        """An upstream has less to do: who waits longest may go on."""
        for queue in self._waiting.values():
            while queue and next(iter(queue)).call_again():
                pass

    def closed(self) -> None:
        """All connections are gone."""
        self.datagrams.close()
        self.pipes.close()
        if self._poller is not None:
            self._poller.close()


EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104  not bound here: there each connection has an address of its own
