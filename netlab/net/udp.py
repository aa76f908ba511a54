"""UDP: one raw non-blocking socket a listener, drained until it would block; a connected one for each question."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from netlab.errors import PeerUnreachable
from netlab.net.listen import Endpoint, addresses, explain

LARGEST = 65_535
"""The largest datagram there is."""

PER_TURN = 64
"""Datagrams read in one turn of the loop before other work gets its chance."""

SO_MEMINFO = 55
"""Linux's number for what a socket's buffers hold (linux/sock_diag.h); Python has no name for it."""

ROOM = 4 << 20
"""Bytes of datagrams that may wait to be read."""
CROWD = 150_000
"""Bytes of the kernel's memory, some 200 small datagrams: more waiting than that, and they come too quickly."""

Address = tuple[Any, ...]
"""(host, port) or (host, port, flow information, scope)."""

Handler = Callable[[bytes, Address], None]


def ignore(data: bytes, address: Address) -> None:
    """A handler for what nobody waits for."""


class UdpSocket:
    """A bound socket: every datagram goes to the handler at once; what is sent leaves at once, or waits its turn.

    `queue` datagrams may wait for a full send buffer; one more is dropped and counted, as the network would.
    """

    def __init__(self, sock: socket.socket, handler: Handler, *, queue: int = 1024, largest: int = LARGEST) -> None:
        """`largest`: bytes that are read of a datagram, what is behind them being lost; room for each is made anew."""
        sock.setblocking(False)
        self._largest, self._sendto = largest, sock.sendto
        self.sock, self.handler = sock, handler
        self.address: Address = sock.getsockname()  # where it is bound; asked once, not for every datagram
        self.dropped, self.closed = 0, False
        self.behind = False  # datagrams come quicker than they are read: soon they will be lost
        self._queue: deque[tuple[bytes, Address]] = deque()
        self._room = queue
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock.fileno(), self._readable)

    def _readable(self) -> None:
        receive, handler, largest = self.sock.recvfrom, self.handler, self._largest
        for _ in range(PER_TURN):
            try:
                data, address = receive(largest)
            except (BlockingIOError, InterruptedError):
                self.behind = False
                return
            except OSError:  # an ICMP error about an earlier datagram of ours; this socket serves all the others
                continue
            handler(data, address)
            if self.closed:
                return
        self.behind = crowded(self.sock)

    def send(self, data: bytes, address: Address) -> None:
        """Send a datagram; one that the network will not take is dropped and counted."""
        if self._queue:
            self._wait(data, address)
            return
        try:
            self._sendto(data, address)
        except (BlockingIOError, InterruptedError):
            self._wait(data, address)
        except OSError:  # no route, too large, refused by the host before: UDP promises nothing
            self.dropped += 1

    def _wait(self, data: bytes, address: Address) -> None:
        if len(self._queue) >= self._room:
            self.dropped += 1
            return
        if not self._queue:
            self._loop.add_writer(self.sock.fileno(), self._writable)
        self._queue.append((data, address))

    def _writable(self) -> None:
        queue = self._queue
        while queue:
            try:
                self.sock.sendto(*queue[0])
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self.dropped += 1
            queue.popleft()
        self._loop.remove_writer(self.sock.fileno())

    def close(self) -> None:
        """Let go of the socket; what still waits is not sent."""
        if not self.closed:
            self.closed = True
            self._loop.remove_reader(self.sock.fileno())
            if self._queue:
                self._loop.remove_writer(self.sock.fileno())
                self._queue.clear()
            self.sock.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else str(self.address)
        return f"<UdpSocket {state}, {len(self._queue)} waiting, {self.dropped} dropped>"


