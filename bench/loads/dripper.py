"""Opens many connections and sends one byte a second on each, spread evenly over the second: a process of its own.

    python -m bench.loads.dripper HOST PORT COUNT HEAD

HEAD, in hexadecimal, is what each sends when it opens: a request's head without its end. Prints `open COUNT` once every
connection has sent a byte more, goes on until a line on standard input, and prints how many the server still holds.
"""

from __future__ import annotations

import argparse
import select
import socket
import sys
import time

from bench.limits import raise_descriptor_limit
from bench.loads.opener import dial


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("head", type=bytes.fromhex)
    options = parser.parse_args()
    raise_descriptor_limit()
    connections = [dial(options.host, options.port, "127.0.0.2") for _ in range(options.count)]
    for connection in connections:
        connection.sendall(options.head)
    drip(connections)
    for connection in connections:
        connection.setblocking(False)
    print(f"held {sum(map(is_held, connections))}", flush=True)
    return 0


def drip(connections: list[socket.socket]) -> None:
    """Byte by byte around the connections, once around in a second, until standard input has something."""
    started, sent = time.perf_counter(), 0
    while True:
        due = int((time.perf_counter() - started) * len(connections))
        for number in range(sent, due):
            send_byte(connections[number % len(connections)])
        if sent < len(connections) <= due:
            print(f"open {len(connections)}", flush=True)
        sent = max(sent, due)
        pause = started + (sent + 1) / len(connections) - time.perf_counter()
        if select.select([sys.stdin], [], [], max(0.0, pause))[0]:
            return


def send_byte(connection: socket.socket) -> None:
    try:
        connection.send(b"a")
    except ConnectionError:
        pass  # the server has ended it; that is counted when all is over


def is_held(connection: socket.socket) -> bool:
    """Neither answered nor ended by the server."""
    try:
        connection.recv(1)
    except BlockingIOError:
        return True
    except ConnectionError:
        pass
    return False


if __name__ == "__main__":
    sys.exit(main())
