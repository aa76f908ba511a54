"""Plays that a cache is put through: what clients ask, what the origin says to that, and whether it was asked."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Literal

from tests.http.serving import SECONDS, connected
from tests.servers.reverse_proxy.proxied import Reverse, proxied

Expected = Literal["hit", "miss", "validated", "none"]
"""Answered from the cache; asked of the origin; asked with a condition, and answered 304 by it; not looked at."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One request.

    ask      its fields, lines; the origin's likewise are `answer`, where `{now-60}` becomes a date
    at       is put behind the play's path
    wait     seconds by the lab's clock, behind it
    gives    the status that the client gets; that of the origin where nothing else is said
    shows    lines that the answer has, lacks names that it has not, content what it carries
    told     lines that the origin has been sent, untold names that it has not
    """

    ask: str = ""
    answer: str = ""
    status: int = 200
    body: str | None = None
    method: str = "GET"
    at: str = ""
    wait: float = 0
    origin: Literal["answers", "closes"] = "answers"
    expect: Expected = "miss"
    gives: int = 0
    shows: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    content: str | None = None
    told: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()
    age: int | None = None  # at least


@dataclass(frozen=True)
class Play:
    """A name, and turns in their order."""

    name: str
    turns: tuple[Turn, ...]


def play(name: str, *turns: Turn) -> Play:
    return Play(name, turns)


Line = tuple[str, str]


def lines(text: str) -> list[Line]:
    pairs = [line.partition(":") for line in text.strip("\n").split("\n") if line.strip()]
    return [(name.strip(), value.strip(" ")) for name, _, value in pairs]


@dataclass
class Head:
    """A start line, and fields by lower-case name as they came."""

    first: str
    fields: list[Line]
    content: bytes = b""

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        found = self.all(name)
        return ", ".join(found) if found else None


@dataclass
class Stage:
    """A cache, its origin, which requests reached that one, and what clients were answered."""

    proxy: Reverse
    plays: dict[str, Play]
    heard: dict[tuple[str, int], Head] = field(default_factory=dict)
    answers: dict[tuple[str, int], Head] = field(default_factory=dict)

    def date(self, delta: float) -> str:
        return formatdate(self.proxy.clock.now() + delta, usegmt=True)

    def dated(self, text: str) -> str:
        return re.sub(r"\{now([+-]\d+)?\}", lambda match: self.date(float(match[1] or 0)), text)

    # -- the origin ----------------------------------------------------------------------------------------------

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await read_head(reader)
                head.content = await reader.readexactly(int(head.get("content-length") or 0))
                name, number = str(head.get("x-play")), int(head.get("x-turn") or 0)
                self.heard[name, number] = head
                turn = self.plays[name].turns[number]
                if turn.origin == "closes":
                    return
                writer.write(self.answer(turn, head, f"{name} {number}"))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def answer(self, turn: Turn, head: Head, otherwise: str) -> bytes:
        fields = lines(self.dated(turn.answer))
        status, method = turn.status, head.first.partition(" ")[0]
        if turn.expect == "validated":
            status = 304
        body = (turn.body if turn.body is not None else otherwise).encode()
        if status in (204, 304):
            body = b""
        elif not any(name.lower() in ("content-length", "transfer-encoding") for name, _ in fields):
            fields.append(("Content-Length", str(len(body))))
        block = "".join(f"{name}: {value}\r\n" for name, value in fields)
        return f"HTTP/1.1 {status} Said\r\n{block}\r\n".encode("latin-1") + (b"" if method == "HEAD" else body)

    # -- the client ----------------------------------------------------------------------------------------------

    async def perform(self, one: Play) -> list[str]:
        """What was not as it should be."""
        wrong: list[str] = []
        for number, turn in enumerate(one.turns):
            found = await self.turn(one, number, turn)
            wrong += [f"{one.name}, turn {number}: {text}" for text in found]
            self.proxy.clock.jump(turn.wait)
        return wrong

    async def turn(self, one: Play, number: int, turn: Turn) -> list[str]:
        answer = self.answers[one.name, number] = await self.ask(one, number, turn)
        heard = self.heard.get((one.name, number))
        wrong = [] if turn.expect == "none" else judged(turn, answer, heard)
        status = int(answer.first.split(" ")[1])
        wanted = turn.gives or (200 if turn.expect in ("hit", "validated") else turn.status)
        if turn.expect != "none" and status != wanted:
            wrong.append(f"status {status}, not {wanted}")
        for line in turn.shows:
            ((name, value),) = lines(self.dated(line))
            if answer.get(name) != value:
                wrong.append(f"{name} is {answer.get(name)!r}, not {value!r}")
        wrong += [f"has {name}" for name in turn.lacks if answer.get(name) is not None]
        if turn.content is not None and answer.content.decode() != turn.content:
            wrong.append(f"content is {answer.content!r}, not {turn.content!r}")
        if turn.age is not None and int(answer.get("age") or -1) < turn.age:
            wrong.append(f"Age is {answer.get('age')}, which is less than {turn.age}")
        return wrong + self.sent(turn, heard)

    def sent(self, turn: Turn, heard: Head | None) -> list[str]:
        wrong = []
        for name, value in lines(self.dated("\n".join(turn.told))):
            got = heard.get(name) if heard is not None else None
            if got != value:
                wrong.append(f"the origin was told {name}: {got}, not {value}")
        return wrong + [f"the origin was told {name}" for name in turn.untold if heard is not None and heard.get(name)]

    async def ask(self, one: Play, number: int, turn: Turn) -> Head:
        content = b"abc" if turn.method in ("POST", "PUT", "DELETE", "M-SEARCH") else b""
        length = f"Content-Length: {len(content)}\r\n" if content else ""
        fields = "".join(f"{name}: {value}\r\n" for name, value in lines(self.dated(turn.ask)))
        request = (
            f"{turn.method} /{one.name}{turn.at} HTTP/1.1\r\nHost: shop.test\r\nX-Play: {one.name}\r\n"
            f"X-Turn: {number}\r\n{length}{fields}\r\n"
        )
        async with connected(self.proxy.port) as client:
            await client.send(request.encode("latin-1") + content)
            async with asyncio.timeout(SECONDS):
                head = await read_head(client.reader)
                status = int(head.first.split(" ")[1])
                if turn.method != "HEAD" and status not in (204, 304):
                    head.content = await client.reader.readexactly(int(head.get("content-length") or 0))
        return head


def judged(turn: Turn, answer: Head, heard: Head | None) -> list[str]:
    """Whether the origin was asked, or not, as it should be."""
    if turn.expect == "hit":
        return [] if heard is None else [f"the origin was asked: {heard.fields}"]
    if heard is None:
        return [f"the origin was not asked; Cache-Status: {answer.get('cache-status')}"]
    conditional = heard.get("if-none-match") or heard.get("if-modified-since")
    if turn.expect == "validated" and not conditional:
        return ["the origin was asked without a condition"]
    return []


async def read_head(reader: asyncio.StreamReader) -> Head:
    while True:
        text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, _, rest = text.rstrip("\r\n").partition("\r\n")
        if not first.startswith("HTTP/1.1 1"):
            return Head(first, lines(rest.replace("\r\n", "\n")))


@asynccontextmanager
async def staged(plays: tuple[Play, ...], **options: object) -> AsyncIterator[Stage]:
    """A reverse proxy with a cache before an origin that knows its part."""
    named = {one.name: one for one in plays}
    assert len(named) == len(plays), "plays need names of their own"
    made: list[Stage] = []
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], object] = lambda r, w: made[0].serve(r, w)  # noqa: E731
    server = await asyncio.start_server(serve, "127.0.0.1", 0)  # type: ignore[arg-type]  # a coroutine, by way of `made`
    port = server.sockets[0].getsockname()[1]
    try:
        async with proxied(port, cache=True, **options) as proxy:
            made.append(Stage(proxy, named))
            yield made[0]
    finally:
        server.close()
