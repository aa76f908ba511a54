"""What can be set for a group of upstreams, whatever it carries: how one is picked, checked, and sent to rest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from netlab.balancing.check_rule import CheckRule
from netlab.balancing.group import GroupSettings
from netlab.config import Address, Count, Duration, Share
from netlab.errors import UsageError
from netlab.policy.health import HealthRules
from netlab.policy.outlier import OutlierRules


@dataclass(frozen=True, kw_only=True)
class Picking:
    """How an upstream is picked."""

    balance: Literal[
        "round_robin",
        "weighted_round_robin",
        "random",
        "least_connections",
        "power_of_two_choices",
        "peak_ewma",
        "source_hash",
        "ring_hash",
        "maglev",
        "first",
    ] = "round_robin"
    """How one of several upstreams is picked; weights (URL*3) count with all but round_robin and first."""
    upstream_limit: int = 0
    """How much one upstream has to do at the same time, at most; what is more waits. 0: any number."""
    queue: int = 1024
    """How many may wait for an upstream that has less to do; 0: none."""
    queue_timeout: Duration = 5.0
    """How long they wait before they are refused."""
    slow_start: Duration = 0.0
    """How long an upstream that is new, or is back, takes to come to its full weight (not with hashing)."""
    panic: Share = 0.0
    """Below this share of upstreams that are up and not ejected, all get work: better than all of it for a few."""


@dataclass(frozen=True, kw_only=True)
class Checking:
    """How it is known which upstreams can work."""

    check: CheckRule | None = None
    """tcp, tls, http:/path, agent or command:PROGRAM; http with ,status=200-299 ,body=TEXT ,port=N."""
    check_interval: Duration = 5.0
    """How often, give or take a tenth; every second (or as often, if that is more) while a change is under way."""
    check_timeout: Duration = 2.0
    """How long a check may take."""
    rise: Count = 2
    """Good checks in a row that turn an upstream up."""
    fall: Count = 3
    """Bad ones that turn it down."""
    eject_errors: int = 0
    """Send an upstream to rest after so many errors (no answer, 500 to 599) in a row; 0: never."""
    eject_rate: Share = 0.0
    """Or when this share of its answers in ten seconds were errors."""
    eject_latency: float = 0.0
    """Or when its answers took so many times as long as is usual among the others."""
    eject_pause: Duration = 10.0
    """For how long; twice that the second time, and so on, up to five minutes."""
    eject_most: Share = 0.5
    """The share of upstreams that may rest at the same time."""


@dataclass(frozen=True, kw_only=True)
class Balancing(Picking, Checking):
    """Both."""

    def health_rules(self) -> HealthRules | None:
        if self.check is None:
            return None
        return HealthRules(interval=self.check_interval, rise=self.rise, fall=self.fall)

    def checking(self) -> tuple[object, ...]:
        """What active checks go by."""
        return self.check, self.check_timeout, self.health_rules()

    def group_settings(self) -> GroupSettings:
        outliers = OutlierRules(
            errors=self.eject_errors,
            rate=self.eject_rate,
            latency=self.eject_latency,
            pause=self.eject_pause,
            most=self.eject_most,
        )
        return GroupSettings(balance=self.balance, panic=self.panic, outliers=outliers, measured=True)


@dataclass(frozen=True, kw_only=True)
class Steered:
    """How upstreams come and go while a balancer runs, and where that is seen and steered."""

    drain_timeout: Duration = 60.0
    """How long an upstream that is drained or removed may go on with what it has; then it is cut."""
    resolver: tuple[Address, ...] = ()
    """A DNS server that is asked for the addresses of upstreams' names, and how long they hold; else the system's."""
    resolve_every: Duration = 10.0
    """How often they are looked up where nobody says how long they hold."""
    status_listen: Address = Address("127.0.0.1", 0)
    """Where the status page, /api and /metrics are served, for this machine alone; a free port when --listen has 0."""

    def keep_status_here(self) -> None:
        self.status_listen.refuse_exposure("--status-listen", "the status page", "it changes things: give it 127.0.0.1")


def refuse_changes(before: Balancing, after: Balancing, fixed: Iterable[str]) -> None:
    """UsageError where one of these settings, which are made use of only at the start, is another one now."""
    for name in fixed:
        if getattr(after, name) != getattr(before, name):
            flag = name.replace("_", "-")
            raise UsageError(f"--{flag} cannot change while it runs: start it anew for that")
