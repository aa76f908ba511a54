"""Flows: what happened on the wire, kept so that it can be seen.

A flow is one conversation: a connection, a request on it, a UDP query, an upstream leg. Everyone may note on a flow;
only inspectors read. How much is kept is the recording level: *off* counts only, *summary* keeps one record per
flow in a bounded ring, *full* keeps every event with its fields and the raw bytes, up to a bound per flow and in all.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import Any, NamedTuple

from netlab.tape import Budget, Side, Tape


class Level(IntEnum):
    """How much of a flow is kept."""

    OFF = 0
    SUMMARY = 1
    FULL = 2

    @classmethod
    def named(cls, name: str) -> Level:
        return cls[name.upper()]


OFF, SUMMARY, FULL = Level  # a look-up in an Enum costs as much as a small function in Python 3.11
Address = tuple[Any, ...] | str | None
"""Of a socket: (host, port, …), or a Unix socket's path."""
MAX_EVENTS = 10_000
"""The most events one flow keeps; a WebSocket open for a week must not fill the memory."""
_new = object.__new__  # flows are made without a call of __init__, which would cost as much as the rest of it


class Outcome:
    """How a conversation ended; a protocol's own refusals are kept apart from cuts, timeouts and violations."""

    OPEN = ""
    OK = "ok"
    REFUSED = "refused"  # the protocol said no: an HTTP status of 400 and up, a 5yz reply, an rcode
    VIOLATION = "violation"  # the peer broke the protocol
    TIMEOUT = "timeout"  # a deadline passed
    CUT = "cut"  # the peer went away in the middle
    UNREACHABLE = "unreachable"  # no connection came about
    CANCELLED = "cancelled"  # our side gave up: a drain, a client gone, a person at the keyboard
    ERROR = "error"  # our own bug


class Event(NamedTuple):
    """One thing that happened on a flow: `noun.participle`, by a side, at a monotonic time.

    `start` and `end` are offsets into that side's raw bytes of the flow's connection; both 0 where there are none.
    """

    time: float
    side: Side
    name: str
    fields: dict[str, Any]
    start: int
    end: int

    def moved(self, time: float, by: int) -> Event:
        """The same at another time, so many bytes further on."""
        return self._replace(time=time, start=self.start + by, end=self.end + by)


class Flow:
    """One conversation. At level summary these slots are all there is; at full, `events` and tapes come with it.

    `FlowLog.open` makes them, and fills them in: there are two to a request that is passed on.
    """

    __slots__ = (
        "client",
        "details",
        "ended",
        "events",
        "id",
        "kind",
        "label",
        "level",
        "log",
        "outcome",
        "parent",
        "plain",
        "received",
        "result",
        "sent",
        "server",
        "service",
        "started",
        "wire",
    )

    log: FlowLog
    id: int
    kind: str
    service: str
    parent: Flow | None  # the connection a request came on, the request an upstream leg serves
    level: Level
    started: float  # monotonic; `log.wall()` turns it into a date
    ended: float  # 0 while it is open
    client: Address  # who opened it
    server: Address
    label: str  # what it is about: "GET /hello"
    result: str  # how it was answered: "200"
    outcome: str
    received: int  # payload bytes from the side that opened it
    sent: int  # payload bytes to that side
    details: dict[str, Any] | None  # facts of the whole: TLS version, secrets, engine
    events: list[Event] | None
    wire: Tape | None  # bytes as they were on the network; on connections
    plain: Tape | None  # the same decrypted, where TLS was between

    @property
    def full(self) -> bool:
        """Whether events of this flow are kept, so that a caller can spare itself the making of them."""
        return self.events is not None

    @property
    def is_leg(self) -> bool:
        """Whether it is a call of ours for the sake of its parent: to an upstream, a resolver, a parent proxy."""
        parent = self.parent
        if parent is None:
            return False
        # what runs on a connection is for its client, though a trusted proxy may name another; a connection does not
        # run on one, but for TLS inside of TLS, and that has the same client
        runs_on = parent.kind == "tcp" and self.kind != "tcp"
        return (not runs_on and self.client != parent.client) or parent.is_leg

    def note(self, name: str, side: Side = "netlab", *, start: int = 0, end: int = 0, **fields: Any) -> None:
        """Keep an event, if this flow keeps events at all."""
        if self.events is not None:
            log = self.log
            log.keep(self, tuple.__new__(Event, (log.now(), side, name, fields, start, end)))

    def detail(self, **facts: Any) -> None:
        """Keep facts about the whole flow, at every level but off."""
        self.details = facts if self.details is None else {**self.details, **facts}  # flows may share what they have

    def end(self, outcome: str, result: str | None = None) -> None:
        """The conversation is over; the first call counts."""
        if self.ended:
            return
        self.outcome = outcome
        if result is not None:
            self.result = result
        log = self.log
        self.ended = log.now()
        log.outcomes[outcome] += 1
        if log.followed and self.level:
            log.finish(self)

    def __repr__(self) -> str:
        return f"<Flow {self.id} {self.kind} {self.label!r} {self.result} {self.outcome or 'open'}>"


