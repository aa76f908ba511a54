"""SOCKS 4, 4a and 5 on the proxy's port."""

from __future__ import annotations

import asyncio
import ipaddress

import pytest

from netlab.flow import Outcome
from netlab.http.entrance import SOCKS_VERSIONS
from tests.http.serving import connected
from tests.servers.forward_proxy.proxying import proxying
from tests.servers.proxies import curl, echo, listening

GRANTED = b"\x05\x00\x05\x00\x00\x01"


async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@pytest.mark.parametrize("flag", ["--socks4", "--socks4a", "--socks5", "--socks5-hostname"])
async def test_curl(flag: str) -> None:
    async with listening(page) as port, proxying() as proxy:
        assert await curl("-4", flag, proxy.address, f"http://localhost:{port}/") == b"ok"
        (flow,) = await proxy.ended("socks")
        host = "127.0.0.1" if flag in ("--socks4", "--socks5") else "localhost"
        assert (flow.label, flow.result, flow.outcome) == (f"SOCKS{flag[7]} {host}:{port}", "granted", Outcome.OK)
        await proxy.all_ended()
        (leg,) = [leg for leg in proxy.of_kind("tcp") if leg.parent is flow]
        assert leg.sent == 40


async def test_everything_in_one_go_and_a_half_close() -> None:
    async with listening(echo) as port, proxying() as proxy, connected(proxy.port) as client:
        to = b"\x01" + ipaddress.ip_address("127.0.0.1").packed + port.to_bytes(2, "big")
        await client.send(b"\x05\x02\x00\x02" + b"\x05\x01\x00" + to + b"early")
        assert await client.exactly(len(GRANTED)) == GRANTED
        assert ipaddress.ip_address(await client.exactly(4)) == ipaddress.ip_address("127.0.0.1")
        await client.exactly(2)
        assert await client.exactly(5) == b"early"
        client.end()
        assert await client.all() == b"bye"


@pytest.mark.parametrize("said", [b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01%b", b"\x04\x01%b\x7f\x00\x00\x01\x00"])
async def test_the_end_may_come_with_the_request(said: bytes) -> None:
    """While the far end is still dialled: it is the end of what goes there."""
    async with listening(echo) as port, proxying() as proxy, connected(proxy.port) as client:
        await client.send(said % port.to_bytes(2, "big") + b"all")
        client.end()
        assert (await client.all()).endswith(b"allbye")


async def test_byte_by_byte() -> None:
    async with listening(echo) as port, proxying() as proxy, connected(proxy.port) as client:
        for byte in b"\x04\x01" + port.to_bytes(2, "big") + b"\x00\x00\x00\x01me\x00localhost\x00":
            await client.send(bytes([byte]))
            await asyncio.sleep(0)
        assert (await client.exactly(8))[:2] == b"\x00\x5a"
        await client.send(b"hello")
        assert await client.exactly(5) == b"hello"


@pytest.mark.parametrize(
    ("host", "port", "code", "outcome"),
    [
        (b"127.0.0.1", 1, 5, Outcome.UNREACHABLE),  # refused
        (b"nobody.test", 443, 4, Outcome.UNREACHABLE),
        (b"10.0.0.1", 443, 2, Outcome.REFUSED),  # not allowed
        (b"198.51.100.1", 25, 2, Outcome.REFUSED),
    ],
)
async def test_refusals(host: bytes, port: int, code: int, outcome: str) -> None:
    async with proxying() as proxy, connected(proxy.port) as client:
        await client.send(b"\x05\x01\x00\x05\x01\x00\x03" + bytes([len(host)]) + host + port.to_bytes(2, "big"))
        assert await client.all() == b"\x05\x00" + bytes([5, code, 0, 1]) + bytes(6)
        (flow,) = await proxy.ended("socks")
        assert flow.outcome == outcome


@pytest.mark.parametrize(
    "said",
    [b"\x05\x01\x02", b"\x05\x01\x00\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50", b"\x04\x02\x00\x50\x7f\x00\x00\x01\x00"],
)
async def test_what_is_not_served_is_said_and_ends(said: bytes) -> None:
    assert said[0] in SOCKS_VERSIONS
    async with proxying() as proxy, connected(proxy.port) as client:
        await client.send(said)
        assert await client.all()
        (flow,) = await proxy.ended("socks")
        assert flow.outcome == Outcome.VIOLATION


async def test_a_client_that_says_half_of_it() -> None:
    async with proxying(header_timeout=0.05) as proxy, connected(proxy.port) as client:
        await client.send(b"\x05\x01\x00\x05\x01")
        assert await client.all() == b"\x05\x00"
        (flow,) = await proxy.ended("socks")
        assert flow.outcome == Outcome.TIMEOUT


@pytest.mark.parametrize("turns", range(0, 12, 3))
async def test_a_client_that_leaves_while_it_is_dialled(turns: int) -> None:
    async with listening(echo) as port, proxying() as proxy, connected(proxy.port) as client:
        await client.send(b"\x05\x01\x00\x05\x01\x00\x03\x09localhost" + port.to_bytes(2, "big"))
        for _ in range(turns):
            await asyncio.sleep(0)
        client.reset()
        await proxy.until(lambda: not proxy.server.proxy.gate.connections)
