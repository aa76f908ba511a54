"""Asking the servers of one zone until one makes sense: whom, how often, over what, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from netlab.cores.dns_codes import AAAA, BADVERS, FORMERR, NOTIMP, NS, A
from netlab.cores.dns_message import RD, TC, Edns, Message, Question
from netlab.cores.dns_names import ROOT, to_text
from netlab.cores.dns_rdata import show, target
from netlab.cores.dns_response import Meaning, Reading, read_response
from netlab.cores.resolution_trace import Trace
from netlab.policy.dns_cache import DnsCache, Entry, Rank
from netlab.policy.dns_servers import ServerBook

NO_REACHABLE_AUTHORITY, STALE_ANSWER, STALE_NXDOMAIN, CACHED_ERROR, INVALID_DATA, OTHER = 22, 3, 19, 13, 24, 0
"""Extended DNS Errors that resolution gives (RFC 8914 4)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """How a resolver goes about it; each bound is per question of a client."""

    hints: Mapping[bytes, tuple[str, ...]] = field(default_factory=dict)
    """Names of the root's servers and their addresses."""
    forwards: Mapping[bytes, tuple[str, ...]] = field(default_factory=dict)
    """Zone (folded) → addresses of resolvers that are asked instead of its servers."""
    over_tcp: frozenset[str] = frozenset()
    """Those of them that are asked over TCP alone."""
    minimise: bool = True
    """Tell a server no more of the name than it needs (RFC 9156)."""
    ipv4: bool = True
    ipv6: bool = True
    most_queries: int = 64
    """Queries sent: what NXNSAttack and long chains come to an end at."""
    most_seconds: float = 10.0
    """Time waited for replies, all in all."""
    most_depth: int = 8
    """Questions asked to answer a question, within each other: addresses of servers without glue."""
    most_aliases: int = 16
    most_tries: int = 8
    """Queries to the servers of one zone for one question."""
    most_hosts: int = 4
    """Servers of one zone whose address is looked for because it did not come as glue."""
    edns_size: int = 1232
    serve_stale: bool = True


class Ask(NamedTuple):
    """Send this question to this address, and wait so long; `question` has the case that the reply must repeat."""

    address: str
    question: Question
    flags: int
    edns: Edns | None
    tcp: bool
    timeout: float


class Result(NamedTuple):
    """What came of it: a reply, or in words why there is none. `rtt` in seconds, `now` as lab time."""

    now: float
    reply: Message | None
    rtt: float = 0.0
    problem: str = ""
    size: int = 0  # bytes received
    case_lost: bool = False  # a reply came that repeats the question in other capitals: worth asking over TCP


