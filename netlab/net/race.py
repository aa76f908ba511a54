"""Connecting a TCP socket to one of several addresses: Happy Eyeballs (RFC 8305), losers closed."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import deque
from collections.abc import Callable, Sequence

from netlab.net.addresses import SocketAddress
from netlab.net.tasks import Tasks

STAGGER = 0.25
"""Seconds one address has for itself before the next is tried beside it (RFC 8305 section 5)."""

Attempt = tuple[SocketAddress, OSError]
Notice = Callable[[str, SocketAddress, OSError | None], None]
"""Called with `connect.started` and `connect.failed`."""


class AllFailed(OSError):
    """No address could be connected to; `attempts` has each with its error, in the order they failed."""

    def __init__(self, attempts: Sequence[Attempt]) -> None:
        super().__init__(attempts[-1][1].errno, attempts[-1][1].strerror)
        self.attempts = attempts


async def connect(
    targets: Sequence[SocketAddress], *, source: str | None = None, notice: Notice, stagger: float = STAGGER
) -> tuple[socket.socket, SocketAddress]:
    """A connected socket to the first of the targets that answers, and which it was; tried in order, staggered."""
    if len(targets) > 1:
        return await _race(targets, source, notice, stagger)
    try:
        return await _attempt(targets[0], source, notice), targets[0]
    except OSError as error:
        raise AllFailed([(targets[0], error)]) from error


async def _race(
    targets: Sequence[SocketAddress], source: str | None, notice: Notice, stagger: float
) -> tuple[socket.socket, SocketAddress]:
    racers = Tasks("connect")
    waiting, started, failed = deque(targets), dict[asyncio.Task[socket.socket | OSError], SocketAddress](), []
    winner: socket.socket | None = None

    async def run(target: SocketAddress) -> socket.socket | OSError:
        try:
            return await _attempt(target, source, notice)
        except OSError as error:  # an answer to the race, not a failure of the task
            return error

    try:
        running: set[asyncio.Task[socket.socket | OSError]] = set()
        while waiting or running:
            if waiting:
                target = waiting.popleft()
                task = racers.start(run(target), str(target))
                started[task] = target
                running.add(task)
            done, running = await asyncio.wait(
                running, timeout=stagger if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                result = task.result()
                if isinstance(result, socket.socket):
                    winner = result
                    return winner, started[task]
                failed.append((started[task], result))
        raise AllFailed(failed)
    finally:
        for task in started:
            task.cancel()
            task.add_done_callback(lambda ended: _close_loser(ended, winner))
        await racers.cancel()


def _close_loser(task: asyncio.Task[socket.socket | OSError], winner: socket.socket | None) -> None:
    if not task.cancelled() and isinstance(result := task.result(), socket.socket) and result is not winner:
        result.close()


async def _attempt(target: SocketAddress, source: str | None, notice: Notice) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in target.address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source is not None:
            sock.bind((source, 0))
        notice("connect.started", target, None)
        await asyncio.get_running_loop().sock_connect(sock, target)
    except BaseException as error:
        sock.close()
        if isinstance(error, OSError):
            notice("connect.failed", target, error)
        raise
    return sock


async def adopt(sock: socket.socket, protocol: asyncio.BaseProtocol) -> asyncio.Transport:
    """Give a connected socket to a transport, whose protocol this becomes; cancelled, it is closed."""
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.create_connection(lambda: protocol, sock=sock)
    except BaseException:
        sock.close()  # where the transport has not taken it, or, in asyncio, closes it only in its next turn
        raise
    return transport


def explain(error: OSError, where: str) -> str:
    """A failed connect in plain words; `where` names the address and port."""
    match error.errno:
        case errno.ECONNREFUSED:
            return f"nothing listens on {where} (connection refused)"
        case errno.ENETUNREACH | errno.EHOSTUNREACH:
            return f"there is no route to {where}"
        case errno.ETIMEDOUT:
            return f"{where} does not answer (the system gave up)"
        case errno.EADDRNOTAVAIL:
            return f"no connection to {where}: the source address is not one of this machine, or its ports are used up"
        case errno.EMFILE | errno.ENFILE:
            return f"no connection to {where}: too many files are open (see `ulimit -n`)"
        case errno.EACCES | errno.EPERM:
            return f"this system does not permit a connection to {where}"
    return f"no connection to {where}: {error.strerror or error}"
