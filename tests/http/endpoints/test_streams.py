"""Data and streams: bytes by seed, ranges, drips, delays, events, trailers, early hints, and the end of the server."""

from __future__ import annotations

import asyncio
import json
import random
import time
import uuid

import h11
import pytest

from netlab.flow import Flow, Outcome
from netlab.http.endpoints.data import seeded_bytes
from tests.http.endpoints.site import Site, site, talk
from tests.http.serving import SECONDS, Client, connected

# -- data --------------------------------------------------------------------------------------------------------


async def test_bytes_of_a_seed_are_those_of_httpbin() -> None:
    async with site() as here, here.http() as client:
        for path in ("/bytes/10?seed=0", "/stream-bytes/10?seed=0", "/stream-bytes/10?seed=0&chunk_size=3"):
            assert (await client.get(path)).content == b"\xc5\xd7\x14\x84\xf8\xcf\x9b\xf4\xb7o"
        assert len((await client.get("/bytes/1024")).content) == 1024
        assert len((await client.get("/bytes/9999999")).content) == 100 << 10
        assert (await client.get("/bytes/5?seed=x")).status_code == 400
        assert (await client.get("/bytes/x")).status_code == 404


@pytest.mark.parametrize("seed", [0, 1, 42, -5, 10**15])
def test_the_quick_way_draws_what_randint_draws(seed: int) -> None:
    chance = random.Random(seed)
    assert seeded_bytes(seed, 3000) == bytes(chance.randint(0, 255) for _ in range(3000))


async def test_chunks_have_the_size_asked_for() -> None:
    async with site() as here, connected(here.port) as client:
        await talk(client, "/stream-bytes/20?seed=1&chunk_size=8")
        head = await client.until(b"\r\n\r\n")
        assert b"Transfer-Encoding: chunked" in head
        sizes = []
        while size := int(await client.until(b"\r\n"), 16):
            sizes.append(size)
            await client.exactly(size + 2)
        assert sizes == [8, 8, 4]


async def test_the_lab_s_seed_repeats_a_run() -> None:
    async with site(seed=3) as one, site(seed=3) as same, site(seed=4) as other:
        first, again, third = [(await here.get("/uuid")).json()["uuid"] for here in (one, same, other)]
        assert uuid.UUID(first).version == 4
        assert first == again != third
        assert (await one.get("/bytes/20")).content == (await same.get("/bytes/20")).content


async def test_base64_and_links() -> None:
    async with site() as here, here.http() as client:
        answer = await client.get("/base64/PHA-0L_RgNC40LLQtdGCPC9wPg==")
        assert answer.text == "<p>привет</p>"
        assert answer.headers["content-security-policy"] == "sandbox"
        for bad in ("a", "_-8="):
            assert (await client.get(f"/base64/{bad}")).text.startswith("Incorrect Base64 data")
        assert (await client.get("/links/3")).headers["location"] == "/links/3/0"
        page = (await client.get("/links/3/1")).text
        assert page.count("<a href='/links/3/") == 2
        assert (await client.get("/links/x")).status_code == 404


@pytest.mark.parametrize(
    ("field", "status", "content_range", "content"),
    [
        ("", 200, "bytes 0-25/26", "abcdefghijklmnopqrstuvwxyz"),
        ("bytes=0-4", 206, "bytes 0-4/26", "abcde"),
        ("bytes=20-", 206, "bytes 20-25/26", "uvwxyz"),
        ("bytes=-5", 206, "bytes 21-25/26", "vwxyz"),
        ("bytes=20-400", 206, "bytes 20-25/26", "uvwxyz"),  # RFC 9110 14.1.2; httpbin says 416
        ("bytes=10-5", 416, "bytes */26", ""),
        ("bytes=30-", 416, "bytes */26", ""),
        ("lines=1-2", 200, "bytes 0-25/26", "abcdefghijklmnopqrstuvwxyz"),
    ],
)
async def test_ranges_of_the_alphabet(field: str, status: int, content_range: str, content: str) -> None:
    async with site() as here:
        for query in ("", "?chunk_size=3&duration=0.02"):
            answer = await here.get(f"/range/26{query}", headers={"Range": field} if field else {})
            assert (answer.status_code, answer.headers["content-range"], answer.text) == (
                status,
                content_range,
                content,
            )
            assert answer.headers["etag"] == "range26"
            assert answer.headers["content-length"] == str(len(content))
        for size in (0, 102401):
            assert (await here.get(f"/range/{size}")).status_code == 404


