"""Exits: the ways out that a proxy rotates over, local addresses and parent proxies, each with its health."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeVar, Unpack

from netlab.clock import Clock
from netlab.config.values import Kind
from netlab.errors import PeerUnreachable
from netlab.flow import Flow
from netlab.http.parents import Parent, ParentDialer
from netlab.http.upstream import FarEnd
from netlab.net.addresses import is_literal
from netlab.net.dial import Detour, Dialer, How
from netlab.net.secure import TlsOptions
from netlab.policy.balance import BALANCERS, Balancer, Latency
from netlab.policy.breaker import Breaker, BreakerRules, State
from netlab.policy.gateway_errors import Failure, failure

P = TypeVar("P", bound=asyncio.Protocol)
Rotation = Literal["round_robin", "sticky", "failover"]

RULES = BreakerRules(failures=3, rate=0.0)
ATTEMPTS = 4
"""Exits that one request or tunnel tries."""
MOST_ADDRESSES = 1024
BALANCED = {"round_robin": "round_robin", "sticky": "ring_hash", "failover": "first"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ExitSetting:
    """What stands behind one --exit: local addresses, or a parent proxy; neither: directly."""

    text: str
    addresses: tuple[str, ...] = ()
    parent: Parent | None = None

    kind: ClassVar[Kind]

    @classmethod
    def parse(cls, text: str) -> ExitSetting:
        if text == "direct":
            return cls(text=text)
        if "://" in text:
            parent = Parent.parse(f"*={text}")
            return cls(text=str(parent), parent=parent)
        if is_literal(text):
            return cls(text=text, addresses=(text,))
        network = ipaddress.ip_network(text)
        if network.num_addresses > MOST_ADDRESSES:
            raise ValueError(f"has {network.num_addresses} addresses; {MOST_ADDRESSES} are the most")
        return cls(text=text, addresses=tuple(map(str, network.hosts())))


ExitSetting.kind = Kind(
    parse=ExitSetting.parse,
    allowed="a local address or network (127.0.0.9, 127.0.1.0/28), a parent such as socks5://127.0.0.1:9050, or direct",
    metavar="ADDRESS|NETWORK|URL|direct",
)


class Exit:
    """One way out. `parent` is that of a parent proxy."""

    __slots__ = ("active", "breaker", "dialer", "index", "latency", "name", "parent", "weight")

    def __init__(self, index: int, name: str, dialer: Dialer, parent: Parent | None = None) -> None:
        self.index, self.name, self.dialer, self.parent = index, name, dialer, parent
        self.breaker = Breaker(RULES)
        self.active, self.weight, self.latency = 0, 1.0, Latency()  # alike, to whom balances

    def failed(self, failed: Failure) -> bool | None:
        """Whether it is to blame for a failure: a way out that leads nowhere, or a parent that does not do its work.
        False: it did its part; None: this says nothing of it.
        """
        if self.parent is not None:
            return {"proxy": True, "beyond": False, "tls": False}.get(failed.stage)
        match failed.stage:
            case "connect":
                return failed.error != "connection_refused"  # a refusal has come from the far end
            case "tls":
                return False
        return None

    def __repr__(self) -> str:
        return f"<Exit {self.name} {self.breaker.state.value}>"


class Exits:
    """Picks, and remembers whom to leave out for a while. Where none is healthy, all are tried as if they were: a dead
    origin must not close the proxy.
    """

    def __init__(
        self,
        settings: Sequence[ExitSetting],
        rotation: Rotation,
        direct: Dialer,
        tls: Callable[[], TlsOptions],
        clock: Clock,
    ) -> None:
        self.rotation, self.clock = rotation, clock
        ways = [way for setting in settings for way in ways_of(setting, direct, tls)]
        self.all = tuple(Exit(index, *way) for index, way in enumerate(ways or [("direct", direct, None)]))
        self._balancer: Balancer[Exit] = BALANCERS[BALANCED[rotation]](lambda: 0.0)
        self._balancer.arrange(self.all)

    def pick(self, key: str, tried: Collection[Exit] = ()) -> Exit | None:
        """The exit for what `key` names (a client and a host), none of those tried; `report` follows."""
        if len(tried) >= ATTEMPTS:
            return None
        untried = tuple(one for one in self.all if one not in tried) if tried else self.all
        left, now = untried, self.clock.now()
        while left:
            found = self._balancer.pick(left, key.encode())
            if found.breaker.allow(now):
                return found
            left = tuple(one for one in left if one is not found)
        return self._balancer.pick(untried, key.encode()) if untried else None

    def report(self, picked: Exit, failed: bool | None) -> None:
        """How it went: True and False as from `Exit.failed`, None if that says nothing."""
        if failed is None:
            picked.breaker.forget()
        else:
            picked.breaker.record(not failed, self.clock.now())

    def state(self) -> list[dict[str, object]]:
        """Each exit's name and health, for people and programs."""
        now = self.clock.now()
        return [
            {
                "name": one.name,
                "healthy": one.breaker.state is State.CLOSED,
                "state": one.breaker.state.value,
                "again_in": round(one.breaker.retry_after(now), 3),
            }
            for one in self.all
        ]


