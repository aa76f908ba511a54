"""Relaying between two TCP connections inside the kernel: through a pipe, and never copied to us (Linux)."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import socket
from collections.abc import Callable
from typing import Any, Protocol

from netlab.net.plain import plain_socket
from netlab.net.reset import will_reset

BULK = 64 << 10
"""A read of this size tells that a connection carries bulk; for less, taking it over costs more than it saves."""
PIPE = 1 << 20
"""Bytes a pipe holds where the system allows it; more than that moves in no single call."""
TURN = 4 << 20
"""Bytes one direction may move before other connections have their turn."""
RETRY = 0.05
"""Seconds until a pipe is asked for again when no descriptor is left."""

AVAILABLE = hasattr(os, "splice") and hasattr(fcntl, "F_SETPIPE_SZ")


class Joined(Protocol):
    """A protocol object whose transport can be taken from it; it gets a `Handle` in its place."""

    transport: Any

    def connection_lost(self, error: Exception | None) -> None: ...


class Pipes:
    """Pipes for splicing, leased only while bytes are in them; a few that are empty are kept."""

    def __init__(self, *, keep: int = 8) -> None:
        self.keep, self.leased = keep, 0
        self._empty: list[tuple[int, int]] = []

    def take(self) -> tuple[int, int]:
        """(to read from, to write to); OSError when there are no descriptors left."""
        pipe = self._empty.pop() if self._empty else self._make()
        self.leased += 1
        return pipe

    def give_back(self, pipe: tuple[int, int], *, empty: bool) -> None:
        self.leased -= 1
        if empty and len(self._empty) < self.keep:
            self._empty.append(pipe)
        else:
            _close_pipe(pipe)

    @staticmethod
    def _make() -> tuple[int, int]:
        pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.fcntl(pipe[1], fcntl.F_SETPIPE_SZ, PIPE)
        except OSError:  # above what this user may have: it stays at 64 KiB
            pass
        return pipe

    def close(self) -> None:
        while self._empty:
            _close_pipe(self._empty.pop())

    def __len__(self) -> int:
        return len(self._empty)


def _close_pipe(pipe: tuple[int, int]) -> None:
    os.close(pipe[0])
    os.close(pipe[1])


def can_join(*ends: Joined) -> bool:
    """Whether their bytes may go past us: plain TCP, nothing waiting to be written."""
    return AVAILABLE and all(
        plain_socket(end.transport) is not None
        and not end.transport.is_closing()
        and not end.transport.get_write_buffer_size()
        for end in ends
    )


class Splice:
    """Relays between two sockets until both have ended, and closes them; from now on it has them alone.

    Each half is closed when its other end is; a reset on one side is a reset on the other.

    moved          told of bytes from near to far, and from far to near
    over           told of the end, in a turn of its own: None, or the error that was a reset
    near_ended     near has sent its last byte already, and far was told; likewise far_ended
    """

    def __init__(
        self,
        near: socket.socket,
        far: socket.socket,
        pipes: Pipes,
        moved: Callable[[int, int], None],
        over: Callable[[OSError | None], None],
        *,
        near_ended: bool = False,
        far_ended: bool = False,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.pipes, self.over = pipes, False
        self._sockets, self._told = (near, far), over
        self._up = _Direction(self, near, far, lambda size: moved(size, 0))
        self._down = _Direction(self, far, near, lambda size: moved(0, size))
        self._up.begin(ended=near_ended)
        self._down.begin(ended=far_ended)

    def half_done(self) -> None:
        """One direction has come to its end."""
        if self._up.done and self._down.done:
            self.end(None)

    def end(self, error: OSError | None) -> None:
        """Close both, with RST where one of them ended so."""
        if self.over:
            return
        self.over = True
        self._up.cancel()
        self._down.cancel()
        for taken in self._sockets:
            if error is not None:
                will_reset(taken)
            taken.close()
        self.loop.call_soon(self._told, error)


def take_over(
    near: Joined,
    far: Joined,
    pipes: Pipes,
    moved: Callable[[int, int], None],
    *,
    near_ended: bool = False,
    far_ended: bool = False,
) -> None:
    """Take the sockets of two connections away from their transports, and relay; `can_join` has been asked.

    Both protocol objects keep a `Handle` as their transport, and get their `connection_lost` at the end. OSError leaves
    everything as it was.
    """
    ends, loop = (near, far), asyncio.get_running_loop()
    sockets = _duplicates(near, far)

    def over(error: OSError | None) -> None:
        for end in ends:
            loop.call_soon(end.connection_lost, error)

    handles = []
    for end, taken in zip(ends, sockets, strict=True):
        old = end.transport
        end.transport = Handle(taken, old.get_extra_info("peername"), old.get_extra_info("sockname"))
        handles.append(end.transport)
        old.set_protocol(_Gone())
        old.abort()
    splice = Splice(sockets[0], sockets[1], pipes, moved, over, near_ended=near_ended, far_ended=far_ended)
    for handle in handles:
        handle.splice = splice


class _Direction:
    """Bytes from one socket to the other: splice in, splice out, wait for whichever is not ready."""

    __slots__ = ("_destination", "_held", "_moved", "_out", "_pipe", "_retry", "_source", "_splice", "_state", "done")

    def __init__(
        self, splice: Splice, source: socket.socket, destination: socket.socket, moved: Callable[[int], None]
    ) -> None:
        self._splice, self._moved, self._out = splice, moved, destination
        self._source, self._destination = source.fileno(), destination.fileno()
        self._pipe: tuple[int, int] | None = None
        self._held = 0  # bytes in the pipe
        self._state = ""  # what the loop watches for us: "source", "destination" or nothing
        self._retry: asyncio.TimerHandle | None = None
        self.done = False

    def begin(self, *, ended: bool) -> None:
        if ended:
            self.done = True
            self._end_destination()  # a transport may have been asked to, and was aborted before it did
        else:
            self._watch("source")

    def _run(self) -> None:
        """The source has something, or the destination has room."""
        if self._splice.over:
            return
        try:
            moved = self._move()
        except OSError as error:
            self._splice.end(error)
            return
        if moved:
            self._moved(moved)

    def _move(self) -> int:
        """Move until one side would block or it is the others' turn; returns the bytes that left."""
        moved = 0
        while True:
            moved += self._push()
            if self._held:
                self._watch("destination")
                return moved
            if moved >= TURN or not self._pull():
                break
        self._let_go()
        if not self.done:
            self._watch("source")
        return moved

    def _pull(self) -> int:
        """From the source into the pipe; 0 when there is nothing now, or nothing any more."""
        if self._pipe is None and not self._lease():
            return 0
        assert self._pipe is not None
        try:
            size = os.splice(self._source, self._pipe[1], PIPE, flags=FLAGS)
        except BlockingIOError:
            return 0
        self._held = size
        if not size:
            self._finish()
        return size

    def _push(self) -> int:
        """From the pipe to the destination, as much as it takes."""
        sent = 0
        try:
            while self._pipe is not None and self._held:
                size = os.splice(self._pipe[0], self._destination, self._held, flags=FLAGS)
                self._held -= size
                sent += size
        except BlockingIOError:
            pass
        return sent

    def _finish(self) -> None:
        """The source's last byte has been moved: the destination's peer is told."""
        self.done = True
        self._watch("")
        self._let_go()
        self._end_destination()
        self._splice.loop.call_soon(self._splice.half_done)

    def _end_destination(self) -> None:
        try:
            self._out.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # its peer is gone, which the other direction finds out

    # -- pipes and watching --------------------------------------------------------------------------------------

    def _lease(self) -> bool:
        try:
            self._pipe = self._splice.pipes.take()
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
                raise
            self._watch("later")
            return False
        return True

    def _let_go(self) -> None:
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            self._splice.pipes.give_back(pipe, empty=not self._held)

    def _watch(self, what: str) -> None:
        """Have the loop call `_run` when the source can be read, the destination written, or a moment has passed."""
        if what == self._state or (what == "source" and self._state == "later"):
            return
        loop = self._splice.loop
        if self._state == "source":
            loop.remove_reader(self._source)
        elif self._state == "destination":
            loop.remove_writer(self._destination)
        elif self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self._state = what
        if what == "source":
            loop.add_reader(self._source, self._run)
        elif what == "destination":
            loop.add_writer(self._destination, self._run)
        elif what == "later":
            self._retry = loop.call_later(RETRY, self._again)

    def _again(self) -> None:
        self._state, self._retry = "", None
        self._run()

    def cancel(self) -> None:
        self.done = True
        self._watch("")
        self._let_go()


class Handle(asyncio.Transport):
    """What a connection has for its transport after a splice took the socket: it can be ended, no more."""

    splice: Splice

    def __init__(self, taken: socket.socket, peer: Any, own: Any) -> None:
        super().__init__({"peername": peer, "sockname": own, "socket": taken})

    def is_closing(self) -> bool:
        return self.splice.over

    def close(self) -> None:
        self.splice.end(None)

    abort = close

    def can_write_eof(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        """The kernel holds the peer back by itself."""

    def resume_reading(self) -> None:
        """Likewise."""


class _Gone(asyncio.Protocol):
    """Gets what a transport still says after its socket was taken from it."""


def _duplicates(*ends: Joined) -> list[socket.socket]:
    """Sockets of our own for the same connections: a loop does not watch a transport's descriptor for anyone else."""
    taken: list[socket.socket] = []
    try:
        for end in ends:
            original = end.transport.get_extra_info("socket")
            taken.append(socket.socket(original.family, original.type, fileno=os.dup(original.fileno())))
    except OSError:
        for duplicate in taken:
            duplicate.close()
        raise
    return taken


FLAGS = (os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK) if AVAILABLE else 0
