"""One way in which an answer can be wrong, and how it is played to whoever asks for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal

from netlab.http.endpoints.answers import Unusable, answering
from netlab.http.endpoints.arguments import Arguments
from netlab.http.exchange import Exchange

Script = Callable[[Exchange], Coroutine[Any, Any, None]]
End = Literal["close", "stay"]

OK = "HTTP/1.1 200 OK"
HELLO = b"Hello, World!"
STAY = 30.0
"""Seconds for which a connection stays open where the fault is that nothing more comes."""
GLANCE = 0.25
"""Seconds between two looks whether the client has ended its side: one that waits for an answer does not."""


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
    exchange.flow.detail(on_purpose=fault.name)
    exchange.flow.note("fault.injected", "server", fault=fault.name, wrong=fault.wrong, section=fault.section)
    return fault.script(exchange)


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

    async def script(exchange: Exchange) -> None:
        await say(exchange, data, end=end)

    return Fault(name=name, wrong=wrong, client=client, section=section, script=script, method=method)


def message(*fields: str, line: str = OK) -> bytes:
    """A head, whatever its lines are."""
    lines = [line, "Server: netlab", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1")


async def say(exchange: Exchange, data: bytes, *, end: End = "close") -> None:
    """Send bytes that the core would never send, and end."""
    begin(exchange, data)
    exchange.raw(data)
    if end == "stay":
        await stay(exchange)
    exchange.cut()


def begin(exchange: Exchange, data: bytes) -> None:
    """The flow's result is the status that a client can read in the first bytes, if any."""
    match = re.match(rb"HTTP/\d\.\d ([2-9]\d\d) ", data)
    exchange.status = int(match[1]) if match else 0


async def stay(exchange: Exchange) -> None:
    """Do nothing until the client leaves, `?seconds=` have passed, or the server ends."""
    connection, arguments = exchange.connection, Arguments(exchange.request)
    until = connection.loop.time() + arguments.seconds("seconds", STAY)
    while not connection.peer_ended and (left := until - connection.loop.time()) > 0:
        if not await exchange.pause(min(left, GLANCE)):
            return
