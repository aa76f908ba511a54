"""Flows to JSON and back, the secrets masked in them, and JSON lines."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from io import BytesIO
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.flow import Event, Flow, FlowLog, Level, Outcome
from netlab.inspect.jsonl import write_jsonl
from netlab.inspect.masks import masked
from netlab.inspect.record import FlowRecord, peer_address, to_record
from netlab.inspect.redact import redacted
from netlab.tape import Chunk
from netlab.text import peer_text

REQUEST = b"GET /hello HTTP/1.1\r\nHost: a.test\r\nCookie: sid=secret; b=2\r\nAuthorization: Basic dXNlcjpwYXNz\r\n\r\n"


class Now:
    """A monotonic clock that moves when it is told."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def log(now: Now) -> FlowLog:
    return FlowLog(Level.FULL, now=now, prefix="w1-", flow_bytes=1000)


def connection(log: FlowLog) -> Flow:
    flow = log.open("tcp", "http")
    flow.client, flow.server = ("127.0.0.1", 51000), ("::1", 8080, 0, 0)
    flow.wire = log.tape()
    return flow


def test_a_whole_flow_is_what_the_contract_says(log: FlowLog, now: Now) -> None:
    parent = connection(log)
    flow = log.open("http", "http", parent)
    flow.client, flow.server, flow.label = parent.client, parent.server, "GET /hello"
    now.time += 0.5
    flow.note("request.received", "client", start=0, end=78, method="GET", fields=[("Host", "a.test")])
    flow.detail(engine="netlab", secrets="CLIENT_RANDOM 00 11\n")
    flow.sent = 13
    now.time += 0.25
    flow.end(Outcome.OK, "200")
    started = log.wall(1000.0)
    record = to_record(flow, whole=True)
    assert record == {
        "id": "w1-2",
        "kind": "http",
        "service": "http",
        "parent": "w1-1",
        "leg": False,
        "level": "full",
        "client": "127.0.0.1:51000",
        "server": "[::1]:8080",
        "started": pytest.approx(started, abs=2e-6),
        "ended": pytest.approx(started + 0.75, abs=2e-6),
        "label": "GET /hello",
        "result": "200",
        "outcome": "ok",
        "received": 0,
        "sent": 13,
        "details": {"engine": "netlab", "secrets": "CLIENT_RANDOM 00 11\n"},
        "events": [
            {
                "time": pytest.approx(started + 0.5, abs=2e-6),
                "side": "client",
                "name": "request.received",
                "fields": {"method": "GET", "fields": [["Host", "a.test"]]},
                "start": 0,
                "end": 78,
            }
        ],
        "wire": None,
        "plain": None,
    }
    assert json.loads(json.dumps(record)) == record


def test_a_list_of_flows_has_no_events_bytes_or_secrets(log: FlowLog) -> None:
    flow = connection(log)
    flow.detail(tls="TLSv1.3", secrets="CLIENT_RANDOM 00 11\n")
    record = to_record(flow, whole=False)
    assert not {"events", "wire", "plain"} & set(record)
    assert record["details"] == {"tls": "TLSv1.3"}
    assert flow.details is not None
    assert "secrets" in flow.details


def test_a_summary_flow_has_neither_events_nor_bytes(now: Now) -> None:
    flow = FlowLog(Level.SUMMARY, now=now).open("http")
    record = to_record(flow, whole=True)
    assert not {"events", "wire", "plain"} & set(record)
    assert (record["level"], record["ended"], record["parent"], record["client"]) == ("summary", None, None, None)


