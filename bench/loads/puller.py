"""Pulls content through tunnels of a proxy as fast as it comes, and counts it: a process of its own.

    python -m bench.loads.puller PROXY-HOST PROXY-PORT HOST:PORT PATH COUNT SECONDS

The content is counted and thrown away without being copied (tcp(7), MSG_TRUNC), so that the proxy is the limit.
Prints JSON: how many bytes in how many seconds, through COUNT tunnels at once.
"""

from __future__ import annotations

import argparse
import json
import re
import select
import socket
import sys
import time

from bench.loads.opener import connect, dial

ROOM = bytearray(1 << 20)


class Pull:
    """One tunnel: asks for the same content again and again."""

    def __init__(self, tunnel: socket.socket, request: bytes) -> None:
        self.tunnel, self.request = tunnel, request
        self.left = 0  # of the content that is on its way
        self.tunnel.sendall(request)

    def take(self) -> int:
        """What is here now; returns how many bytes of content it was."""
        if not self.left:
            self._take_head()
            return 0
        size = self.tunnel.recv_into(ROOM, min(self.left, len(ROOM)), socket.MSG_TRUNC)
        if not size:
            raise SystemExit("the tunnel ended")
        self.left -= size
        if not self.left:
            self.tunnel.sendall(self.request)
        return size

    def _take_head(self) -> None:
        seen = self.tunnel.recv(4096, socket.MSG_PEEK)
        if (end := seen.find(b"\r\n\r\n")) < 0:
            if not seen:
                raise SystemExit("the tunnel ended")
            return
        length = re.search(rb"\r\ncontent-length: *(\d+)", seen[: end + 2], re.IGNORECASE)
        if not seen.startswith(b"HTTP/1.1 200 ") or length is None:
            raise SystemExit(f"the answer was {seen[:40]!r}, not 200 with a length")
        self.tunnel.recv(end + 4)
        self.left = int(length[1])


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("end")
    parser.add_argument("path")
    parser.add_argument("count", type=int)
    parser.add_argument("seconds", type=float)
    options = parser.parse_args()
    request = f"GET {options.path} HTTP/1.1\r\nHost: {options.end}\r\n\r\n".encode()
    pulls = {}
    watch = select.epoll()
    for _ in range(options.count):
        tunnel = dial(options.host, options.port, "127.0.0.1")
        connect(tunnel, options.end)
        pulls[tunnel.fileno()] = Pull(tunnel, request)
        watch.register(tunnel.fileno(), select.EPOLLIN)
    size, started = 0, time.perf_counter()
    end = started + options.seconds
    while (now := time.perf_counter()) < end:
        for number, _ in watch.poll(end - now):
            size += pulls[number].take()
    print(json.dumps({"bytes": size, "seconds": time.perf_counter() - started}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
