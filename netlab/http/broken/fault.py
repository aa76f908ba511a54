"""One way in which an answer can be wrong, and how it is played to whoever asks for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal

from netlab.http.endpoints.answers import Unusable, answering
from netlab.http.endpoints.arguments import Arguments
from netlab.http.exchange import Exchange

Script = Callable[["Exchange", "Wish"], Coroutine[Any, Any, None]]
End = Literal["close", "stay"]

OK = "HTTP/1.1 200 OK"
HELLO = b"Hello, World!"
GLANCE = 0.25
"""Seconds between two looks whether the client has ended its side: one that waits for an answer does not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """How long, how slowly and how much, where the client has a wish.

    stay    seconds for which a connection stays open where the fault is that nothing more comes (`?seconds=`)
    pour    seconds for which what never ends goes on (`?seconds=` too)
    gap     seconds between two bytes that drip (`?gap=`)
    count   interim responses (`?count=`)
    """

    stay: float = 30.0
    pour: float = 10.0
    gap: float = 0.1
    count: int = 1000

    @classmethod
    def of(cls, exchange: Exchange) -> Wish:
        """From the query; raises Unusable."""
        arguments = Arguments(exchange.request)
        return cls(
            stay=arguments.seconds("seconds", cls().stay),
            pour=arguments.seconds("seconds", cls().pour),
            gap=arguments.seconds("gap", cls().gap),
            count=arguments.whole("count", cls().count, most=1_000_000),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """A named fault.

    wrong    what is wrong with the answer
    client   what a client should do
    section  where that stands, or what makes it wrong
    script   sends the answer
    method   the one method with which the fault means anything (POST is as good as GET)
    """

    name: str
    wrong: str
    client: str
    section: str
    script: Script
    method: str = "GET"

    @property
    def path(self) -> str:
        return f"/broken/{self.name}"


@answering
def play(fault: Fault, exchange: Exchange) -> Coroutine[Any, Any, None]:
    """Answer as the fault has it; the flow says that it was on purpose."""
    if (exchange.request.method == "HEAD") != (fault.method == "HEAD"):
        raise Unusable(f"{fault.path} is to be asked with {fault.method}")
    wish = Wish.of(exchange)
    exchange.flow.detail(on_purpose=fault.name)
    exchange.flow.note("fault.injected", "server", fault=fault.name, wrong=fault.wrong, section=fault.section)
    return fault.script(exchange, wish)


def said(
    name: str,
    *fields: str,
    wrong: str,
    client: str,
    section: str,
    line: str = OK,
    body: bytes = b"",
    end: End = "close",
    method: str = "GET",
) -> Fault:
    """A fault that is a matter of bytes: a head with these lines, content, and then the end."""
    data = message(*fields, f"X-Broken: {name}", line=line) + body

    async def script(exchange: Exchange, wish: Wish) -> None:
        await say(exchange, data, stay=wish.stay if end == "stay" else 0.0)

    return Fault(name=name, wrong=wrong, client=client, section=section, script=script, method=method)


def message(*fields: str, line: str = OK) -> bytes:
    """A head, whatever its lines are."""
    lines = [line, "Server: netlab", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1")


async def say(exchange: Exchange, data: bytes, *, stay: float = 0.0) -> None:
    """Send bytes that the core would never send, stay as long, and end the connection."""
    begin(exchange, data)
    exchange.raw(data)
    await loiter(exchange, stay)
    exchange.cut()


def begin(exchange: Exchange, data: bytes) -> None:
    """The flow's result is the status that a client can read in the first bytes, if any."""
    match = re.match(rb"HTTP/\d\.\d ([2-9]\d\d) ", data)
    exchange.status = int(match[1]) if match else 0


async def loiter(exchange: Exchange, seconds: float) -> None:
    """Do nothing until the client leaves, the time is up, or the server ends."""
    connection = exchange.connection
    until = connection.loop.time() + seconds
    while not connection.peer_ended and (left := until - connection.loop.time()) > 0:
        if not await exchange.pause(min(left, GLANCE)):
            return
