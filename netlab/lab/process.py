"""The lab: services running in one process with one log of flows, from the first bind to the last drain."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from netlab.clock import Clock, SystemClock
from netlab.config import Address
from netlab.control.calls import LabCalls, endpoint_record
from netlab.control.client import own_folder
from netlab.control.server import ControlServer
from netlab.errors import AddressInUse, UsageError
from netlab.flow import FlowLog, Level
from netlab.inspect.terminal import FlowLines, Writer, lines_for
from netlab.lab.options import NOTHING, Options, Ports
from netlab.lab.reload import Reader, Reloads
from netlab.lab.table import table
from netlab.net.listen import Endpoint
from netlab.net.tasks import Tasks
from netlab.policy.faults import Faults
from netlab.service import Context, Service, running
from netlab.units import write_duration

Factory = Callable[[Context], Service]


class Lab:
    """Services, their endpoints and their flows, until someone says stop."""

    def __init__(
        self,
        name: str,
        options: Options,
        *,
        prefix: str = "",
        seed: int | None = None,
        reader: Reader | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.name, self.options = name, options
        self.started = time.time()
        self.flows = FlowLog(Level.named(options.record), prefix=prefix)
        lot = random.Random(options.seed)
        faults = Faults(random.Random, lot.getrandbits(32) if options.seed is None else options.seed)
        for fault in options.fault:
            faults.add(fault)
        self.context = Context(flows=self.flows, random=lot, seed=seed, faults=faults, clock=clock or SystemClock())
        self.endpoints: list[Endpoint] = []
        self.taken: list[tuple[str, AddressInUse]] = []  # services, and places of theirs that others have
        self.tries: Mapping[str, str] = NOTHING
        self.services: dict[str, Service] = {}
        self.reloads = Reloads(self.services, reader, say)
        self.stopping = asyncio.Event()
        self._running: dict[str, AbstractAsyncContextManager[list[Endpoint]]] = {}
        self._tasks = Tasks("lab")

    async def try_to_start(self, name: str, factory: Factory, ports: Ports) -> None:
        """Start what can be; what cannot for want of its port is `taken`, unless that is to be an error."""
        here: list[AddressInUse] = []

        def taken(error: AddressInUse) -> bool:
            here.append(error)
            return ports == "auto"

        try:
            await self.start(name, factory(self.context), taken=None if ports == "strict" else taken)
        except AddressInUse:
            if ports == "strict":
                raise
        for error in here:
            if error.instead:
                self.context.addresses.move(error.host, error.port, error.instead)
        self.taken += [(name, error) for error in here]

    async def start(self, name: str, service: Service, *, taken: Callable[[AddressInUse], bool] | None = None) -> None:
        """Bind and serve; AddressInUse and UsageError leave nothing of it behind. `taken`: see `running`."""
        life = running(service, grace=self.options.grace, taken=taken)
        self.endpoints += await life.__aenter__()
        self._running[name] = life
        self.services[name] = service

    def stop(self) -> None:
        self.stopping.set()

    def watch_settings(self) -> None:
        """From now on, take other settings when their file changes."""
        self._tasks.start(self.reloads.watch(), "settings")

    async def close(self) -> None:
        """Drain all services side by side; a cancellation ends them at once."""
        drains = [self._tasks.start(_leave(life), f"drain {name}") for name, life in self._running.items()]
        self._running.clear()
        try:
            if drains:
                _, draining = await asyncio.wait(drains, timeout=0.3)
                if draining:
                    grace = write_duration(self.options.grace)
                    say(f"connections have {grace} to end; Ctrl-C again ends them at once")
                    await asyncio.wait(draining)
        finally:
            await self._tasks.cancel()


async def _leave(life: AbstractAsyncContextManager[Any]) -> None:
    await life.__aexit__(None, None, None)


def say(sentence: str) -> None:
    """A word to the operator."""
    sys.stderr.write(f"netlab: {sentence}\n")
    sys.stderr.flush()


def run(
    name: str,
    options: Options,
    factories: Mapping[str, Factory],
    *,
    ports: Ports = "strict",
    tries: Mapping[str, str] = NOTHING,
    reader: Reader | None = None,
    prepare: Callable[[Context], None] = lambda context: None,
    clock: Clock | None = None,
    page: Address | None = None,
) -> int:
    """A lab in the foreground, on a loop of its own; the result is the exit code. `prepare` is before any service,
    `page` where the dashboard is.
    """
    raise_descriptor_limit()
    with asyncio.Runner(loop_factory=loop_factory(options.loop)) as runner:
        lab = Lab(name, options, reader=reader, clock=clock)
        lab.tries = tries
        if page is not None:
            from netlab.dashboard import Dashboard

            factories = {**factories, "dashboard": lambda _: Dashboard(lab, page)}
        prepare(lab.context)
        try:
            return runner.run(
                live(
                    lab,
                    factories,
                    own_folder() / f"{os.getpid()}.sock",
                    ports=ports,
                )
            )
        except asyncio.CancelledError:
            return 0  # a second Ctrl-C: everything was ended at once, as was wished


async def live(
    lab: Lab,
    factories: Mapping[str, Factory],
    socket: Path,
    *,
    ports: Ports = "strict",
    while_up: Callable[[Lab], AbstractContextManager[None]] | None = None,
) -> int:
    """Start, serve until someone says stop, drain. What of a port that is taken: it costs only its own listener, and
    the exit code (usual); a free one stands in (auto); nothing starts (strict). `while_up` spans the time when
    connections are welcome; usually it prints endpoints and flows.
    """
    with stopped_by_signals(lab.stop, lab.stopping, lab.reloads.hung_up):
        try:
            for name, factory in factories.items():
                await lab.try_to_start(name, factory, ports)
            if lab.endpoints:
                async with ControlServer(socket, LabCalls(lab).table()):
                    settle_garbage()
                    lab.watch_settings()
                    with (while_up or flows_printed)(lab):
                        await lab.stopping.wait()
                        await lab.close()
            else:
                say_taken(lab.taken)
                say("nothing is left to run; netlab status tells of labs that are up, --ports auto takes free ports")
        finally:
            await lab.close()
    return 1 if any(not error.instead for _, error in lab.taken) else 0


@contextmanager
def flows_printed(lab: Lab) -> Iterator[None]:
    """The endpoints at once, then a line per flow, until the end; nobody reading any more ends the lab."""
    announce(lab.endpoints, as_json=lab.options.json, tries=lab.tries, taken=lab.taken)
    if lab.options.quiet:
        yield
        return
    writer = Writer(sys.stdout.fileno(), from_any_thread(partial(unread, lab.stop)))
    form = lines_for([endpoint.name for endpoint in lab.endpoints], as_json=lab.options.json)
    lines = FlowLines(lab.flows, writer, form)
    try:
        yield
    finally:
        lines.close()
        writer.close()


def unread(stop: Callable[[], None]) -> None:
    """The reader of the lines (`head`) has gone: without a word it would look as if the service had died."""
    say("nobody reads the lines of flows any more, so it ends (-q prints none, and goes on)")
    stop()


def from_any_thread(stop: Callable[[], None]) -> Callable[[], None]:
    """The same call, made on this loop, from a thread that does not know whether the loop still runs."""
    loop = asyncio.get_running_loop()

    def call() -> None:
        try:
            loop.call_soon_threadsafe(stop)
        except RuntimeError:
            pass  # the loop has ended, and with it what was to be stopped

    return call


def announce(
    endpoints: Sequence[Endpoint],
    *,
    as_json: bool,
    tries: Mapping[str, str] = NOTHING,
    taken: Sequence[tuple[str, AddressInUse]] = (),
) -> None:
    """The ready line of each endpoint: whoever reads it can connect. What others have is said besides."""
    if as_json:
        missing = [{"service": name, "why": str(error), "instead": error.instead} for name, error in taken]
        found = {"pid": os.getpid(), "endpoints": [endpoint_record(endpoint) for endpoint in endpoints]}
        text = json.dumps(found | ({"taken": missing} if missing else {}))
    else:
        text = table(endpoints, tries)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
    say_taken(taken)


def say_taken(taken: Sequence[tuple[str, AddressInUse]]) -> None:
    for name, error in taken:
        if error.instead:
            say(f"{error}; {name} is at port {error.instead} instead")
        else:
            variable = f"NETLAB_{name}_LISTEN".upper().replace("-", "_")
            say(f"{error}; {name} goes without it (--ports auto takes a free one, {variable}=127.0.0.1:0 does for it)")


@contextmanager
def stopped_by_signals(
    stop: Callable[[], None], stopping: asyncio.Event, hung_up: Callable[[], bool] | None = None
) -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP say stop, SIGHUP not where `hung_up` takes it otherwise; said again, everything is
    ended at once.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def interrupted() -> None:
        if stopping.is_set():
            task.cancel()
        stop()

    def hang_up() -> None:
        if hung_up is None or stopping.is_set() or not hung_up():
            interrupted()

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in signals:
        loop.add_signal_handler(number, hang_up if number == signal.SIGHUP else interrupted)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def settle_garbage() -> None:
    """What stands when serving begins stays: the collector need not look at it again. And it need not look so often:
    what a request leaves behind goes by its reference count, and a ring of flows is no garbage.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 1000)


def loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """Makes the event loop that was asked for."""
    if name != "asyncio":
        try:
            import uvloop

            return uvloop.new_event_loop
        except ImportError:
            if name == "uvloop":
                raise UsageError("uvloop is not installed; use --loop asyncio") from None
    return asyncio.new_event_loop


def raise_descriptor_limit() -> None:
    """As many open files as the system lets us: a connection each, a proxy two."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError):  # macOS says "unlimited" and means less
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 10240)), hard))
