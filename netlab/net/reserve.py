"""Ports for several workers: bound once by their parent and held, so that all workers listen on the same numbers."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from types import TracebackType

from netlab.net.listen import DatagramListener, Listener, addresses, explain


class Reservation:
    """Sockets that are bound and do not listen; `ports` has a number for each listener, in order.

    Datagrams of the same name and host as a stream listener before them have its port, as `UdpListener` has it.
    """

    def __init__(self, listeners: Sequence[Listener | DatagramListener]) -> None:
        self.ports: list[int] = []
        self._sockets: list[socket.socket] = []
        streams: dict[tuple[str, str, int], int] = {}  # by name, host and the port that was asked for
        try:
            for listener in listeners:
                key = listener.name, listener.host, listener.port
                if isinstance(listener, Listener) or key not in streams:
                    streams[key] = self._reserve(listener)
                self.ports.append(streams[key])
        except BaseException:
            self.close()
            raise

    def _reserve(self, listener: Listener | DatagramListener) -> int:
        port = listener.port
        for index, (family, host) in enumerate(addresses(listener.host)):
            try:
                if port:
                    # with SO_REUSEPORT alone a port on which another lab's workers listen would look free
                    _bound(family, host, port, shared=False).close()
                held = _bound(family, host, port, shared=True)
            except OSError as error:
                if index and error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    continue  # a machine without IPv6 still serves `localhost`
                raise explain(error, host, port) from error
            self._sockets.append(held)
            port = held.getsockname()[1]
        return port

    def close(self) -> None:
        for held in self._sockets:
            held.close()
        self._sockets.clear()

    def __enter__(self) -> Reservation:
        return self

    def __exit__(self, *_exception: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


def _bound(family: socket.AddressFamily, host: str, port: int, *, shared: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
    except BaseException:
        sock.close()
        raise
    return sock
