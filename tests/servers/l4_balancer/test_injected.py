"""Faults on the layer 4 balancer's legs: bytes are late, slow, torn or changed, and never go past us in the kernel."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from netlab.flow import Level
from netlab.policy.faults import parse_fault
from tests.http.faults.setting import effects
from tests.http.serving import connected
from tests.servers.l4_balancer.balanced import LINUX, Balanced, balancing, is_reset, named, said, upstream

pytestmark = LINUX


def strike(balanced: Balanced, *texts: str) -> None:
    for text in texts:
        balanced.server.context.faults.add(parse_fault(text))


@pytest.mark.parametrize("fault", ["latency=30ms", "leg=upstream latency=30ms", "towards=server latency=30ms"])
async def test_latency_on_either_leg(fault: str) -> None:
    async with upstream(named("one")) as port, balancing(port) as balanced:
        strike(balanced, fault)
        async with connected(balanced.port) as client:
            assert await client.until(b"\n") == b"one\n"
            for _ in range(2):
                began = time.monotonic()
                await client.send(b"hello")
                assert await client.exactly(5) == b"HELLO"
                assert time.monotonic() - began >= 0.025
            client.end()
            assert await client.all() == b""
        flow = await balanced.ended()
        assert flow.details is not None
        assert flow.details["faults"] == [f"f1: {fault}"]
        assert {name for name, _ in effects(balanced.flows)} == {"f1"}


async def test_two_legs_add_up_and_only_what_matches_is_struck() -> None:
    async with upstream(named("one")) as port, balancing(port) as balanced:
        strike(balanced, "latency=20ms", f"leg=upstream latency=20ms when upstream == 127.0.0.1:{port}")
        strike(balanced, "reset when host == www.shop.test", "leg=upstream reset when upstream == 127.0.0.1:1")
        began = time.monotonic()
        assert await said(balanced.port, b"hi") == b"one\nHI"
        assert time.monotonic() - began >= 0.035
        struck = effects(balanced.flows)
        assert set(struck) == {("f1", "latency"), ("f2", "latency")}
        balanced.server.context.faults.clear()
        assert await said(balanced.port, b"hi") == b"one\nHI"
        assert effects(balanced.flows) == struck


@pytest.mark.parametrize("fault", ["reset", "leg=upstream reset"])
async def test_a_reset(fault: str) -> None:
    async with upstream(named("one")) as port, balancing(port) as balanced:
        strike(balanced, fault)
        assert await is_reset(balanced.port)


async def test_what_breaks_off() -> None:
    async with upstream(named("one")) as port, balancing(port) as balanced:
        strike(balanced, "truncate after=6")
        assert await said(balanced.port, b"hello") == b"one\nHE"


async def test_bulk_is_slowed_and_changed_and_held_back() -> None:
    body = random.Random(1).randbytes(400_000)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.write(body)
        await writer.drain()

    async with upstream(talk) as port, balancing(port, level=Level.SUMMARY) as balanced:
        strike(balanced, "bandwidth=2MiB", "leg=upstream corrupt=1/1000")
        began = time.monotonic()
        through = await said(balanced.port)
        assert time.monotonic() - began >= 0.15
        assert len(through) == len(body)
        assert 300 < sum(a != b for a, b in zip(through, body, strict=True)) < 520


async def test_a_client_that_does_not_read_what_is_slow() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async with upstream(talk) as port, balancing(port, idle_timeout=0.2) as balanced:
        strike(balanced, "latency=1ms", "stall after=8000000")
        async with connected(balanced.port) as client:
            assert await client.exactly(1_000_000) == b"x" * 1_000_000
            client.reader._transport.pause_reading()  # type: ignore[attr-defined]  # the stream API has no word for it
            await balanced.ended()


async def test_a_stall_meets_the_idle_deadline() -> None:
    async with upstream(named("one")) as port, balancing(port, idle_timeout=0.1) as balanced:
        strike(balanced, "stall")
        assert await said(balanced.port) == b""