def crowded(sock: socket.socket) -> bool:
    """Whether a good part of a socket's receive buffer is taken; only Linux tells."""
    if sys.platform != "linux":
        return False
    taken, room = struct.unpack_from("=II", sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 8))
    return bool(taken > min(CROWD, room // 2))


@dataclass(frozen=True, kw_only=True, slots=True)
class UdpListener:
    """What a service wants bound for datagrams, as `Listener` is for streams.

    `handler` is called with (socket, data, address); it answers by `socket.send`. `localhost` is 127.0.0.1 and ::1.
    """

    name: str
    scheme: str
    host: str
    port: int
    handler: Callable[[UdpSocket, bytes, Address], None]
    reuse_port: bool = False
    largest: int = LARGEST
    """Bytes that are read of a datagram."""

    def bind(self, beside: Sequence[Endpoint] = ()) -> tuple[Endpoint, list[UdpSocket]]:
        """Bind all its addresses, or none; raises AddressInUse or UsageError in words.

        Port 0 is the port of the endpoint of the same name and host in `beside`, if there is one: what is asked over
        UDP and over TCP, as DNS is, has one port.
        """
        bound: list[UdpSocket] = []
        same = (endpoint.port for endpoint in beside if (endpoint.name, endpoint.host) == (self.name, self.host))
        port = self.port or next(same, 0)
        try:
            for family, host in addresses(self.host):
                try:
                    bound.append(self._open(family, host, port))
                except OSError as error:
                    if bound and error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                        continue  # a machine without IPv6 still serves `localhost`
                    raise explain(error, host, port, "udp") from error
                port = bound[0].address[1]
        except BaseException:
            for sock in bound:
                sock.close()
            raise
        return Endpoint(name=self.name, scheme=self.scheme, host=self.host, port=port), bound

    def _open(self, family: socket.AddressFamily, host: str, port: int) -> UdpSocket:
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            if self.reuse_port:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)  # as much of it as the system allows
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((host, port))
        except BaseException:
            sock.close()
            raise
        server = UdpSocket(sock, ignore, largest=self.largest)
        server.handler = partial(self.handler, server)
        return server


class UdpClient:
    """A socket connected to one peer, on a port the system chose at random: for a question and its answers.

    Connected, it takes datagrams from that peer alone, and hears of it when nothing listens there.
    """

    def __init__(self, host: str, port: int, *, source: str | None = None, queue: int = 64) -> None:
        self._loop = asyncio.get_running_loop()
        self._where = f"{host} port {port}"
        self._received: deque[bytes] = deque(maxlen=queue)  # the oldest make room
        self._error: OSError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.sock.setblocking(False)
            if source is not None:
                self.sock.bind((source, 0))
            self.sock.connect((host, port))
        except OSError as error:
            self.sock.close()
            raise PeerUnreachable(f"cannot send to {self._where}: {error.strerror}", stage="connect") from error
        self._loop.add_reader(self.sock.fileno(), self._readable)

    def send(self, data: bytes) -> None:
        """Send a datagram; one that the system cannot take now is lost, as on the way."""
        try:
            self.sock.send(data)
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            self._error = error

    async def receive(self) -> bytes:
        """The next datagram; raises PeerUnreachable where the peer's host refuses. The deadline is the caller's."""
        while not self._received:
            if self._error is not None:
                error, self._error = self._error, None
                raise PeerUnreachable(unreachable(error, self._where), stage="connect") from error
            self._waiter = self._loop.create_future()
            await self._waiter
        return self._received.popleft()

    def _readable(self) -> None:
        try:
            for _ in range(PER_TURN):
                self._received.append(self.sock.recv(LARGEST))
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:  # ICMP: port unreachable
            self._error = error
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        if self.sock.fileno() >= 0:
            self._loop.remove_reader(self.sock.fileno())
            self.sock.close()

    def __enter__(self) -> UdpClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def unreachable(error: OSError, where: str) -> str:
    """In words, what the network says of a datagram of ours."""
    if isinstance(error, ConnectionRefusedError):
        return f"nothing listens on {where} (port unreachable)"
    return f"cannot send to {where}: {error.strerror}"
