"""Echo, discard, daytime and chargen over TCP and UDP: the plainest services, to see what TCP and UDP are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from netlab.config import Address, Duration, Size
from netlab.flow import Outcome
from netlab.net.connection import Connection
from netlab.net.gate import Gate, GateLimits
from netlab.net.listen import DatagramListener, Listener
from netlab.net.tasks import Tasks
from netlab.net.tcp_facts import save_syn, saved_syn
from netlab.net.udp import Address as Peer
from netlab.net.udp import UdpListener, UdpSocket
from netlab.service import Context
from netlab.text import counted

TRY = "netlab tcp {host}:{port}"
"""What `netlab up` proposes."""

EXAMPLES = (
    ("netlab serve echo", "what is sent comes back, over TCP and UDP, on 127.0.0.1:7007"),
    ("netlab serve echo --mode daytime", "the time, in a sentence"),
    ("netlab serve echo --mode chargen --size 10MB", "ten million characters to whoever connects"),
)
WORKERS = False

PRINTABLE = bytes(range(32, 127))
LINE = 72
ROUND = b"".join((PRINTABLE * 2)[first : first + LINE] + b"\r\n" for first in range(len(PRINTABLE)))
"""chargen's pattern until it begins anew: each line a character further than the one before (RFC 864)."""
PIECE = 64 << 10
LARGEST_CHARGEN = 512  # characters in a datagram, RFC 864
SERVICE_PORTS = 1024
"""Datagrams from below this port are not answered: two services that answer each other would never stop, and a forged
source port is enough to set them off (CERT advisory CA-1996-01).
"""


@dataclass(frozen=True, kw_only=True)
class Config:
    """What can be set for the echo server."""

    listen: Address = Address("127.0.0.1", 7007)
    """Where to listen, over TCP and UDP; port 0 takes a free one."""
    expose: bool = False
    """Let other machines reach it: without this, only loopback is listened on."""
    mode: Literal["echo", "discard", "daytime", "chargen"] = "echo"
    """What to do: send it back (RFC 862), drop it (RFC 863), tell the time (RFC 867), send characters (RFC 864)."""
    size: Size = 1 << 20
    """Characters chargen sends on a TCP connection before it closes it."""
    max_connections: int = 1000
    """Connections open at once; 0 is no limit."""
    idle_timeout: Duration = 300.0
    """How long a connection may stay without a byte."""

    def __post_init__(self) -> None:
        if not self.expose:
            self.listen.refuse_exposure("--listen", "this server")


class Server:
    """One mode over both protocols; every connection is a flow, and every datagram with its answer."""

    def __init__(self, config: Config, context: Context) -> None:
        self.config, self.context = config, context
        self.tasks = Tasks("echo")
        self.gate = Gate(GateLimits(connections=config.max_connections))
        self.stream = {"echo": Echo, "discard": Discard, "daytime": Daytime, "chargen": Chargen}[config.mode]

    def listeners(self) -> Sequence[Listener | DatagramListener]:
        host, port = self.config.listen.host, self.config.listen.port
        stream = Listener(
            name=self.config.mode,
            scheme="tcp",
            host=host,
            port=port,
            factory=lambda: self.stream(self),
            gate=self.gate,
            prepare=save_syn,
        )
        datagrams = UdpListener(name=self.config.mode, scheme="udp", host=host, port=port, handler=self.datagram)
        return [stream, datagrams]

    def datagram(self, sock: UdpSocket, data: bytes, peer: Peer) -> None:
        """A datagram came: answer as the mode says, and keep both on a flow."""
        flow = self.context.flows.open("udp", "echo")
        flow.client, flow.server = peer, sock.address
        flow.label, flow.received = f"{self.config.mode} {counted(len(data), 'byte')}", len(data)
        if flow.full:
            flow.wire = flow.log.tape()
            flow.wire.write(flow.log.now(), "client", data)
            flow.note("datagram.received", "client", end=len(data), size=len(data))
        if peer[1] < SERVICE_PORTS:
            flow.note("datagram.ignored", reason=f"port {peer[1]} may be a service that would answer the answer")
            flow.end(Outcome.REFUSED, "not answered")
            return
        answer = self.answer(data)
        if answer is not None:
            sock.send(answer, peer)
            flow.sent = len(answer)
            if flow.wire is not None:
                flow.wire.write(flow.log.now(), "server", answer)
                flow.note("datagram.sent", "server", end=len(answer), size=len(answer))
        flow.end(Outcome.OK, "dropped" if answer is None else counted(len(answer), "byte"))

    def answer(self, data: bytes) -> bytes | None:
        """What a datagram is answered with; None: not at all."""
        match self.config.mode:
            case "echo":
                return data
            case "discard":
                return None
            case "daytime":
                return self.time()
            case "chargen":  # RFC 864: between 0 and 512 characters, at random
                first = self.context.random.randrange(len(PRINTABLE)) * (LINE + 2)
                return (ROUND * 2)[first : first + self.context.random.randint(0, LARGEST_CHARGEN)]

    def time(self) -> bytes:
        """The lab's time in one line; RFC 867 leaves its form open."""
        moment = datetime.fromtimestamp(self.context.clock.now(), UTC)
        return moment.strftime("%A, %d %B %Y %H:%M:%S UTC\r\n").encode("ascii")


