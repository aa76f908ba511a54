"""The HTTP engine against raw bytes: order, persistence, content, back-pressure, deadlines and every way to end."""

from __future__ import annotations

import asyncio
import os
import tempfile
from typing import Any

import pytest

from netlab.flow import Level, Outcome
from netlab.http.exchange import Exchange
from netlab.inspect.record import to_record
from netlab.net.gate import GateLimits
from tests.http.serving import Client, connected, ended, serving

GET = b"GET /%b HTTP/1.1\r\nHost: test\r\n\r\n"


def say_target(exchange: Exchange) -> None:
    exchange.text(200, exchange.request.target)


def echo(exchange: Exchange) -> None:
    exchange.collect(1 << 20, lambda body: exchange.respond(200, [], body))


async def echo_slowly(exchange: Exchange) -> None:
    exchange.respond(200, [], await exchange.body())


async def exchange_with(port: int, data: bytes) -> bytes:
    """Send bytes, end our side, and read everything that is answered."""
    async with connected(port) as client:
        await client.send(data)
        client.end()
        return await client.all()


# -- answers and their order -------------------------------------------------------------------------------------


async def test_pipelined_requests_are_answered_in_order() -> None:
    gates = {name: asyncio.Event() for name in "abc"}

    async def when_opened(exchange: Exchange) -> None:
        await gates[exchange.request.target[1:]].wait()
        exchange.text(200, exchange.request.target)

    async with serving(when_opened) as (_, port), connected(port) as client:
        await client.send(GET % b"a" + GET % b"b" + GET % b"c")
        for name in "cba":
            gates[name].set()
        assert [(await client.response())[1] for _ in range(3)] == [b"/a", b"/b", b"/c"]


async def test_a_read_of_many_requests_is_answered_by_one_write() -> None:
    async with serving(say_target) as (app, port), connected(port) as client:
        await client.send(b"".join(GET % b"%d" % number for number in range(20)))
        assert [(await client.response())[1] for _ in range(20)] == [b"/%d" % number for number in range(20)]
        connection = next(flow for flow in app.flows if flow.kind == "tcp")
        assert connection.wire is not None
        assert len([chunk for chunk in connection.wire.chunks if chunk.side == "server"]) == 1


async def test_half_close_is_still_answered() -> None:
    async with serving(echo_slowly) as (_, port):
        answer = await exchange_with(port, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok")
        assert answer.endswith(b"\r\n\r\nok")


@pytest.mark.parametrize(
    ("request_", "persists", "said"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", True, b""),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", False, b"Connection: close"),
        (b"GET / HTTP/1.0\r\n\r\n", False, b"Connection: close"),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True, b"Connection: keep-alive"),
    ],
)
async def test_persistence(request_: bytes, persists: bool, said: bytes) -> None:
    async with serving(say_target) as (_, port), connected(port) as client:
        await client.send(request_)
        head, _ = await client.response()
        assert said in head
        if persists:
            await client.send(GET % b"again")
            assert (await client.response())[1] == b"/again"
        else:
            assert await client.all() == b""


async def test_a_bad_request_behind_a_good_one_does_not_disturb_its_answer() -> None:
    release = asyncio.Event()

    async def wait(exchange: Exchange) -> None:
        await release.wait()
        exchange.text(200, "first")

    async with serving(wait) as (app, port), connected(port) as client:
        await client.send(GET % b"good" + b"GET / HTTP/1.1\r\nHost : a\r\n\r\n")
        release.set()
        assert (await client.response())[1] == b"first"
        head, body = await client.response()
        assert head.startswith(b"HTTP/1.1 400 ")
        assert b"field.blank_before_colon" in body
        assert await client.all() == b""
        flows = await ended(app, 2)
        assert [flow.outcome for flow in flows] == [Outcome.OK, Outcome.VIOLATION]


