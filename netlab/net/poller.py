"""Descriptors watched by an epoll of our own, which is itself one descriptor of the loop (Linux)."""

from __future__ import annotations

import _socket
import asyncio
import errno
import select
import socket
from collections.abc import Callable
from typing import Any

AVAILABLE = hasattr(select, "epoll")

IN, OUT, ENDED, BROKEN = (
    (select.EPOLLIN, select.EPOLLOUT, select.EPOLLRDHUP, select.EPOLLERR | select.EPOLLHUP)
    if AVAILABLE
    else (1, 4, 0x2000, 0x18)
)
"""What an event says: bytes to read, room to write, the peer's FIN has come, the connection is broken or all over."""
EDGE = select.EPOLLET if AVAILABLE else 0

PER_TURN = 256
"""Events handled in one turn of the loop before other work gets its chance."""
PER_ACCEPT = 64
"""Connections accepted in a row before those that stand get theirs."""
BREATH = 0.1
"""Seconds without accepting after the system had no descriptor left."""

Socket = socket.socket
Called = Callable[[int], None]
"""Gets the events of its descriptor."""


class Poller:
    """Calls back for events of raw descriptors, each told once (edge-triggered): whoever is called reads and writes
    until it would block, and needs no system call to say what it waits for next.

    The loop's own `add_reader` costs several system calls a descriptor, and one more at every change; measured on new
    connections, this takes three quarters of the processor time. `now` is the loop's time when the turn began.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._epoll = select.epoll()
        self._called: dict[int, Called] = {}
        self._leaving: list[_socket.socket] = []
        self._turn = False
        self.now = self._loop.time()
        self._loop.add_reader(self._epoll.fileno(), self._ready)

    def watch(self, descriptor: int, called: Called, events: int) -> None:
        """From now on; what is already there to be read is told too."""
        self._called[descriptor] = called
        self._epoll.register(descriptor, events | EDGE)

    def change(self, descriptor: int, events: int) -> None:
        """Watch it for these from now on."""
        self._epoll.modify(descriptor, events | EDGE)

    def watch_level(self, descriptor: int, called: Called) -> None:
        """Tell of readability for as long as it lasts, as a loop does."""
        self._called[descriptor] = called
        self._epoll.register(descriptor, IN)

    def forget(self, descriptor: int) -> None:
        """Watch it no more; it stays open."""
        if self._called.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def close_socket(self, sock: _socket.socket) -> None:
        """Watch it no more, and close it: at the end of this turn, so that no event of the turn meets another
        descriptor with the same number.
        """
        self._called.pop(sock.fileno(), None)
        if self._turn:
            self._leaving.append(sock)
        else:
            sock.close()

    def _ready(self) -> None:
        called = self._called
        self.now = self._loop.time()
        self._turn = True
        try:
            for descriptor, events in self._epoll.poll(0, PER_TURN):
                call = called.get(descriptor)
                if call is not None:
                    try:
                        call(events)
                    except Exception as error:  # the edge of a connection: the others' events come only once
                        self._loop.call_exception_handler({"message": f"{call!r} failed", "exception": error})
        finally:
            self._turn = False
            while self._leaving:
                self._leaving.pop().close()

    def close(self) -> None:
        """Watch nothing any more."""
        if not self._epoll.closed:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._called.clear()

    def __len__(self) -> int:
        return len(self._called)


class Readers:
    """Where there is no epoll: the loop's own readers, told for as long as there is something to read."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._watched: set[int] = set()

    def watch(self, descriptor: int, called: Called, events: int) -> None:
        self._watched.add(descriptor)
        self._loop.add_reader(descriptor, called, events)

    def forget(self, descriptor: int) -> None:
        self._watched.discard(descriptor)
        self._loop.remove_reader(descriptor)

    def close_socket(self, sock: _socket.socket) -> None:
        self.forget(sock.fileno())
        sock.close()

    def close(self) -> None:
        for descriptor in list(self._watched):
            self.forget(descriptor)


def watching() -> Poller | Readers:
    """What many short-lived sockets are best watched with here."""
    return Poller() if AVAILABLE else Readers()


class Acceptor:
    """Accepts on a listening socket until it would block, and gives each connection as it is, non-blocking."""

    def __init__(self, poller: Poller, sock: socket.socket, accepted: Callable[[socket.socket, Any], None]) -> None:
        self._poller, self._sock, self._accepted = poller, sock, accepted
        self._family = sock.family
        self._pause: asyncio.TimerHandle | None = None
        self._watch()

    def _watch(self) -> None:
        self._pause = None
        self._poller.watch_level(self._sock.fileno(), self._ready)

    def _ready(self, events: int) -> None:
        accept, accepted = self._sock._accept, self._accepted  # type: ignore[attr-defined]  # what `accept` stands on
        for _ in range(PER_ACCEPT):
            try:
                descriptor, address = accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    raise
                self._poller.forget(self._sock.fileno())
                self._pause = asyncio.get_running_loop().call_later(BREATH, self._watch)
                return
            # `accept` makes enums of the listening socket's family and type each time, a tenth of a connection's cost
            sock = socket.socket(self._family, socket.SOCK_STREAM, 0, descriptor)
            sock.setblocking(False)
            accepted(sock, address)

    def close(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
        self._poller.forget(self._sock.fileno())
        self._sock.close()
