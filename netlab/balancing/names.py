"""Upstreams given by name: a member for each address, looked up again when the answer's time to live is over."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from netlab.balancing.member import Member
from netlab.clock import Clock
from netlab.errors import PeerUnreachable
from netlab.net.addresses import SocketAddress, canonical, is_literal
from netlab.net.dial import Dialer
from netlab.net.lookup import look_up
from netlab.net.tasks import Tasks

SHORTEST, LONGEST = 1.0, 3600.0
"""Seconds for which an answer holds, whatever it says."""


class Where(Protocol):
    """A host and a port that are called."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...


class Written(Protocol):
    """An upstream as it is written in settings."""

    @property
    def target(self) -> Where: ...


class Housing(Protocol):
    """A pool, as far as names deal with it."""

    @property
    def clock(self) -> Clock: ...

    def add(self, target: Any, *, address: str = "", backup: bool = False, new: bool = False) -> Member:
        """One more; `address` is one of its name's, `new` tells whether it came while others were at work."""

    def remove(self, member: Any, *, ends: float) -> None:
        """No new work from now on; what it has ends by itself, or at `ends`."""


class Named:
    """One name in one pool. Until it is first looked up, and while it never could be, one member stands for it, which
    the Dialer resolves itself.
    """

    def __init__(self, pool: Housing, target: Written, *, backup: bool) -> None:
        self.pool, self.target, self.backup = pool, target, backup
        self.members: dict[str, Any] = {"": pool.add(target, backup=backup)}
        self.trouble = ""  # why the last look-up gave nothing

    def become(self, addresses: Sequence[str], *, ends: float) -> None:
        """These are its addresses; who is not among them any more gets no new work."""
        first = "" in self.members
        for address in dict.fromkeys(addresses):
            if address not in self.members:
                added = self.pool.add(self.target, address=address, backup=self.backup, new=not first)
                self.members[address] = added
        for address in [known for known in self.members if known not in addresses]:
            self.pool.remove(self.members.pop(address), ends=ends)

    def leave(self, *, ends: float) -> None:
        for member in self.members.values():
            self.pool.remove(member, ends=ends)
        self.members.clear()


class Names:
    """All of them, each with a task that keeps it up to date."""

    def __init__(self, dialer: Dialer, tasks: Tasks) -> None:
        self._dialer, self._tasks = dialer, tasks
        self._watched: dict[Named, asyncio.Task[None]] = {}
        self.servers: Sequence[SocketAddress] = ()
        self.every, self.drain = 10.0, 60.0

    def watch(self, named: Named) -> None:
        self._watched[named] = self._tasks.start(self._follow(named), f"addresses of {named.target}")

    def unwatch(self, named: Named) -> None:
        if (task := self._watched.pop(named, None)) is not None:
            task.cancel()

    async def _follow(self, named: Named) -> None:
        where, clock = named.target.target, named.pool.clock
        while True:
            pause = self.every
            try:
                looked = await look_up(self._dialer, where.host, where.port, self.servers)
            except (PeerUnreachable, OSError) as error:
                named.trouble = str(error)  # what was known before holds until something better is
            else:
                named.trouble = ""
                named.become(looked.addresses, ends=clock.now() + self.drain)
                pause = self.every if looked.ttl is None else looked.ttl
            await asyncio.sleep(min(max(pause, SHORTEST), LONGEST))


def is_name(host: str) -> bool:
    """Whether a host's addresses may change; `localhost` is this machine, on whichever of its two."""
    return not is_literal(host) and canonical(host) != "localhost" and not canonical(host).endswith(".localhost")
