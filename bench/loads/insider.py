"""Asks inside of TLS, through tunnels of a proxy that looks into them: a process of its own.

    python -m bench.loads.insider PROXY-HOST PROXY-PORT HOST:PORT PATH LENGTH COUNT SECONDS

COUNT connections that stay, one request in flight on each. Certificates are not verified.
Prints JSON: how many requests in how many seconds, p50 and p99 in milliseconds.
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import ssl
import sys
import time

from bench.loads.opener import connect, dial


class Inside:
    """One connection, with one request in flight."""

    def __init__(self, tunnel: socket.socket, context: ssl.SSLContext, host: str, request: bytes, length: int) -> None:
        self.secure = context.wrap_socket(tunnel, server_hostname=host)
        self.secure.setblocking(False)
        self.request, self.length, self.got, self.asked = request, length, b"", 0.0

    def ask(self) -> None:
        self.asked = time.perf_counter()
        self.secure.send(self.request)

    def take(self) -> float | None:
        """What is here now; seconds since the request where that completes its answer."""
        while True:
            try:
                more = self.secure.recv(65536)
            except ssl.SSLWantReadError:
                return None
            if not more:
                raise SystemExit(f"the connection ended after {self.got[:40]!r}")
            self.got += more
            end = self.got.find(b"\r\n\r\n") + 4
            if end == 3 or len(self.got) < end + self.length:
                continue
            if not self.got.startswith(b"HTTP/1.1 200 ") or len(self.got) != end + self.length:
                raise SystemExit(f"the answer was {self.got[:40]!r} …, not 200 with {self.length} bytes")
            self.got = b""
            return time.perf_counter() - self.asked


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("end")
    parser.add_argument("path")
    parser.add_argument("length", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("seconds", type=float)
    options = parser.parse_args()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    request = f"GET {options.path} HTTP/1.1\r\nHost: {options.end}\r\n\r\n".encode()
    inside, watch = {}, select.epoll()
    for _ in range(options.count):
        tunnel = dial(options.host, options.port, "127.0.0.1")
        connect(tunnel, options.end)
        one = Inside(tunnel, context, options.end.partition(":")[0], request, options.length)
        inside[one.secure.fileno()] = one
        watch.register(one.secure.fileno(), select.EPOLLIN)
    waits, seconds = measured(inside, watch, options.seconds)
    waits.sort()
    shown = {f"p{part}": waits[len(waits) * part // 100] * 1e3 for part in (50, 99)} if waits else {}
    print(json.dumps({"requests": len(waits), "seconds": seconds, **shown}))
    return 0


def measured(inside: dict[int, Inside], watch: select.epoll, seconds: float) -> tuple[list[float], float]:
    """How long each answer took, and how long all of it."""
    waits: list[float] = []
    started = time.perf_counter()
    end = started + seconds
    for one in inside.values():
        one.ask()
    while (now := time.perf_counter()) < end:
        for number, _ in watch.poll(end - now):
            one = inside[number]
            if (wait := one.take()) is not None:
                waits.append(wait)
                one.ask()
    return waits, time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