class Stream(Connection):
    """A TCP connection of any mode: counts what passes, and ends when the client has ended and all is sent."""

    def __init__(self, server: Server) -> None:
        super().__init__(server.gate, server.context.flows, "echo")
        self.server = server
        self.received = self.sent = 0

    def opened(self) -> None:
        assert self.flow is not None
        self.flow.label = self.server.config.mode
        if self.flow.full and (syn := saved_syn(self.transport)):
            self.flow.detail(syn=syn.hex())
        self.wait()
        self.begin()

    def begin(self) -> None:
        """The mode's first words, if it has any."""

    def wait(self) -> None:
        if not self.writing_paused:  # else the write deadline counts, and this one is put back behind it
            self.set_deadline("idle", self.server.config.idle_timeout)

    def feed(self, data: bytes) -> None:
        self.wait()
        self.received += len(data)
        if data:
            self.came(data)
        else:
            self.client_ended()

    def client_ended(self) -> None:
        """The client has no more to send; it may still read."""
        self.close()

    def came(self, data: bytes) -> None:
        raise NotImplementedError

    def send(self, data: bytes) -> None:
        self.sent += len(data)
        self.write(data)

    def ended(self, error: Exception | None) -> None:
        if self.flow is not None:
            self.flow.received, self.flow.sent = self.received, self.sent


class Echo(Stream):
    """RFC 862: what comes goes back. A client that does not read is not read from."""

    def came(self, data: bytes) -> None:
        self.send(data)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.transport.resume_reading()


class Discard(Stream):
    """RFC 863: what comes is dropped."""

    def came(self, data: bytes) -> None:
        pass


class Daytime(Stream):
    """RFC 867: the time is sent, and the connection closed."""

    def begin(self) -> None:
        self.send(self.server.time())
        self.linger()

    def came(self, data: bytes) -> None:
        pass


class Chargen(Stream):
    """RFC 864: characters are sent, as fast as they are taken, here up to a bound; what comes is dropped."""

    def begin(self) -> None:
        self.left = self.server.config.size
        self.go_on()

    def go_on(self) -> None:
        """Send until the client is full or has had enough."""
        while self.left and not self.writing_paused and not self.transport.is_closing():
            at = (self.server.config.size - self.left) % len(ROUND)
            piece = (ROUND * 12)[at : at + min(self.left, PIECE)]
            self.left -= len(piece)
            self.send(piece)
        self.wait()
        if not self.left and not self.lingering and not self.transport.is_closing():
            self.linger()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.loop.call_soon(self.go_on)  # in its own turn: others are served in between

    def came(self, data: bytes) -> None:
        pass

    def client_ended(self) -> None:
        """A client that only listens is what this service is for; it ends at the bound."""
