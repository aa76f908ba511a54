"""Measures a row: servers started once, warmed up, then every case in turn, round by round, there and back."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Literal

from bench import meter
from bench.model import Case, NotAnswering, Row, Server, Values, Verdict
from bench.stage import Stage, StartFailed, Target, cores

Outcome = Literal["passed", "shown", "skipped", "failed"]
NOTHING = Target(port=0)  # what a load without a server is pointed at
WARM_UP_SECONDS = 1


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a row is measured."""

    rounds: int = 3
    seconds: int = 4
    dry: bool = False  # start and ask everything once, measure nothing
    strict: bool = False  # a peer that is missing fails its row
    progress: Callable[[str], None] = lambda text: None


@dataclass(kw_only=True)
class Result:
    """What a row gave: per case its rounds, or why it has none."""

    row: Row
    rounds: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)  # case -> what to install
    trouble: dict[str, str] = field(default_factory=dict)  # case -> what went wrong
    versions: list[str] = field(default_factory=list)
    strict: bool = False

    @property
    def medians(self) -> dict[str, Values]:
        return {
            case: {name: statistics.median(values[name] for values in rounds) for name in _in_all(rounds)}
            for case, rounds in self.rounds.items()
            if rounds
        }

    @property
    def verdicts(self) -> list[Verdict]:
        medians = self.medians
        measured = {name: self.rounds[name] for name in medians}
        return [claim.judge(medians, measured) for claim in self.row.claims]

    @property
    def outcome(self) -> Outcome:
        binding = [verdict.holds for verdict in self.verdicts if verdict.binding]
        if self.trouble or False in binding or (self.strict and self.missing):
            return "failed"
        if self.missing:
            return "skipped"
        return "passed" if True in binding else "shown"


def _in_all(rounds: list[dict[str, float]]) -> list[str]:
    """The values that every round has: of a handful of requests a load may not know a percentile."""
    return [name for name in rounds[0] if all(name in values for values in rounds)]


def measure(row: Row, settings: Settings) -> Result:
    result = Result(row=row, strict=settings.strict)
    cases = _present(row, result)
    result.versions = list(dict.fromkeys(case.server.version() for case in cases if case.server is not None))
    with _Servers() as servers:
        cases = [case for case in cases if _attempt(case, result, lambda case: _prepare(case, servers, settings, row))]
        for number in range(0 if settings.dry else settings.rounds):
            for case in cases[::-1] if number % 2 else cases:  # who comes behind whom, and a drift, favour none
                settings.progress(f"{row.name}, round {number + 1} of {settings.rounds}: {case.name}")
                _attempt(case, result, lambda case: _round(case, servers, settings, result))
    return result


def _present(row: Row, result: Result) -> list[Case]:
    """The cases whose server and load are on this machine."""
    for case in row.cases:
        if missing := (case.server.missing() if case.server is not None else "") or case.load.missing():
            result.missing[case.name] = missing
    return [case for case in row.cases if case.name not in result.missing]


def _attempt(case: Case, result: Result, work: Callable[[Case], None]) -> bool:
    """Do it for a case that has had no trouble yet; trouble ends the case and keeps no half of it."""
    if case.name in result.trouble:
        return False
    try:
        work(case)
    except (NotAnswering, StartFailed) as error:
        result.trouble[case.name] = str(error)
        result.rounds.pop(case.name, None)
        return False
    return True


class _Servers:
    """Those of a row that run; equal ones are one."""

    def __init__(self) -> None:
        self._running: dict[Server, Target] = {}
        self._stack = ExitStack()

    def __enter__(self) -> _Servers:
        return self

    def __exit__(self, *reason: object) -> None:
        self._stack.close()

    def target(self, server: Server) -> Target:
        if server not in self._running:
            self._running[server] = start(server, self._stack.enter_context(Stage()))
        return self._running[server]


def start(server: Server, stage: Stage) -> Target:
    target = server.start(stage)
    stage.wait_until_ready(target)
    return target


def _prepare(case: Case, servers: _Servers, settings: Settings, row: Row) -> None:
    """Start its server, ask it once, and warm both up; where each round has a server of its own, only ask."""
    settings.progress(f"{row.name}: starting {case.name}")
    if case.server is not None and case.fresh:
        with Stage() as stage:
            case.load.check(start(case.server, stage))
        return
    target = NOTHING if case.server is None else servers.target(case.server)
    case.load.check(target)
    if not settings.dry:
        settings.progress(f"{row.name}: warming up {case.name}")
        case.load.run(target, WARM_UP_SECONDS)


def _round(case: Case, servers: _Servers, settings: Settings, result: Result) -> None:
    if case.server is not None and case.fresh:
        with Stage() as stage:
            values = sample(case, start(case.server, stage), settings.seconds)
    else:
        values = sample(case, NOTHING if case.server is None else servers.target(case.server), settings.seconds)
    result.rounds.setdefault(case.name, []).append(values)


def sample(case: Case, target: Target, seconds: int) -> dict[str, float]:
    """Run the load once; its rate, and what servers, load and others took of the two cores meanwhile.

    The network's interrupts on a core are counted to its server or load: nothing else there sends as much.
    """
    parties = target.family(), target.upstream.family() if target.upstream is not None else []
    started, cores_before = time.perf_counter(), [meter.core(number) for number in cores()]
    before = [meter.cpu_seconds(members) for members in parties]
    done = case.load.run(target, seconds)
    cpu, upstream = (meter.cpu_seconds(members) - was for members, was in zip(parties, before, strict=True))
    wall = time.perf_counter() - started
    server, load = (meter.core(number) - before for number, before in zip(cores(), cores_before, strict=True))
    return {
        "rate": done.units / done.seconds,
        "cpu": cpu / wall,
        "core": 1 - server.idle / wall,
        "cost": (cpu + server.interrupts) / done.units * 1e6,
        "load_cpu": done.load_cpu / wall,
        "load_core": 1 - load.idle / wall,
        "others": max(0.0, (server.processes + server.stolen - cpu) / wall),
        "load_others": max(0.0, (load.processes + load.stolen - done.load_cpu - upstream) / wall),
        **({"upstream_cpu": upstream / wall} if target.upstream is not None else {}),
        **done.values,
    }
