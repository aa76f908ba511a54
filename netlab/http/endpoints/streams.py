"""Paths whose answer is a stream: lines of JSON, server-sent events, trailers, early hints.

A stream without end meets the end of the server: when that drains, it comes to an end as its protocol has it.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Coroutine
from functools import partial
from typing import Any

from netlab.clock import Clock
from netlab.http.endpoints.answers import JSON, LIMIT, Unusable, answering, printed, respond_json, stream
from netlab.http.endpoints.arguments import Arguments, query, segment
from netlab.http.endpoints.caching import checked
from netlab.http.endpoints.mirror import EVERYTHING, WITHOUT_CONTENT, mirror
from netlab.http.event_stream import EVENT_STREAM, event
from netlab.http.exchange import Exchange
from netlab.http.routes import Routes
from netlab.service import Context

MOST_LINES = 100
MOST_EVENTS = 1_000_000
NEVER_TRAILERS = re.compile(  # RFC 9110 6.5.1: what frames, routes, authenticates or describes the content
    "authorization|cache-control|connection|content-(encoding|length|range|type)|host|max-forwards|set-cookie|te|"
    "trailer|transfer-encoding|www-authenticate",
    re.IGNORECASE,
)
HINTS = ["</style.css>; rel=preload; as=style", "</script.js>; rel=preload; as=script"]


def register(routes: Routes, context: Context) -> None:
    routes.add("GET", "/stream/{n}", lines, "n lines of JSON, chunked")
    about = "?count= server-sent events over ?duration= seconds, after ?delay="
    routes.add("GET", "/sse", partial(sse, context.clock), about)
    routes.add("*", "/trailers", trailers, "the request, and each ?name=value as a trailer")
    routes.add("GET", "/early-hints", early_hints, "103 with Link fields (?link=), then, after ?delay=, 200 with them")


@answering
def lines(exchange: Exchange, n: str) -> Coroutine[Any, Any, None]:
    facts = mirror(exchange, WITHOUT_CONTENT)
    return stream(exchange, 200, [JSON], numbered(facts, min(segment(n), MOST_LINES)))


async def numbered(facts: dict[str, Any], count: int) -> AsyncIterator[bytes]:
    for number in range(count):
        yield json.dumps({**facts, "id": number}).encode() + b"\n"


@answering
def sse(clock: Clock, exchange: Exchange) -> Coroutine[Any, Any, None]:
    """httpbin's Go edition has it so: pings with a number and a time, and how long all took as a trailer."""
    arguments = Arguments(exchange.request)
    return EventStream(
        exchange,
        clock,
        count=arguments.whole("count", 10, least=1, most=MOST_EVENTS),
        duration=arguments.seconds("duration", 5.0),
        delay=arguments.seconds("delay", 0.0),
    ).run()


class EventStream:
    """A subscriber's stream (WHATWG HTML 9.2): so many events evenly over a time, and a last one if the server ends."""

    def __init__(self, exchange: Exchange, clock: Clock, *, count: int, duration: float, delay: float) -> None:
        self.exchange, self.clock = exchange, clock
        self.count, self.duration, self.delay = count, duration, delay
        self.gap = duration / max(count - 1, 1)
        self.begun = exchange.connection.loop.time()

    async def run(self) -> None:
        if self.delay:
            await self.exchange.pause(self.delay)
        fields = [*EVENT_STREAM, ("Trailer", "Server-Timing")]
        await stream(self.exchange, 200, fields, self.events(), trailers=self.timing)

    async def events(self) -> AsyncIterator[bytes]:
        for number in range(self.count):
            yield event("ping", {"id": number, "timestamp": int(self.clock.now() * 1000)})
            if number + 1 < self.count and not await self.exchange.pause(self.gap):
                yield event("end", {"reason": "the server is shutting down"})
                return

    def timing(self) -> list[tuple[str, str]]:
        """Server-Timing, in milliseconds."""
        taken = self.exchange.connection.loop.time() - self.begun
        named = {
            "total_duration": (taken, "total request duration"),
            "initial_delay": (self.delay, "initial delay"),
            "write_duration": (self.duration, "duration of writes after initial delay"),
            "pause_per_write": (self.gap, "computed pause between writes"),
        }
        value = ", ".join(f'{name};dur={took * 1000:.2f};desc="{about}"' for name, (took, about) in named.items())
        return [("Server-Timing", value)]


@answering
def trailers(exchange: Exchange) -> Coroutine[Any, Any, None]:
    pairs = [checked(name, value) for name, value in query(exchange.request)]
    for name, _ in pairs:
        if NEVER_TRAILERS.fullmatch(name):
            raise Unusable(f"{name} cannot be a trailer (RFC 9110 6.5.1)")
    return with_trailers(exchange, pairs)


async def with_trailers(exchange: Exchange, pairs: list[tuple[str, str]]) -> None:
    async def content() -> AsyncIterator[bytes]:
        yield printed(mirror(exchange, EVERYTHING, body))

    body = await exchange.body(LIMIT)
    announced = [("Trailer", name) for name in dict.fromkeys(name for name, _ in pairs)]
    await stream(exchange, 200, [JSON, *announced], content(), trailers=lambda: pairs)


@answering
def early_hints(exchange: Exchange) -> Coroutine[Any, Any, None]:
    links = [checked("Link", value) for name, value in query(exchange.request) if name == "link"]
    return hinted(
        exchange,
        links or [("Link", hint) for hint in HINTS],
        Arguments(exchange.request).seconds("delay", 0.0, most=10.0),
    )


async def hinted(exchange: Exchange, links: list[tuple[str, str]], delay: float) -> None:
    exchange.inform(103, links)  # RFC 8297
    if delay:
        await exchange.pause(delay)
    respond_json(exchange, {"hinted": [value for _, value in links]}, fields=links)
