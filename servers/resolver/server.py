"""The resolver: questions in, answers out; the order in which it thinks of each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from netlab.flow import Outcome
from netlab.net.dns_stream import DnsStream
from netlab.net.gate import Gate, GateLimits
from netlab.net.listen import DatagramListener, Listener
from netlab.net.tasks import Tasks
from netlab.net.udp import Address, UdpListener, UdpSocket
from netlab.policy.access import LOOPBACK, in_networks
from netlab.policy.limit import TokenBucket
from netlab.service import Context
from servers.resolver.answering import Answering, Way
from servers.resolver.config import Config

if TYPE_CHECKING:
    from servers.resolver.doh import Doh

MOST_CLIENTS = 10_000
LONGEST_QUERY = 4096  # bytes that are read of a datagram: a query is a fraction of that


class Server:
    """UDP, TCP, TLS and HTTPS lead to `respond`; a question that is known is answered before it is read."""

    def __init__(self, config: Config, context: Context) -> None:
        self.config, self.context = config, context
        self.tasks = Tasks("resolver")
        self.gate = Gate(GateLimits(connections=config.max_connections))
        self.answering = Answering(config, context, self.tasks)
        self._flows, self._now = context.flows, context.clock.now  # looked at for every datagram
        self._sent, self._statistics = self.answering.ready.sent_udp, self.answering.statistics
        self.buckets: dict[str, TokenBucket] = {}
        self._here_alone = config.allow is LOOPBACK and not config.limit  # then no client here is looked at
        self.doh = self._doh() if config.https else None

    def _doh(self) -> Doh:
        from servers.resolver.doh import Doh

        return Doh(self, self.config, self.context)

    def closed(self) -> None:
        """Nothing is looked for any more."""
        self.answering.recursion.close()

    # -- ways in -------------------------------------------------------------------------------------------------

    def listeners(self) -> Sequence[Listener | DatagramListener]:
        config, reuse = self.config, self.context.reuse_port
        host, port = config.listen.host, config.listen.port
        stream = Listener(
            name="resolver",
            scheme="dns",
            host=host,
            port=port,
            factory=partial(self._stream, Way.TCP),
            gate=self.gate,
            reuse_port=reuse,
        )
        datagrams = UdpListener(
            name="resolver",
            scheme="dns+udp",
            host=host,
            port=port,
            handler=self.datagram,
            reuse_port=reuse,
            largest=LONGEST_QUERY,
        )
        found: list[Listener | DatagramListener] = [stream, datagrams]
        if config.tls:
            found.append(self._secure_listener())
        return found if self.doh is None else [*found, self.doh.listener()]

    def _secure_listener(self) -> Listener:
        """DNS over TLS (RFC 7858)."""
        from netlab.net.certs import Authority
        from netlab.net.tls import TlsLayer
        from netlab.net.tls_context import ServerContexts

        contexts = ServerContexts(Authority.load(self.context.state))
        return Listener(
            name="resolver",
            scheme="dns+tls",
            host=self.config.tls_listen.host,
            port=self.config.tls_listen.port,
            factory=lambda: TlsLayer(self._stream(Way.TLS), contexts, server_side=True),
            gate=self.gate,
            reuse_port=self.context.reuse_port,
        )

    def _stream(self, way: Way) -> DnsStream:
        handler, idle = partial(self.message, way), self.config.idle_timeout
        return DnsStream(self.gate, self.context.flows, "resolver", handler, idle=idle)

    def datagram(self, sock: UdpSocket, data: bytes, peer: Address) -> None:
        """One question over UDP: at once from what is ready, else the long way."""
        if not (self._here_alone and peer[0][:4] == "127.") and not self.admits(peer[0]):
            self._refuse_stranger(sock, data, peer)
            return
        flows, kept = self._flows, self._sent
        sent = kept.get(data[2:])
        if sent is None or flows.full or self._now() >= sent.changes:
            if self.answering.at_once(data, udp=True) is None:
                self._slowly(sock, data, peer)
                return
            sent = kept[data[2:]]
        sock.send(data[:2] + sent.rest, peer)
        self._statistics.ready_udp += 1
        flows.brief(sent.about, (peer, sock.address, len(data)), flows.now(), None)

    def _slowly(self, sock: UdpSocket, data: bytes, peer: Address) -> None:
        flow = self._flows.open("dns", "resolver", None, None, "", peer, sock.address)
        flow.received = len(data)
        self._statistics.udp += 1
        if sock.behind and not self.answering.is_known(data):
            self._statistics.dropped += 1
            flow.end(Outcome.REFUSED, "dropped: questions come quicker than they are read")
            return
        self.answering.respond(data, flow, lambda wire: sock.send(wire, peer), Way.UDP)

    def message(self, way: Way, stream: DnsStream, data: bytes) -> None:
        """One question over TCP or TLS."""
        connection = stream.flow
        assert connection is not None  # open since the client was let in
        flow = self.context.flows.open("dns", "resolver", connection)
        flow.client, flow.server, flow.received = connection.client, connection.server, len(data)
        if not self.admits(connection.client[0] if isinstance(connection.client, tuple) else ""):
            why = "this resolver is not for you: see --allow, --limit"
            self.answering.refuse(data, flow, stream.send, why, way, drop=stream.dropped)
            return
        found = self.answering.at_once(data, udp=False)
        if found is None:
            self.answering.statistics.stream += 1
            self.answering.respond(data, flow, stream.send, way, drop=stream.dropped)
            return
        wire, ready = found
        stream.send(wire)
        self.answering.statistics.ready_stream += 1
        flow.label, flow.sent = ready.label, len(wire)
        flow.end(Outcome.OK, ready.result)

    def admits(self, address: str) -> bool:
        """Whether this client is answered at all: by its address, and by how often it asks."""
        config = self.config
        if not in_networks(address, config.allow):
            return False
        if not config.limit:
            return True
        now = self.context.clock.now()
        bucket = self.buckets.get(address)
        if bucket is None:
            if len(self.buckets) >= MOST_CLIENTS:
                del self.buckets[next(iter(self.buckets))]
            bucket = self.buckets[address] = TokenBucket(config.limit, config.limit, now)
        return bucket.admit(now).admitted

    def _refuse_stranger(self, sock: UdpSocket, data: bytes, peer: Address) -> None:
        """A stranger is told REFUSED; a client over its limit is told nothing: he may be a forged one."""
        flow = self.context.flows.open("dns", "resolver")
        flow.client, flow.server, flow.received = peer, sock.address, len(data)
        if in_networks(peer[0], self.config.allow):
            self.answering.statistics.limited += 1
            flow.end(Outcome.REFUSED, "over the limit")
            return
        self.answering.refuse(
            data, flow, lambda wire: sock.send(wire, peer), "this resolver is not for you: see --allow", Way.UDP
        )
