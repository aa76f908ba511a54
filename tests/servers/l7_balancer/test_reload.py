"""Other settings while it runs: SIGHUP, a changed file, a bad one; and not one connection lost meanwhile."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from netlab.errors import UsageError
from netlab.flow import Level
from netlab.lab import reload
from tests.http.serving import connected
from tests.http.upstreams import Called, scripted
from tests.netlab_process import PATIENCE, Place, Process
from tests.servers.l7_balancer.balanced import answered, balanced, members, origins, settings, who
from tests.servers.proxies import program, when


async def test_upstreams_come_go_and_keep_what_is_known_of_them() -> None:
    async with origins("a", "b", "c") as (a, b, c), balanced(a.port, b.port) as proxy:
        await answered(proxy, 4)
        first, gone = members(proxy)
        new = dataclasses.replace(settings(a.port, c.port), listen=proxy.server.where.listen)
        assert proxy.server.reload(new)
        assert not proxy.server.reload(new)
        kept, come = members(proxy)
        assert (kept, kept.total, come.total) == (first, 2, 0)
        assert gone not in members(proxy)
        assert await answered(proxy, 4) == {"a": 2, "c": 2}


async def test_a_client_that_repeats_itself_is_passed_on_as_its_settings_are_now() -> None:
    """What travels on is kept with a request that comes again: for each upstream, and no longer than it holds."""

    async def echo(called: Called) -> None:
        while head := await called.head():
            await called.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(head), head))

    request = b"GET /a HTTP/1.1\r\nHost: site.test\r\n\r\n"
    async with (
        scripted(echo) as a,
        scripted(echo) as b,
        balanced(a.port, b.port, level=Level.SUMMARY) as proxy,
        connected(proxy.port) as client,
    ):

        async def told(count: int) -> list[bytes]:
            heard = []
            for _ in range(count):
                await client.send(request)
                heard.append((await client.response())[1])
            return heard

        heads = await told(8)
        assert [b":%d\r\n" % port in head for head in heads for port in (a.port,)] == [True, False] * 4
        assert heads[0] == heads[2] == heads[6]
        assert heads[1] == heads[3] == heads[7]
        proxy.server.reload(settings(a.port, b.port, preserve_host=True))
        assert all(head.startswith(b"GET /a HTTP/1.1\r\nHost: site.test\r\n") for head in await told(6))
        proxy.server.reload(settings(a.port, b.port, routes=(f"path=/a to=:{b.port} add=/v2",)))
        assert all(head.startswith(b"GET /v2/a HTTP/1.1\r\n") for head in await told(4))
        proxy.server.reload(settings(a.port, b.port, maintenance=True))
        await client.send(request)
        assert b" 503 " in (await client.response())[0]


async def test_what_was_done_by_hand_stays() -> None:
    async with origins("a", "b") as (a, b), balanced(a.port, b.port, balance="weighted_round_robin") as proxy:
        proxy.server.steering.act("weight", upstream=f":{a.port}", value="3")
        proxy.server.steering.act("add", upstream="127.0.0.1:1*0")
        config = settings(a.port, f"127.0.0.1:{b.port}*9", balance="weighted_round_robin", retries=0)
        assert proxy.server.reload(config)
        assert [member.full_weight for member in members(proxy)] == [3, 9, 0]
        assert await answered(proxy, 8) == {"a": 2, "b": 6}


async def test_pools_routes_and_balancers_change() -> None:
    async with origins("a", "b") as (a, b), balanced(a.port, b.port) as proxy:
        config = settings(a.port, balance="first", pools=(f"api to=:{b.port}",), routes=("path=/api pool=api",))
        proxy.server.reload(config)
        assert who(await proxy.get("/api/x")) == "b"
        assert await answered(proxy, 3) == {"a": 3}
        proxy.server.reload(settings(b.port))
        assert list(proxy.server.pools.pools) == ["default"]
        assert await answered(proxy, 3) == {"b": 3}


async def test_checks_begin_and_end_with_the_settings() -> None:
    async with origins("a") as (a,), balanced(a.port) as proxy:
        assert members(proxy)[0].health is None
        proxy.server.reload(settings(a.port, check="tcp", check_interval=0.01))
        (member,) = members(proxy)
        async with asyncio.timeout(PATIENCE):
            while not member.checked:
                await asyncio.sleep(0)
        proxy.server.reload(settings(a.port))
        assert member.health is None


async def test_requests_under_way_end_where_they_began() -> None:
    held = asyncio.Event()

    async def slow(called: Called) -> None:
        await called.head()
        await held.wait()
        await called.say(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow")

    async with scripted(slow) as old, origins("b") as (b,), balanced(old.port, balance="least_connections") as proxy:
        async with connected(proxy.port) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await proxy.until(lambda: len(proxy.notes("upstream.picked")) == 1)
            leaving = members(proxy)[0]
            proxy.server.reload(settings(b.port, balance="peak_ewma"))
            assert await answered(proxy, 2) == {"b": 2}
            assert leaving.active == 1
            held.set()
            assert (await client.response())[1] == b"slow"
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b"\n" in (await client.response())[1]  # the same connection, the new upstream
        assert leaving.active == 0


async def test_sessions_and_those_who_wait_go_on() -> None:
    """Who shows the same stays where it was; who waited for room gets it, though the settings are others now."""
    release = asyncio.Event()

    async def slow(called: Called) -> None:
        while True:
            await called.head()
            await release.wait()
            await called.say(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow")

    async with origins("a", "b") as (a, b), balanced(a.port, b.port, sticky="header:X-Session") as proxy:
        shown = [await answered(proxy, 1, fields=f"X-Session: {number}\r\n") for number in range(4)]
        proxy.server.reload(settings(a.port, b.port, sticky="header:X-Session", eject_errors=3))
        again = [await answered(proxy, 1, fields=f"X-Session: {number}\r\n") for number in (3, 1, 2, 0)]
        assert again == [shown[number] for number in (3, 1, 2, 0)]
    async with scripted(slow) as up, balanced(up.port, upstream_limit=1) as proxy:
        async with connected(proxy.port) as first, connected(proxy.port) as second:
            await first.send(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n")
            await proxy.until(lambda: len(proxy.notes("upstream.picked")) == 1)
            await second.send(b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
            await proxy.until(lambda: len(proxy.notes("request.queued")) == 1)
            proxy.server.reload(settings(up.port, upstream_limit=1, balance="first"))
            (pool,) = proxy.server.steering.records()
            assert pool["live"] == 1
            release.set()
            assert (await first.response())[1] == b"slow"
            assert (await second.response())[1] == b"slow"
        (member,) = members(proxy)
        assert len(member._changed) == 2
        proxy.clock.jump(60)
        proxy.server.pools.tidy()
        assert len(member._changed) == 1  # the group of before has let go


@pytest.mark.parametrize("change", ["listen", "tls"])
async def test_what_cannot_change_is_refused_whole(change: str) -> None:
    async with origins("a", "b") as (a, b), balanced(a.port) as proxy:
        new = dataclasses.replace(settings(b.port), **{change: True if change == "tls" else settings(1).status_listen})
        with pytest.raises(UsageError, match=f"--{change} cannot change while it runs"):
            proxy.server.reload(new)
        assert await answered(proxy, 2) == {"a": 2}


# -- as a process ----------------------------------------------------------------------------------------------------


FILE = """[l7-balancer]
listen = "127.0.0.1:0"
to = [{to}]
{more}
"""


class Told:
    """What a process says on its standard error, line by line."""

    def __init__(self, process: Process) -> None:
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._read, args=(process,), daemon=True)
        self._thread.start()

    def _read(self, process: Process) -> None:
        assert process.popen.stderr is not None
        for line in process.popen.stderr:
            with self._news:
                self.lines.append(line)
                self._news.notify_all()

    def wait_for(self, words: str) -> str:
        with self._news:
            assert self._news.wait_for(lambda: any(words in line for line in self.lines), PATIENCE), self.lines
            return next(line for line in self.lines if words in line)


@contextmanager
def two_upstreams(here: Place) -> Iterator[tuple[int, int]]:
    with here.serve("-q") as first, here.serve("-q") as other:
        yield first.port, other.port


class Counted:
    """A reader that only counts."""

    def __init__(self, file: Path) -> None:
        self.file, self.quiet, self.count = file, False, 0

    def reload(self, services: object) -> list[str]:
        self.count += 1
        return []


@pytest.mark.one_loop
async def test_a_change_that_sighup_has_read_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks, look = itertools.count(), reload.stamp
    monkeypatch.setattr(reload, "LOOK_EVERY", 0.0)
    monkeypatch.setattr(reload, "stamp", lambda file: (next(looks), look(file))[1])
    file = tmp_path / "lab.toml"
    file.write_text("")
    reader: Any = Counted(file)
    reloads = reload.Reloads({"l7-balancer": reader}, reader, lambda words: None)
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(reloads.watch())
        file.write_text("# changed")
        reloads.reload_and_say()
        until = next(looks) + 6
        await when(lambda: next(looks) > until)
        assert reader.count == 1
        file.write_text("# and once more")
        await when(lambda: reader.count == 2)
        watching.cancel()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_changed_file_is_taken_and_a_bad_one_refused_with_its_line(here: Place, workers: str, tmp_path: Path) -> None:
    file = tmp_path / "lab.toml"
    file.write_text(FILE.format(to='"127.0.0.1:1"', more=""))
    with here.start("serve", "l7-balancer", "--config", str(file), "-q", "--workers", workers) as process:
        process.wait_until_ready()
        told = Told(process)
        file.write_text(FILE.format(to='"127.0.0.1:1", "127.0.0.1:2"', more='balance = "best"'))
        line = told.wait_for("stay")
        assert f"{file}:4: balance 'best' is not one of round_robin" in line
        file.write_text(FILE.format(to='"127.0.0.1:1", "127.0.0.1:2"', more=""))
        assert "settings read again: l7-balancer changed" in told.wait_for("read again")
        (pool,) = json.loads(here.call("balancer", "--json").stdout)
        assert [member["upstream"] for member in pool["upstreams"]] == ["127.0.0.1:1", "127.0.0.1:2"]
        process.popen.send_signal(signal.SIGHUP)
        told.wait_for("nothing changed")
        assert sum(line.endswith(" changed\n") for line in told.lines) == 2  # one of the workers speaks for all
        process.interrupt()
        assert process.popen.wait(PATIENCE) == 0


def test_reloads_under_load_lose_nothing(here: Place, tmp_path: Path) -> None:
    wrk = program("wrk")
    file, lost = tmp_path / "lab.toml", "Socket errors|Non-2xx"
    with two_upstreams(here) as (one, other):
        file.write_text(FILE.format(to=f'"127.0.0.1:{one}"', more=""))
        with here.start("serve", "l7-balancer", "--config", str(file), "-q", "--record", "off") as process:
            process.wait_until_ready()
            load = subprocess.Popen(
                [wrk, "-t1", "-c50", "-d2s", f"{process.url}/hello"], stdout=subprocess.PIPE, text=True
            )
            began, count = time.monotonic(), 0
            while load.poll() is None and time.monotonic() - began < PATIENCE:
                count += 1
                ports = (one, other) if count % 2 else (other,)
                targets = ", ".join(f'"127.0.0.1:{port}"' for port in ports)
                file.write_text(FILE.format(to=targets, more=f"retries = {count % 3}"))
                os.kill(process.pid, signal.SIGHUP)
                try:
                    load.wait(0.1)
                except subprocess.TimeoutExpired:
                    pass
            out = load.communicate()[0]
            assert not any(word in out for word in lost.split("|")), out
            assert count > 5
            pool = {"leaving": ["who left last is let go of at the next look"]}
            while pool["leaving"] and time.monotonic() - began < PATIENCE:
                (pool,) = json.loads(here.call("balancer", "--json", "--lab", "l7-balancer").stdout)
            assert (pool["live"], pool["leaving"]) == (0, [])
            process.interrupt()
            assert process.popen.wait(PATIENCE) == 0
