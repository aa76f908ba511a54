"""What a lab answers on its control socket: its state, its flows, and the wish that it end."""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import netlab
from netlab.clock import LabClock
from netlab.config.sources import nearest
from netlab.control.balancer import steer
from netlab.control.faults import change_faults
from netlab.control.parts import PARTS, having
from netlab.control.server import Calls
from netlab.errors import NetlabError, UsageError
from netlab.filter import Filter, compile_filter
from netlab.flow import Flow, Level
from netlab.inspect.record import Record, event_record, to_record
from netlab.inspect.terminal import joined, worth_a_line
from netlab.net.listen import Endpoint
from netlab.text import counted

if TYPE_CHECKING:
    from netlab.lab.process import Lab

SLICE = 0.002
"""Seconds of work on one answer before traffic has its turn."""
CALLS = (
    "status",
    "endpoints",
    "flows",
    "flow",
    "watch",
    "level",
    "addresses",
    "clock",
    "faults",
    "balancer",
    "reload",
    "cache",
    "resolver",
    "mqtt",
    "stop",
)
"""What one process answers, and a lab of workers too."""
MAX_CHILDREN = 50
WATCH_QUEUE = 1000
WATCH_RATE = 5000
"""Flows a second that one watcher is told of at most: telling costs about 30 µs each, which traffic must not pay."""


class LabCalls:
    """The calls of one process."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def table(self) -> Calls:
        return {name: getattr(self, name) for name in CALLS}

    async def status(self) -> Record:
        """Who this is, since when, and how much there was."""
        lab = self._lab
        counters = lab.flows.counters
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "pid": os.getpid(),
            "name": lab.name,
            "version": netlab.__version__,
            "uptime": time.time() - lab.started,
            "level": lab.flows.level.name.lower(),
            "workers": 1,
            "flows": {"opened": counters.opened, "ended": counters.ended, "outcomes": dict(counters.outcomes)},
            "kept": {"flows": len(lab.flows), "bytes": lab.flows.budget.kept, "evicted": lab.flows.budget.evicted},
            "memory": usage.ru_maxrss * 1024,  # the most it has been; Linux counts in KiB
            "cpu": usage.ru_utime + usage.ru_stime,
            "endpoints": await self.endpoints(),
            "parts": [part for part in PARTS if having(lab.services, part)],
        }

    async def endpoints(self) -> list[Record]:
        return [endpoint_record(endpoint) for endpoint in self._lab.endpoints]

    async def flows(
        self,
        filter: str = "",  # noqa: A002  the argument's name on the wire
        last: int = 0,
        whole: bool = False,
    ) -> AsyncGenerator[Record]:
        """The kept flows that match, oldest first; with `last`, only so many of the newest."""
        wanted, pace = compile_filter(filter), Pace()
        kept: Iterable[Flow] = self._lab.flows
        if last:
            kept = reversed(await self._newest(wanted, last))
        for flow in kept:
            if wanted.may_match(view(flow, wanted)):
                yield answer(flow, wanted, whole)
            await pace.turn()

    async def _newest(self, wanted: Filter, count: int) -> list[Flow]:
        found: list[Flow] = []
        pace = Pace()
        for flow in reversed(list(self._lab.flows)):
            if wanted.may_match(view(flow, wanted)):
                found.append(flow)
                if len(found) == count:
                    break
            await pace.turn()
        return found

    async def flow(self, id: str, whole: bool = True) -> Record:  # noqa: A002  the name on the wire
        """One flow, the connection or request it belongs to, and the legs it caused."""
        flows = self._lab.flows
        number = str(id).removeprefix(flows.prefix)
        flow = flows.get(int(number)) if number.isdecimal() else None
        if flow is None:
            raise NetlabError(f"there is no flow {id} (any more); {counted(len(flows), 'flow')} of the newest are kept")
        children = [child for child in flows if caused(child, flow)]
        return {
            "flow": to_record(flow, whole=whole),
            "parent": to_record(flow.parent, whole=whole) if flow.parent else None,
            "children": [to_record(child, whole=False) for child in children[:MAX_CHILDREN]],
            "more_children": max(0, len(children) - MAX_CHILDREN),
        }

    async def watch(
        self,
        filter: str = "",  # noqa: A002  the argument's name on the wire
        level: str | None = None,
        whole: bool = False,
        connections: bool = False,
    ) -> AsyncGenerator[Record]:
        """Flows as they end: `{"flow": …}`, and `{"dropped": n}` where they ended faster than they were read.

        `level` raises the recording of new flows meanwhile. Connections whose requests are told are left out
        unless `connections` or a filter asks for them.
        """
        wanted, pace, arrived = compile_filter(filter), Pace(), asyncio.Event()
        all_kinds = connections or bool(filter)
        subscription = self._lab.flows.subscribe(
            arrived.set, limit=WATCH_QUEUE, level=level_named(level or "summary"), ended_only=True
        )
        try:
            while await arrived.wait():
                arrived.clear()
                items = subscription.take()
                for flow in joined([flow for _, flow in items]):
                    told = all_kinds or worth_a_line(flow.kind, flow.label, flow.outcome)
                    if told and wanted.may_match(view(flow, wanted)):
                        yield {"flow": answer(flow, wanted, whole)}
                    await pace.turn()
                if subscription.dropped:
                    dropped, subscription.dropped = subscription.dropped, 0
                    yield {"dropped": dropped}
                await asyncio.sleep(len(items) / WATCH_RATE)
        finally:
            subscription.close()

    async def level(self, level: str | None = None) -> Record:
        """The recording level; with an argument, set it for new flows."""
        flows = self._lab.flows
        if level is not None:
            flows.set_level(level_named(level))
        return {"level": flows.level.name.lower(), "base": flows.base_level.name.lower()}

    async def addresses(self) -> dict[str, Any]:
        """The address map: name → address → {well-known port: where it really listens}."""
        return self._lab.context.addresses.as_json()

    async def clock(
        self, action: str = "show", at: float | None = None, rate: float = 1.0, seconds: float = 0.0
    ) -> Record:
        """The lab's time, after it was frozen (`at` a time), set going (at a rate), or moved by so many seconds."""
        clock = self._lab.context.clock
        if action != "show":
            if not isinstance(clock, LabClock):
                raise UsageError("this lab goes by the system's clock; `netlab up` has one of its own")
            turn_clock(clock, action, at=at, rate=rate, seconds=seconds)
        frozen = isinstance(clock, LabClock) and clock.frozen
        return {"now": clock.now(), "frozen": frozen, "ahead": clock.now() - time.time()}

    async def faults(
        self, add: Sequence[str] = (), remove: Sequence[str] = (), clear: bool = False, seed: int | None = None
    ) -> Record:
        """Seed, and each fault with what it met and struck, after the change that is asked for: all of it or none."""
        change_faults(self._lab.context.faults, add=add, remove=remove, clear=clear, seed=seed)
        return self._lab.context.faults.as_json()

    async def balancer(self, service: str = "", action: str = "list", **arguments: Any) -> list[Record]:
        """The pools of the lab's balancers, after one of them was changed where that is asked for."""
        return steer(self._lab.services, service, action, arguments)

    async def reload(self) -> Record:
        """Read the settings again, as SIGHUP does."""
        return {"changed": self._lab.reloads.reload()}

    async def cache(self, service: str = "", action: str = "status", url: str = "") -> list[Record]:
        """What the lab's proxies keep, after some of it was thrown out where that is asked for."""
        from netlab.control.cache import cached

        return cached(self._lab.services, service, action, url)

    async def resolver(self, action: str = "status", of: str = "", lines: Sequence[str] = ()) -> Record:
        """What the lab's resolver knows, after it has forgotten or learnt what is asked for."""
        from netlab.control.resolver import resolver

        return resolver(self._lab.services, action, of, lines)

    async def mail(self) -> Record:
        """The newest messages of the lab's mail sink."""
        from netlab.control.mail import newest

        return await newest(self._lab.services, self._lab.endpoints)

    async def mqtt(self, action: str = "clients", of: str = "", **arguments: Any) -> Record:
        """What the lab's broker knows of its clients and messages, after what is asked for was done."""
        from netlab.control.mqtt import mqtt

        return mqtt(self._lab.services, action, of, arguments)

    async def stop(self) -> Record:
        """Drain and end."""
        self._lab.stop()
        return {"stopping": True}