def test_raw_bytes_are_base64_and_a_cut_tape_says_how_far_the_stream_went(log: FlowLog, now: Now) -> None:
    flow = connection(log)
    assert flow.wire is not None
    flow.wire.write(now(), "client", REQUEST)
    now.time += 1
    flow.wire.write(now(), "server", bytes(2000))
    flow.wire.write(now(), "server", bytes(500))
    wire = to_record(flow, whole=True)["wire"]
    assert [(chunk["side"], chunk["offset"], len(b64decode(chunk["data"]))) for chunk in wire] == [
        ("client", 0, len(REQUEST)),
        ("server", 0, 1000 - len(REQUEST)),
        ("server", 2500, 0),
    ]
    assert b64decode(wire[0]["data"]) == REQUEST
    assert wire[1]["time"] - wire[0]["time"] == pytest.approx(1, abs=2e-6)


def test_a_record_is_read_back_typed(log: FlowLog, now: Now) -> None:
    flow = connection(log)
    assert flow.wire is not None
    flow.wire.write(now(), "client", REQUEST[:10])
    flow.wire.write(now(), "client", REQUEST[10:])
    flow.note("connection.opened", "client", start=1, end=2, port=8080)
    record = to_record(flow, whole=True)
    read = FlowRecord.from_json(json.loads(json.dumps(record)))
    assert (read.id, read.kind, read.level, read.ended, read.parent) == ("w1-1", "tcp", "full", None, None)
    began = record["started"]
    assert read.wire == [Chunk(began, "client", REQUEST[:10], 0), Chunk(began, "client", REQUEST[10:], 10)]
    assert read.plain is None
    assert read.events == [Event(began, "client", "connection.opened", {"port": 8080}, 1, 2)]
    assert read.fields_of("connection.opened") == {"port": 8080}
    assert read.fields_of("connection.closed") == {}
    assert read.read("client", 4, 19) == b"/hello HTTP/1.1"
    assert read.read("server", 0, 9) == b""


def test_what_json_does_not_know_is_written_as_text_or_base64(log: FlowLog) -> None:
    flow = log.open("tcp")
    flow.client = "/run/lab.sock"
    flow.detail(raw=b"\0\xff", level=Level.FULL, many={3}, nested={1: (2.5, float("nan"))}, other=ValueError("x"))
    record = to_record(flow, whole=True)
    assert record["client"] == "/run/lab.sock"
    assert record["details"] == {
        "raw": {"base64": "AP8="},
        "level": 2,
        "many": [3],
        "nested": {"1": [2.5, "nan"]},
        "other": "x",
    }


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("[::1]:8080", ("::1", 8080)),
        ("/run/lab.sock", None),
        ("/run/lab:x", None),
        ("a:70000", None),
        (None, None),
    ],
)
def test_peers(text: str | None, address: tuple[str, int] | None) -> None:
    assert peer_address(text) == address
    if address is not None:
        assert peer_text(address) == text


MASKED = [
    ("Authorization", "Basic dXNlcjpwYXNz", "Basic ************"),
    ("proxy-authorization", 'Digest username="u", uri="/"', "Digest " + "*" * 21),
    ("Authorization", "lonely", "******"),
    ("Cookie", "sid=secret; theme=dark; bare", "sid=******; theme=****;*****"),
    ("Set-Cookie", "sid=a=b; Path=/; HttpOnly", "sid=***; Path=/; HttpOnly"),
    ("Set-Cookie", "", ""),
]


@pytest.mark.parametrize(("name", "value", "shown"), MASKED)
def test_masks_keep_scheme_cookie_names_and_length(name: str, value: str, shown: str) -> None:
    assert masked(name, value) == shown


