"""`--workers N`: several processes that share the ports of one service, watched over and shown as one lab."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import pickle
import random
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

import netlab
from netlab import rooms
from netlab.control.calls import endpoint_record
from netlab.control.client import own_folder
from netlab.control.server import ControlServer
from netlab.errors import DeadlineExceeded, NetlabError
from netlab.inspect.terminal import LINES_PER_SECOND, Writer, lines_for
from netlab.lab.options import Options
from netlab.lab.process import (
    announce,
    from_any_thread,
    loop_factory,
    raise_descriptor_limit,
    say,
    stopped_by_signals,
    unread,
)
from netlab.lab.reload import Reader, Reloads
from netlab.lab.workers_calls import MERGE_EVERY, WorkersCalls
from netlab.lab.workers_child import Order
from netlab.net.listen import Endpoint
from netlab.net.reserve import Reservation
from netlab.net.tasks import Tasks
from netlab.service import Context

START_TIMEOUT = 30.0
LONG_ENOUGH = 10.0
"""Seconds after which a worker counts as having run well."""
FIRST_DELAY, MAX_DELAY = 0.1, 5.0


def run(count: int, service: str, config: Any, options: Options, reader: Reader) -> int:
    """So many workers in the foreground; the result is the exit code."""
    raise_descriptor_limit()
    listeners = rooms.services()[service].load().Server(config, Context()).listeners()
    with Reservation(listeners) as reserved:
        endpoints = [
            Endpoint(name=own.name, scheme=own.scheme, host=own.host, port=port, path=getattr(own, "path", ""))
            for own, port in zip(listeners, reserved.ports, strict=True)
        ]
        folder = own_folder()
        seed = random.Random(options.seed).getrandbits(64)
        orders = [
            Order(
                number=number,
                service=service,
                config=config,
                options=options if options.seed is None else dataclasses.replace(options, seed=options.seed + number),
                ports=reserved.ports,
                socket=folder / f"{os.getpid()}.w{number}.sock",
                seed=seed,
                reader=dataclasses.replace(reader, quiet=number > 1),
            )
            for number in range(1, count + 1)
        ]
        with asyncio.Runner(loop_factory=loop_factory(options.loop)) as runner:
            try:
                return runner.run(Workers(orders, endpoints, options).live(folder / f"{os.getpid()}.sock"))
            except asyncio.CancelledError:
                return 0  # a second Ctrl-C: everything was ended at once, as was wished


class Worker:
    """One process, started again when it dies, until someone says stop."""

    def __init__(self, order: Order, stopping: asyncio.Event) -> None:
        self.order = order
        self._stopping = stopping
        self._process: asyncio.subprocess.Process | None = None
        self._started = 0.0

    async def start(self) -> None:
        """Start it and wait until it serves."""
        root = str(Path(netlab.__file__).parent.parent)
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        self._started = time.monotonic()
        process = self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-c", "import sys; from netlab.lab.workers_child import main; sys.exit(main())"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,  # Ctrl-C is the parent's to hear; it tells the workers
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(pickle.dumps(self.order))
        try:
            async with asyncio.timeout(START_TIMEOUT):
                ready = await process.stdout.readline()
        except TimeoutError:
            self._signal("kill")
            raise DeadlineExceeded(f"worker {self.order.number} ready", START_TIMEOUT) from None
        if not ready:
            raise NetlabError(f"worker {self.order.number} did not start")

    async def keep(self) -> None:
        """Start it again whenever it dies, sooner if it had run well."""
        delay = FIRST_DELAY / 2
        while True:
            assert self._process is not None
            code = await self._process.wait()
            if self._stopping.is_set():
                return
            ran_well = time.monotonic() - self._started > LONG_ENOUGH
            delay = FIRST_DELAY if ran_well else min(delay * 2, MAX_DELAY)
            how = f"ended with code {code}" if code >= 0 else f"was ended by signal {-code}"
            say(f"worker {self.order.number} (pid {self._process.pid}) {how}; starting it again in {delay:g} s")
            await asyncio.sleep(delay)
            if self._stopping.is_set():
                return
            try:
                await self.start()
            except NetlabError as error:
                say(str(error))

    def terminate(self) -> None:
        """Ask it to drain; asked again, it ends at once."""
        self._signal("terminate")

    async def ended(self, patience: float) -> None:
        """Wait for its end, and make an end if it takes too long."""
        if self._process is None:
            return
        try:
            async with asyncio.timeout(patience):
                await self._process.wait()
        except TimeoutError:
            self._signal("kill")
            await self._process.wait()
        finally:
            if self._process.stdin is not None:
                self._process.stdin.close()
            self.order.socket.unlink(missing_ok=True)  # where it could not do so itself

    def hang_up(self) -> None:
        """Have it read its settings again."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGHUP)

    def _signal(self, how: str) -> None:
        if self._process is not None and self._process.returncode is None:
            getattr(self._process, how)()


