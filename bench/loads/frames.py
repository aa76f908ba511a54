"""Talks to WebSocket servers over raw sockets, as cheaply as it can be done: a process of its own.

    python -m bench.loads.frames HOST PORT PATH echo CONNECTIONS DEPTH SIZE SECONDS
    python -m bench.loads.frames HOST PORT PATH room CONNECTIONS DEPTH SIZE SECONDS

echo: on each connection DEPTH messages of SIZE bytes leave in one write, and the next when all of them are back;
connections are read in turn.
room: one connection sends, and everyone (itself too) is to receive; the next when all have all.
What comes is compared once, at the beginning; from then on it is counted. Prints JSON: messages received, in seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import socket
import sys
import time
from itertools import cycle

from bench.limits import raise_descriptor_limit
from bench.loads.opener import dial

HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
PER_SOURCE = 5_000


def frame(data: bytes, *, masked: bool) -> bytes:
    """A binary message in one frame."""
    size, bit = len(data), 0x80 if masked else 0
    if size < 126:
        header = bytes((0x82, bit | size))
    elif size < 65536:
        header = bytes((0x82, bit | 126)) + size.to_bytes(2, "big")
    else:
        header = bytes((0x82, bit | 127)) + size.to_bytes(8, "big")
    if not masked:
        return header + data
    mask = os.urandom(4)
    return header + mask + bytes(byte ^ key for byte, key in zip(data, cycle(mask), strict=False))


def upgraded(host: str, port: int, path: str, count: int) -> list[socket.socket]:
    """Connections behind their handshakes."""
    found = []
    for number in range(count):
        connection = dial(host, port, f"127.0.0.{2 + number // PER_SOURCE}")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(HANDSHAKE.format(path=path).encode())
        got = b""
        while not got.endswith(b"\r\n\r\n"):
            got += connection.recv(1)
        if not got.startswith(b"HTTP/1.1 101 "):
            raise SystemExit(f"the answer was {got[:60]!r}, not 101")
        found.append(connection)
    return found


def receive(connection: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        more = connection.recv(count - len(got))
        if not more:
            raise SystemExit(f"the connection ended after {got[:60]!r}")
        got += more
    return got


def drained(connections: list[socket.socket]) -> None:
    """Throw away what a room has to say of who came; the last to come hears of nobody else."""
    for connection in connections:
        connection.setblocking(False)
    quiet = time.monotonic() + 0.5
    while time.monotonic() < quiet:
        for connection in select.select(connections, [], [], 0.1)[0] if len(connections) < 500 else connections:
            try:
                while connection.recv(65536):
                    quiet = time.monotonic() + 0.5
            except BlockingIOError:
                pass


def echoes(connections: list[socket.socket], said: bytes, due: int, depth: int, seconds: int) -> tuple[int, float]:
    """Each connection in turn: what is due from it is read, and `said` leaves again, while the others' rounds go on.

    Nothing asks which connection is ready: a load that costs as much as the server would measure itself.
    """
    read, write, count = os.read, os.write, 0
    numbers = [connection.fileno() for connection in connections]
    started = time.perf_counter()
    end = started + seconds
    for connection in connections:
        connection.setblocking(True)
        connection.sendall(said)
    while True:
        for number in numbers:
            left = due
            while left:
                size = len(read(number, left))
                if not size:
                    raise SystemExit("a connection ended")
                left -= size
            write(number, said)
        count += depth * len(numbers)
        now = time.perf_counter()
        if now > end:
            return count, now - started


def room(connections: list[socket.socket], said: bytes, due: int, depth: int, seconds: int) -> tuple[int, float]:
    """The first connection says it; the next round begins when everyone has what is due."""
    poll = select.epoll()
    by_number = {connection.fileno(): connection for connection in connections}
    left = dict.fromkeys(by_number, due)
    for number, connection in by_number.items():
        connection.setblocking(True)
        poll.register(number, select.EPOLLIN)
    space, waiting, count = bytearray(1 << 20), len(connections), 0
    started = time.perf_counter()
    end = started + seconds
    connections[0].sendall(said)
    while True:
        for number, _ in poll.poll(10):
            size = by_number[number].recv_into(space, min(left[number], 1 << 20))
            if not size:
                raise SystemExit("a connection ended")
            left[number] -= size
            if not left[number]:
                left[number] = due
                count += depth
                waiting -= 1
        now = time.perf_counter()
        if not waiting:
            waiting = len(connections)
            connections[0].sendall(said)
        if now > end:
            return count, now - started


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("mode", choices=["echo", "room"])
    for name in ("connections", "depth", "size", "seconds"):
        parser.add_argument(name, type=int)
    options = parser.parse_args()
    raise_descriptor_limit()
    data = os.urandom(options.size)
    connections = upgraded(options.host, options.port, options.path, options.connections)
    if options.mode == "room":
        drained(connections)
    said, answer = frame(data, masked=True), frame(data, masked=False)
    connections[0].setblocking(True)
    connections[0].sendall(said)
    for connection in connections if options.mode == "room" else connections[:1]:
        connection.setblocking(True)
        if (got := receive(connection, len(answer))) != answer:
            raise SystemExit(f"what came back begins with {got[:20]!r}, not {answer[:20]!r}")
    if not options.seconds:
        return 0
    due = len(answer) * options.depth
    measure = echoes if options.mode == "echo" else room
    count, seconds = measure(connections, said * options.depth, due, options.depth, options.seconds)
    print(json.dumps({"messages": count, "seconds": seconds}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