async def test_a_violation_is_explained() -> None:
    async with serving(say_target) as (_, port):
        answer = await exchange_with(port, b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert b"Connection: close\r\n" in answer
        assert b"NUL in a field value" in answer
        assert b"RFC 9110 5.5, at byte 28" in answer


# -- content -----------------------------------------------------------------------------------------------------


async def test_continue_is_said_only_when_the_content_is_wanted() -> None:
    wanted = asyncio.Event()

    async def later(exchange: Exchange) -> None:
        await wanted.wait()
        exchange.respond(200, [], await exchange.body())

    async with serving(later) as (_, port), connected(port) as client:
        await client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        wanted.set()
        assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"ok")
        assert (await client.response())[1] == b"ok"


async def test_a_refusal_comes_instead_of_continue() -> None:
    async with serving(lambda exchange: exchange.refuse(403, "no")) as (_, port), connected(port) as client:
        await client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        head, _ = await client.response()
        assert head.startswith(b"HTTP/1.1 403 ")
        assert b"Connection: close" in head  # whether content follows is not known: the connection cannot go on


async def test_an_unknown_expectation_is_417() -> None:
    async with serving(say_target) as (_, port):
        answer = await exchange_with(port, b"GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 417 ")


async def test_a_little_unread_content_is_discarded_and_the_connection_goes_on() -> None:
    async with serving(say_target) as (_, port), connected(port) as client:
        await client.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
        assert (await client.response())[1] == b"/x"
        await client.send(b"x" * 1000 + GET % b"next")
        assert (await client.response())[1] == b"/next"


async def test_an_early_refusal_reaches_a_client_that_still_uploads() -> None:
    async with serving(lambda exchange: exchange.refuse(413, "too much")) as (_, port), connected(port) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 600000\r\n\r\n")
        await client.send(b"x" * 600_000)
        answer = await client.all()
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"Connection: close" in answer


