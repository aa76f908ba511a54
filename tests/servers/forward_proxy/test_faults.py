"""Faults on tunnels and intercepted TLS: both legs, however the tunnel was asked for, and never past us."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import pytest

from netlab.flow import Level
from netlab.policy.faults import parse_fault
from tests.http.faults.setting import effects
from tests.http.serving import Client, connected
from tests.servers.forward_proxy.proxying import Forward, proxying
from tests.servers.forward_proxy.test_interception import lab_context, secure_origin, trusting
from tests.servers.proxies import curl, echo, listening


def strike(proxy: Forward, *texts: str) -> None:
    for text in texts:
        proxy.server.context.faults.add(parse_fault(text))


async def by_connect(client: Client, port: int) -> None:
    await client.send(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: x\r\n\r\n" % port)
    assert (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")


async def by_socks(client: Client, port: int) -> None:
    await client.send(b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01" + port.to_bytes(2, "big"))
    assert (await client.exactly(12))[:4] == b"\x05\x00\x05\x00"


@pytest.mark.parametrize("ask", [by_connect, by_socks])
@pytest.mark.parametrize(
    "fault", ["latency=30ms", "leg=upstream latency=30ms", "leg=upstream towards=server latency=30ms"]
)
async def test_both_legs_of_a_tunnel(ask: object, fault: str) -> None:
    async with listening(echo) as port, proxying() as proxy, connected(proxy.port) as client:
        strike(proxy, fault)
        await ask(client, port)  # type: ignore[operator]  # one of the two above
        for _ in range(2):
            began = time.monotonic()
            await client.send(b"hello")
            assert await client.exactly(5) == b"hello"
            assert time.monotonic() - began >= 0.025
        asked = proxy.of_kind("http") + proxy.of_kind("socks")
        assert [flow.details for flow in asked] == [{"faults": [f"f1: {fault}"]}]
        client.end()
        assert await client.all() == b"bye"


@pytest.mark.parametrize("ask", [by_connect, by_socks])
@pytest.mark.parametrize("fault", ["reset", "leg=upstream reset", "leg=upstream towards=server reset"])
async def test_a_reset_is_one_for_both_ends(ask: object, fault: str) -> None:
    ended = asyncio.Event()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1000):
                writer.write(data)
        except ConnectionResetError:
            ended.set()

    granted = "head+1" if ask is by_connect else "11"  # what the client is told before there is a tunnel
    async with listening(hear) as port, proxying() as proxy, connected(proxy.port) as client:
        strike(proxy, fault if "leg" in fault else f"{fault} after={granted}")
        await ask(client, port)  # type: ignore[operator]  # one of the two above
        await client.send(b"hello")
        with pytest.raises(ConnectionResetError):
            await client.all()
        await asyncio.wait_for(ended.wait(), 5)


async def test_bulk_does_not_go_past_a_fault() -> None:
    body = random.Random(1).randbytes(600_000)

    async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()

    async with listening(page) as port, proxying(level=Level.SUMMARY) as proxy:
        strike(proxy, "leg=upstream corrupt=1/10000 after=head")
        url = f"http://127.0.0.1:{port}/"
        through = await curl("--proxytunnel", "-x", f"http://{proxy.address}", url)
        assert len(through) == len(body)
        assert 20 < sum(a != b for a, b in zip(through, body, strict=True)) < 120


async def test_a_tunnel_is_refused_with_a_status_but_never_granted() -> None:
    async with listening(echo) as port, proxying() as proxy:
        strike(
            proxy, "status=403 when method == CONNECT and path contains nothing", "status=200 when method == CONNECT"
        )
        async with connected(proxy.port) as client:
            await by_connect(client, port)  # a 200 without a tunnel would be a lie that no client could survive
        strike(proxy, "status=403 when method == CONNECT")
        async with connected(proxy.port) as client:
            await client.send(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: x\r\n\r\nearly" % port)
            assert (await client.all()).startswith(b"HTTP/1.1 403 ")
        assert effects(proxy.flows) == [("f3", "status")]


async def test_inside_of_intercepted_tls(tmp_path: Path) -> None:
    """The tunnel is struck below TLS; the requests inside are struck like any others, each leg above its own."""
    async with (
        secure_origin(lab_context(tmp_path)) as (port, heads),
        proxying(state=tmp_path, intercept=("localhost",)) as proxy,
    ):
        strike(
            proxy,
            "latency=5ms",
            "leg=upstream latency=5ms",
            "status=503 when path == /x",
            "leg=upstream status=504 when path == /y",
            "truncate after=head when path == /z",
        )
        url = f"https://localhost:{port}"
        for path, seen in (("/a", b"200"), ("/x", b"503"), ("/y", b"504")):
            assert await curl(*trusting(tmp_path, proxy), "-o", "/dev/null", "-w", "%{http_code}", url + path) == seen
        assert await curl(*trusting(tmp_path, proxy), url + "/z", check=False) == b""
        assert [head.split(b" ")[1] for head in heads] == [b"/a", b"/z"]
        struck = effects(proxy.flows)
        assert {effect for _, effect in struck} == {"latency", "status", "truncate"}
        assert struck.count(("f1", "latency")) >= 8  # each tunnel, and each request in it
