"""What a bench is made of: rows of cases (a server under a load), and the claims that are judged on their medians."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bench.stage import Stage, Target

Values = Mapping[str, float]
"""Measured values by name (see `bench.report.COLUMNS`): of one round, or the medians of all."""

Rounds = Mapping[str, Sequence[Values]]
"""Of each case, its values round by round."""


class NotAnswering(Exception):
    """What was started, or asked, did not do what the row needs; the text says what came instead."""


class Server(Protocol):
    """How one server is started. Frozen values: equal ones within a row are started once."""

    def missing(self) -> str:
        """What must be installed first, or nothing."""

    def version(self) -> str: ...

    def start(self, stage: Stage) -> Target:
        """Start it on the stage; the runner waits until the target accepts connections."""


class Load(Protocol):
    """What is done to a server."""

    def missing(self) -> str: ...

    def check(self, target: Target) -> None:
        """Ask once; NotAnswering if the answer is not the one that is to be measured."""

    def run(self, target: Target, seconds: int) -> Sample: ...


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One run of a load: how much was done in which time, at what price for the one who asked."""

    units: float  # requests, megabytes, deliveries: the row's `unit`
    seconds: float
    load_cpu: float = 0.0  # CPU seconds of the load's own processes
    values: Values = field(default_factory=dict)  # what else it saw: p99, memory …


@dataclass(frozen=True, kw_only=True)
class Case:
    """One line of a row. Without a server the load measures by itself (a function, a program on a file)."""

    name: str
    load: Load
    server: Server | None = None
    fresh: bool = False  # start the server anew for each round: where memory counts, or processes differ


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A claim held against the medians; `holds` is None where nothing is asked or nothing could be measured."""

    text: str
    holds: bool | None = None
    value: float | None = None
    binding: bool = True  # whether a miss fails the row


class Claim(Protocol):
    @property
    def bar(self) -> str:
        """What is asked, or nothing where a value is only shown."""

    def names(self) -> tuple[str, ...]:
        """The cases it is about."""

    def judge(self, medians: Mapping[str, Values], rounds: Rounds) -> Verdict: ...


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What a value is held against; without any it is only shown. A miss that is not `binding` fails nothing."""

    at_least: float | None = None
    at_most: float | None = None
    binding: bool = True

    def hold(self, value: float) -> bool | None:
        if self.at_least is None and self.at_most is None:
            return None
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    def text(self, unit: str = "") -> str:
        low = [] if self.at_least is None else [f"≥ {self.at_least:g}{unit}"]
        high = [] if self.at_most is None else [f"≤ {self.at_most:g}{unit}"]
        return " and ".join(low + high)


@dataclass(frozen=True, kw_only=True)
class Ratio(Bounds):
    """One case against another, or against the best of several."""

    of: str
    to: tuple[str, ...]
    metric: str = "rate"

    @property
    def label(self) -> str:
        return f"{self.of} ÷ {' or '.join(self.to)}" + ("" if self.metric == "rate" else f", {self.metric}")

    @property
    def bar(self) -> str:
        return f"{self.label} {self.text()}" if self.text() else ""

    def names(self) -> tuple[str, ...]:
        return (self.of, *self.to)

    def judge(self, medians: Mapping[str, Values], rounds: Rounds) -> Verdict:
        peers = [name for name in self.to if name in medians]
        if self.of not in medians or not peers:
            return Verdict(text=f"{self.label}: not measured", binding=self.binding)
        value = self._value(medians, peers)
        bar = f"  (bar {self.text()})" if self.text() else ""
        text = f"{self.label} = {value:.2f}{bar}{self._remarks(medians, rounds, peers)}"
        return Verdict(text=text, holds=self.hold(value), value=value, binding=self.binding)

    def _value(self, values: Mapping[str, Values], peers: list[str]) -> float:
        best = max if self.at_most is None else min
        other = best(values[name][self.metric] for name in peers)
        own = values[self.of][self.metric]
        if other:
            return own / other
        return 1.0 if own == other else float("inf")

    def _remarks(self, medians: Mapping[str, Values], rounds: Rounds, peers: list[str]) -> str:
        """How far the figure can be trusted: where it lay in single rounds, and what the servers' CPU time says.

        The latter hardly moves when others use the cores, or when the load is the limit.
        """
        names = [self.of, *peers]
        count = min(len(rounds[name]) for name in names)
        each = [self._value({name: rounds[name][number] for name in names}, peers) for number in range(count)]
        remarks = [f"rounds {min(each):.2f} … {max(each):.2f}"] if count > 1 else []
        if self.metric == "rate" and medians[self.of].get("cost"):
            remarks.append(f"by CPU {min(medians[name]['cost'] for name in peers) / medians[self.of]['cost']:.2f}")
        return f"  [{'; '.join(remarks)}]" if remarks else ""


@dataclass(frozen=True, kw_only=True)
class Limit(Bounds):
    """One value of one case, in its own unit."""

    of: str
    metric: str
    unit: str = ""

    @property
    def bar(self) -> str:
        return f"{self.of}, {self.metric} {self.text(self._unit)}" if self.text() else ""

    @property
    def _unit(self) -> str:
        return f" {self.unit}" if self.unit else ""

    def names(self) -> tuple[str, ...]:
        return (self.of,)

    def judge(self, medians: Mapping[str, Values], rounds: Rounds) -> Verdict:
        if self.of not in medians:
            return Verdict(text=f"{self.of}, {self.metric}: not measured", binding=self.binding)
        value = medians[self.of][self.metric]
        bar = f"  (bar {self.text(self._unit)})" if self.text() else ""
        text = f"{self.of}, {self.metric} = {value:,.4g}{self._unit}{bar}"
        return Verdict(text=text, holds=self.hold(value), value=value, binding=self.binding)


@dataclass(frozen=True, kw_only=True)
class Row:
    """Cases measured in turn (A B C, C B A, A B C …), and what is claimed about them."""

    name: str  # "http.small": the protocol, then what is measured
    about: str
    cases: tuple[Case, ...]
    claims: tuple[Claim, ...] = ()
    unit: str = "requests"
    columns: tuple[str, ...] = ("rate", "cpu", "core", "cost", "load_cpu", "load_core", "p50", "p99")
