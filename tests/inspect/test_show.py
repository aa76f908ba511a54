"""The page of one flow: facts, waterfall, events, and the bytes its events point at."""

from __future__ import annotations

from netlab.flow import Flow, FlowLog, Level, Outcome
from netlab.inspect.record import FlowRecord, to_record
from netlab.inspect.show import DUMP, dump, page, span, waterfall


class Ticks:
    """A monotonic clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def record(flow: Flow) -> FlowRecord:
    return FlowRecord.from_json(to_record(flow, whole=True))


def exchange(level: Level = Level.FULL, body: bytes = b"Hello") -> tuple[Flow, Flow, Flow]:
    """A connection, a request on it, and the leg to an upstream that it caused."""
    ticks = Ticks()
    flows = FlowLog(level, now=ticks)
    connection = flows.open("tcp", "proxy")
    connection.client, connection.server = ("127.0.0.1", 51000), ("127.0.0.1", 8080)
    head, answer = b"GET /\x1b[2J HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n" + body
    if connection.full:
        connection.wire = flows.tape()
        connection.wire.write(ticks.now, "client", b"earlier" + head)
        connection.wire.write(ticks.now, "server", b"before" + answer)
    ticks.now += 1
    request = flows.open("http", "proxy", parent=connection)
    request.client, request.label = connection.client, "GET /\x1b[2J"
    fields = [["Host", "x"], ["Evil", "\x1b]0;title\x07"]]
    request.note("request.received", "client", start=7, end=7 + len(head), method="GET", fields=fields)
    ticks.now += 0.25
    leg = flows.open("tcp", "proxy", parent=request)
    leg.server = ("127.0.0.1", 9101)
    leg.detail(timings={"resolve": 0.05, "connect": 0.1, "tls": 0})
    ticks.now += 0.5
    leg.end(Outcome.OK)
    ticks.now += 0.25
    request.note("response.sent", "server", start=6, end=6 + len(answer) - len(body), status=200)
    request.note("response.ended", "server", body={"text": "Hello"}, size=len(body))
    request.end(Outcome.OK, "200")
    ticks.now += 1
    connection.end(Outcome.OK)
    return connection, request, leg


def test_the_page_of_a_request() -> None:
    connection, request, leg = map(record, exchange())
    text = page(request, connection, [leg])
    assert text.startswith("flow 2  http  GET /\\x1b[2J  200 ok\n")
    assert "\x1b" not in text
    assert (
        "+0 µs     client  request.received  bytes 7-29\n  method = GET\n    Host: x\n    Evil: \\x1b]0;title\\x07"
        in text
    )
    assert "+1 s      server  response.sent  bytes 6-25\n  status = 200" in text
    assert "bytes from the client, 7-29 of tcp 1, as on the network\n  00000007  47 45 54 20" in text
    assert "bytes from the server, 6-30 of tcp 1" in text  # the content behind the head, by its size


def test_the_waterfall_joins_the_legs() -> None:
    connection, request, leg = map(record, exchange())
    rows = [row.rstrip() for row in waterfall(request, connection, [leg]).splitlines()]
    assert rows == [
        "tcp 1                     <========================================>  3 s",
        "http 2                    |========================================|  1 s",
        "    to response.sent      |========================================|  1 s",
        "    to response.ended     |                                       =|  0 µs",
        "  tcp 3 → 127.0.0.1:9101  |          ====================          |  500 ms",
        "    resolve               |          ==                            |  50 ms",
        "    connect               |            ====                        |  100 ms",
    ]


def test_the_page_of_a_connection_has_all_its_bytes() -> None:
    connection, request, _ = map(record, exchange())
    assert "bytes from the client, 0-29 of tcp 1" in page(connection, None, [request])


def test_a_flow_recorded_at_summary_says_so() -> None:
    connection, request, _ = map(record, exchange(Level.SUMMARY))
    assert "recorded at summary, without events and bytes" in page(request, connection, [])


def test_many_bytes_are_cut_unless_all_are_asked_for() -> None:
    connection, request, _ = map(record, exchange(body=b"x" * 1000))
    assert f"... {1019 - DUMP} bytes more; --raw shows them" in page(request, connection, [])
    assert "bytes more" not in page(request, connection, [], raw=True)


def test_a_flow_whose_events_have_no_bytes() -> None:
    flow = FlowLog(Level.FULL).open("http")
    flow.note("request.received", "client")
    assert span(record(flow), "client") == (0, 0)
    assert "bytes from" not in page(record(flow), None, [])


def test_the_dump_is_that_of_other_tools() -> None:
    assert list(dump(bytes(range(20)), 16)) == [
        "  00000010  00 01 02 03 04 05 06 07  08 09 0a 0b 0c 0d 0e 0f  ................",
        "  00000020  10 11 12 13                                       ....",
    ]
