"""Flow lines: what stands in them, that nothing captured can steer a terminal, and that a slow one delays nobody."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.filter import compile_filter
from netlab.flow import FlowLog, Level, Outcome
from netlab.inspect.record import to_record
from netlab.inspect.terminal import FlowLines, JsonLines, Lines, Writer, joined, worth_a_line
from netlab.text import duration, escape, size

FLOW: dict[str, Any] = {
    "id": "17",
    "kind": "http",
    "service": "http",
    "client": "127.0.0.1:51000",
    "started": 1790000000.123456,
    "ended": 1790000000.124,
    "label": "GET /hello",
    "result": "200",
    "outcome": "ok",
    "received": 0,
    "sent": 13,
}


def line(record: dict[str, Any], *, colour: bool = False) -> str:
    return Lines(["http"], colour=colour).line(record)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            pass  # the test closed it


def test_one_line_has_everything() -> None:
    text = line(FLOW)
    assert re.match(r"\d\d:\d\d:\d\d\.123     17  http  127.0.0.1:51000        200 ok  ", text)
    assert text.endswith("  544 µs       0 B >     13 B <  GET /hello")


def test_what_was_injected_is_said_so_that_nobody_hunts_it() -> None:
    struck = {**FLOW, "details": {"faults": ["f1: latency=1s", "slow: stall when x == '\x1b'"]}}
    assert line(struck).endswith("GET /hello  [fault f1: latency=1s]  [fault slow: stall when x == '\\x1b']")


@pytest.mark.parametrize(
    "other",
    [
        {"client": "[::1]:51000", "outcome": "timeout", "ended": 1790000055.0, "sent": 99 << 20},
        {"result": "504", "outcome": "unreachable", "received": 1023, "sent": 1023 << 10},
        {"result": "shop.test does not resolve: no such name", "outcome": "unreachable"},
        {"ended": 1790000000.0 + 86400 * 3},
    ],
)
def test_columns_stand_still(other: dict[str, Any]) -> None:
    assert line(FLOW).index("GET /hello") == line({**FLOW, **other}).index("GET /hello")


def test_a_reason_stands_behind_what_was_asked() -> None:
    text = line({**FLOW, "result": "no header in time", "outcome": "timeout"})
    assert re.search(r"  timeout  .*<  GET /hello  no header in time$", text)


def test_columns_grow_once() -> None:
    lines = Lines(["http", "forward-proxy"])
    first = lines.line(FLOW).index("GET /hello")
    assert lines.line({**FLOW, "service": "forward-proxy"}).index("GET /hello") == first
    wide = lines.line({**FLOW, "id": "w2.9999", "client": "[2001:db8::1:2:3:4]:51000"}).index("GET /hello")
    assert lines.line(FLOW).index("GET /hello") == wide > first


def test_an_open_flow() -> None:
    assert "open" in line({**FLOW, "ended": None, "result": "", "outcome": ""})


def test_colour_only_where_it_is_asked_for() -> None:
    assert "\x1b" not in line(FLOW)
    assert "\x1b[32m200 ok\x1b[0m" in line(FLOW, colour=True)
    assert "\x1b[33m404 refused\x1b[0m" in line({**FLOW, "result": "404", "outcome": "refused"}, colour=True)
    assert "\x1b[31m" in line({**FLOW, "outcome": "cut"}, colour=True)
    plain = re.sub(r"\x1b\[\d+m", "", line(FLOW, colour=True))
    assert plain == line(FLOW)


@given(st.text())
def test_captured_text_cannot_steer_the_terminal(text: str) -> None:
    for character in line({**FLOW, "label": text, "client": text, "result": text, "service": text}):
        assert character.isprintable() or character.isspace() or ord(character) > 0x9F
        assert character not in "\x1b\r\n\x9b\u202e\u2066"


def test_what_would_steer_is_written_out() -> None:
    assert escape("a\x1b[2Jb\r\n\u202ec") == "a\\x1b[2Jb\\r\\n\\u202ec"
    assert escape("Grüße €") == "Grüße €"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 µs"),
        (-1e-6, "0 µs"),
        (0.00085, "850 µs"),
        (0.0009996, "1 ms"),
        (0.0032, "3.2 ms"),
        (0.9996, "1 s"),
        (1.5, "1.5 s"),
        (99.6, "1.7 min"),
        (5990, "99.8 min"),
        (7200, "2.0 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1023, "1023 B"),
        (1536, "1.5 KiB"),
        (20 << 20, "20 MiB"),
        (1000 << 10, "1000 KiB"),
        (3 << 40, "3 TiB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


def test_a_connection_is_told_only_when_its_requests_do_not_tell_it() -> None:
    assert worth_a_line("http", "", "ok")
    assert not worth_a_line("tcp", "", "ok")
    assert worth_a_line("tcp", "", "violation")
    assert worth_a_line("tcp", "to 127.0.0.1:9101", "ok")


async def test_flows_are_printed_as_they_end(pipe: tuple[int, int]) -> None:
    flows, writer = FlowLog(), Writer(pipe[1])
    lines = FlowLines(flows, writer, Lines(["http"]))
    flow = flows.open("http", "http")
    flow.label = "GET /hello"
    flow.end(Outcome.OK, "200")
    flows.open("tcp", "http").end(Outcome.OK)
    text = await asyncio.to_thread(os.read, pipe[0], 1000)
    assert text.decode() == line(to_record(flow, whole=False)) + "\n"
    lines.close()
    writer.close()
    assert not flows._subscriptions


async def test_what_is_left_is_printed_at_the_end(pipe: tuple[int, int]) -> None:
    flows, writer = FlowLog(), Writer(pipe[1])
    lines = FlowLines(flows, writer, JsonLines())
    flows.open("http").end(Outcome.OK)
    lines.close()
    writer.close()
    assert json.loads(os.read(pipe[0], 1000))["outcome"] == "ok"


async def test_flows_past_the_bound_are_counted(pipe: tuple[int, int]) -> None:
    flows, writer = FlowLog(), Writer(pipe[1])
    lines = FlowLines(flows, writer, Lines(["http"]))
    for _ in range(1300):
        flows.open("http").end(Outcome.OK)
    reading = asyncio.create_task(asyncio.to_thread(read_all, pipe[0]))  # noqa: TID251  a test may hold its own
    lines.close()
    writer.close()
    os.close(pipe[1])
    text = await reading
    assert text.count(" ok ") == 1000
    assert "... 300 flows more, too fast to print (netlab export has them)" in text


async def test_a_terminal_that_is_stopped_delays_nobody(pipe: tuple[int, int]) -> None:
    flows, writer = FlowLog(), Writer(pipe[1], limit=2)
    lines = FlowLines(flows, writer, Lines(["http"]))
    for _ in range(10):  # nobody reads the pipe, which holds 64 KiB
        for _ in range(900):
            flows.open("http").end(Outcome.OK)
        lines._print()
    assert lines._left_out > 0
    lines.close()
    writer.close(patience=0.05)
    os.close(pipe[0])  # the thread's write ends


async def test_a_reader_that_has_gone_is_told_of_once(pipe: tuple[int, int]) -> None:
    gone, loop = asyncio.Event(), asyncio.get_running_loop()
    os.close(pipe[0])
    writer = Writer(pipe[1], lambda: loop.call_soon_threadsafe(gone.set) and None)
    writer.write("x")
    async with asyncio.timeout(5):
        await gone.wait()
    writer.close()


def test_legs_stand_behind_what_they_are_for() -> None:
    """Though they end before it; and show whom we called."""
    flows = FlowLog()
    connection = flows.open("tcp", "proxy")
    connection.client = ("127.0.0.1", 51000)
    request = flows.open("http", "proxy", connection)
    request.client, request.label = connection.client, "GET /"
    leg = flows.open("http", "proxy", request)
    leg.client, leg.server, leg.label = ("127.0.0.1", 40000), ("127.0.0.1", 9101), "GET /api"
    dial = flows.open("tcp", "proxy", leg)
    dial.client, dial.server = leg.client, leg.server
    late = flows.open("tcp", "proxy", flows.open("http", "proxy", connection))
    late.client = leg.client
    assert [flow.is_leg for flow in (connection, request, leg, dial, late)] == [False, False, True, True, True]
    assert list(joined([late, dial, leg, request, connection])) == [late, request, leg, dial, connection]
    asked, called = (line(to_record(flow, whole=False)) for flow in (request, leg))
    assert re.search(r"  127.0.0.1:51000 .*<  GET /$", asked)
    assert re.search(r"  → 127.0.0.1:9101 .*<  └ GET /api  \(for 2\)$", called)
    wanted = compile_filter("kind == http and leg == false")
    assert [wanted(to_record(flow, whole=False)) for flow in (request, leg)] == [True, False]


def test_lines_need_no_more_than_a_summary() -> None:
    flows = FlowLog(Level.SUMMARY)
    assert line(to_record(flows.open("udp", "resolver"), whole=False)).endswith("<  ")


def read_all(descriptor: int) -> str:
    parts = []
    while part := os.read(descriptor, 1 << 16):
        parts.append(part)
    return b"".join(parts).decode()
