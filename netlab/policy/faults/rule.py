"""A fault as people write it: what goes wrong, on which leg, how often, and when."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from netlab.errors import UsageError
from netlab.filter import Filter, compile_filter
from netlab.units import parse_duration, parse_size

DISTRIBUTIONS = ("uniform", "normal", "exponential", "pareto")
NOT_KNOWN_YET = frozenset(("status", "result", "outcome", "duration", "ended", "received", "sent"))
"""Names of a flow that say how it went; faults are decided on before."""
LONGEST = 3600.0
"""Seconds that anything here takes at most, unless it takes for ever."""
EVERYTHING = compile_filter("")


class Leg(Enum):
    """Between whom: the client and us, or us and an upstream."""

    DOWNSTREAM = "downstream"
    UPSTREAM = "upstream"


class Towards(Enum):
    """Which way bytes go that something happens to."""

    CLIENT = "client"
    SERVER = "server"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong. Written `SETTING[=VALUE] … [when EXPRESSION]`; `text` is what was written. Times in seconds.

    probability   how many of those that match are struck, 0 to 1
    latency       how much later bytes arrive, ± `jitter` by `distribution`
    bandwidth     bytes a second
    slice         bytes that arrive together at most, with `gap` between
    stall         for how long nothing moves, once; math.inf: for ever
    reset         the connection ends with RST; truncate: with FIN, as if that had been all
    corrupt       the share of bytes that arrive as others
    status        what is answered, instead of asking further on
    slow_close    how much later the end of the connection arrives
    after         bytes (behind the head, with `after_head`) that pass before anything of this happens
    """

    name: str = ""
    leg: Leg = Leg.DOWNSTREAM
    towards: Towards = Towards.CLIENT
    probability: float = 1.0
    latency: float = 0.0
    jitter: float = 0.0
    distribution: str = "uniform"
    bandwidth: int = 0
    slice: int = 0
    gap: float = 0.0
    stall: float = 0.0
    reset: bool = False
    truncate: bool = False
    corrupt: float = 0.0
    status: int = 0
    slow_close: float = 0.0
    after: int = 0
    after_head: bool = False
    when: Filter = field(default=EVERYTHING, compare=False)
    text: str = ""

    @property
    def shapes_bytes(self) -> bool:
        """Whether anything happens to bytes on their way."""
        return bool(
            self.latency
            or self.jitter
            or self.bandwidth
            or self.slice
            or self.stall
            or self.reset
            or self.truncate
            or self.corrupt
            or self.slow_close
        )

    def at_the_end(self) -> Fault:
        """What is left of it when its conversation is over and the connection is not."""
        return Fault(name=self.name, leg=self.leg, towards=self.towards, slow_close=self.slow_close, text=self.text)

    def __str__(self) -> str:
        return self.text

    def __reduce__(self) -> tuple[Any, ...]:
        return parse_fault, (self.text,)  # its condition is made of functions, which no other process can be sent


def parse_fault(text: str) -> Fault:
    """Read a fault; ValueError, beginning with "has" or "needs", says what is wrong."""
    written, when, condition = f" {text.strip()}".partition(" when ")
    changes: dict[str, Any] = {"text": text.strip()}
    for word in filter(None, re.split(r"[\s,]+", written)):
        key, equals, value = word.partition("=")
        if key not in READERS:
            raise ValueError(f"has {word[:60]!r}, where one of {', '.join(READERS)} may stand, and `when` behind them")
        read, alone = READERS[key]
        if not equals and alone is None:
            raise ValueError(f"needs a value for {key}, such as {key}={EXAMPLES[key]}")
        try:
            changes |= read(value if equals else str(alone))
        except ValueError as error:
            if str(error).startswith("has "):
                raise
            raise ValueError(f"has {word[:60]}, which should look like {key}={EXAMPLES[key]}") from None
    if when:
        changes["when"] = _condition(condition)
    return _checked(replace(Fault(), **changes))


def _condition(text: str) -> Filter:
    try:
        found = compile_filter(text)
    except UsageError as error:
        raise ValueError(f"has a condition that cannot be read: {error}") from None
    if late := sorted(found.names & NOT_KNOWN_YET):
        raise ValueError(f"has a condition on {late[0]}, which is not known yet when a fault is decided on")
    return found


