"""What a resolver answers by itself: overrides, hosts, block lists, special-use names; and what it disbelieves."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from netlab.cores.dns_codes import AAAA, ANY, CNAME, NOERROR, NXDOMAIN, PTR, REFUSED, SOA, A
from netlab.cores.dns_message import Record
from netlab.cores.dns_names import ROOT, ancestors, from_text, is_below, reverse, to_text
from netlab.cores.dns_rdata import from_text as rdata
from netlab.cores.dns_rdata import target
from netlab.errors import UsageError

LOCAL_TTL = 60
LONGEST_CHAIN = 16
BLOCKED, FILTERED = 15, 17
"""RFC 8914 4.16, 4.18."""


@dataclass(frozen=True, slots=True)
class Local:
    """An answer of our own: what, and by which rule in a sentence; `error` is an Extended DNS Error, if it is one."""

    rcode: int
    answer: tuple[Record, ...]
    why: str
    error: tuple[int, str] | None = None
    onward: bytes = b""  # where an alias of our own leads that we know nothing of: what is there belongs behind it


class LocalNames:
    """Names that are not looked for: asked before the cache. Names are folded; `*.zone` is a wildcard."""

    def __init__(self, *, special: bool = True, exempt: Iterable[bytes] = (), blocked_as: str = "nxdomain") -> None:
        """`exempt` are zones whose special use is ours; `blocked_as` is nxdomain, null (0.0.0.0), refused or nodata."""
        self._records: dict[bytes, dict[int, list[Record]]] = {}
        self._blocked: dict[bytes, str] = {}
        self._special, self._exempt = special, tuple(exempt)
        self._blocked_as = blocked_as

    def add(self, name: bytes, kind: int, data: bytes, ttl: int = LOCAL_TTL) -> None:
        """One record of our own."""
        self._records.setdefault(name.lower(), {}).setdefault(kind, []).append(Record(name.lower(), kind, ttl, data))

    def add_hosts(self, text: str, file: str) -> None:
        """A hosts file: an address and its names a line; the first name is the address' own (PTR)."""
        for number, address, names in _hosts_lines(text, file):
            kind = AAAA if ":" in address else A
            try:
                folded = [from_text(name).lower() for name in names]
            except UsageError as error:
                raise UsageError(f"{file}:{number}: {error}") from None
            for name in folded:
                self.add(name, kind, rdata(kind, address))
            pointer = reverse(address)
            if pointer not in self._records:
                self.add(pointer, PTR, folded[0])

    def block(self, text: str, file: str) -> None:
        """A block list: names alone, or as a hosts file has them (`0.0.0.0 ads.test`); each with all below it."""
        for number, line in enumerate(text.splitlines(), 1):
            words = line.partition("#")[0].split()
            for word in words[1:] if words and _is_address(words[0]) else words:
                try:
                    self._blocked[from_text(word.removeprefix("*.")).lower()] = f"{file}:{number}"
                except UsageError as error:
                    raise UsageError(f"{file}:{number}: {error}") from None
        for name in KEPT:
            self._blocked.pop(name, None)

    def answer(self, name: bytes, kind: int) -> Local | None:
        """The answer of our own to a question (name folded), if there is one; aliases are followed."""
        local = self._answer(name, kind)
        if local is None or kind in (CNAME, ANY):
            return local
        chain = list(local.answer)
        while chain and chain[-1].type == CNAME and len(chain) < LONGEST_CHAIN:
            onward = target(CNAME, chain[-1].rdata).lower()
            more = self._answer(onward, kind)
            if more is None:
                return replace(local, answer=tuple(chain), onward=onward)
            chain += more.answer
            local = replace(local, rcode=more.rcode, answer=tuple(chain), error=more.error)
            if not more.answer:
                break
        return local

    def blocked(self, name: bytes, kind: int) -> Local | None:
        """What is said of a name (folded) on a block list; None of others."""
        found = next((each for each in ancestors(name) if each in self._blocked), None) if self._blocked else None
        return None if found is None else self._refuse(name, kind, self._blocked[found])

    def _answer(self, name: bytes, kind: int) -> Local | None:
        own = self._own(name)
        if own is not None:
            found = own.get(CNAME) or own.get(kind) or (kind == ANY and next(iter(own.values()))) or []
            return Local(NOERROR, tuple(record._replace(name=name) for record in found), "a name of our own")
        if (refused := self.blocked(name, kind)) is not None:
            return refused
        return special_use(name, kind) if self._special and not self._is_exempt(name) else None

    def _own(self, name: bytes) -> dict[int, list[Record]] | None:
        found = self._records.get(name)
        if found is None and self._records:
            for each in ancestors(name):
                if each != name and (wild := self._records.get(b"\x01*" + each)) is not None:
                    return wild
        return found

    def _is_exempt(self, name: bytes) -> bool:
        return any(is_below(name, zone) for zone in self._exempt)

    def _refuse(self, name: bytes, kind: int, where: str) -> Local:
        why, error = f"blocked by {where}", (BLOCKED, f"blocked by {where}")
        if self._blocked_as == "null" and kind in (A, AAAA):
            nothing = Record(name, kind, LOCAL_TTL, bytes(4 if kind == A else 16))
            return Local(NOERROR, (nothing,), why, error)
        rcode = {"nxdomain": NXDOMAIN, "refused": REFUSED}.get(self._blocked_as, NOERROR)
        return Local(rcode, (), why, error)

    def rebinds(self, name: bytes, records: Sequence[Record]) -> str:
        """Why an answer is not passed on: a public name with a private address would let a page reach this network."""
        for record in records:
            if record.type in (A, AAAA) and len(record.rdata) in (4, 16) and not _is_global(record.rdata):
                if self._is_exempt(name):
                    break
                address = ipaddress.ip_address(record.rdata)
                return f"{to_text(record.name)} has the private address {address} (rebinding)"
        return ""