def test_fields_bytes_and_tls_secrets_are_masked_and_the_record_itself_is_not() -> None:
    record: dict[str, Any] = {
        "id": "1",
        "details": {"tls": "TLSv1.3", "secrets": "CLIENT_RANDOM 00 11"},
        "events": [
            _event(fields=[["Host", "a.test"], ["COOKIE", "sid=secret"]], trailers=[["set-cookie", "k=secret"]]),
            _event(credentials={"Authorization": "Bearer secret"}),
        ],
        "wire": [_chunk(REQUEST, "client"), _chunk(b"HTTP/1.1 200 OK\r\nset-cookie:k=secret\r\n\r\n", "server")],
        "plain": None,
    }
    before = json.dumps(record)
    shown = redacted(record)
    assert json.dumps(record) == before
    assert "secret" not in json.dumps([shown["events"], shown["details"]["secrets"]]).replace("secrets", "")
    assert shown["details"] == {"tls": "TLSv1.3", "secrets": "[redacted]"}
    assert shown["events"][0]["fields"]["fields"] == [["Host", "a.test"], ["COOKIE", "sid=******"]]
    assert shown["events"][1]["fields"] == {"credentials": {"Authorization": "Bearer ******"}}
    client, server = (b64decode(chunk["data"]) for chunk in shown["wire"])
    assert client == REQUEST.replace(b"secret", b"******").replace(b"b=2", b"b=*").replace(b"dXNlcjpwYXNz", b"*" * 12)
    assert server == b"HTTP/1.1 200 OK\r\nset-cookie:k=******\r\n\r\n"
    assert shown["plain"] is None


def test_what_forms_and_json_call_secret_is_masked() -> None:
    login = '{"user": "ada", "password" : "h\\"unter2", "more": {"access_token":"eyJ.a.b"}}'
    form = "user=ada&password=hunter2&grant_type=password"
    record: dict[str, Any] = {
        "label": "GET /?a=1&access_token=eyJ",
        "events": [_event(body={"text": login}, url="http://a.test/?client_secret=x"), _event(body={"text": form})],
        "wire": [_chunk(b"POST / HTTP/1.1\r\n\r\n" + form.encode(), "client"), _chunk(login.encode(), "server")],
    }
    shown = redacted(record)
    assert shown["label"] == "GET /?a=1&access_token=***"
    bodies = [event["fields"]["body"]["text"] for event in shown["events"]]
    assert bodies == [
        '{"user": "ada", "password" : "*********", "more": {"access_token":"*******"}}',
        "user=ada&password=*******&grant_type=password",
    ]
    assert shown["events"][0]["fields"]["url"] == "http://a.test/?client_secret=*"
    client, server = (b64decode(chunk["data"]) for chunk in shown["wire"])
    assert client.endswith(bodies[1].encode())
    assert server == bodies[0].encode()


def _event(**fields: Any) -> dict[str, Any]:
    return {"time": 0.0, "side": "client", "name": "request.received", "fields": fields, "start": 0, "end": 0}


def _chunk(data: bytes, side: str, offset: int = 0) -> dict[str, Any]:
    return {"time": 0.0, "side": side, "offset": offset, "data": b64encode(data).decode()}


@given(st.lists(st.integers(0, len(REQUEST)), max_size=6))
def test_a_secret_cut_into_chunks_is_masked_all_the_same(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(REQUEST)]
    parts = [REQUEST[start:end] for start, end in pairwise(places)]
    wire = [_chunk(part, "client", start) for part, start in zip(parts, places, strict=False)]
    wire.insert(1, _chunk(b"an answer", "server"))
    shown = redacted({"wire": wire})["wire"]
    assert [len(b64decode(chunk["data"])) for chunk in shown if chunk["side"] == "client"] == [*map(len, parts)]
    stream = b"".join(b64decode(chunk["data"]) for chunk in shown if chunk["side"] == "client")
    assert re.search(b"secret|dXN", stream) is None
    assert stream.startswith(b"GET /hello HTTP/1.1\r\nHost: a.test\r\nCookie: sid=******; b=*\r\n")


def test_json_lines_are_one_flow_a_line(log: FlowLog) -> None:
    flows = [log.open("http"), log.open("tcp")]
    flows[0].label = "GET /ü\u2028\n"
    records = [to_record(flow, whole=True) for flow in flows]
    out = BytesIO()
    write_jsonl(iter(records), out)
    assert [json.loads(line) for line in out.getvalue().splitlines()] == records