async def test_curl_resumes_a_range() -> None:
    async with site() as here:
        assert (await here.curl("/range/30", "-r", "26-27")).out == b"ab"


# -- time --------------------------------------------------------------------------------------------------------


async def test_a_delay_and_a_drip_take_their_time() -> None:
    async with site() as here, here.http() as client:
        begun = time.monotonic()
        told = (await client.post("/delay/0.1?x=1", data={"a": "b"})).json()
        assert time.monotonic() - begun >= 0.1
        assert told["form"] == {"a": "b"}
        assert "json" not in told
        begun = time.monotonic()
        dripped = await client.get("/drip?duration=0.1&numbytes=5&delay=50ms&code=404")
        assert time.monotonic() - begun >= 0.05 + 0.1 * 4 / 5
        assert (dripped.status_code, dripped.content) == (404, b"*****")
        assert dripped.headers["content-length"] == "5"
        assert len((await client.get("/drip?duration=0.02&numbytes=300000")).content) == 300_000
        assert (await client.get("/drip?duration=0&numbytes=2&code=204")).content == b""
        for bad in ("numbytes=0", "numbytes=-1", "duration=-1", "duration=nan", "duration=1x", "code=100", "delay=1e9"):
            assert (await client.get(f"/drip?{bad}")).status_code == 400
        assert (await client.get("/delay/-1")).status_code == 400


async def test_nobody_waits_for_the_content_of_head() -> None:
    async with site() as here, here.http() as client:
        for path in ("/drip?duration=600", "/sse?duration=600&count=2", "/stream/5"):
            answer = await client.head(path)
            assert (answer.status_code, answer.content) == (200, b"")


async def test_a_slow_reader_of_a_stream_is_waited_for() -> None:
    async with site() as here, connected(here.port) as client:
        client.writer.transport.pause_reading()
        await talk(client, "/drip?duration=0&numbytes=10000000", "Connection: close")
        (connection,) = await inside(here)
        while not connection.writing_paused:
            await asyncio.sleep(0)
        assert connection.transport.get_write_buffer_size() < 1 << 20
        client.writer.transport.resume_reading()
        assert len((await client.all()).partition(b"\r\n\r\n")[2]) == 10_000_000


async def inside(here: Site) -> list[object]:
    while not here.server.gate.connections:
        await asyncio.sleep(0)
    return list(here.server.gate.connections)


# -- streams -----------------------------------------------------------------------------------------------------


async def test_lines_of_json() -> None:
    async with site() as here, here.http() as client:
        lines = [json.loads(line) for line in (await client.get("/stream/3?a=1")).text.splitlines()]
        assert [line["id"] for line in lines] == [0, 1, 2]
        assert lines[0]["args"] == {"a": "1"}
        assert len((await client.get("/stream/500")).text.splitlines()) == 100
        assert (await client.get("/stream/0")).content == b""


async def test_server_sent_events_come_one_by_one() -> None:
    async with site() as here, here.http() as client, client.stream("GET", "/sse?count=3&duration=0.1") as answer:
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["trailer"] == "Server-Timing"
        text = "".join([piece async for piece in answer.aiter_text()])
    events = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]
    assert [event["id"] for event in events] == [0, 1, 2]
    assert events[0]["timestamp"] == pytest.approx(here.server.context.clock.now() * 1000, abs=SECONDS * 1000)
    assert text.count("event: ping\n") == 3
    assert events[-1]["timestamp"] - events[0]["timestamp"] >= 90


async def test_events_are_refused_out_of_bounds() -> None:
    async with site() as here, here.http() as client:
        for bad in ("count=0", "count=x", "duration=2h", "delay=-1"):
            assert (await client.get(f"/sse?{bad}")).status_code == 400