def _checked(fault: Fault) -> Fault:
    if not fault.shapes_bytes and not fault.status:
        raise ValueError(f"needs something that goes wrong: one of {', '.join(EFFECTS)}")
    if fault.reset and fault.truncate:
        raise ValueError("has reset together with truncate: a connection ends once")
    if fault.distribution != "uniform" and not fault.jitter:
        raise ValueError("has distribution= without a jitter to spread; write latency=200ms±50ms")
    if fault.gap and not fault.slice:
        raise ValueError("has gap= without slice=: the gap is between slices")
    if (fault.after or fault.after_head) and not fault.shapes_bytes:
        raise ValueError("has after=, which is about bytes on their way; a status is answered in place of all of them")
    return fault


# -- values ------------------------------------------------------------------------------------------------------

Reader = Callable[[str], dict[str, Any]]


def _seconds(text: str) -> float:
    return min(parse_duration(text), LONGEST)


def _latency(text: str) -> dict[str, Any]:
    middle, _, jitter = text.replace("+-", "±").partition("±")
    return {"latency": _seconds(middle), "jitter": _seconds(jitter) if jitter else 0.0}


def _stall(text: str) -> dict[str, Any]:
    return {"stall": math.inf if text == "forever" else _seconds(text)}


def _share(text: str) -> float:
    """From `30%`, `0.3` or `1/1000`."""
    if match := re.fullmatch(r"1/([1-9]\d{0,8})", text):
        return 1 / int(match[1])
    share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 <= share <= 1:
        raise ValueError(f"has a share of {text}; shares are 0 to 1, or 0% to 100%")
    return share


def _bytes(text: str) -> int:
    size = parse_size(text.removesuffix("/s"))
    if not size:
        raise ValueError
    return size


def _after(text: str) -> dict[str, Any]:
    """`head`, `1KiB`, `head+100`."""
    head, plus, rest = text.partition("+")
    if head != "head":
        return {"after": parse_size(text)}
    return {"after_head": True, "after": parse_size(rest) if plus else 0}


def _status(text: str) -> dict[str, Any]:
    if not re.fullmatch(r"[2-5]\d\d", text):
        raise ValueError(f"has status={text}; a response has 200 to 599")
    return {"status": int(text)}


def _name(text: str) -> dict[str, Any]:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,40}", text):
        raise ValueError(f"has name={text[:60]}, which is not 1 to 40 letters, digits, _ . or -")
    return {"name": text}


def _distribution(text: str) -> dict[str, Any]:
    if text not in DISTRIBUTIONS:
        raise ValueError(f"has distribution={text[:60]}; there are {', '.join(DISTRIBUTIONS)}")
    return {"distribution": text}


def _one(key: str, read: Callable[[str], Any]) -> Reader:
    return lambda text: {key: read(text)}


def _true(key: str) -> Reader:
    def read(text: str) -> dict[str, Any]:
        if text != "yes":
            raise ValueError(f"has {key}={text[:60]}; {key} takes no value")
        return {key: True}

    return read


READERS: Mapping[str, tuple[Reader, str | None]] = {
    "latency": (_latency, None),
    "bandwidth": (_one("bandwidth", _bytes), None),
    "slice": (_one("slice", _bytes), None),
    "stall": (_stall, "forever"),
    "reset": (_true("reset"), "yes"),
    "truncate": (_true("truncate"), "yes"),
    "corrupt": (_one("corrupt", _share), "1%"),
    "status": (_status, None),
    "slow-close": (_one("slow_close", _seconds), None),
    "leg": (_one("leg", Leg), None),
    "towards": (_one("towards", Towards), None),
    "after": (_after, None),
    "distribution": (_distribution, None),
    "gap": (_one("gap", _seconds), None),
    "probability": (_one("probability", _share), None),
    "name": (_name, None),
}
"""By name: what reads the value, and what the name alone stands for."""

EFFECTS = tuple(READERS)[:9]
EXAMPLES = {
    "latency": "200ms±50ms",
    "bandwidth": "64KiB",
    "slice": "16",
    "stall": "5s",
    "corrupt": "0.1%",
    "status": "503",
    "slow-close": "2s",
    "leg": "upstream",
    "towards": "server",
    "after": "head+100",
    "distribution": "normal",
    "gap": "10ms",
    "probability": "30%",
    "name": "slow",
    "reset": "yes",
    "truncate": "yes",
}