@lru_cache(maxsize=4096)
def _is_global(data: bytes) -> bool:
    """Whether an address is one of the Internet's; many names share theirs."""
    address = ipaddress.ip_address(data)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_global


KEPT = frozenset(from_text(name) for name in ("localhost", "localhost.localdomain", "local", "broadcasthost", "."))
"""Names that lists in hosts format hold for other reasons than to block them."""
LOCALHOST = from_text("localhost.")
NOWHERE = tuple(from_text(name) for name in ("invalid", "onion", "local", "home.arpa", "test", "alt", "resolver.arpa"))
"""RFC 6761 6.4 and 6.2, RFC 7686 2, RFC 6762 22.1, RFC 8375 4, RFC 9476 2, RFC 9462 6.4: never asked of anyone."""
_IPV4 = ("0", "10", "127", "255.255.255.255", "254.169", "168.192", "2.0.192", "100.51.198", "113.0.203")
_SHARED = (f"{n}.{first}" for first, numbers in ((172, range(16, 32)), (100, range(64, 128))) for n in numbers)
_IPV6 = ("d.f", "8.e.f", "9.e.f", "a.e.f", "b.e.f", "8.b.d.0.1.0.0.2", ".".join("0" * 32), ".".join("1" + "0" * 31))
PRIVATE_REVERSE = tuple(
    from_text(each) for each in (*(f"{n}.in-addr.arpa" for n in (*_IPV4, *_SHARED)), *(f"{n}.ip6.arpa" for n in _IPV6))
)
"""RFC 6303 4, RFC 7793 2."""
THIS_MACHINE = frozenset((reverse("127.0.0.1"), reverse("::1")))
NEVER_ASKED = frozenset((*NOWHERE, *PRIVATE_REVERSE))


def special_use(name: bytes, kind: int) -> Local | None:
    """What RFC 6761 and its followers say to names that are never looked up."""
    if is_below(name, LOCALHOST):  # RFC 6761 6.3
        data = {A: rdata("A", "127.0.0.1"), AAAA: rdata("AAAA", "::1")}.get(kind)
        found = () if data is None else (Record(name, kind, LOCAL_TTL, data),)
        return Local(NOERROR, found, "localhost is this machine (RFC 6761 6.3)")
    if name in THIS_MACHINE and kind in (PTR, ANY):
        return Local(NOERROR, (Record(name, PTR, LOCAL_TTL, LOCALHOST),), "this machine (RFC 6303 4.2)")
    for zone in ancestors(name):
        if zone in NEVER_ASKED:
            why = f"{to_text(zone)} is nowhere in the DNS (RFC 6761, RFC 6303)"
            return Local(NXDOMAIN if name != zone else NOERROR, (), why)
    return None


def negative_soa(name: bytes) -> Record:
    """A SOA for denials of our own, so that they are kept as long as their like (RFC 2308 2)."""
    data = (
        LOCALHOST
        + from_text("nobody.invalid.")
        + b"".join(number.to_bytes(4, "big") for number in (1, 3600, 1200, 604800, LOCAL_TTL))
    )
    zone = next((each for each in ancestors(name) if each == LOCALHOST or each in NEVER_ASKED), ROOT)
    return Record(name if zone == ROOT else zone, SOA, LOCAL_TTL, data)


def _hosts_lines(text: str, file: str) -> Iterable[tuple[int, str, list[str]]]:
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if not _is_address(words[0]) or len(words) < 2:
            raise UsageError(f"{file}:{number}: a line is an address and its names, not {line.strip()[:60]!r}")
        yield number, words[0].partition("%")[0], words[1:]


def _is_address(word: str) -> bool:
    try:
        ipaddress.ip_address(word.partition("%")[0])
    except ValueError:
        return False
    return True
