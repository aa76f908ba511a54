"""A file to a connection: by the kernel where nothing has to see the bytes, by reads and writes elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable

from netlab.net.connection import Connection
from netlab.net.plain import plain_socket

PIECE = 256 << 10
"""Bytes of one read, where the bytes must pass through us (TLS, a tape)."""
TURN = 4 << 20
"""Bytes one file may send before the other connections have their turn."""


class FileSender:
    """Sends `count` bytes of a descriptor from `offset` on, behind `head`, and closes the descriptor.

    `sent` is told of every piece, `done` of the end: None, or the OSError that ended it early. The kernel's way works
    on a duplicate of the socket's descriptor, because a loop does not watch a transport's own for anyone else.
    """

    __slots__ = ("_connection", "_count", "_descriptor", "_done", "_offset", "_sent", "_socket", "_watching")

    def __init__(
        self,
        connection: Connection,
        descriptor: int,
        offset: int,
        count: int,
        *,
        sent: Callable[[int], None],
        done: Callable[[Exception | None], None],
    ) -> None:
        self._connection, self._descriptor, self._offset, self._count = connection, descriptor, offset, count
        self._sent, self._done = sent, done
        self._socket = -1
        self._watching = False

    def begin(self, head: bytes) -> None:
        """Write the head, then as much of the file as the socket takes now."""
        connection, transport = self._connection, self._connection.transport
        sock = plain_socket(transport)
        if sock is not None and connection.tape is None and hasattr(os, "sendfile"):
            transport.set_write_buffer_limits(high=0)  # write now, and say so when something is left
            connection.write(head)
            self._socket = os.dup(sock.fileno())
        else:
            connection.write(head)
        if not connection.writing_paused:
            self.go_on()

    def go_on(self) -> None:
        """What was written before is on its way: more of the file."""
        if self._descriptor < 0:
            return
        try:
            finished = self._by_kernel() if self._socket >= 0 else self._by_hand()
        except OSError as error:
            self._end(error)
        else:
            if finished:
                self._end(None)

    def _by_kernel(self) -> bool:
        room = TURN
        while self._count and room > 0:
            try:
                size = os.sendfile(self._socket, self._descriptor, self._offset, min(self._count, room))
            except BlockingIOError:
                break
            if not size:
                raise OSError("the file became shorter while it was sent")
            self._advance(size)
            self._connection.written += size
            room -= size
        if self._count and not self._watching:
            self._watching = True
            self._connection.loop.add_writer(self._socket, self.go_on)
        return not self._count

    def _by_hand(self) -> bool:
        connection = self._connection
        while self._count and not connection.writing_paused:
            data = os.pread(self._descriptor, min(self._count, PIECE), self._offset)
            if not data:
                raise OSError("the file became shorter while it was sent")
            connection.write(data)
            self._advance(len(data))
        return not self._count

    def _advance(self, size: int) -> None:
        self._offset += size
        self._count -= size
        self._sent(size)

    def _end(self, error: Exception | None) -> None:
        self.cancel()
        self._done(error)

    def cancel(self) -> None:
        """Stop, and let go of both descriptors; `done` is not told."""
        if self._watching:
            self._connection.loop.remove_writer(self._socket)
            self._watching = False
        if self._socket >= 0:
            os.close(self._socket)
            self._socket = -1
            self._connection.transport.set_write_buffer_limits()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
