"""Constant answers, found by the bytes of the request: the same as the long way's, and nothing hidden from anyone."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import pytest

from netlab.flow import Flow, Level
from netlab.http.exchange import Exchange
from netlab.http.express import Constants
from tests.http.serving import App, Client, connected, serving

ASK = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
TEXT = b"Content-Type: text/plain\r\n"


class Hello:
    """A handler with one constant answer; it counts how often it was asked."""

    def __init__(self, app: App) -> None:
        self.asked = 0
        self.constants = Constants(app.http.standing)
        app.http.take_express(self.constants)
        app.http.answer_by(self.handle)

    def handle(self, exchange: Exchange) -> None:
        self.asked += 1
        self.constants.respond(exchange, TEXT, b"hello")


async def ask(client: Client, request: bytes = ASK) -> tuple[bytes, bytes]:
    await client.send(request)
    return await client.response()


def nobody(exchange: Exchange) -> None:
    raise AssertionError(exchange)


async def test_the_second_answer_is_the_first_ones_twin_and_costs_no_handler() -> None:
    async with serving(nobody, level=Level.SUMMARY) as (app, port):
        hello = Hello(app)
        async with connected(port) as client, connected(port) as other:
            first = await ask(client)
            for asker in (client, other):
                head, body = await ask(asker)
                assert body == first[1]
                for line, expected in zip(head.split(b"\r\n"), first[0].split(b"\r\n"), strict=True):
                    assert line == expected or line.startswith(b"Date: ")
            assert hello.asked == 1


async def test_the_date_goes_on() -> None:
    async with serving(nobody, level=Level.SUMMARY) as (app, port):
        Hello(app)
        now = [100.0]
        app.flows.now = lambda: now[0]
        async with connected(port) as client:
            await ask(client)
            now[0] = 200.0
            app.http.standing.until = -1.0
            head, _ = await ask(client)
            date = next(line for line in head.split(b"\r\n") if line.startswith(b"Date: "))
            assert parsedate_to_datetime(date[6:].decode()).year > 2000
            assert app.http.standing.until == 200.5  # made anew


async def test_every_answer_is_a_flow() -> None:
    async with serving(nobody, level=Level.SUMMARY) as (app, port):
        Hello(app)
        async with connected(port) as client:
            for _ in range(3):
                await ask(client)
        flows = app.http_flows()
        assert [(flow.label, flow.result, flow.outcome, flow.sent) for flow in flows] == [
            ("GET /hello", "200", "ok", 5)
        ] * 3
        assert len({flow.id for flow in flows}) == 3
        assert all(flow.parent is not None and flow.client == flow.parent.client for flow in flows)
        again = app.flows.get(flows[2].id)
        assert again is not None
        assert again.label == "GET /hello"
        assert app.flows.counters.outcomes["ok"] >= 3


@pytest.mark.parametrize("level", [None, Level.FULL])
async def test_a_watcher_sees_each_one(level: Level | None) -> None:
    async with serving(nobody, level=Level.SUMMARY) as (app, port):
        hello = Hello(app)
        async with connected(port) as client:
            for _ in range(2):
                await ask(client)
            subscription = app.flows.subscribe(level=level)
            for _ in range(2):
                await ask(client)
            items = subscription.take()
            ended = [item[1] for item in items if item[0] == "ended" and item[1].kind == "http"]
            assert [flow.label for flow in ended] == ["GET /hello"] * 2
            assert all(isinstance(flow, Flow) and flow.full is (level is Level.FULL) for flow in ended)
            # the connection was opened when less was kept
            assert hello.asked == (3 if level is Level.FULL else 1)


async def test_at_level_full_each_is_recorded_as_on_the_long_way() -> None:
    async with serving(nobody, level=Level.FULL) as (app, port):
        hello = Hello(app)
        async with connected(port) as client:
            await client.send(ASK.replace(b"hello", b"other"))
            await client.response()
            for _ in range(3):
                await ask(client)
        assert hello.asked == 2
        _, *flows = app.http_flows()
        connection = flows[0].parent
        assert connection is not None
        assert connection.wire is not None
        for flow in flows:
            assert flow.events is not None
            assert [event.name for event in flow.events] == ["request.received", "response.sent", "response.ended"]
            request, response, end = flow.events
            assert flow.events[0].fields == flows[0].events[0].fields  # type: ignore[index]  # it has events
            assert connection.wire.read("client", request.start, request.end) == ASK
            head = connection.wire.read("server", response.start, response.end)
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert f"Date: {response.fields['fields'].get('date')}".encode() in head
            assert connection.wire.read("server", response.end, end.start) == b"hello"
            assert end.fields == {"body": {"text": "hello"}, "size": 5}


async def test_what_was_learnt_at_summary_is_not_enough_at_full() -> None:
    async with serving(nobody, level=Level.SUMMARY) as (app, port):
        hello = Hello(app)
        async with connected(port) as client:
            await ask(client)
        app.flows.set_level(Level.FULL)
        async with connected(port) as client:
            for _ in range(2):
                await ask(client)
        assert hello.asked == 2
        assert all(flow.events for flow in app.http_flows()[1:])


@pytest.mark.parametrize(
    "request_",
    [
        ASK.replace(b"1.1", b"1.0"),
        ASK.replace(b"1.1\r\n", b"1.0\r\nConnection: keep-alive\r\n"),
        ASK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        ASK.replace(b"GET", b"HEAD"),
        ASK.replace(b"\r\n\r\n", b"\r\nContent-Length: 1\r\n\r\nx"),
    ],
)
async def test_what_is_not_the_plain_case_goes_the_long_way(request_: bytes) -> None:
    async with serving(nobody, level=Level.SUMMARY) as (app, port):
        hello = Hello(app)
        for _ in range(2):
            async with connected(port) as client:
                await client.send(request_)
                assert (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
        assert hello.asked == 2


async def test_an_answer_changed_for_one_client_is_not_everyones() -> None:
    async with serving(nobody, level=Level.SUMMARY) as (app, port):
        hello = Hello(app)

        def personal(exchange: Exchange) -> None:
            exchange.amend(lambda block: block + b"X-For: you\r\n")
            hello.handle(exchange)

        app.http.answer_by(personal)
        async with connected(port) as client:
            for _ in range(2):
                assert b"X-For: you" in (await ask(client))[0]
        assert hello.asked == 2


async def test_two_at_once_and_empty_lines_between_are_answered_in_order() -> None:
    async with serving(nobody, level=Level.SUMMARY) as (app, port):
        Hello(app)
        async with connected(port) as client:
            await ask(client)
            await client.send(ASK + ASK)
            for _ in range(2):
                assert (await client.response())[1] == b"hello"
            for _ in range(10):  # one empty line before each request is to be ignored, however many requests there are
                await client.send(b"\r\n")
                assert (await ask(client))[1] == b"hello"


@pytest.mark.parametrize("level", [Level.SUMMARY, Level.FULL])
async def test_bytes_are_counted_as_on_the_long_way(level: Level) -> None:
    async with serving(nobody, level=level) as (app, port):
        Hello(app)
        sent = 0
        async with connected(port) as client:
            for _ in range(3):
                head, body = await ask(client)
                sent += len(head) + len(body)
            client.end()
            assert await client.all() == b""
        connection = next(flow for flow in app.flows if flow.kind == "tcp")
        assert (connection.received, connection.sent) == (3 * len(ASK), sent)