@pytest.mark.parametrize("handler", [echo, echo_slowly])
async def test_chunked_content_and_declared_lengths_over_the_limit(handler: Any) -> None:
    from netlab.cores.http1 import Limits

    async with serving(handler, limits=None) as (_, port):
        answer = await exchange_with(
            port, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        )
        assert answer.endswith(b"\r\n\r\nabc")
    async with serving(handler) as (app, port):
        app.http.settings = type(app.http.settings)(limits=Limits(body=10))
        answer = await exchange_with(port, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 413 ")


async def test_collect_over_its_limit_is_413() -> None:
    def little(exchange: Exchange) -> None:
        exchange.collect(4, lambda body: exchange.respond(200, [], body))

    async with serving(little) as (_, port):
        head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        answer = await exchange_with(port, head + b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 413 ")


async def test_head_has_the_fields_of_get_and_no_content() -> None:
    async with serving(say_target) as (_, port), connected(port) as client:
        await client.send(b"HEAD /abc HTTP/1.1\r\nHost: a\r\n\r\n" + GET % b"abc")
        first = await client.until(b"\r\n\r\n")
        second, body = await client.response()
        assert (first, body) == (second, b"/abc")


async def test_streams_are_chunked_for_11_and_end_with_the_connection_for_10() -> None:
    async def stream(exchange: Exchange) -> None:
        exchange.start(200)
        for piece in (b"one", b"two"):
            exchange.send(piece)
            await exchange.ready()
        exchange.finish([("X-Sum", "6")])

    async with serving(stream) as (_, port):
        answer = await exchange_with(port, GET % b"")
        assert answer.endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\nX-Sum: 6\r\n\r\n")
        answer = await exchange_with(port, b"GET / HTTP/1.0\r\n\r\n")
        assert answer.endswith(b"\r\n\r\nonetwo")
        assert b"Transfer-Encoding" not in answer


async def test_what_one_turn_sends_leaves_in_one_write() -> None:
    async def burst(exchange: Exchange) -> None:
        await asyncio.sleep(0)
        exchange.start(200, length=30)
        for _ in range(30):
            exchange.send(b"x")
        exchange.finish()

    async with serving(burst) as (app, port), connected(port) as client:
        await client.send(GET % b"")
        await client.response()
        connection = next(flow for flow in app.flows if flow.kind == "tcp")
        assert connection.wire is not None
        assert len([chunk for chunk in connection.wire.chunks if chunk.side == "server"]) == 1


# -- back-pressure -----------------------------------------------------------------------------------------------


async def test_a_handler_that_does_not_read_holds_the_client_back() -> None:
    release, waiting = asyncio.Event(), asyncio.Event()

    async def slow(exchange: Exchange) -> None:
        waiting.set()
        await release.wait()
        size = len(await exchange.body(64 << 20))
        exchange.text(200, str(size))

    async with serving(slow, buffer=100_000) as (app, port), connected(port) as client:
        size = 32 << 20
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
        sending = asyncio.get_running_loop().create_task(client.send(b"x" * size))
        await waiting.wait()
        with pytest.raises(TimeoutError):  # the kernel's buffers are full, and so is ours
            await asyncio.wait_for(asyncio.shield(sending), 0.2)
        (connection,) = app.gate.connections
        assert connection.exchange.received < 2 << 20  # type: ignore[attr-defined]  # an HttpConnection
        release.set()
        await sending
        assert (await client.response())[1] == str(size).encode()


async def test_a_client_that_does_not_read_holds_the_handler_back_and_meets_a_deadline() -> None:
    sent = 0

    async def endless(exchange: Exchange) -> None:
        nonlocal sent
        exchange.start(200)
        while True:
            exchange.send(b"x" * 65536)
            sent += 65536
            await exchange.ready()

    async with serving(endless, write_timeout=0.2) as (app, port), connected(port) as client:
        await client.send(GET % b"")
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]  # the stream API has no word for it
        (flow,) = await ended(app)
        assert flow.outcome == Outcome.TIMEOUT or flow.outcome == Outcome.CUT
        assert sent < 64 << 20


async def test_pipelining_is_bounded() -> None:
    async with serving(echo_slowly, buffer=10_000) as (app, port), connected(port) as client:
        hold = asyncio.Event()

        async def wait(exchange: Exchange) -> None:
            await hold.wait()
            exchange.text(200, "x")

        app.http.handler = wait
        sending = asyncio.get_running_loop().create_task(client.send((GET % b"") * 1_000_000))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(sending), 0.2)
        (connection,) = app.gate.connections
        assert connection.core.buffered < 1 << 20  # type: ignore[attr-defined]  # an HttpConnection
        sending.cancel()


# -- deadlines ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("begun", [b"", b"GET / HT", GET % b"" + b"GET /second"])
async def test_a_head_that_does_not_come_to_its_end(begun: bytes) -> None:
    async with serving(say_target, header_timeout=0.05, idle_timeout=0.05) as (_, port), connected(port) as client:
        await client.send(begun)
        answer = await client.all()
        assert answer.count(b"HTTP/1.1 408 ") == (1 if begun else 0)  # to silence there is nothing to answer


async def test_content_that_stops_meets_a_deadline() -> None:
    async with serving(echo_slowly, body_timeout=0.05) as (app, port), connected(port) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc")
        assert (await client.all()).startswith(b"HTTP/1.1 408 ")
        assert (await ended(app))[0].outcome == Outcome.TIMEOUT


async def test_content_slower_than_the_minimum_rate_meets_a_deadline() -> None:
    async with serving(echo_slowly, body_timeout=0.1, minimum_rate=1_000_000) as (_, port), connected(port) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n")
        answer = asyncio.get_running_loop().create_task(client.all())
        while not answer.done():  # a drip: always progress, never enough
            client.writer.write(b"x")
            await asyncio.wait([answer], timeout=0.01)
        assert answer.result().startswith(b"HTTP/1.1 408 ")


async def test_an_idle_connection_is_let_go() -> None:
    async with serving(say_target, idle_timeout=0.05) as (_, port), connected(port) as client:
        await client.send(GET % b"")
        await client.response()
        assert await client.all() == b""


