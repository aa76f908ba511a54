"""Faults before and behind a reverse proxy: set from the start or later, they take nothing away of what guards it."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlab.http.rules import Guard
from netlab.policy.breaker import State
from netlab.policy.faults import parse_fault
from tests.http.upstreams import named, scripted
from tests.servers.reverse_proxy.proxied import members, proxied

LATE = "latency=1ms"


@pytest.mark.parametrize("clears", [False, True])
async def test_whoever_is_refused_without_faults_is_refused_with_them(tmp_path: Path, clears: bool) -> None:
    (tmp_path / "users").write_text("")
    async with (
        scripted(named("up")) as upstream,
        proxied(upstream.port, users=tmp_path / "users", auth=(Guard("/", ("basic",)),)) as proxy,
    ):
        faults = proxy.server.context.faults
        assert (await proxy.get()).startswith(b"HTTP/1.1 401 ")
        faults.add(parse_fault(LATE))
        assert (await proxy.get()).startswith(b"HTTP/1.1 401 ")
        assert [note["effect"] for note in proxy.notes("fault.injected")] == ["latency"]
        if clears:
            faults.clear()
            assert (await proxy.get()).startswith(b"HTTP/1.1 401 ")
            assert len(proxy.notes("fault.injected")) == 1
        assert not upstream.calls


async def test_a_server_that_is_told_other_settings_is_struck_as_before() -> None:
    async with scripted(named("up")) as upstream, proxied(upstream.port) as proxy:
        server = proxy.server
        server.context.faults.add(parse_fault("status=418"))
        server.configure(server.config, server.groups.of, otherwise=True)
        assert (await proxy.get()).startswith(b"HTTP/1.1 418 ")
        server.context.faults.clear()
        assert (await proxy.get()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("fault", ["reset", "status=503", "truncate", "stall"])
async def test_an_upstream_that_is_struck_is_passed_over_and_its_breaker_opens(fault: str) -> None:
    async with (
        scripted(named("one")) as one,
        scripted(named("two")) as two,
        proxied(one.port, two.port, breaker_failures=2, timeout=0.1) as proxy,
    ):
        proxy.server.context.faults.add(parse_fault(f"leg=upstream {fault} when upstream == 127.0.0.1:{one.port}"))
        answers = [await proxy.get() for _ in range(8)]
        assert [answer.split(b" ", 2)[1] for answer in answers].count(b"503") == (2 if "503" in fault else 0)
        assert [member.breaker.state for member in members(proxy)] == [State.OPEN, State.CLOSED]
