"""Active checks: each upstream is asked from time to time, by a task of its own, whether it can work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

from netlab.balancing import probe
from netlab.balancing.check_rule import CheckRule
from netlab.balancing.member import Member
from netlab.clock import Clock
from netlab.errors import NetlabError
from netlab.net.dial import Dialer
from netlab.net.secure import TlsOptions
from netlab.net.tasks import Tasks
from netlab.net.tls_context import client_context
from netlab.policy.agent import AgentAnswer

Turned = Callable[[Member, bool], None]
"""Told when a check turned a member up (True) or down."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """Where a member is asked: its address, how connections there are secured if they are, and how a check secures its
    own, where it speaks TLS and they do not.
    """

    host: str
    port: int
    tls: TlsOptions | None = None
    trust: Callable[[], TlsOptions] | None = None

    def by(self, rule: CheckRule) -> Checked:
        """The same, as this rule has it."""
        tls, port = self.tls, rule.port or self.port
        if not rule.secure:
            return replace(self, port=port, tls=None if rule.port else tls)
        if rule.insecure:
            context = client_context(insecure=True, alpn=())
            tls = TlsOptions(context=context, server_name=tls.server_name if tls is not None else "")
        elif tls is None and self.trust is not None:
            tls = self.trust()
        if tls is not None and rule.host:
            tls = replace(tls, server_name=rule.host)
        return replace(self, port=port, tls=tls)


class Checks:
    """The checks of one service."""

    def __init__(
        self, dialer: Dialer, clock: Clock, random: Callable[[], float], tasks: Tasks, turned: Turned | None = None
    ) -> None:
        self._dialer, self._clock, self._random, self._tasks, self._turned = dialer, clock, random, tasks, turned
        self._watched: dict[Member, asyncio.Task[None]] = {}

    def watch(self, member: Member, rule: CheckRule, where: Checked, *, timeout: float) -> None:
        """Ask this member from now on; it has `health`."""
        ask = Ask(self._dialer, rule, where, timeout)
        self._watched[member] = self._tasks.start(self._repeat(member, ask), f"checks of {member.name}")

    def unwatch(self, member: Member) -> None:
        if (task := self._watched.pop(member, None)) is not None:
            task.cancel()

    async def _repeat(self, member: Member, ask: Ask) -> None:
        """The first one soon, but not all upstreams' in the same moment; then as the rules say."""
        health = member.health
        assert health is not None
        await asyncio.sleep(min(health.rules.hurry, health.rules.interval) * health.rules.jitter * self._random())
        while True:
            result = await ask()
            if result.agent is not None:
                obey(member, result.agent)
            if member.report_check(result.ok, result.words, self._clock.now()) and self._turned is not None:
                self._turned(member, result.ok)
            await asyncio.sleep(health.pause(self._random()))


class Asking(Protocol):
    def __call__(self, dialer: Dialer, rule: CheckRule, where: Checked) -> Awaitable[probe.Result]: ...


class Ask:
    """One check of one member; whatever happens, it has a result within its time."""

    def __init__(self, dialer: Dialer, rule: CheckRule, where: Checked, timeout: float) -> None:
        self._dialer, self._rule, self._timeout = dialer, rule, timeout
        self._where = where.by(rule)
        self._asking: Asking = PROBES[rule.what]

    async def __call__(self) -> probe.Result:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._asking(self._dialer, self._rule, self._where)
        except TimeoutError:
            return probe.Result(False, f"no answer within {self._timeout:g} s")
        except NetlabError as error:
            return probe.Result(False, str(error))


PROBES: dict[str, Asking] = {
    "tcp": probe.connects,
    "tls": probe.connects,
    "http": probe.answers_http,
    "https": probe.answers_http,
    "agent": probe.agent_says,
    "command": probe.command_succeeds,
}


def obey(member: Member, answer: AgentAnswer) -> None:
    """An agent steers its upstream's share of the work; what a person has set for it stays."""
    share = 0.0 if answer.state in ("drain", "maintenance") else answer.share
    if share is None and answer.state == "ready":
        share = 1.0
    if share is not None and share != member.share:
        member.share = share
        member.changed()
    if answer.limit is not None and answer.limit != member.limit:
        member.limit = answer.limit
        member.changed()