def turn_clock(clock: LabClock, action: str, *, at: float | None, rate: float, seconds: float) -> None:
    match action:
        case "freeze":
            clock.freeze(at)
        case "run":
            if rate < 0:
                raise UsageError(f"a clock's rate is 0 or more, not {rate:g}")
            clock.run(rate)
        case "jump":
            clock.jump(seconds)
        case _:
            raise UsageError(f"a clock can show, freeze, run and jump, not {action!r}")


def caused(flow: Flow, by: Flow) -> bool:
    """Whether a flow was opened for another: on it, or as a leg, or as a leg's leg."""
    parent = flow.parent
    while parent is not by and parent is not None and parent.is_leg:
        parent = parent.parent
    return parent is by


def endpoint_record(endpoint: Endpoint) -> Record:
    return {
        "name": endpoint.name,
        "scheme": endpoint.scheme,
        "host": endpoint.host,
        "port": endpoint.port,
        "url": endpoint.url,
    }


def view(flow: Flow, wanted: Filter) -> Record:
    """As much of a flow as the filter needs to see."""
    record = to_record(flow, whole=False)
    if wanted.needs_events and flow.events is not None:
        record["events"] = [event_record(flow.log, event) for event in flow.events]
    return record


def answer(flow: Flow, wanted: Filter, whole: bool) -> Record:
    """A flow as the caller gets it: whole, or with what it needs to run the filter's regular expressions itself."""
    return to_record(flow, whole=True) if whole else view(flow, wanted)


class Pace:
    """Gives everybody else a turn whenever a slice of time is used up."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    async def turn(self) -> None:
        if time.monotonic() - self._since > SLICE:
            await asyncio.sleep(0)
            self._since = time.monotonic()


def level_named(name: str) -> Level:
    """The recording level of this name, or the sentence that says which there are."""
    names = [level.name.lower() for level in Level]
    if name not in names:
        raise UsageError(f"level {name!r} is not one of {', '.join(names)}{nearest(name, names)}")
    return Level.named(name)
