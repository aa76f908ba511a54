"""A small Internet without a network: authorities at addresses, and a driver that runs a resolution among them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from netlab.cores.dns_authority import Authority
from netlab.cores.dns_codes import type_name, type_number
from netlab.cores.dns_master import read_master
from netlab.cores.dns_message import PLAIN_UDP, Message, parse, serialize
from netlab.cores.dns_names import from_text, to_text
from netlab.cores.dns_rdata import show
from netlab.cores.dns_zone import Zone
from netlab.cores.resolution import Resolved, Resolver
from netlab.cores.resolution_asking import Ask, Result, Settings
from netlab.errors import RemoteProtocolError
from netlab.policy.dns_cache import CacheLimits, DnsCache
from netlab.policy.dns_servers import ServerBook

HINTS = {from_text("a.root."): ("192.0.2.1",)}
APEX = "@ 3600 SOA ns.{0} host.{0} 1 3600 900 604800 300\n"

Behaviour = Callable[[Ask, Message], Message | None]
"""What a server does with a query: a reply, or None where it is silent."""


def zone(name: str, text: str) -> Zone:
    """A zone from its records; the SOA is given unless the text has one."""
    origin = from_text(name)
    soa = "" if " SOA " in text else APEX.format("" if name == "." else name)
    return Zone(origin, read_master(f"$TTL 3600\n{soa}{text}", origin))


def authority(*zones: Zone) -> Behaviour:
    serving = Authority(zones)
    return lambda ask, query: serving.respond(query)


@dataclass
class World:
    """Servers by address, and a clock that each query moves on."""

    servers: Mapping[str, Behaviour]
    settings: Settings = field(default_factory=lambda: Settings(hints=HINTS, ipv6=False))
    now: float = 1000.0
    asked: list[Ask] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cache, self.book = DnsCache(CacheLimits()), ServerBook()
        self.resolver = Resolver(self.settings, self.cache, self.book, chance=random.Random(5))

    def resolve(self, name: str, kind: str = "A") -> Resolved:
        work = self.resolver.resolve(from_text(name), type_number(kind), self.now)
        try:
            ask = next(work)
            while True:
                self.asked.append(ask)
                ask = work.send(self._carry(ask))
        except StopIteration as ended:
            resolved: Resolved = ended.value
            return resolved

    def _carry(self, ask: Ask) -> Result:
        query = Message(len(self.asked), ask.flags, question=[ask.question], edns=ask.edns)
        behave = self.servers.get(ask.address)
        reply = behave(ask, parse(serialize(query))) if behave is not None else None
        if reply is None:
            self.now += ask.timeout
            return Result(self.now, None, problem="no answer in time")
        self.now += 0.01
        size = 65535 if ask.tcp else query.edns.size if query.edns is not None and reply.edns is not None else PLAIN_UDP
        try:
            return Result(self.now, parse(serialize(reply, size)), rtt=0.01)
        except RemoteProtocolError as error:  # what a test makes up need not be a message
            return Result(self.now, None, problem=str(error))

    def questions(self) -> list[str]:
        """What was asked of whom so far, as text; forgets it."""
        shown = [
            f"{ask.address} {to_text(ask.question.name).lower()} {type_name(ask.question.type)}" + (" tcp" * ask.tcp)
            for ask in self.asked
        ]
        self.asked.clear()
        return shown


def answer(resolved: Resolved) -> list[str]:
    return [f"{to_text(each.name)} {type_name(each.type)} {show(each.type, each.rdata)}" for each in resolved.answer]


ROOT_ZONE = zone(
    ".",
    """
@ NS a.root.
a.root. A 192.0.2.1
test. NS ns.test.
ns.test. A 192.0.2.2
net. NS ns.net.
ns.net. A 192.0.2.3
""",
)
TEST_ZONE = zone(
    "test.",
    """
@ NS ns
ns A 192.0.2.2
shop NS ns.shop
ns.shop A 192.0.2.10
sib NS ns.shop
out NS ns1.host.net.
circle1 NS ns.circle2
circle2 NS ns.circle1
lame NS ns.shop
half NS ns.shop
half NS ns.half
ns.half A 192.0.2.12
dead NS ns.dead
ns.dead A 192.0.2.99
liar NS ns.liar
ns.liar A 192.0.2.66
big NS ns.big
ns.big A 192.0.2.13
old NS ns.old
ns.old A 192.0.2.14
alias CNAME www.shop
""",
)
NET_ZONE = zone("net.", "@ NS ns\nns A 192.0.2.3\nhost NS ns.host\nns.host A 192.0.2.11\n")
SHOP_ZONE = zone(
    "shop.test.",
    """
@ NS ns
ns A 192.0.2.10
www A 198.51.100.1
www TXT "hello"
far CNAME www.host.net.
loop1 CNAME loop2
loop2 CNAME loop1
moved DNAME host.net.
longer DNAME a-name-of-some-length-that-is-put-behind-others.and-another-one.host.net.
a.b.c.d.e.f.g.h.i.j.k.l A 198.51.100.9
*.wild A 198.51.100.7
""",
)
SIB_ZONE = zone("sib.test.", "@ NS ns.shop.test.\nwww A 198.51.100.2\n")
HOST_ZONE = zone("host.net.", "@ NS ns\nns A 192.0.2.11\nns1 A 192.0.2.11\nwww A 203.0.113.1\n")
OUT_ZONE = zone("out.test.", "@ NS ns1.host.net.\nwww A 198.51.100.3\n")

SERVERS: dict[str, Behaviour] = {
    "192.0.2.1": authority(ROOT_ZONE),
    "192.0.2.2": authority(TEST_ZONE),
    "192.0.2.3": authority(NET_ZONE),
    "192.0.2.10": authority(SHOP_ZONE, SIB_ZONE),
    "192.0.2.11": authority(HOST_ZONE, OUT_ZONE),
}