async def test_trailers_reach_another_reader() -> None:
    async with site() as here, connected(here.port) as client:
        await talk(client, "/trailers?X-One=1&x-two=a%20b", "TE: trailers", "Connection: close, TE")
        reader = h11.Connection(h11.CLIENT)
        reader.send(h11.Request(method="GET", target="/trailers", headers=[("Host", "test")]))
        reader.send(h11.EndOfMessage())
        reader.receive_data(await client.all())
        events = []
        while not events or type(events[-1]) is not h11.EndOfMessage:
            events.append(reader.next_event())
        assert [(name, value) for name, value in events[0].headers if name == b"trailer"] == [
            (b"trailer", b"X-One"),
            (b"trailer", b"x-two"),
        ]
        assert events[-1].headers == [(b"x-one", b"1"), (b"x-two", b"a b")]
        for bad in ("Content-Length=1", "set-cookie=1", "a%20b=1", "x=%0d%0a"):
            assert (await here.get(f"/trailers?{bad}")).status_code == 400


async def test_curl_sees_early_hints_and_the_answer() -> None:
    async with site() as here:
        both = await here.curl("/early-hints?link=%3C/a.css%3E;rel=preload&delay=0.05", "-i")
        assert both.out.startswith(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>;rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n")
        assert (await here.get("/early-hints")).json()["hinted"][0].startswith("</style.css>")
        async with connected(here.port) as old:  # an HTTP/1.0 client would not know what 103 is
            await old.send(b"GET /early-hints HTTP/1.0\r\n\r\n")
            assert (await old.all()).startswith(b"HTTP/1.1 200 OK\r\n")


# -- the end of the server ---------------------------------------------------------------------------------------


async def ended_while(path: str) -> tuple[bytes, Flow]:
    """All that a subscriber gets who is in the middle of an answer when the server ends, and its flow."""
    async with site(grace=SECONDS) as here, connected(here.port) as client, asyncio.TaskGroup() as group:
        await talk(client, path)
        if path.startswith("/delay"):
            while not here.flows():
                await asyncio.sleep(0)
            head = b""
        else:
            head = await client.until(b"\r\n\r\n")
        rest = group.create_task(read_and_leave(client))
        for connection in here.server.gate.connections:
            connection.drain()
        answer = head + await rest
        (flow,) = here.flows()
    return answer, flow


async def read_and_leave(client: Client) -> bytes:
    answer = await client.all()
    client.end()
    return answer


async def test_a_subscriber_is_told_that_the_server_ends() -> None:
    answer, flow = await ended_while("/sse?count=1000000&duration=3600")
    assert b'event: end\ndata: {"reason":"the server is shutting down"}\n\n' in answer
    assert b"\r\n0\r\nServer-Timing: total_duration;dur=" in answer
    assert answer.endswith(b"\r\n\r\n")
    assert flow.outcome == Outcome.OK


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/drip?duration=3600&numbytes=8", b"********"),
        ("/range/26?duration=3600&chunk_size=5", b"abcdefghijklmnopqrstuvwxyz"),
    ],
)
async def test_a_slow_answer_hurries_when_the_server_ends(path: str, content: bytes) -> None:
    answer, flow = await ended_while(path)
    assert answer.partition(b"\r\n\r\n")[2] == content
    assert flow.outcome == Outcome.OK


async def test_a_delayed_answer_comes_early_when_the_server_ends() -> None:
    answer, flow = await ended_while("/delay/10")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Connection: close\r\n" in answer
    assert flow.outcome == Outcome.OK


async def test_the_whole_service_waits_for_its_subscribers_no_longer_than_that() -> None:
    async with asyncio.TaskGroup() as group:
        async with site(grace=SECONDS) as here:
            reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
            client = Client(reader, writer)
            await talk(client, "/sse?count=1000000&duration=3600")
            await client.until(b"\r\n\r\n")
            rest = group.create_task(read_and_leave(client))
            begun = time.monotonic()
        assert time.monotonic() - begun < SECONDS / 2
        assert b"event: end" in await rest
        writer.transport.abort()
