"""One port: the first byte says what a client speaks, and with TLS the first byte inside it again."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import pytest

from netlab.flow import Outcome
from netlab.net.certs import Authority
from netlab.net.tls_context import client_context
from tests.http.serving import Client, connected
from tests.http.upstreams import always_ok, scripted
from tests.servers.forward_proxy.proxying import proxying
from tests.servers.forward_proxy.test_socks import page
from tests.servers.proxies import curl, echo, listening, program, run


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


async def drip(client: Client, said: bytes) -> None:
    """Each byte in a segment of its own."""
    client.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in said:
        await client.send(bytes([byte]))
        await asyncio.sleep(0)


@pytest.mark.parametrize("protocol", ["http", "connect", "socks4a", "socks5"])
async def test_each_protocol_is_told_by_drops(protocol: str) -> None:
    async with listening(echo) as port, scripted(always_ok) as upstream, proxying() as proxy:
        number = port.to_bytes(2, "big")
        said, answer = {
            "http": (b"GET http://127.0.0.1:%d/ HTTP/1.1\r\nHost: x\r\n\r\n" % upstream.port, b"HTTP/1.1 200 OK"),
            "connect": (b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: x\r\n\r\n" % port, b"HTTP/1.1 200 OK"),
            "socks4a": (b"\x04\x01" + number + b"\x00\x00\x00\x01\x00localhost\x00", b"\x00\x5a"),
            "socks5": (b"\x05\x01\x00\x05\x01\x00\x03\x09localhost" + number, b"\x05\x00\x05\x00"),
        }[protocol]
        async with connected(proxy.port) as client:
            await drip(client, said)
            assert await client.exactly(len(answer)) == answer


async def test_tls_to_the_proxy_by_drops(tmp_path: Path) -> None:
    async with scripted(always_ok) as upstream, proxying(tls=True, state=tmp_path) as proxy:
        context = client_context(authority=Authority.load(tmp_path))
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        async with connected(proxy.port) as client:
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    await drip(client, outgoing.read())
                    incoming.write(await client.reader.read(1 << 16))
            tls.write(b"GET http://127.0.0.1:%d/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % upstream.port)
            await drip(client, outgoing.read())
            incoming.write(await client.all())
            assert tls.read(1 << 16).startswith(b"HTTP/1.1 200 OK\r\n")


PAC = """
eval(require('fs').readFileSync(0, 'utf8'));
console.log(FindProxyForURL('https://www.shop.test/', 'www.shop.test'));
"""


async def test_a_browsers_engine_reads_the_configuration(tmp_path: Path) -> None:
    node = program("node", "nodejs")
    async with proxying() as proxy:
        (tmp_path / "pac").write_bytes(await curl(f"http://{proxy.address}/proxy.pac"))
        code, out, err = await run("sh", "-c", '"$1" -e "$2" <"$3"', "sh", node, PAC, str(tmp_path / "pac"))
        assert (code, out, err) == (0, f"PROXY {proxy.address}\n", "")
