"""Labs inside of one process, opened and closed by another program over the control socket: for tests of software."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from netlab.clock import LabClock
from netlab.config import Address, settings
from netlab.config.sources import Toml, build
from netlab.control.calls import LabCalls, endpoint_record
from netlab.control.server import Calls
from netlab.errors import NetlabError, UsageError
from netlab.inspect.record import to_record
from netlab.lab.options import Options, service
from netlab.lab.process import Lab
from netlab.lab.world import LabWorld

NAMES = (".jsonl", ".har", ".pcapng")
GRACE = 0.2
"""Seconds that connections of a lab which is closed may take: its test is over."""


class Embedded:
    """Labs by number, each with flows, clock, faults and names of its own."""

    def __init__(self) -> None:
        self._labs: dict[int, Lab] = {}
        self._opened = 0
        self.stopping = asyncio.Event()

    def table(self) -> Calls:
        return {"open": self.open, "close": self.close, "lab": self.lab, "keep": self.keep, "stop": self.stop}

    async def open(self, record: str = "full", seed: int | None = 1, world: bool = False) -> dict[str, Any]:
        """A new lab with nothing in it; with `world`, the names of netlab's small Internet are known in it."""
        self._opened = number = self._opened + 1
        lab = Lab(f"test-{number}", Options(record=_level(record), seed=seed, grace=GRACE), clock=LabClock())
        if world:
            LabWorld.load().prepare(lab.context)
        self._labs[number] = lab
        return {"lab": number}

    async def lab(self, lab: int, call: str, args: Mapping[str, Any] | None = None) -> Any:
        """A call of one lab; what a stream has at this moment comes as a list."""
        found = self._found(lab)
        if call == "start":
            return await start(found, **(args or {}))
        calls = LabCalls(found).table()
        if call not in calls or call in ("watch", "stop"):
            raise UsageError(f"a lab has no call {call!r}; there are: {', '.join(sorted(calls))}")
        answer = calls[call](**(args or {}))
        return [item async for item in answer] if isinstance(answer, AsyncIterator) else await answer

    async def keep(self, lab: int, stem: str) -> list[str]:
        """Write what a lab has recorded to files whose names begin so: JSON lines, HAR, pcapng."""
        from netlab.commands.export import write, writer
        from netlab.inspect.redact import redacted

        records: list[Mapping[str, Any]] = [to_record(flow, whole=True) for flow in self._found(lab).flows]
        files = [Path(f"{stem}{ending}") for ending in NAMES] if records else []
        for file in files:
            hidden = file.suffix != ".pcapng"  # which cannot be without its secrets
            write([redacted(record) if hidden else record for record in records], writer(file.suffix[1:], {}), file)
        return [str(file) for file in files]

    async def close(self, lab: int) -> dict[str, Any]:
        """Drain its servers and forget it."""
        found = self._found(lab)
        del self._labs[lab]
        await found.close()
        return {"closed": lab}

    async def stop(self) -> dict[str, Any]:
        self.stopping.set()
        return {"stopping": True}

    async def close_all(self) -> None:
        for number in list(self._labs):
            await self.close(number)

    def _found(self, number: int) -> Lab:
        if number not in self._labs:
            raise NetlabError(f"there is no lab {number} (any more)")
        return self._labs[number]


async def start(lab: Lab, name: str, kind: str | None = None, settings: Mapping[str, Any] | None = None) -> Any:
    """A server in a lab, on free ports unless its settings say otherwise; its endpoints."""
    module = service(kind or name).load()
    told = dict(settings or {})
    for setting in _listens(module.Config):
        told.setdefault(setting, "127.0.0.1:0")
    toml = Toml(Path(f"the settings of {name}"), json.dumps(told), {name: told})
    config = build(module.Config, toml.values(module.Config, name), command=name)
    if name in lab.services:
        raise UsageError(f"there is a {name} in this lab already; call the other one otherwise")
    before = len(lab.endpoints)
    await lab.start(name, module.Server(config, replace(lab.context, name=name if kind else "")))
    return [endpoint_record(endpoint) for endpoint in lab.endpoints[before:]]


def _listens(config: type[Any]) -> list[str]:
    return [
        setting.name
        for setting in settings(config)
        if setting.name.endswith("listen") and isinstance(setting.default, Address)
    ]


def _level(record: str) -> Any:
    if record not in ("off", "summary", "full"):
        raise UsageError(f"record {record!r} is not off, summary or full")
    return record
