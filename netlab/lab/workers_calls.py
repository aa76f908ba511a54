"""The control calls of a lab of workers: asked of each, answered as one, in the order of time."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import netlab
from netlab.control.balancer import together
from netlab.control.calls import CALLS, level_named
from netlab.control.client import connect
from netlab.control.server import Calls
from netlab.errors import NetlabError, UsageError
from netlab.filter import compile_filter
from netlab.inspect.record import Record
from netlab.net.tasks import Tasks

MERGE_EVERY = 0.1
"""Seconds within which flows of different workers are put in order before they are shown."""
WATCH_QUEUE = 1000


class WorkersCalls:
    """The same calls as one process has; ids begin with their worker: w2.17."""

    def __init__(
        self, name: str, sockets: Sequence[Path], endpoints: Sequence[Record], stop: Callable[[], None]
    ) -> None:
        self._name, self._sockets, self._endpoints, self._stop = name, sockets, endpoints, stop
        self._started = time.time()

    def table(self) -> Calls:
        return {name: getattr(self, name) for name in CALLS}

    async def _ask_all(self, call: str, **arguments: Any) -> list[Any]:
        """The answers of those workers that are there; one that is just being started again is left out."""
        answers = []
        for path in self._sockets:
            try:
                async with connect(path) as control:
                    answers.append(await control.call(call, **arguments))
            except UsageError:
                raise
            except NetlabError:
                continue
        if not answers:
            raise NetlabError("no worker is up at the moment")
        return answers

    async def status(self) -> Record:
        """Of all workers together."""
        found = await self._ask_all("status")
        outcomes: dict[str, int] = {}
        for status in found:
            for outcome, count in status["flows"]["outcomes"].items():
                outcomes[outcome] = outcomes.get(outcome, 0) + count
        kept = {key: sum(status["kept"][key] for status in found) for key in ("flows", "bytes", "evicted")}
        flows = {key: sum(status["flows"][key] for status in found) for key in ("opened", "ended")}
        return {
            "pid": os.getpid(),
            "name": self._name,
            "version": netlab.__version__,
            "uptime": time.time() - self._started,
            "level": found[0]["level"],
            "workers": len(found),
            "flows": {**flows, "outcomes": outcomes},
            "kept": kept,
            "memory": sum(status["memory"] for status in found),
            "cpu": sum(status["cpu"] for status in found),
            "endpoints": await self.endpoints(),
            "parts": found[0]["parts"],
        }

    async def endpoints(self) -> list[Record]:
        return list(self._endpoints)

    async def flows(
        self,
        filter: str = "",  # noqa: A002  the argument's name on the wire
        last: int = 0,
        whole: bool = False,
    ) -> AsyncGenerator[Record]:
        """The kept flows of all workers that match, oldest first."""
        compile_filter(filter)  # one error, not one from each worker
        streams = [_flows_of(path, filter=filter, last=last, whole=whole) for path in self._sockets]
        merged = _merged(streams)
        if last:
            newest = [record async for record in merged][-last:]
            for record in newest:
                yield record
            return
        async with aclosing(merged):
            async for record in merged:
                yield record

    async def flow(self, id: str, whole: bool = True) -> Any:  # noqa: A002  the argument's name on the wire
        """One flow, from the worker that its id names."""
        worker, dot, _ = str(id).partition(".")
        if not dot or not worker.startswith("w") or worker[1:] not in map(str, range(1, len(self._sockets) + 1)):
            raise NetlabError(
                f"flow ids are w1.17 to w{len(self._sockets)}.17 here, for each worker has its own; not {id!r}"
            )
        async with connect(self._sockets[int(worker[1:]) - 1]) as control:
            return await control.call("flow", id=id, whole=whole)

    async def watch(
        self,
        filter: str = "",  # noqa: A002  the argument's name on the wire
        level: str | None = None,
        whole: bool = False,
        connections: bool = False,
    ) -> AsyncGenerator[Record]:
        """Flows of all workers as they end."""
        compile_filter(filter)
        if level is not None:
            level_named(level)
        batches = self.batches(filter=filter, level=level, whole=whole, connections=connections)
        async with aclosing(batches):
            async for batch in batches:
                for item in batch:
                    yield item

    async def batches(self, **arguments: Any) -> AsyncGenerator[list[Record]]:
        """What the workers' `watch` tells, in pieces, each in the order in which flows ended."""
        tasks = Tasks("watch")
        items: asyncio.Queue[Record] = asyncio.Queue(WATCH_QUEUE)
        try:
            for path in self._sockets:
                tasks.start(_follow(path, arguments, items), path.name)
            while True:
                batch = [await items.get()]
                await asyncio.sleep(MERGE_EVERY)
                while not items.empty():
                    batch.append(items.get_nowait())
                yield sorted(batch, key=_ended)
        finally:
            await tasks.cancel()

    async def level(self, level: str | None = None) -> Any:
        """The recording level; with an argument, set it in every worker."""
        return (await self._ask_all("level", level=level))[0]

    async def clock(self, **change: Any) -> Any:
        """The clock, which is the system's in all of them."""
        return (await self._ask_all("clock", **change))[0]

    async def faults(self, **change: Any) -> Any:
        """The faults of all workers, who each have a seed and lots of their own."""
        first, *others = await self._ask_all("faults", **change)
        for fault in first["faults"]:
            theirs = [one for other in others for one in other["faults"] if one["name"] == fault["name"]]
            for count in ("met", "struck"):
                fault[count] += sum(one[count] for one in theirs)
        return first

    async def balancer(self, **asked: Any) -> Any:
        """The pools of all workers together, after each of them was changed."""
        return together(await self._ask_all("balancer", **asked))

    async def reload(self) -> Any:
        """Have all workers read the settings again; the first that refuses says why."""
        return (await self._ask_all("reload"))[0]

    async def cache(self, **asked: Any) -> Any:
        """The caches of all workers together."""
        from netlab.control.cache import together as added_up

        return added_up(await self._ask_all("cache", **asked))

    async def resolver(self, **asked: Any) -> Any:
        """What the resolvers of all workers know, added up: each has a cache of its own."""
        from netlab.control.resolver import together as added_up

        return added_up(await self._ask_all("resolver", **asked))

    async def mqtt(self, **asked: Any) -> Any:
        """A broker has no workers: the sentence that there is none."""
        return (await self._ask_all("mqtt", **asked))[0]

    async def addresses(self) -> Any:
        return (await self._ask_all("addresses"))[0]

    async def stop(self) -> Record:
        """Drain and end all workers."""
        self._stop()
        return {"stopping": True}


