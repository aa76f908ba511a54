"""Asks at a constant rate and notes how long each answer took: a process of its own.

    python -m bench.loads.asker HOST PORT PATH LENGTH RATE SECONDS

Prints JSON: how many requests in how many seconds, p50 and p99 in milliseconds. What follows a late answer counts from
when it was due, so that one long wait is not one sample where a client of that rate would have met it many times.
"""

from __future__ import annotations

import argparse
import gc
import json
import socket
import sys
import time

WARM_UP = 200  # requests that are not counted


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("length", type=int)
    parser.add_argument("rate", type=int)
    parser.add_argument("seconds", type=int)
    options = parser.parse_args()
    request = f"GET {options.path} HTTP/1.1\r\nHost: {options.host}:{options.port}\r\n\r\n".encode()
    gc.disable()  # its pauses would be taken for the server's
    with socket.create_connection((options.host, options.port), timeout=10) as connection:
        waits(connection, request, options.length, 1 / options.rate, WARM_UP)
        started = time.perf_counter()
        found = sorted(waits(connection, request, options.length, 1 / options.rate, options.rate * options.seconds))
        seconds = time.perf_counter() - started
    shown = {f"p{part}": found[len(found) * part // 100] * 1e3 for part in (50, 99)}
    print(json.dumps({"requests": len(found), "seconds": seconds, **shown}))
    return 0


def waits(connection: socket.socket, request: bytes, length: int, interval: float, count: int) -> list[float]:
    """How long each of `count` answers took, in seconds."""
    found = []
    due = time.perf_counter()
    for _ in range(count):
        asked = due
        if (early := due - time.perf_counter()) > 0:
            time.sleep(early)  # until it is due
            asked = time.perf_counter()  # that the system woke us late is not the server's doing
        connection.sendall(request)
        read_answer(connection, length)
        found.append(time.perf_counter() - asked)
        due += interval
    return found


def read_answer(connection: socket.socket, length: int) -> None:
    """To the end of its content, which has `length` bytes."""
    got = b""
    while (end := got.find(b"\r\n\r\n")) < 0 or len(got) < end + 4 + length:
        more = connection.recv(65536)
        if not more:
            raise SystemExit(f"the connection ended after {got[:40]!r}")
        got += more
    if not got.startswith(b"HTTP/1.1 200 ") or len(got) != end + 4 + length:
        raise SystemExit(f"the answer was {got[:40]!r} …, not 200 with {length} bytes")


if __name__ == "__main__":
    sys.exit(main())
