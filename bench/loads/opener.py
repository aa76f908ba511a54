"""Opens many connections, asks once on each, and holds them until it is told to ask again: a process of its own.

    python -m bench.loads.opener HOST PORT COUNT GREETING ANSWER [--tunnel HOST:PORT] [--again GREETING ANSWER] [--once]

GREETING is what is sent, ANSWER what the answer must begin with, both in hexadecimal; through tunnels of the server's,
where an end for them is given. Prints `open COUNT`, waits for
a line on standard input, asks again (this, or what --again says) on a hundred of them, and ends with 0 if all answered.
"""

from __future__ import annotations

import argparse
import socket
import sys

from bench.limits import raise_descriptor_limit

PER_SOURCE = 5_000  # connections from one address of 127.0.0.0/8, far from the end of its ports
AGAIN = 100


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("greeting", type=bytes.fromhex)
    parser.add_argument("answer", type=bytes.fromhex)
    parser.add_argument("--tunnel", metavar="HOST:PORT", default="")
    parser.add_argument("--again", type=bytes.fromhex, nargs=2)
    parser.add_argument("--once", action="store_true")
    options = parser.parse_args()
    raise_descriptor_limit()
    connections = [dial(options.host, options.port, f"127.0.0.{2 + n // PER_SOURCE}") for n in range(options.count)]
    for connection in connections:
        if options.tunnel:
            connect(connection, options.tunnel)
        ask(connection, options.greeting, options.answer)
    if options.once:
        return 0
    print(f"open {len(connections)}", flush=True)
    sys.stdin.readline()
    for connection in connections[:: max(1, len(connections) // AGAIN)]:
        ask(connection, *(options.again or (options.greeting, options.answer)))
    return 0


def dial(host: str, port: int, source: str) -> socket.socket:
    connection = socket.socket()
    connection.settimeout(10)
    connection.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)  # the port is chosen with the peer known
    connection.bind((source, 0))
    connection.connect((host, port))
    return connection


def connect(connection: socket.socket, end: str) -> None:
    """Ask for a tunnel; what its end says comes only once it is spoken to."""
    ask(connection, f"CONNECT {end} HTTP/1.1\r\nHost: {end}\r\n\r\n".encode(), b"HTTP/1.1 200 ")


def ask(connection: socket.socket, greeting: bytes, answer: bytes) -> None:
    connection.sendall(greeting)
    got = connection.recv(65536)
    if not got.startswith(answer):
        raise SystemExit(f"the answer began with {got[:40]!r}, not {answer!r}")


IP_BIND_ADDRESS_NO_PORT = 24  # linux/in.h; the socket module does not name it

if __name__ == "__main__":
    sys.exit(main())
