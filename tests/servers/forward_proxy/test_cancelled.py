"""Work that is cancelled at each of its awaits: no connection, lease, task or open flow is left of it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from netlab.http.parents import Parent
from tests.cancelling import cancel_at
from tests.http.serving import SECONDS, connected
from tests.servers.forward_proxy.proxying import proxying
from tests.servers.forward_proxy.test_interception import lab_context, secure_origin
from tests.servers.forward_proxy.test_parents import LOCALHOST
from tests.servers.proxies import descriptors


def connect(port: int) -> bytes:
    return b"CONNECT localhost:%d HTTP/1.1\r\nHost: x\r\n\r\n" % port


def get(port: int) -> bytes:
    return b"GET http://localhost:%d/ HTTP/1.1\r\nHost: x\r\n\r\n" % port


def socks(port: int) -> bytes:
    return b"\x05\x01\x00\x05\x01\x00\x03\x09localhost" + port.to_bytes(2, "big")


@asynccontextmanager
async def through(state: Path, scheme: str) -> AsyncIterator[dict[str, Any]]:
    """What sends a proxy through another one; nothing for no scheme."""
    if not scheme:
        yield {}
        return
    async with proxying(state=state, tls=True) as parent:
        yield {"parent": (Parent.parse(f"*={scheme}://localhost:{parent.port}"),)}


def hello(port: int) -> bytes:
    """A CONNECT, and the ClientHello for what is at its far end."""
    context, outgoing = ssl.create_default_context(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost").do_handshake()
    return connect(port) + outgoing.read()


@pytest.mark.parametrize("scheme", ["", "https", "socks5"])
@pytest.mark.parametrize(
    ("name", "ask"), [("CONNECT", connect), ("SOCKS to", socks), ("dial for", get), ("interception", hello)]
)
async def test_at_each_await(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, name: str, ask: Callable[[int], bytes]
) -> None:
    async with secure_origin(lab_context(tmp_path)) as (port, _), through(tmp_path, scheme) as options:
        if ask is hello:
            options["intercept"] = ("*",)
        n, before = 0, descriptors()
        while await cancelled(tmp_path, monkeypatch, name, n, ask(port), options):
            n += 1
        assert n
        async with asyncio.timeout(SECONDS):
            while descriptors() > before + 2:  # uvloop keeps one or two once it has served
                await asyncio.sleep(0)


async def cancelled(
    state: Path, monkeypatch: pytest.MonkeyPatch, name: str, n: int, said: bytes, options: dict[str, Any]
) -> bool:
    """Whether there was an n-th await to be cancelled at; what must not be left is `proxying`'s to look for."""
    async with proxying(state=state, rule=LOCALHOST, **options) as proxy:
        with monkeypatch.context() as patch:
            work = cancel_at(patch, name, n)
            async with connected(proxy.port) as client:
                await client.send(said)
                await asyncio.wait_for(work.over.wait(), SECONDS)
                client.reset()
    return work.cancelled
