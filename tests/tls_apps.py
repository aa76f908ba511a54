"""What tests of TLS share: a protocol that remembers what happened to it, a server around it, programs beside it."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from netlab.net.tls import TlsLayer


class Recorder(asyncio.Protocol):
    """Remembers every callback, in order; `answer` makes what it writes out of what it reads."""

    def __init__(self, answer: Callable[[bytes], bytes] | None = None, *, half_close: bool = False) -> None:
        self.answer, self.half_close = answer, half_close
        self.calls: list[str] = []
        self.received = bytearray()
        self.raw: Any = None
        self.transport: Any = None
        self.error: Exception | None = None
        self.pieces: list[int] = []
        self._changed = asyncio.Event()

    def attach(self, raw: Any) -> bool:
        self.raw = raw
        return True

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._happened("made")

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.pieces.append(len(data))
        self._happened("data")
        if self.answer is not None:
            self.transport.write(self.answer(data))

    def eof_received(self) -> bool:
        self._happened("eof")
        return self.half_close

    def pause_writing(self) -> None:
        self._happened("pause")

    def resume_writing(self) -> None:
        self._happened("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.error = exc
        self._happened("lost")

    def _happened(self, call: str) -> None:
        if not self.calls or self.calls[-1] != call or call == "lost":
            self.calls.append(call)
        self._changed.set()

    async def until(self, call: str) -> None:
        """Wait until a callback has come."""
        await self.when(lambda: call in self.calls)

    async def when(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not true():
                self._changed.clear()
                await self._changed.wait()


def echo() -> Recorder:
    """Sends back what it reads."""
    return Recorder(lambda data: data)


class Served:
    """A listening server, the protocol objects of its connections, and the clients that came to it."""

    def __init__(self) -> None:
        self.port = 0
        self.apps: list[Any] = []
        self.clients: list[Any] = []
        self._arrived = asyncio.Event()

    def add(self, app: Any) -> Any:
        self.apps.append(app)
        self._arrived.set()
        return app

    async def app(self, index: int = 0) -> Any:
        async with asyncio.timeout(10):
            while len(self.apps) <= index:
                self._arrived.clear()
                await self._arrived.wait()
        return self.apps[index]

    async def dial(self, client: Recorder, context: Any, name: str = "localhost", **options: Any) -> Recorder:
        """A client's layer on a real connection; its handshake is not over yet."""
        layer = TlsLayer(client, context, server_side=False, server_hostname=name, **options)
        self.clients.append(client)
        await asyncio.get_running_loop().create_connection(lambda: layer, "127.0.0.1", self.port)
        return client


@asynccontextmanager
async def serving(make: Callable[[], Any], context: Any) -> AsyncIterator[Served]:
    """A server whose connections are `TlsLayer`s around what `make` makes; whatever is left open at the end is cut."""
    served = Served()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: TlsLayer(served.add(make()), context, server_side=True), "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
        for app in (*served.apps, *served.clients):
            if app.raw is not None:
                if not app.raw.is_closing():
                    app.raw.abort()
                await app.until("lost")


async def run(*command: str | Path, send: bytes = b"") -> tuple[int, bytes, bytes]:
    """Run a program to its end: its exit code, output, and what it complained of."""
    tool = str(command[0])
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is missing: install {tool}")
    process = await asyncio.create_subprocess_exec(*map(str, command), stdin=-1, stdout=-1, stderr=-1)
    async with asyncio.timeout(20):
        out, complaints = await process.communicate(send)
    assert process.returncode is not None
    return process.returncode, out, complaints


def descriptors() -> int:
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("descriptors are counted in /proc, which is Linux's")
    return len(os.listdir("/proc/self/fd"))