# -- ends --------------------------------------------------------------------------------------------------------


async def test_a_client_that_leaves_cancels_its_handler() -> None:
    cancelled, begun = asyncio.Event(), asyncio.Event()

    async def work(exchange: Exchange) -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with serving(work) as (app, port):
        async with connected(port) as client:
            await client.send(GET % b"")
            await begun.wait()
            client.reset()
        await asyncio.wait_for(cancelled.wait(), 5)
        assert (await ended(app))[0].outcome == Outcome.CUT


async def test_a_handler_that_fails_is_a_500_and_our_bug() -> None:
    def broken(exchange: Exchange) -> None:
        raise ZeroDivisionError

    async def broken_later(exchange: Exchange) -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    async def silent(exchange: Exchange) -> None:
        await asyncio.sleep(0)

    reported: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    for handler in (broken, broken_later, silent):
        async with serving(handler) as (app, port), connected(port) as client:
            await client.send(GET % b"")
            head, body = await client.response()
            assert head.startswith(b"HTTP/1.1 500 ")
            assert b"ZeroDivision" not in body
            assert (await ended(app))[0].outcome == Outcome.ERROR
            await client.send(GET % b"")  # the connection lives
            assert (await client.response())[0].startswith(b"HTTP/1.1 500 ")
    assert len(reported) >= 6


@pytest.mark.parametrize("pieces", [(b"abcd",), (b"", b"abcd"), (b"ab", b"cd")])
async def test_a_collector_that_fails_is_a_500_and_our_bug(pieces: tuple[bytes, ...]) -> None:
    asked = asyncio.Event()

    def fail(content: bytes) -> None:
        raise ZeroDivisionError

    def handle(exchange: Exchange) -> None:
        exchange.collect(100, fail)
        asked.set()

    asyncio.get_running_loop().set_exception_handler(lambda _, context: None)
    async with serving(handle) as (app, port), connected(port) as client:
        for _ in range(2):
            await client.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\n" + pieces[0])
            await asked.wait()
            for piece in pieces[1:]:
                await client.send(piece)
            assert (await client.response())[0].startswith(b"HTTP/1.1 500 ")  # and the connection lives
        assert [flow.outcome for flow in await ended(app, 2)] == [Outcome.ERROR, Outcome.ERROR]


async def test_who_collects_late_finds_all_of_it() -> None:
    """The client was held back meanwhile, and must be let go on."""
    full = asyncio.Event()

    async def handle(exchange: Exchange) -> None:
        while not exchange.connection.held:
            await asyncio.sleep(0)
        full.set()
        exchange.collect(1 << 20, lambda content: exchange.text(200, str(len(content))))

    async with serving(handle, buffer=1000) as (_, port), connected(port) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 300000\r\n\r\n" + b"x" * 2000)
        await full.wait()
        await client.send(b"x" * 298_000)
        assert (await client.response())[1] == b"300000"


@pytest.mark.parametrize("level", [Level.SUMMARY, Level.FULL])
async def test_a_connection_s_bytes_are_counted(level: Level) -> None:
    def handle(exchange: Exchange) -> None:
        exchange.collect(100, lambda content: exchange.text(200, "x" * 10))

    asked = b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nabcd"
    async with serving(handle, level=level) as (app, port), connected(port) as client:
        answered = 0
        for _ in range(3):
            await client.send(asked)
            answered += sum(map(len, await client.response()))
        if level is Level.FULL:
            (seen,) = [to_record(flow, whole=False) for flow in app.flows if flow.kind == "tcp"]
            assert (seen["received"], seen["sent"]) == (3 * len(asked), answered)
    (connection,) = [flow for flow in app.flows if flow.kind == "tcp"]
    assert (connection.received, connection.sent) == (3 * len(asked), answered)