class Workers:
    """The workers of one service: started together, watched over, ended together."""

    def __init__(self, orders: Sequence[Order], endpoints: Sequence[Endpoint], options: Options) -> None:
        self._endpoints, self._options = endpoints, options
        self._stopping = asyncio.Event()
        self._workers = [Worker(order, self._stopping) for order in orders]
        self._tasks = Tasks("workers")
        sockets = [order.socket for order in orders]
        records = [endpoint_record(endpoint) for endpoint in endpoints]
        self._calls = WorkersCalls(orders[0].service, sockets, records, self._stopping.set)
        kind = rooms.services()[orders[0].service].load().Server
        self._reloads = Reloads({orders[0].service: kind}, orders[0].reader, say)

    async def live(self, socket: Path) -> int:
        """Start, say so, serve until someone says stop, drain; the exit code."""
        with stopped_by_signals(self._stopping.set, self._stopping, self._hung_up):
            try:
                starts = [self._tasks.start(worker.start(), f"start {worker.order.number}") for worker in self._workers]
                await asyncio.wait(starts)
                for start in starts:
                    start.result()  # the first that failed says why nothing runs
                for worker in self._workers:
                    self._tasks.start(worker.keep(), f"keep {worker.order.number}")
                async with ControlServer(socket, self._calls.table()):
                    announce(self._endpoints, as_json=self._options.json)
                    if not self._options.quiet:
                        self._tasks.start(self._print_flows(), "flow lines")
                    await self._stopping.wait()
                    await self._end()
                    await asyncio.sleep(0 if self._options.quiet else 2 * MERGE_EVERY)  # the last lines
            finally:
                await self._end()
                await self._tasks.cancel()
        return 0

    def _hung_up(self) -> bool:
        if self._reloads.meant:
            for worker in self._workers:
                worker.hang_up()
        return self._reloads.meant

    async def _end(self) -> None:
        """Let the workers drain; a cancellation (a second Ctrl-C) tells them again, and they end at once."""
        self._stopping.set()
        try:
            await self._terminated(self._options.grace + 2.0)
        except asyncio.CancelledError:
            await self._terminated(1.0)
            raise

    async def _terminated(self, patience: float) -> None:
        for worker in self._workers:
            worker.terminate()
        await asyncio.wait(
            [self._tasks.start(worker.ended(patience), f"end {worker.order.number}") for worker in self._workers]
        )

    async def _print_flows(self) -> None:
        """What one process's terminal lines are, for all workers."""
        writer = Writer(sys.stdout.fileno(), from_any_thread(partial(unread, self._stopping.set)))
        form = lines_for([endpoint.name for endpoint in self._endpoints], as_json=self._options.json)
        most = int(LINES_PER_SECOND * MERGE_EVERY)
        try:
            async with aclosing(self._calls.batches()) as batches:
                async for batch in batches:
                    flows = [item["flow"] for item in batch if "flow" in item]
                    missed = sum(item.get("dropped", 0) for item in batch) + max(0, len(flows) - most)
                    writer.write(form.block(flows[:most], missed))
        finally:
            writer.close()
