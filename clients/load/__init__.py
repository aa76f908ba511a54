"""Put a server under load, and see how long each request took from when it was due."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from clients.load.expectation import Expectation
from clients.load.schedule import Step
from netlab.config import Count, Duration, Flag, positional
from netlab.errors import UsageError

__all__ = ["EXAMPLES", "Config", "run"]

Addresses = Callable[[], Awaitable[Mapping[str, Mapping[str, Mapping[str, str]]]]]
"""Gives the address map of the labs that run on this machine."""

EXAMPLES = (
    ("netlab load http://127.0.0.1:8080/hello --rate 500 --duration 30s", "500 requests a second, whatever comes back"),
    ("netlab load http://127.0.0.1:8082 --arrivals poisson --rate 1000", "as many visitors who know nothing of others"),
    ("netlab load http://127.0.0.1:8082 --step 100:10s --step 100-2000:30s --step 100:10s", "steps, and a ramp"),
    (
        "netlab load http://127.0.0.1:8080 --request 'GET /' --request 'POST /anything name=ann' --think 1s",
        "journeys of two requests, a second apart",
    ),
    ("netlab load http://127.0.0.1:8080 --expect 'p99<50ms' --expect 'errors<1%'", "exit code 1 if that does not hold"),
    ("netlab load http://127.0.0.1:8080/hello --closed --connections 64 --json", "as fast as it answers"),
)
LOOP = "auto"
"""Run on the quickest event loop there is."""


@dataclass(frozen=True, kw_only=True)
class Config:
    target: Annotated[str, positional]
    """The URL; without a scheme it is http."""
    rate: float = 100.0
    """Journeys that begin each second, whether or not others are answered (an open model)."""
    duration: Annotated[Duration, Flag("-t", "--duration")] = 10.0
    """For how long."""
    arrivals: Literal["constant", "poisson"] = "constant"
    """Evenly spaced, or at random times as those of many independent visitors."""
    step: tuple[Step, ...] = ()
    """RATE:DURATION, or RATE-RATE:DURATION for a ramp, instead of --rate and --duration; one follows the other."""
    closed: bool = False
    """Begin the next journey only when one is over, as fast as that goes (a closed model): for the highest rate there
    is. Its latencies leave out the waiting of those who would have come meanwhile."""
    connections: Annotated[Count, Flag("-c", "--connections")] = 256
    """Connections open at once, at most; a journey that finds none free waits, and its latency counts that."""
    new_connections: bool = False
    """A new connection for each journey."""
    request: tuple[str, ...] = ()
    """'METHOD /TARGET [CONTENT]': several are a journey, on one connection; {n} stands for the journey's number."""
    think: Duration = 0.0
    """Time between an answer and the journey's next request."""
    method: Annotated[str, Flag("-X", "--method")] = ""
    """The method; GET, or POST with --data."""
    data: Annotated[str, Flag("-d", "--data")] = ""
    """Content to send: TEXT, or @FILE."""
    field: Annotated[tuple[str, ...], Flag("-H", "--field", "--header")] = ()
    """A field "Name: value" to send; "Name:" takes away one that is usually sent."""
    cookies: bool = True
    """Send back, within a journey, the cookies that were set in it."""
    timeout: Duration = 10.0
    """How long to wait for an answer, and for a connection."""
    expect: tuple[Expectation, ...] = ()
    """What must hold, else the exit code is 1: 'p99<50ms', 'max<1s', 'errors<1%', 'rate>900'."""
    cacert: Path | None = None
    """The only authorities to trust, in PEM; by default the system's and the lab's own."""
    insecure: Annotated[bool, Flag("-k", "--insecure")] = False
    """Take any certificate."""
    seed: int = 1
    """Of random arrivals: the same seed gives the same ones."""
    json: bool = False
    """Print the results as JSON; times are in seconds."""

    def __post_init__(self) -> None:
        if self.rate <= 0:
            raise UsageError("--rate is more than 0, or see --closed")
        if not self.duration:
            raise UsageError("--duration is more than 0")
        if self.closed and self.step:
            raise UsageError("--closed goes as fast as answers come: it has no --step")


async def run(config: Config, *, addresses: Addresses | None = None) -> int:
    """Load, show, and give the exit code: 1 where nothing was answered, or an expectation does not hold."""
    from clients.load.command import load

    return await load(config, addresses)