async def _follow(path: Path, arguments: dict[str, Any], items: asyncio.Queue[Record]) -> None:
    """Hand on what one worker tells, for as long as somebody watches; a worker that is started again is found again."""
    while True:
        try:
            async with connect(path) as control, aclosing(control.stream("watch", **arguments)) as stream:
                async for item in stream:
                    await items.put(item)
        except NetlabError:
            await asyncio.sleep(MERGE_EVERY)


async def _flows_of(path: Path, **arguments: Any) -> AsyncGenerator[Record]:
    try:
        async with connect(path) as control, aclosing(control.stream("flows", **arguments)) as stream:
            async for record in stream:
                yield record
    except NetlabError:
        return  # what a worker that has ended had, is gone with it


async def _merged(streams: Sequence[AsyncGenerator[Record]]) -> AsyncGenerator[Record]:
    """Several sequences, each in order of time, as one; a record of each is held, no more."""
    try:
        heads = [(record, stream) for stream in streams if (record := await anext(stream, None)) is not None]
        while heads:
            index = min(range(len(heads)), key=lambda at: heads[at][0]["started"])
            record, stream = heads[index]
            yield record
            following = await anext(stream, None)
            if following is None:
                del heads[index]
            else:
                heads[index] = (following, stream)
    finally:
        for stream in streams:
            await stream.aclose()


def _ended(item: Record) -> float:
    return float(item["flow"]["ended"]) if "flow" in item else float("inf")
