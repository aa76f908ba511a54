"""What a server is, what it is given, and how long it lives."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from netlab.clock import Clock, SystemClock
from netlab.errors import AddressInUse
from netlab.flow import FlowLog
from netlab.net.addresses import AddressMap
from netlab.net.listen import DatagramListener, Endpoint, Listener, listen
from netlab.net.tasks import Tasks
from netlab.policy.faults import Faults

if TYPE_CHECKING:
    from netlab.net.dial import Dialer, Timeouts


@dataclass(kw_only=True, slots=True)
class Context:
    """What a server must not reach for by itself."""

    flows: FlowLog = field(default_factory=FlowLog)
    name: str = ""  # what this one is called, where there are several of a kind
    clock: Clock = field(default_factory=SystemClock)
    random: random.Random = field(default_factory=random.Random)
    seed: int | None = None  # for what must come out the same in all workers of a service; None: there are no others
    state: Path | None = None  # where the CA and what must survive live; None: the user's state directory
    reuse_port: bool = False  # several workers share one port
    addresses: AddressMap = field(default_factory=AddressMap)  # the lab's names, and where their ports really are
    faults: Faults = field(default_factory=lambda: Faults(random.Random))  # what goes wrong on purpose

    def dialer(self, service: str, timeouts: Timeouts | None = None) -> Dialer:
        """The way out for one service, which knows the lab's names."""
        from netlab.net.dial import Dialer  # a server that calls nobody does without it

        return Dialer(self.flows, addresses=self.addresses, timeouts=timeouts, service=service)


@runtime_checkable
class Service(Protocol):
    """A server: what it wants bound, and what it does besides."""

    tasks: Tasks

    def listeners(self) -> Sequence[Listener | DatagramListener]:
        """What to bind; called once, before anything runs."""
        ...


@asynccontextmanager
async def running(
    service: Service, *, grace: float = 5.0, taken: Callable[[AddressInUse], bool] | None = None
) -> AsyncIterator[list[Endpoint]]:
    """Bind, serve, drain, cancel: the life of a service, the same in tests, lab and command line.

    On leaving, nothing new is accepted, every connection is asked to end after what is under way, at most `grace`
    seconds; what is left is aborted. A cancellation while draining ends it at once. `taken`: see `listen`.
    """
    bound = await listen(service.listeners(), taken=taken)
    background = getattr(service, "background", None)
    if background is not None:
        service.tasks.start(background(), "background")
    try:
        yield bound.endpoints
    finally:
        try:
            await bound.drain(grace)
        finally:
            await service.tasks.cancel()
            await asyncio.sleep(0)  # one turn, for the transports' last callbacks
            closed = getattr(service, "closed", None)
            if closed is not None:
                closed()