class Brief:
    """What conversations that ended as they began have in common, such as answers known beforehand. Each is kept as a
    number and a time, and becomes a `Flow` when somebody looks.

    `events` are what each would note at level full, their offsets counted from where its own bytes begin.
    """

    __slots__ = ("details", "events", "kind", "label", "outcome", "result", "sent", "service")

    def __init__(
        self, kind: str, service: str, label: str, result: str, outcome: str, sent: int, **details: Any
    ) -> None:
        self.kind, self.service, self.label, self.result, self.outcome = kind, service, label, result, outcome
        self.sent, self.details = sent, details
        self.events: list[Event] | None = None

    def again(self) -> Brief:
        """Another of the same, for what is to come."""
        return Brief(self.kind, self.service, self.label, self.result, self.outcome, self.sent, **self.details)

    def flow(self, log: FlowLog, number: int, parent: Flow | Ends, now: float, begins: Begins | None) -> Flow:
        flow = _new(Flow)
        flow.log, flow.id, flow.started, flow.ended = log, number, now, now
        flow.kind, flow.service, flow.label, flow.result = self.kind, self.service, self.label, self.result
        if isinstance(parent, Flow):
            flow.parent, flow.client, flow.server, flow.received = parent, parent.client, parent.server, 0
        else:
            flow.parent, (flow.client, flow.server, flow.received) = None, parent
        flow.outcome, flow.sent, flow.details = self.outcome, self.sent, dict(self.details) or None
        flow.events = flow.wire = flow.plain = None
        flow.level = Level.SUMMARY if begins is None else Level.FULL
        if begins is not None and self.events is not None:
            flow.events = [event.moved(now, begins[event.side == "server"]) for event in self.events]
        return flow


Begins = tuple[int, int]
"""Where a conversation begins in its connection's bytes: the client's, the server's."""
Ends = tuple[Address, Address, int]
"""Of a conversation that no connection carries: client, server, bytes received."""
Kept = tuple[int, Brief, Flow | Ends, float, Begins | None]
"""One brief conversation: its number, what it was, the connection it ran on, when (monotonic), and where at full."""


class Counters(NamedTuple):
    """What is counted at every level."""

    opened: int
    ended: int
    outcomes: dict[str, int]


class Subscription:
    """A viewer's bounded queue of what happens; one that reads too slowly loses items, and they are counted.

    `ready` is called when the queue is no longer empty; it must only wake the reader, never do work.
    Items are ("opened", flow), ("noted", flow, event) and ("ended", flow).
    """

    def __init__(
        self, log: FlowLog, limit: int, ready: Callable[[], None], level: Level | None, ended_only: bool = False
    ) -> None:
        self._log, self._limit, self._ready = log, limit, ready
        self._items: deque[tuple[Any, ...]] = deque()
        self.dropped = 0
        self.level = level
        self.ended_only = ended_only

    def put(self, item: tuple[Any, ...]) -> None:
        if len(self._items) >= self._limit:
            self.dropped += 1
            return
        self._items.append(item)
        if len(self._items) == 1:
            self._ready()

    def take(self) -> list[tuple[Any, ...]]:
        """Everything queued since the last call, oldest first."""
        items = list(self._items)
        self._items.clear()
        return items

    def close(self) -> None:
        self._log.unsubscribe(self)


