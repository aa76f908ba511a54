"""Access rules: who may reach what. First match wins; a "no" names its rule."""

from __future__ import annotations

import fnmatch
import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
HOST = re.compile(r"[A-Za-z0-9._*?-]+")
METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What a client asks for; `address` is None before the name is resolved."""

    client: str
    host: str
    port: int
    method: str = "CONNECT"
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A "no": the rule that said it, and the reason in a sentence."""

    rule: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """`allow` or `deny`, for clients of a network, hosts by wildcard or network, ports, methods; empty is any."""

    verdict: Literal["allow", "deny"]
    clients: tuple[Network, ...] = ()
    hosts: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()
    ports: tuple[range, ...] = ()
    methods: tuple[str, ...] = ()
    text: str = ""

    def matches(self, asked: Asked) -> bool:
        return self._concerns(asked) and self._reaches(asked)

    def awaits_address(self, asked: Asked) -> bool:
        """Whether it may match once the name is resolved."""
        return asked.address is None and bool(self.networks) and self._concerns(asked) and not is_address(asked.host)

    def _concerns(self, asked: Asked) -> bool:
        return (
            (not self.clients or in_networks(asked.client, self.clients))
            and (not self.methods or asked.method in self.methods)
            and (not self.ports or any(asked.port in ports for ports in self.ports))
        )

    def _reaches(self, asked: Asked) -> bool:
        if not self.hosts and not self.networks:
            return True
        host = asked.host.lower().rstrip(".")
        if any(fnmatch.fnmatchcase(host, pattern) for pattern in self.hosts):
            return True
        return any(in_networks(address, self.networks) for address in (asked.address, host) if address)


class AccessRules:
    """Rules in their order, and what happens when none matches."""

    def __init__(self, rules: Sequence[Rule], *, otherwise: Literal["allow", "deny"] = "allow") -> None:
        self.rules, self.otherwise = tuple(rules), otherwise

    def check(self, asked: Asked) -> Refusal | None:
        """The "no", if there is one."""
        for rule in self.rules:
            if rule.matches(asked):
                return None if rule.verdict == "allow" else self._no(rule.text, asked)
        return None if self.otherwise == "allow" else self._no("no rule allows it", asked)

    def awaits_address(self, asked: Asked) -> bool:
        """Whether the answer may be another once the name is resolved: a rule about networks stands before the one
        that matches now.
        """
        for rule in self.rules:
            if rule.matches(asked):
                return False
            if rule.awaits_address(asked):
                return True
        return False

    @staticmethod
    def _no(rule: str, asked: Asked) -> Refusal:
        where = f"{asked.host} port {asked.port}" + (f" ({asked.address})" if asked.address else "")
        return Refusal(rule, f"{asked.method} to {where} is not allowed here: {rule}")


def parse_rule(text: str) -> Rule:
    """`allow|deny [from NETWORK] [to HOST|NETWORK] [port 443,8000-8999] [method CONNECT,GET]`; `all` is anything.

    ValueError says what is wrong with it. Hosts may hold wildcards: `*.shop.test`.
    """
    verdict, *rest = text.split() or [""]
    if verdict not in ("allow", "deny"):
        raise ValueError(f"{text!r}: a rule begins with allow or deny")
    if rest == ["all"]:
        rest = []
    said: dict[str, list[Any]] = {key: [] for key in PARTS}
    for key, value in zip_longest(rest[::2], rest[1::2]):
        if key not in PARTS:
            raise ValueError(f"{text!r}: {key!r} is none of {', '.join(PARTS)}")
        if value is None:
            raise ValueError(f"{text!r}: {key!r} has nothing behind it")
        said[key] += [PARTS[key](part, text) for part in value.split(",")]
    return Rule(
        verdict="allow" if verdict == "allow" else "deny",
        clients=tuple(said["from"]),
        hosts=tuple(place for place in said["to"] if isinstance(place, str)),
        networks=tuple(place for place in said["to"] if not isinstance(place, str)),
        ports=tuple(said["port"]),
        methods=tuple(said["method"]),
        text=text,
    )


def in_networks(address: str, networks: Sequence[Network]) -> bool:
    parsed = _as_address(address)
    if parsed is None:
        return False
    return any(
        meant.version == network.version and meant in network for meant in _meanings(parsed) for network in networks
    )


def _meanings(address: Address) -> Iterator[Address]:
    """The address, and the IPv4 address that it leads to: mapped, by 6to4, or by NAT64 (RFC 4291, 3056, 6052)."""
    if address.version == 6:
        if address.ipv4_mapped is not None:
            yield address.ipv4_mapped  # and nothing else: ::ffff:10.0.0.1 is 10.0.0.1
            return
        if address.sixtofour is not None:
            yield address.sixtofour
        if address in NAT64:
            yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    yield address


def is_address(host: str) -> bool:
    return _as_address(host) is not None


def _as_address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0].strip("[]"))
    except ValueError:
        return None


def _as_network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text.strip("[]"), strict=False)
    except ValueError:
        return None


def _network(text: str, rule: str) -> Network:
    network = _as_network(text)
    if network is None:
        raise ValueError(f"{rule!r}: {text!r} is no network, like 192.168.0.0/16 or ::1")
    return network


def _place(text: str, rule: str) -> Network | str:
    network = _as_network(text)
    if network is None and not HOST.fullmatch(text):
        raise ValueError(f"{rule!r}: {text!r} is no host, like *.shop.test, and no network, like 192.168.0.0/16 or ::1")
    return text.lower() if network is None else network


def _method(text: str, rule: str) -> str:
    if not METHOD.fullmatch(text):
        raise ValueError(f"{rule!r}: {text!r} is no method")
    return text.upper()


def _ports(text: str, rule: str) -> range:
    first, _, last = text.partition("-")
    if not first.isdecimal() or (last and not last.isdecimal()) or not 0 < int(first) <= int(last or first) <= 65535:
        raise ValueError(f"{rule!r}: {text!r} is no port and no range of ports, like 443 or 8000-8999")
    return range(int(first), int(last or first) + 1)


PARTS: dict[str, Callable[[str, str], Any]] = {
    "from": _network,
    "to": _place,
    "port": _ports,
    "method": _method,
}
"""What may stand in a rule, and how one value of it is read."""

LOOPBACK: tuple[Network, ...] = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1"))
NOT_GLOBAL: tuple[Network, ...] = tuple(
    map(
        ipaddress.ip_network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
            *("192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4"),
            *("::", "64:ff9b:1::/48", "fc00::/7", "fe80::/10", "ff00::/8"),
        ),
    )
)
"""Where a proxy does not go for its clients unless a rule says so (RFC 6890)."""
