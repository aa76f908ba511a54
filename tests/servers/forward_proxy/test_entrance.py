"""One port: the first byte says what a client speaks, and with TLS the first byte inside it again."""

from __future__ import annotations

import asyncio
from pathlib import Path

from netlab.flow import Outcome
from netlab.net.certs import Authority
from netlab.net.tls_context import client_context
from tests.http.serving import Client, connected
from tests.servers.forward_proxy.proxying import proxying
from tests.servers.forward_proxy.test_socks import page
from tests.servers.proxies import curl, echo, listening


async def test_curl_over_tls_to_the_proxy(tmp_path: Path) -> None:
    async with listening(page) as port, proxying(tls=True, state=tmp_path) as proxy:
        proxied = ("-x", f"https://localhost:{proxy.port}", "--proxy-cacert", str(tmp_path / "ca" / "ca.pem"))
        url = f"http://127.0.0.1:{port}/"
        assert await curl(*proxied, url) == b"ok"
        assert await curl(*proxied, "--proxytunnel", url) == b"ok"
        assert await curl("-x", f"http://{proxy.address}", url) == b"ok"  # plain clients are still welcome
        pac = await curl("--cacert", str(tmp_path / "ca" / "ca.pem"), f"https://localhost:{proxy.port}/proxy.pac")
        assert f'return "HTTPS localhost:{proxy.port}";'.encode() in pac


async def test_socks_inside_of_tls(tmp_path: Path) -> None:
    async with listening(echo) as port, proxying(tls=True, state=tmp_path) as proxy:
        context = client_context(authority=Authority.load(tmp_path), alpn=())
        reader, writer = await asyncio.open_connection("localhost", proxy.port, ssl=context)
        client = Client(reader, writer)
        await client.send(b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01" + port.to_bytes(2, "big"))
        assert (await client.exactly(12))[:4] == b"\x05\x00\x05\x00"
        await client.send(b"hello")
        assert await client.exactly(5) == b"hello"
        writer.transport.abort()


async def test_a_client_that_says_nothing_is_let_go() -> None:
    async with proxying(header_timeout=0.05) as proxy, connected(proxy.port) as client:
        assert await client.all() == b""
        await proxy.all_ended()


async def test_a_client_that_ends_at_once() -> None:
    async with proxying() as proxy, connected(proxy.port) as client:
        client.end()
        assert await client.all() == b""
        (flow,) = await proxy.ended("tcp")
        assert flow.outcome == Outcome.OK


async def test_tls_without_tls() -> None:
    async with proxying() as proxy, connected(proxy.port) as client:
        await client.send(bytes.fromhex("160301000401000000"))
        assert (await client.all()).startswith(b"HTTP/1.1 400 ")


async def test_a_handshake_that_stops_midway(tmp_path: Path) -> None:
    async with proxying(tls=True, state=tmp_path, header_timeout=0.05) as proxy, connected(proxy.port) as client:
        await client.send(bytes.fromhex("16030100"))
        assert await client.all() == b""
        await proxy.all_ended()
