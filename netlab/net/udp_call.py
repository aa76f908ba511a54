"""One UDP peer that we call: a connected socket whose datagrams go to a handler as they come."""

from __future__ import annotations

import _socket  # what `socket.socket` is around: for a socket that lives for one question that is a tenth of its cost
import socket
from collections.abc import Callable

from netlab.net.addresses import SocketAddress
from netlab.net.poller import IN, Poller, Readers
from netlab.net.udp import LARGEST

DATAGRAMS = socket.SOCK_DGRAM | getattr(socket, "SOCK_NONBLOCK", 0)


class UdpCall:
    """Connected, it takes datagrams from that peer alone, and hears of it when nothing listens there.

    came    called with each datagram
    failed  called with what the network says against one of ours; the socket stays
    """

    __slots__ = ("_came", "_failed", "_largest", "_poller", "_sock", "closed")

    def __init__(
        self,
        poller: Poller | Readers,
        target: SocketAddress,
        came: Callable[[bytes], None],
        failed: Callable[[OSError], None],
        *,
        largest: int = LARGEST,
    ) -> None:
        """`largest`: bytes that are read of a datagram; room for each is made anew."""
        self._largest, self.closed = largest, False
        self._poller, self._came, self._failed = poller, came, failed
        self._sock = _socket.socket(socket.AF_INET6 if ":" in target.address else socket.AF_INET, DATAGRAMS)
        try:
            self._sock.connect(target)
        except OSError:
            self._sock.close()
            raise
        poller.watch(self._sock.fileno(), self._ready, IN)

    @property
    def address(self) -> tuple[str, int]:
        """Our own end."""
        host, port = self._sock.getsockname()[:2]
        return host, port

    def send(self, data: bytes) -> None:
        """Send a datagram; one that the system cannot take now is lost, as on the way."""
        try:
            self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            self._failed(error)

    def _ready(self, events: int) -> None:
        """Events are told once: read until there is nothing more."""
        while not self.closed:
            try:
                data = self._sock.recv(self._largest)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:  # ICMP: port unreachable
                self._failed(error)
            else:
                self._came(data)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._poller.close_socket(self._sock)
