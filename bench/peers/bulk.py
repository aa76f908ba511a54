"""An upstream for large content, either way: it sends zeros, it counts and throws away, it keeps nothing.

    python -m bench.peers.bulk PORT

GET /N answers with N bytes. PUT takes content and answers with how many bytes came; below /slow it takes its time.
"""

from __future__ import annotations

import re
import socket
import sys
import threading
import time
from dataclasses import dataclass

from bench.stage import Stage, Target, free_port

PIECE = bytes(1 << 20)
SLOWLY = 0.01  # seconds between two pieces of 4 MiB


@dataclass(frozen=True, kw_only=True)
class Bulk:
    def missing(self) -> str:
        return ""

    def version(self) -> str:
        return "bulk"

    def start(self, stage: Stage) -> Target:
        port = free_port()
        return Target(port=port, processes=(stage.python(["-m", "bench.peers.bulk", str(port)]),))


def serve(connection: socket.socket) -> None:
    with connection:
        while head := read_head(connection):
            method, path, length = understood(head)
            if method == "PUT":
                body = b"%d" % take(connection, length, slowly=path.startswith("/slow"))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            else:
                size = int(path[1:])
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
                for start in range(0, size, len(PIECE)):
                    connection.sendall(memoryview(PIECE)[: size - start])


def read_head(connection: socket.socket) -> bytes:
    """A request's head and nothing behind it; empty at the end."""
    while seen := connection.recv(65536, socket.MSG_PEEK):
        if (end := seen.find(b"\r\n\r\n")) >= 0:
            return connection.recv(end + 4)
    return b""


def understood(head: bytes) -> tuple[str, str, int]:
    """Method, path and length of the content."""
    method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
    length = re.search(rb"\r\ncontent-length:[ ]*(\d+)", head, re.IGNORECASE)
    return method, target, int(length[1]) if length else 0


def take(connection: socket.socket, length: int, *, slowly: bool) -> int:
    """Throw content away as it comes (tcp(7): with MSG_TRUNC it is not even copied); returns how much came."""
    got, room = 0, bytearray(4 << 20)
    while got < length:
        size = connection.recv_into(room, min(length - got, len(room)), socket.MSG_TRUNC)
        if not size:
            break
        got += size
        if slowly:
            time.sleep(SLOWLY * size / len(room))
    return got


def main() -> None:
    with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=512) as server:
        while True:
            connection, _ = server.accept()
            threading.Thread(target=serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
