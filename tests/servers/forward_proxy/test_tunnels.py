"""CONNECT: granted once the far end stands, relayed with half-closes, refused with a reason, nothing left behind."""

from __future__ import annotations

import asyncio

import pytest

from netlab.flow import Level, Outcome
from tests.http.serving import Client, connected
from tests.servers.forward_proxy.proxying import Forward, proxying
from tests.servers.proxies import curl, descriptors, echo, listening


async def tunnel(client: Client, port: int, *, host: str = "127.0.0.1", early: bytes = b"") -> bytes:
    """Ask for a tunnel; the head of the answer."""
    await client.send(b"CONNECT %b:%d HTTP/1.1\r\nHost: x\r\n\r\n" % (host.encode(), port) + early)
    return await client.until(b"\r\n\r\n")


async def test_curl_through_a_tunnel() -> None:
    async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with listening(page) as port, proxying() as proxy:
        assert await curl("--proxytunnel", "-x", f"http://{proxy.address}", f"http://127.0.0.1:{port}/") == b"ok"
        (flow,) = await proxy.ended("http")
        assert (flow.label, flow.result, flow.outcome) == (f"CONNECT 127.0.0.1:{port}", "200", Outcome.OK)
        await proxy.all_ended()
        (leg,) = [leg for leg in proxy.of_kind("tcp") if leg.parent is flow]
        assert leg.label == f"127.0.0.1:{port}"
        assert leg.sent == len(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        assert leg.received > 30


@pytest.mark.parametrize("level", [Level.SUMMARY, Level.FULL])
async def test_bytes_sent_ahead_and_a_half_close(level: Level) -> None:
    async with listening(echo) as port, proxying(level=level) as proxy, connected(proxy.port) as client:
        head = await tunnel(client, port, early=b"early")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"Content-Length" not in head
        assert b"Transfer-Encoding" not in head
        assert await client.exactly(5) == b"early"
        await client.send(b"later")
        assert await client.exactly(5) == b"later"
        client.end()
        assert await client.all() == b"bye"  # the far end had a word after our end
        await proxy.all_ended()
        leg = next(flow for flow in proxy.of_kind("tcp") if flow.label)
        assert (leg.received, leg.sent, leg.outcome) == (10, 13, Outcome.OK)


async def test_the_end_may_come_with_the_request() -> None:
    async with listening(echo) as port, proxying() as proxy, connected(proxy.port) as client:
        await client.send(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: x\r\n\r\nall" % port)
        client.end()
        assert (await client.all()).endswith(b"\r\n\r\nallbye")


async def test_the_far_end_may_speak_first_and_end_first() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        writer.write_eof()
        assert await reader.read() == b"QUIT"

    async with listening(greet) as port, proxying() as proxy, connected(proxy.port) as client:
        await tunnel(client, port)
        assert await client.all() == b"220 hello\r\n"
        await client.send(b"QUIT")
        client.end()
        await proxy.all_ended()


async def test_an_ipv6_literal() -> None:
    async with listening(echo, "::1") as port, proxying() as proxy, connected(proxy.port) as client:
        assert (await tunnel(client, port, host="[::1]", early=b"six")).startswith(b"HTTP/1.1 200 ")
        assert await client.exactly(3) == b"six"


@pytest.mark.parametrize(
    ("target", "status", "error"),
    [
        (b"127.0.0.1:1", b"502", b"connection_refused"),
        (b"nobody.test:443", b"502", b"dns_error"),
        (b"10.0.0.1:443", b"403", b"http_request_denied"),
        (b"198.51.100.1:25", b"403", b"http_request_denied"),
        (b"[fe80::1]:443", b"403", b"http_request_denied"),
    ],
)
async def test_refused_with_the_reason(target: bytes, status: bytes, error: bytes) -> None:
    async with proxying() as proxy, connected(proxy.port) as client:
        await client.send(b"CONNECT %b HTTP/1.1\r\nHost: x\r\n\r\n" % target)
        head, body = await client.response()
        assert head.startswith(b"HTTP/1.1 %b " % status)
        assert b"error=" + error in head
        assert error in body
        assert b"\r\nConnection: close\r\n" in head  # what was sent ahead for the far end would be taken for requests
        assert await client.all() == b""


async def test_an_idle_tunnel_ends() -> None:
    async with listening(echo) as port, proxying(tunnel_timeout=0.05) as proxy, connected(proxy.port) as client:
        await tunnel(client, port)
        assert await client.all() == b""
        await proxy.all_ended()
        assert [flow.outcome for flow in proxy.of_kind("tcp") if flow.label] == [Outcome.TIMEOUT]


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    Client(reader, writer).reset()


async def test_a_reset_is_passed_on() -> None:
    async with listening(resets) as port, proxying() as proxy, connected(proxy.port) as client:
        await tunnel(client, port)
        await client.send(b"x")
        with pytest.raises(ConnectionResetError):
            await client.all()


async def test_a_clients_reset_is_passed_on() -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(1))
        try:
            await reader.read(1)
            await heard.put("end")
        except ConnectionResetError:
            await heard.put("reset")

    async with listening(hear) as port, proxying() as proxy, connected(proxy.port) as client:
        await tunnel(client, port)
        await client.send(b"x")
        assert await client.exactly(1) == b"x"
        client.reset()
        assert await heard.get() == "reset"


@pytest.mark.parametrize("turns", range(0, 12, 2))
async def test_a_client_that_leaves_while_it_is_dialled(turns: int) -> None:
    async with listening(echo) as port, proxying() as proxy:
        before = descriptors()
        for _ in range(3):
            async with connected(proxy.port) as client:
                await client.send(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: x\r\n\r\n" % port)
                for _ in range(turns):
                    await asyncio.sleep(0)
                client.reset()
        await proxy.until(lambda: not proxy.server.proxy.gate.connections and all(flow.ended for flow in proxy.flows))
        await settled(proxy, before)


async def settled(proxy: Forward, before: int) -> None:
    """Transports close their descriptors in the loop's next turns."""
    async with asyncio.timeout(10):
        while descriptors() > before + 2 or proxy.server.tasks:  # uvloop keeps one or two once it has served
            await asyncio.sleep(0)


async def test_the_server_ends_with_tunnels_open() -> None:
    async with listening(echo) as port:
        async with proxying() as proxy, connected(proxy.port) as client:
            await tunnel(client, port, early=b"x")
            await client.exactly(1)
        assert [flow.outcome for flow in proxy.of_kind("tcp") if flow.label] == [Outcome.CANCELLED]