async def test_drain_closes_the_idle_answers_the_busy_and_aborts_the_endless() -> None:
    begun, release = asyncio.Event(), asyncio.Event()

    async def work(exchange: Exchange) -> None:
        if exchange.request.target == "/endless":
            exchange.start(200)
            exchange.send(b"x")
            await asyncio.Event().wait()
        begun.set()
        await release.wait()
        exchange.text(200, "done")

    idle_saw, busy_saw, endless_saw = [], [], []

    async def drained(idle: Client, busy: Client, endless: Client) -> None:
        idle_saw.append(await idle.all())
        release.set()
        busy_saw.append(await busy.all())
        try:
            endless_saw.append(await endless.all())
        except ConnectionResetError:
            endless_saw.append(b"reset")

    async with connected_to_nobody() as clients:
        async with serving(work, grace=0.3) as (_, port):
            idle, busy, endless = [await clients(port) for _ in range(3)]
            await endless.send(GET % b"endless")
            await endless.until(b"x\r\n")
            await busy.send(GET % b"busy")
            await begun.wait()
            watching = asyncio.get_running_loop().create_task(drained(idle, busy, endless))
        await asyncio.wait_for(watching, 5)
    assert idle_saw == [b""]
    assert b"Connection: close" in busy_saw[0]
    assert busy_saw[0].endswith(b"done")
    assert endless_saw[0] in (b"", b"reset")


class connected_to_nobody:  # noqa: N801  reads like a function where it is used
    """Clients that are aborted at the end, whatever port they were connected to."""

    async def __aenter__(self) -> Any:
        self.open: list[Client] = []
        return self.connect

    async def connect(self, port: int) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", port))
        self.open.append(client)
        return client

    async def __aexit__(self, *_: object) -> None:
        for client in self.open:
            client.writer.transport.abort()


async def test_limits_of_connections() -> None:
    async with serving(say_target, limits=GateLimits(connections=2)) as (app, port), connected(port) as first:
        await first.send(GET % b"")
        await first.response()
        async with connected(port) as second, connected(port) as third:
            await second.send(GET % b"")
            await second.response()
            third.writer.write(GET % b"")
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await third.response()
        assert app.gate.turned_away == 1


# -- files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level_full", [True, False])
async def test_a_file_is_sent_whole_and_lets_go_of_its_descriptors(level_full: bool) -> None:
    from netlab.flow import Level

    size = 20 << 20
    with tempfile.TemporaryFile() as file:
        file.write(os.urandom(1 << 20) * 20)
        file.flush()

        def send(exchange: Exchange) -> None:
            exchange.start(200, length=size)
            exchange.send_file(os.dup(file.fileno()), 0, size)

        level = Level.FULL if level_full else Level.SUMMARY
        async with serving(send, level=level) as (app, port):
            before = len(os.listdir("/proc/self/fd"))
            async with connected(port) as client:
                await client.send(GET % b"")
                _, body = await client.response()
                file.seek(0)
                assert body == file.read()
                assert (await ended(app))[0].sent == size
            async with connected(port) as client:  # and now one that leaves in the middle
                await client.send(GET % b"")
                await client.exactly(1000)
            await ended(app, 2)
            async with asyncio.timeout(5):
                while app.gate.connections:
                    await asyncio.sleep(0)
            assert len(os.listdir("/proc/self/fd")) == before


async def test_flow_events_at_level_full() -> None:
    async with serving(echo) as (app, port), connected(port) as client:
        await client.send(b"POST /x?y HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\nhi")
        await client.response()
        (flow,) = await ended(app)
        assert flow.events is not None
        assert [event.name for event in flow.events] == [
            "request.received",
            "request.ended",
            "response.sent",
            "response.ended",
        ]
        assert flow.events[0].fields["url"] == "http://test/x?y"
        assert flow.events[1].fields["body"] == {"text": "hi"}
        assert flow.events[2].fields["status"] == 200
        assert flow.parent is not None
        assert flow.parent.wire is not None
        event = flow.events[2]
        assert flow.parent.wire.read("server", event.start, event.end).endswith(b"\r\n\r\n")
        assert flow.parent.wire.read("server", event.end, flow.events[3].end) == b"hi"
