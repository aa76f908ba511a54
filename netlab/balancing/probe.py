"""What a check does: connects, asks by HTTP, listens to an agent, or runs a program; and what it found, in words."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, NamedTuple

from netlab.balancing.check_rule import CheckRule
from netlab.flow import Flow
from netlab.http.client import ClientConnection, ClientSettings
from netlab.net.dial import Dialer
from netlab.net.outgoing import Outgoing
from netlab.policy.agent import AgentAnswer, read_answer
from netlab.text import host_port

if TYPE_CHECKING:
    from netlab.balancing.checks import Checked

MOST = 64 << 10
"""Bytes of an answer that are looked at."""


class Result(NamedTuple):
    """Whether the upstream can work, why that is thought, and what its agent wants."""

    ok: bool
    words: str
    agent: AgentAnswer | None = None


class Listening(Outgoing):
    """A connection on which the peer speaks first: its first line, or all of it up to its end."""

    __slots__ = ("heard", "line")

    def __init__(self, flow: Flow) -> None:
        super().__init__(flow)
        self.heard = b""
        self.line: asyncio.Future[bytes] = self.loop.create_future()

    def feed(self, data: bytes) -> None:
        self.heard += data
        if (not data or b"\n" in self.heard or len(self.heard) > MOST) and not self.line.done():
            self.line.set_result(self.heard)

    def lost(self, error: Exception | None) -> None:
        if not self.line.done():
            self.line.set_result(self.heard)


async def connects(dialer: Dialer, rule: CheckRule, where: Checked) -> Result:
    """A connection comes about, and with `tls` a handshake."""
    began = dialer.flows.now()
    transport, _, _ = await dialer.dial(
        where.host, where.port, Listening, tls=where.tls if rule.what == "tls" else None
    )
    transport.abort()  # RST: a check must not leave its ports waiting
    what = "TLS established" if rule.what == "tls" else "connected"
    return Result(True, f"{what} in {_took(dialer, began)}")


async def answers_http(dialer: Dialer, rule: CheckRule, where: Checked) -> Result:
    """The status is one of those that are good, and the content holds what it has to."""
    began = dialer.flows.now()
    _, connection, _ = await dialer.dial(
        where.host, where.port, lambda flow: ClientConnection(flow, ClientSettings(patience=3600.0)), tls=where.tls
    )
    try:
        host = rule.host or host_port(where.host, where.port)
        fields = [("Host", host), ("User-Agent", "netlab-check"), ("Accept", "*/*")]
        exchange = connection.begin(rule.method, rule.path, fields, close=True)
        try:
            status = (await exchange.answer()).status
            content = b""
            while rule.body and len(content) < MOST and (piece := await exchange.read()):
                content += piece
        finally:
            exchange.close()
    finally:
        connection.abort()
    if not any(status in span for span in rule.statuses):
        return Result(False, f"answered {status}, where {rule.accepted} is good")
    if rule.body not in content:
        return Result(False, f"answered {status}, without {rule.body.decode()!r} in its content")
    return Result(True, f"answered {status} in {_took(dialer, began)}")


async def agent_says(dialer: Dialer, rule: CheckRule, where: Checked) -> Result:
    """The upstream's agent tells how it is, in HAProxy's words."""
    transport, agent, _ = await dialer.dial(where.host, where.port, Listening)
    try:
        heard = (await agent.line).decode("latin-1")
    finally:
        transport.abort()
    answer = read_answer(heard)
    if answer is None:
        return Result(False, f"its agent said {heard[:60].strip()!r}, which means nothing")
    said = heard.partition("\n")[0].strip()
    return Result(answer.up is not False, f"its agent says {said[:100]!r}", answer)


async def command_succeeds(dialer: Dialer, rule: CheckRule, where: Checked) -> Result:
    """A program ends with 0; it finds the upstream in NETLAB_HOST and NETLAB_PORT, and its first line are the words."""
    environment = {**os.environ, "NETLAB_HOST": where.host, "NETLAB_PORT": str(where.port)}
    try:
        process = await asyncio.create_subprocess_exec(
            *rule.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # a Ctrl-C is not for it
        )
    except OSError as error:
        return Result(False, f"{rule.command[0]} cannot be run: {error.strerror}")
    try:
        assert process.stdout is not None
        said = (await process.stdout.read(MOST)).decode("utf-8", "replace").partition("\n")[0].strip()
        code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    words = f": {said[:100]}" if said else ""
    return Result(code == 0, f"{rule.command[0]} ended with {code}{words}")


def _took(dialer: Dialer, began: float) -> str:
    return f"{(dialer.flows.now() - began) * 1000:.1f} ms"
