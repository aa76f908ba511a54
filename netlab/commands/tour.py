"""A walk through the lab: a page visit, a mail, a message and a failover, and all that each has caused."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from netlab.config import positional
from netlab.control.client import Control, OneLab, reach
from netlab.errors import NetlabError
from netlab.inspect.causality import timeline
from netlab.inspect.redact import redacted

EXAMPLES = (
    ("netlab tour", "all four, in the lab that `netlab up` runs"),
    ("netlab tour page", "one of them: page, mail, message, failover"),
)
FAULT = "name=tour leg=upstream reset when upstream == 127.0.0.1:9101"
SETTLE = 0.4
"""Seconds in which what was caused comes to its end."""


@dataclass(frozen=True, kw_only=True)
class Config(OneLab):
    stops: Annotated[tuple[Literal["page", "mail", "message", "failover"], ...], positional] = ()
    """What to walk through; all of it, if nothing is said."""


@dataclass(frozen=True, slots=True)
class Stop:
    """One thing to see: what it needs, what is typed, what it shows, and what to try next."""

    name: str
    service: str
    about: str
    commands: tuple[str, ...]
    next: str


STOPS = (
    Stop(
        "page",
        "forward-proxy",
        "A page over https: the name from the lab's root, a tunnel, TLS, cache, balancer, origin.",
        (
            "netlab resolver flush-tree test",
            "netlab dig www.shop.test A @127.0.0.1 --port 5300",
            "netlab run -- curl -sS -o /dev/null https://www.shop.test/shop/tea-mint?tour",
        ),
        "the same again: now the cache has it. `netlab browser` shows the shop.",
    ),
    Stop(
        "mail",
        "smtp",
        "A mail to the sink: the conversation, command by command.",
        ("netlab mail send ada@shop.test --subject tour --text hello", "netlab mail list --json"),
        "`netlab mail show`, or the page at http://127.0.0.1:8025/.",
    ),
    Stop(
        "message",
        "mqtt",
        "A message to the broker, and who gets it.",
        ("netlab mqtt pub tour/hello world --retain",),
        "`netlab mqtt tree` shows all topics live.",
    ),
    Stop(
        "failover",
        "l7-balancer",
        "One of three origins resets its connections: the balancer goes to another, and nobody is told.",
        (
            f"netlab faults add {shlex.quote(FAULT)}",
            *("netlab get http://127.0.0.1:8082/anything?tour",) * 3,
            "netlab faults remove tour",
        ),
        "`netlab balancer` shows the pool; `netlab faults add status=503` does worse.",
    ),
)


async def run(config: Config) -> int:
    async with reach(config) as control:
        status = await control.call("status")
        there = {endpoint["name"] for endpoint in status["endpoints"]}
        for stop in STOPS:
            if config.stops and stop.name not in config.stops:
                continue
            if stop.service not in there:
                print(f"\n{stop.name}: this lab runs no {stop.service}; `netlab up` does")
                continue
            await visit(stop, control, str(status["pid"]))
    return 0


async def visit(stop: Stop, control: Control, lab: str) -> None:
    print(f"\n\x1b[1m{stop.about}\x1b[0m\n" if sys.stdout.isatty() else f"\n{stop.about}\n")
    before = (await control.call("status"))["flows"]["opened"]
    for command in stop.commands:
        print(f"  $ {command}", flush=True)
        code, out = await asyncio.to_thread(typed, command, lab)
        if code and out.strip():  # without a word: there was nothing to do
            raise NetlabError(f"{command} ended with {code}: {out.strip()}")
    await asyncio.sleep(SETTLE)
    print()
    for line in timeline(await caused_since(control, before)):
        print(f"  {line}")
    print(f"\n  next: {stop.next}")


def typed(command: str, lab: str) -> tuple[int, str]:
    """A command as a person would type it; `netlab` is this one, and speaks to this lab."""
    arguments: Sequence[str] = shlex.split(command)
    if arguments[0] == "netlab":
        arguments = [sys.executable, "-m", "netlab", *arguments[1:]]
    meant = {f"NETLAB_{name}_LAB": lab for name in ("RUN", "FAULTS", "RESOLVER")}
    done = subprocess.run(
        arguments, env={**os.environ, **meant}, capture_output=True, text=True, timeout=30, check=False
    )
    return done.returncode, done.stderr


async def caused_since(control: Control, number: int) -> list[dict[str, Any]]:
    """The flows opened since, with what was on before and is theirs."""
    found = {record["id"]: redacted(record) async for record in control.stream("flows", whole=True, last=500)}
    return [record for name, record in found.items() if int(name.rpartition("-")[2]) > number]
