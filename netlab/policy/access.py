"""Access rules: who may reach what. First match wins; a "no" names its rule."""

from __future__ import annotations

import fnmatch
import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


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
    if len(rest) % 2:
        raise ValueError(f"{text!r}: {rest[-1]!r} has nothing behind it")
    said: dict[str, list[Any]] = {key: [] for key in PARTS}
    for key, value in zip(rest[::2], rest[1::2], strict=True):
        if key not in PARTS:
            raise ValueError(f"{text!r}: {key!r} is none of {', '.join(PARTS)}")
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
    if parsed.version == 6 and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped  # ::ffff:10.0.0.1 is 10.0.0.1, whatever a filter on IPv4 was told
    return any(parsed.version == network.version and parsed in network for network in networks)


def is_address(host: str) -> bool:
    return _as_address(host) is not None


def _as_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
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


def _ports(text: str, rule: str) -> range:
    first, _, last = text.partition("-")
    if not first.isdecimal() or (last and not last.isdecimal()) or not 0 < int(first) <= int(last or first) <= 65535:
        raise ValueError(f"{rule!r}: {text!r} is no port and no range of ports, like 443 or 8000-8999")
    return range(int(first), int(last or first) + 1)


PARTS: dict[str, Callable[[str, str], Any]] = {
    "from": _network,
    "to": lambda part, _: _as_network(part) or part.lower(),
    "port": _ports,
    "method": lambda part, _: part.upper(),
}
"""What may stand in a rule, and how one value of it is read."""

LOOPBACK: tuple[Network, ...] = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1"))
NOT_GLOBAL: tuple[Network, ...] = tuple(
    map(
        ipaddress.ip_network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
            *(
                "192.168.0.0/16",
                "198.18.0.0/15",
                "224.0.0.0/4",
                "240.0.0.0/4",
                "::",
                "fc00::/7",
                "fe80::/10",
                "ff00::/8",
            ),
        ),
    )
)
"""Where a proxy does not go for its clients unless a rule says so (RFC 6890)."""
