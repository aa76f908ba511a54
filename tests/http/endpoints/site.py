"""The http server with its built-in paths, and clients nobody here wrote."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
import pytest

from netlab.clock import LabClock
from netlab.config import Address
from netlab.flow import Flow, FlowLog, Level
from netlab.service import Context, running
from servers.http import Config, Server
from tests.http.serving import SECONDS, Client


class Curl(NamedTuple):
    """How curl ended and what it wrote."""

    code: int
    out: bytes
    error: str


class Site:
    """A running http server."""

    def __init__(self, server: Server, port: int) -> None:
        self.server, self.port = server, port

    def url(self, path: str = "") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def http(self, **options: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url(), timeout=SECONDS, trust_env=False, verify=False, **options)

    async def get(self, path: str, **options: Any) -> httpx.Response:
        async with self.http() as client:
            return await client.get(path, **options)

    async def curl(self, path: str, *arguments: str) -> Curl:
        """curl, which never waits longer than the test."""
        if not shutil.which("curl"):
            pytest.skip("needs curl: apt-get install curl")
        command = ("curl", "-sS", "--noproxy", "*", "--max-time", f"{SECONDS:g}", *arguments, self.url(path))
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, error = await process.communicate()
        assert process.returncode is not None
        return Curl(process.returncode, out, error.decode())

    def flows(self) -> list[Flow]:
        return [flow for flow in self.server.context.flows if flow.kind == "http"]


@asynccontextmanager
async def site(*, grace: float = 5.0, seed: int = 1, **options: Any) -> AsyncIterator[Site]:
    """A server on a free port; afterwards no task of it is left."""
    context = Context(flows=FlowLog(Level.FULL), clock=LabClock(), random=random.Random(seed))
    server = Server(Config(listen=Address("127.0.0.1", 0), **options), context)
    async with running(server, grace=grace) as endpoints:
        yield Site(server, endpoints[0].port)
    assert not server.tasks


async def talk(client: Client, path: str, *fields: str, method: str = "GET") -> None:
    """Send a request, head only."""
    lines = [f"{method} {path} HTTP/1.1", "Host: test", *fields, "", ""]
    await client.send("\r\n".join(lines).encode("latin-1"))