class FlowLog:
    """All flows of one process: a bounded ring, live subscriptions, counters; and the bound on kept raw bytes."""

    def __init__(
        self,
        level: Level = Level.SUMMARY,
        *,
        ring: int = 20_000,
        flow_bytes: int = 1 << 20,
        total_bytes: int = 256 << 20,
        now: Callable[[], float] = time.monotonic,
        prefix: str = "",
    ) -> None:
        self.base_level = self.level = level
        self.now = now
        self.prefix = prefix  # put before ids when several workers' flows are shown as one log
        self.flow_bytes = flow_bytes
        self.budget = Budget(total_bytes)
        self.outcomes: dict[str, int] = defaultdict(int)  # how many flows ended how
        self._epoch = time.time() - now()
        self._ring: deque[Flow | Kept] = deque(maxlen=ring)
        self._subscriptions: list[Subscription] = []
        self.full = level is Level.FULL
        self.followed = False  # somebody subscribes
        self._followers: list[Subscription] = []  # those of them that want every step, not only the end
        self._opened = 0

    def open(
        self,
        kind: str,
        service: str = "",
        parent: Flow | None = None,
        level: Level | None = None,
        label: str = "",
        client: Address = None,
        server: Address = None,
    ) -> Flow:
        """Begin a flow. At level off it is counted and forgotten with its last reference."""
        self._opened = number = self._opened + 1
        if level is None:
            level = self.level
        flow = _new(Flow)
        flow.log, flow.id, flow.level = self, number, level
        flow.kind, flow.service, flow.parent = kind, service, parent
        flow.started, flow.ended = self.now(), 0.0
        flow.label, flow.client, flow.server = label, client, server
        flow.details = flow.events = flow.wire = flow.plain = None
        flow.result = flow.outcome = ""
        flow.received = flow.sent = 0
        if level is not OFF:
            self._ring.append(flow)
            if level is FULL:
                flow.events = []
            if self.followed:
                self._tell_opened(flow)
        return flow

    def brief(self, about: Brief, parent: Flow | Ends, now: float, begins: Begins | None) -> None:
        """A conversation began and ended in this moment, on the connection `parent` if one carried it; `begins` at
        level full.
        """
        self._opened = number = self._opened + 1
        self.outcomes[about.outcome] += 1
        if self.level:
            self._ring.append((number, about, parent, now, begins))
            if self.followed:
                self._tell(about.flow(self, number, parent, now, begins))

    def _tell_opened(self, flow: Flow) -> None:
        for subscription in self._followers:
            subscription.put(("opened", flow))

    def _tell(self, flow: Flow) -> None:
        self._tell_opened(flow)
        for subscription in self._followers:
            for event in flow.events or ():
                subscription.put(("noted", flow, event))
        self.finish(flow)

    def _read(self, kept: Flow | Kept) -> Flow:
        if isinstance(kept, Flow):
            return kept
        number, about, parent, now, begins = kept
        return about.flow(self, number, parent, now, begins)

    def tape(self) -> Tape:
        """A tape for a connection's raw bytes, within this log's bounds."""
        return Tape(self.flow_bytes, self.budget)

    def keep(self, flow: Flow, event: Event) -> None:
        events = flow.events
        if events is not None and len(events) < MAX_EVENTS:
            events.append(event)
        for subscription in self._followers:
            subscription.put(("noted", flow, event))

    def finish(self, flow: Flow) -> None:
        """Tell the subscriptions."""
        for subscription in self._subscriptions:
            subscription.put(("ended", flow))

    def subscribe(
        self,
        ready: Callable[[], None] = lambda: None,
        *,
        limit: int = 1000,
        level: Level | None = None,
        ended_only: bool = False,
    ) -> Subscription:
        """Follow what happens from now on, every step or only the ends; `level` raises the recording meanwhile."""
        subscription = Subscription(self, limit, ready, level, ended_only)
        self._subscriptions = [*self._subscriptions, subscription]
        self._subscribed()
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        self._subscriptions = [other for other in self._subscriptions if other is not subscription]
        self._subscribed()

    def set_level(self, level: Level) -> None:
        """Record new flows so; a subscription may still ask for more."""
        self.base_level = level
        self._subscribed()

    def _subscribed(self) -> None:
        self.followed = bool(self._subscriptions)
        self._followers = [subscription for subscription in self._subscriptions if not subscription.ended_only]
        self.level = max([self.base_level, *(s.level for s in self._subscriptions if s.level is not None)])
        self.full = self.level is Level.FULL

    @property
    def counters(self) -> Counters:
        return Counters(self._opened, sum(self.outcomes.values()), dict(self.outcomes))

    def wall(self, monotonic: float) -> float:
        """A flow's monotonic time as seconds since the epoch."""
        return self._epoch + monotonic

    def get(self, flow_id: int) -> Flow | None:
        for kept in reversed(self._ring):
            if (kept.id if isinstance(kept, Flow) else kept[0]) == flow_id:
                return self._read(kept)
        return None

    def __iter__(self) -> Iterator[Flow]:
        """The flows still in the ring, oldest first."""
        return map(self._read, list(self._ring))

    def __len__(self) -> int:
        return len(self._ring)

    def __repr__(self) -> str:
        return f"<FlowLog {self.level.name.lower()} {len(self._ring)} flows, {self.budget.kept} bytes>"