def ways_of(
    setting: ExitSetting, direct: Dialer, tls: Callable[[], TlsOptions]
) -> list[tuple[str, Dialer, Parent | None]]:
    """Name, dialer and parent of each way that a setting stands for."""
    if setting.parent is not None:
        return [(setting.text, ParentDialer(direct, [setting.parent], tls), setting.parent)]
    if not setting.addresses:
        return [("direct", direct, None)]
    return [(address, SourceDialer(direct, address), None) for address in setting.addresses]


class SourceDialer(Detour):
    """A dialer that calls from one local address."""

    def __init__(self, direct: Dialer, source: str) -> None:
        super().__init__(direct)
        self._source = source

    async def dial(
        self, host: str, port: int, factory: Callable[[Flow], P], **how: Unpack[How]
    ) -> tuple[asyncio.Transport, P, Flow]:
        how["source"] = how.get("source") or self._source
        return await self._direct.dial(host, port, factory, **how)


class ExitDialer(Detour):
    """A dialer for tunnels: each goes through the exit that is picked for its client and host, or the next."""

    def __init__(self, direct: Dialer, exits: Exits) -> None:
        super().__init__(direct)
        self.exits = exits

    async def dial(
        self, host: str, port: int, factory: Callable[[Flow], P], **how: Unpack[How]
    ) -> tuple[asyncio.Transport, P, Flow]:
        parent = how.get("parent")
        client = client_of(parent)
        key, tried = f"{client} {host}", list[Exit]()
        picked = self.exits.pick(key)
        assert picked is not None  # of those that were not tried there is one
        while True:
            try:
                transport, protocol, flow = await picked.dialer.dial(host, port, factory, **how)
            except PeerUnreachable as error:
                failed = picked.failed(failure(error))
                self.exits.report(picked, failed)
                tried.append(picked)
                following = self.exits.pick(key, tried) if failed else None
                note(parent, "exit.failed", picked, str(error))
                if following is None:
                    raise
                picked = following
            except BaseException:
                self.exits.report(picked, None)
                raise
            else:
                self.exits.report(picked, False)
                note(parent, "exit.picked", picked)
                if isinstance(protocol, FarEnd):
                    protocol.way = (picked.index, client, "")
                return transport, protocol, flow


def note(flow: Flow | None, name: str, through: Exit, reason: str = "") -> None:
    """Say on the flow of who asked which way out was taken, or why not."""
    if flow is not None and flow.full:
        flow.note(name, exit=through.name, state=through.breaker.state.value, reason=reason)


def client_of(flow: Flow | None) -> str:
    client = flow.client if flow is not None else None
    return str(client[0]) if isinstance(client, tuple) else ""