class Failed(Exception):
    """A question that cannot be answered now: the code of RFC 8914 and the one reason."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code, self.why = code, why


class Chance(Protocol):
    """Where random numbers come from: a `random.Random`."""

    def random(self) -> float: ...

    def getrandbits(self, k: int, /) -> int: ...


Steps = Generator[Ask, Result, Any]
LookUp = Callable[[list[bytes], Trace], Steps]


class Asking:
    """What one client's question spends and learns of servers: queries, time, addresses."""

    def __init__(
        self, settings: Settings, cache: DnsCache, book: ServerBook, chance: Chance, now: float, flags: int
    ) -> None:
        self.settings, self.cache, self.book = settings, cache, book
        self.chance, self.now, self.flags = chance, now, flags
        self.queries, self.seconds = 0, 0.0
        self.reason = ""  # why the address of a server could not be found, of the last that was looked for

    @property
    def spent(self) -> bool:
        return self.queries >= self.settings.most_queries or self.seconds >= self.settings.most_seconds

    def ask_zone(
        self, zone: bytes, servers: Entry | None, question: Question, forward: bool, trace: Trace, look_up: LookUp
    ) -> Steps:
        """Ask the zone's servers one after the other until one makes sense; returns its Reading.

        `servers` is its NS rrset, as far as it is known; `look_up` finds the addresses of servers that came without
        glue, the next one at each call.
        """
        addresses, hosts = (list(self.settings.forwards[zone]), []) if forward else self._servers(zone, servers)
        why, tries, last_resort = "", 0, None
        given_up = self.book.all_silent(addresses, self.now)  # then one try finds out whether they still are
        while tries < self.settings.most_tries:
            address = self.book.pick(addresses, zone, self.now, self.chance.random)
            if address is None or tries > 2 * len(addresses) or (tries and given_up):
                more = yield from look_up(hosts, trace)
                if not more:
                    break
                addresses, given_up = addresses + more, False
                continue
            tries += 1
            reading: Reading = yield from self._ask(address, zone, question, forward, trace)
            if reading.meaning in (Meaning.LAME, Meaning.REFUSED):
                why = f"{address}: {reading.why}"
                last_resort = last_resort or reading.last_resort
                if reading.why != SILENT:
                    addresses = [each for each in addresses if each != address]
                    if reading.meaning is Meaning.LAME and reading.last_resort is None:
                        self.book.lame(address, zone, self.now)
                continue
            return reading
        if last_resort is not None:
            trace.note("resort", "no server answers with authority (AA): what one has said without it has to do")
            return last_resort
        if not addresses and not why:
            why = self.reason or "none of them has an address that is known"
        raise Failed(NO_REACHABLE_AUTHORITY, f"no server of {to_text(zone)} answers for it: {why or 'all are lame'}")

    def _servers(self, zone: bytes, entry: Entry | None) -> tuple[list[str], list[bytes]]:
        """What is known of the zone's servers already: their addresses, and names of others."""
        addresses: list[str] = []
        hosts: list[bytes] = []
        for record in () if entry is None or entry.denial else entry.records:
            host = target(NS, record.rdata).lower()
            known = self._known_addresses(host)
            if known:
                addresses += known
            else:
                hosts.append(host)
        if zone == ROOT and not addresses:
            addresses = [each for known in self.settings.hints.values() for each in known if self._speaks(each)]
        if len(hosts) > 1:
            hosts.sort(key=lambda host: self.chance.random())
            hosts = hosts[: self.settings.most_hosts]  # NXNSAttack: a referral to a hundred names is not followed
        return list(dict.fromkeys(addresses)), hosts

    def _known_addresses(self, host: bytes) -> list[str]:
        found = []
        for kind in self.address_types():
            entry = self.cache.lookup(host, kind, self.now, least=Rank.GLUE)
            if entry is not None and not entry.denial:
                found += [_address(kind, record.rdata) for record in entry.records]
        return found

    def address_types(self) -> tuple[int, ...]:
        return ADDRESS_TYPES[self.settings.ipv4, self.settings.ipv6]

    def _speaks(self, address: str) -> bool:
        return self.settings.ipv6 if ":" in address else self.settings.ipv4

    # -- one server ----------------------------------------------------------------------------------------------

    def _ask(self, address: str, zone: bytes, question: Question, forward: bool, trace: Trace) -> Steps:
        """One server's word: over UDP, over TCP if that is cut, without EDNS if that is too much for it."""
        standing = self.book.standing(address)
        sent = question._replace(name=self._mixed(question.name))
        edns = Edns(self.settings.edns_size, do=True) if standing.edns else None
        tcp = address in self.settings.over_tcp
        for _ in range(ATTEMPTS):
            timeout = self._spend(max(self.book.wait(address), TCP_WAIT if tcp else 0.0))
            result: Result = yield Ask(address, sent, self.flags | (RD if forward else 0), edns, tcp, timeout)
            self.now = result.now
            self.seconds += result.rtt
            reply = result.reply
            if reply is None:
                if result.case_lost and not tcp:
                    tcp, sent = True, question
                    trace.asked(address, question, zone, "the reply has other capitals than the question; TCP", 0.0)
                    continue
                self.book.silent(address, self.now, timeout)
                trace.asked(address, question, zone, result.problem or SILENT, 0.0)
                return Reading(Meaning.REFUSED, SILENT)
            self.book.answered(address, result.rtt)
            if reply.flags & TC and not tcp:
                tcp = True
                trace.asked(address, question, zone, "truncated; TCP", result.rtt)
                continue
            if edns is not None and (
                reply.rcode == BADVERS or (reply.rcode in (FORMERR, NOTIMP) and reply.edns is None)
            ):
                edns, standing.edns = None, False  # RFC 6891 7
                trace.asked(address, question, zone, "does not know EDNS; without", result.rtt)
                continue
            reading = read_response(reply, question, zone, trusted=forward)
            trace.read(address, question, zone, reading, result.rtt, tcp=tcp)
            return reading
        return Reading(Meaning.REFUSED, "neither UDP nor TCP, with EDNS or without, led to an answer")

    def _spend(self, timeout: float) -> float:
        """One query more; how long it may be waited for. Failed where there is nothing left to spend."""
        self.queries += 1
        if self.queries > self.settings.most_queries:
            raise Failed(OTHER, f"more than {self.settings.most_queries} queries for one question")
        left = self.settings.most_seconds - self.seconds
        if left <= 0:
            raise Failed(NO_REACHABLE_AUTHORITY, f"no answer within {self.settings.most_seconds:g} s")
        return min(timeout, left)

    def _mixed(self, name: bytes) -> bytes:
        """The name in random capitals, which a forger would have to guess too (0x20)."""
        size = len(name)
        turned = self.chance.getrandbits(8 * size) & int.from_bytes(name.translate(CASE), "big")
        return (int.from_bytes(name, "big") ^ turned).to_bytes(size, "big")


_address = lru_cache(maxsize=4096)(show)
"""An address as text; the same servers are asked again and again."""
SILENT = "no answer in time"
CASE = bytes(0x20 if chr(byte).isalpha() and byte < 128 else 0 for byte in range(256))
"""The bit by which a letter differs from its capital; a label's length is never a letter: it is 63 at most."""
ADDRESS_TYPES = {(True, True): (A, AAAA), (True, False): (A,), (False, True): (AAAA,), (False, False): ()}
"""By whether IPv4 is spoken, and IPv6."""
ATTEMPTS = 4
TCP_WAIT = 2.0  # seconds: a handshake more
