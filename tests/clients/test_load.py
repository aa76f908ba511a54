"""`netlab load`: when requests are due, what their latency counts from, and what is told of them."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import os
import pty
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.load import Config
from clients.load import run as run_load
from clients.load.expectation import Expectation
from clients.load.generator import Bounds, Generator
from clients.load.http import HttpDriver, Plan
from clients.load.journey import journey
from clients.load.results import Results
from clients.load.schedule import Arrival, Step, arrivals, reached
from netlab.errors import UsageError
from netlab.flow import FlowLog, Level
from netlab.http.url import Url
from netlab.net.certs import Authority
from netlab.net.dial import Dialer, Timeouts
from netlab.net.fine_timer import FineTimer
from tests.clients.raw_servers import OK, RawServer, Talk, answering, keeping, raw_server, server_context
from tests.netlab_process import PATIENCE

Streams = pytest.CaptureFixture[str]
STEPS = st.builds(Step, st.floats(0.1, 1000), st.floats(0.1, 1000), st.floats(0.01, 3))


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETLAB_STATE", str(tmp_path / "state"))


# -- the schedule ----------------------------------------------------------------------------------------------------


def test_constant_arrivals_are_evenly_spaced_and_steps_follow_each_other() -> None:
    due = list(arrivals([Step.parse("4:1s"), Step.parse("2:2s")]))
    assert due == [
        *(Arrival(at, 0) for at in (0.0, 0.25, 0.5, 0.75)),
        *(Arrival(at, 1) for at in (1.0, 1.5, 2.0, 2.5)),
    ]


def test_a_ramp_has_as_many_arrivals_as_its_mean_rate_and_they_grow_denser() -> None:
    step = Step.parse("0-100:2s")
    due = [arrival.at for arrival in arrivals([step])]
    assert len(due) == 100
    gaps = [later - earlier for earlier, later in itertools.pairwise(due)]
    assert gaps == sorted(gaps, reverse=True)
    assert [round(reached(step, count), 6) for count in (0, 25, 100)] == [0.0, 1.0, 2.0]  # 25 t² of them by then


@given(st.lists(STEPS, min_size=1, max_size=3), st.integers())
def test_arrivals_are_in_order_and_within_their_steps(steps: list[Step], seed: int) -> None:
    ends = list(itertools.accumulate(step.seconds for step in steps))
    for chance in (None, random.Random(seed).random):
        before = 0.0
        for at, step in itertools.islice(arrivals(steps, chance), 3000):
            assert before <= at <= ends[step] + 1e-6
            before = at


def test_poisson_arrivals_are_as_irregular_as_they_must_be() -> None:
    due = [at for at, _ in arrivals([Step.parse("1000:20s")], random.Random(7).random)]
    gaps = [later - earlier for earlier, later in itertools.pairwise(due)]
    mean = sum(gaps) / len(gaps)
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert abs(len(due) - 20_000) < 5 * math.sqrt(20_000)
    assert abs(deviation / mean - 1) < 0.05  # of an exponential distribution both are the same
    assert due == [at for at, _ in arrivals([Step.parse("1000:20s")], random.Random(7).random)]


@pytest.mark.parametrize("text", ["100", "100:", ":10s", "0:10s", "a:10s", "100:0s", "1-:1s"])
def test_what_is_no_step(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the kind says in words what is allowed
        Step.parse(text)


@pytest.mark.parametrize("text", ["100:10s", "1-5:2m", "0.5:500ms"])
def test_steps_are_written_as_they_are_read(text: str) -> None:
    assert str(Step.parse(text)) == text


# -- a load ----------------------------------------------------------------------------------------------------------


async def loaded(server: RawServer, *, release: asyncio.Event | None = None, **options: Any) -> Results:
    """The results of a load; with `release` it is set when every arrival was noticed."""
    config = Config(target=server.url, **options)
    url, steps = Url.parse(config.target), config.step or (Step(config.rate, config.rate, config.duration),)
    plan = Plan(
        journey(url, config.request, method=config.method, data=config.data, fields=config.field),
        cookies=config.cookies,
        closes=config.new_connections,
        think=config.think,
    )
    results = Results(len(steps), tuple(map(str, plan.journey)))
    dialer = Dialer(FlowLog(Level.OFF))
    generator = Generator(
        HttpDriver(url, plan, dialer, None, Timeouts().within(config.timeout)),
        None if config.closed else arrivals(steps),
        Bounds(connections=config.connections, timeout=config.timeout),
        results,
        seconds=sum(step.seconds for step in steps),
    )
    async with asyncio.timeout(PATIENCE):
        running = asyncio.gather(generator.run())
        while release is not None and not release.is_set():
            if results.late.count == sum(int(step.count) for step in steps):
                release.set()
            await asyncio.sleep(0)
        await running
    return results


async def test_latency_counts_from_when_a_request_was_due() -> None:
    """A server that stops for a moment: everybody who would have come meanwhile has waited, and is counted so."""
    release = asyncio.Event()

    async def stops(talk: Talk) -> None:
        while await talk.head():
            await release.wait()
            await talk.say(OK)

    async with raw_server(stops) as server:
        results = await loaded(server, release=release, rate=200, duration=0.5, connections=1)
    latency = results.all.latency
    assert (results.all.asked, results.all.answers) == (100, 100)
    assert latency.percentile(1.0) > 0.48  # the first
    assert 0.2 < latency.percentile(0.5) < 0.35  # the one in the middle came half-way through
    assert results.late.percentile(0.5) < 0.02  # though it was noticed when it was due


async def test_statuses_content_and_kept_connections() -> None:
    answers = {b"/": OK, b"/no": b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"}
    async with raw_server(keeping(answers)) as server:
        results = await loaded(server, rate=100, duration=0.2, request=("GET /", "GET /no"), connections=4)
    assert results.journeys == 20
    assert results.all.statuses == {"200": 20, "404": 20}
    assert results.all.received == 20 * (5 + 2)
    assert (results.request(0).errors, results.request(1).errors) == (0, 20)
    assert server.connections <= 4


async def test_a_new_connection_for_each_journey() -> None:
    async with raw_server(keeping({b"/": OK})) as server:
        results = await loaded(server, rate=100, duration=0.2, new_connections=True)
    assert (results.all.answers, server.connections) == (20, 20)
    assert all(b"Connection: close" in request for request in server.requests)


async def test_numbers_content_fields_and_cookies() -> None:
    async def sets(talk: Talk) -> None:
        await talk.head()
        assert await talk.reader.readexactly(9) == b'{"id": 1}'
        await talk.say(b"HTTP/1.1 200 OK\r\nSet-Cookie: session=abc; Path=/\r\nContent-Length: 0\r\n\r\n")
        await talk.head()
        await talk.say(OK)

    requests = ('POST /login/{n} {"id": {n}}', "GET /cart?visitor={n}")
    async with raw_server(sets) as server:
        results = await loaded(server, rate=1, duration=1, request=requests, field=("X-Test: yes",))
    assert results.all.statuses == {"200": 2}
    first, second = server.requests
    assert first.startswith(b"POST /login/1 HTTP/1.1\r\n")
    assert b"X-Test: yes\r\nContent-Type: application/json\r\n" in first
    assert second.startswith(b"GET /cart?visitor=1 HTTP/1.1\r\n")
    assert b"Cookie: session=abc\r\n" in second


async def test_thinking_between_requests_is_no_latency() -> None:
    async with raw_server(keeping({b"/": OK})) as server:
        results = await loaded(server, rate=1, duration=1, request=("GET /", "GET /"), think=0.2)
    assert results.seconds > 0.2
    assert results.request(1).latency.percentile(1.0) < 0.2


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", "the connection was closed before the answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "the answer was cut off"),
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", "not HTTP"),
    ],
)
async def test_what_is_no_answer(answer: bytes, why: str) -> None:
    async with raw_server(answering(answer)) as server:
        results = await loaded(server, rate=20, duration=0.2)
    assert results.all.answers == 0
    assert results.all.failed_in_all == results.all.asked == 4
    assert all(why in told for told in results.all.failures)


async def test_an_answer_that_does_not_come_in_time() -> None:
    async def silent(talk: Talk) -> None:
        await talk.reader.read()

    async with raw_server(silent) as server:
        results = await loaded(server, rate=20, duration=0.1, timeout=0.1)
    assert results.all.failures == {"no answer within 0.1 s": 2}


async def test_a_server_that_closes_inside_a_journey() -> None:
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    async with raw_server(answering(closing)) as server:
        results = await loaded(server, rate=10, duration=0.2, request=("GET /", "GET /"))
    assert results.request(0).statuses == {"200": 2}
    assert results.request(1).failures == {"the server closed the connection inside the journey": 2}


async def test_as_fast_as_it_answers() -> None:
    async with raw_server(keeping({b"/": OK})) as server:
        results = await loaded(server, closed=True, duration=0.2, connections=3)
    assert server.connections == 3
    assert results.all.asked == results.all.answers > 20


async def test_what_waits_for_a_connection_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clients.load.generator.MOST_WAITING", 10)
    release = asyncio.Event()

    async def stops(talk: Talk) -> None:
        while await talk.head():
            await release.wait()
            await talk.say(OK)

    async with raw_server(stops) as server:
        results = await loaded(server, release=release, rate=500, duration=0.1, connections=1)
    assert results.all.answers + results.dropped == 50
    assert 10 <= results.all.answers <= 12


async def test_a_fine_timer_rings_in_time_and_once() -> None:
    loop = asyncio.get_running_loop()
    rung: asyncio.Future[float] = loop.create_future()
    timer = FineTimer(lambda: rung.set_result(time.monotonic()))
    due = time.monotonic() + 0.0203
    timer.set(due + 10)
    timer.set(due)
    async with asyncio.timeout(PATIENCE):
        late = await rung - due
    assert 0 <= late < 0.2
    timer.close()


# -- as people and scripts use it --------------------------------------------------------------------------------------


async def shown(server: RawServer, streams: Streams, **options: Any) -> tuple[int, str]:
    code = await run_load(Config(target=server.url, **{"rate": 100, "duration": 0.2, **options}))
    return code, streams.readouterr().out


async def test_the_report(capsys: Streams) -> None:
    steps = (Step.parse("50:200ms"), Step.parse("100-200:100ms"))
    async with raw_server(keeping({b"/": OK, b"/x": OK})) as server:
        code, out = await shown(server, capsys, step=steps, request=("GET /", "GET /x"))
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == f"{server.url}  50:200ms, 100-200:100ms (constant arrivals)"
    assert lines[2].startswith("asked     50 in ")
    assert any(line.startswith("  200     50") for line in lines)
    assert any(
        line.split() == ["min", "mean", "p50", "p75", "p90", "p95", "p99", "p99.9", "p99.99", "max"] for line in lines
    )
    assert sum("█" in line for line in lines) >= 1
    assert any(line.startswith("50:200ms") for line in lines)
    assert any(line.startswith("GET /x") for line in lines)


async def test_json(capsys: Streams) -> None:
    async with raw_server(keeping({b"/": OK})) as server:
        code, out = await shown(server, capsys, json=True, expect=(Expectation.parse("p99<10s"),))
    told = json.loads(out)
    assert code == 0
    assert (told["asked"], told["answered"], told["statuses"], told["errors"]) == (20, 20, {"200": 20}, 0)
    assert told["latency"]["min"] <= told["latency"]["p50"] <= told["latency"]["p99"] <= told["latency"]["max"] < 10
    assert told["histogram"][-1][1] == 20
    assert told["expectations"][0]["holds"] is True


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        (("errors<1%", "p50<10s", "rate>1", "max<10s", "mean<10s"), 0),
        (("p99<1ms", "p99.9<0.001ms"), 1),
        (("errors>50%",), 1),
    ],
)
async def test_expectations_decide_the_exit_code(texts: Sequence[str], code: int, capsys: Streams) -> None:
    async with raw_server(keeping({b"/": OK})) as server:
        found, out = await shown(server, capsys, expect=tuple(map(Expectation.parse, texts)))
    assert found == code
    assert ("FAILS" in out) == bool(code)


async def test_nobody_answers(capsys: Streams) -> None:
    async with raw_server(answering()) as server:
        pass
    code, out = await shown(server, capsys)
    assert code == 1
    assert "no connection: nothing listens on 127.0.0.1 port" in out


async def test_over_tls(capsys: Streams, tmp_path: Path) -> None:
    authority = Authority.load(tmp_path / "state")
    async with raw_server(keeping({b"/": OK}), server_context(authority)) as server:
        url = f"https://127.0.0.1:{server.port}"
        assert await run_load(Config(target=url, rate=50, duration=0.2)) == 0
        assert "  200     10" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"request": ("FETCH",)}, "is not METHOD /TARGET"),
        ({"request": ("GET /",), "data": "x"}, "a --request has its own"),
        ({"field": ("Connection: close",)}, "see --new-connections"),
        ({"data": "@/nowhere/at/all"}, "cannot read /nowhere/at/all"),
    ],
)
async def test_what_cannot_be_asked(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        await run_load(Config(target="http://127.0.0.1:1", **options))


@pytest.mark.parametrize("options", [{"rate": 0.0}, {"duration": 0.0}, {"closed": True, "step": (Step(1, 1, 1),)}])
def test_settings_that_contradict(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Config(target="x", **options)


def test_the_command_shows_its_progress_and_ctrl_c_shows_what_was_found(python_server: str) -> None:
    terminal, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "netlab", "load", f"{python_server}/small.txt", "--rate", "50", "--duration", "60s"],
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    written = b""
    while b" answered" not in written or b" 0 answered" in written.rpartition(b"\r")[2]:
        written += os.read(terminal, 1024)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=PATIENCE)
    os.close(terminal)
    assert process.returncode == 0
    assert "░" in written.decode(errors="replace")
    assert "latency, from when each request was due" in out
    assert "  200 " in out
