"""Upstreams that are processes of their own: they can be killed, stopped, and started anew on the same port."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from tests.http.serving import connected

WEB = """
import asyncio, socket, sys
name, delay = sys.argv[2].encode(), float(sys.argv[3])
class Http(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.heard = transport, b""
    def data_received(self, data):
        *heads, self.heard = (self.heard + data).split(b"\\r\\n\\r\\n")
        for head in heads:
            if head.startswith(b"GET /much "):
                self.transport.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 1000000000\\r\\n\\r\\n" + bytes(1 << 20))
            elif b" /never " not in head:
                loop.call_later(delay, self.answer, b"Connection: close" in head)
    def eof_received(self):
        return True
    def answer(self, last):
        fields = b"Connection: close\\r\\n" if last else b""
        self.transport.write(b"HTTP/1.1 200 OK\\r\\n%bContent-Length: %d\\r\\n\\r\\n%b" % (fields, len(name), name))
        if last:
            self.transport.close()
async def main():
    global loop
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Http, sock=socket.socket(fileno=int(sys.argv[1])), backlog=1024)
    await server.serve_forever()
asyncio.run(main())
"""


@dataclass
class Running:
    """One of them, and where it listens."""

    port: int
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def process(program: str, *arguments: str, port: int = 0) -> Iterator[Running]:
    """A program in Python, which is given the number of a socket that listens already, and these arguments."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen(1024)
        port = listening.getsockname()[1]
        command = [sys.executable, "-I", "-c", program, str(listening.fileno()), *arguments]
        started = subprocess.Popen(command, pass_fds=[listening.fileno()], stderr=subprocess.DEVNULL)
    try:
        yield Running(port, started)
    finally:
        started.kill()
        started.wait()


def web(name: str, *, delay: float = 0.0, port: int = 0) -> AbstractContextManager[Running]:
    """One that answers HTTP with its name, so many seconds later; of /much it sends a part, of /never nothing."""
    return process(WEB, name, str(delay), port=port)


async def is_there(upstream: Running) -> None:
    """Wait until one of `web` answers."""
    async with connected(upstream.port) as client:
        await client.send(b"GET / HTTP/1.1\r\n\r\n")
        await client.response()
