"""Names and addresses before any resolver is asked: the lab's address map, `--resolve` overrides, plain literals."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from netlab.errors import UsageError
from netlab.text import host_port


class SocketAddress(NamedTuple):
    """Where a connection is really made to: an IP address and a port."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.address} port {self.port}"


class AddressMap:
    """name → address → {well-known port: where it really listens}.

    Inside the lab `www.shop.test:443` is `127.0.60.1:443`, and that is served on a port that needs no root. A port
    that is not in the map is dialled as it stands.
    """

    def __init__(self) -> None:
        self._addresses: dict[str, list[str]] = {}
        self._ports: dict[SocketAddress, SocketAddress] = {}

    def add(self, name: str, address: str, ports: Mapping[int, tuple[str, int]] | None = None) -> None:
        """Say that a name has this address, and where the address' well-known ports are really served."""
        known = self._addresses.setdefault(canonical(name), [])
        if address not in known:
            known.append(address)
        for port, (real_address, real_port) in (ports or {}).items():
            self._ports[SocketAddress(address, port)] = SocketAddress(real_address, real_port)

    def move(self, host: str, port: int, to: int) -> None:
        """Say that what is usually served here is at another port, under whatever name and port it is asked for."""
        usual, real = SocketAddress(host, port), SocketAddress(host, to)
        self._ports = {asked: real if where == usual else where for asked, where in self._ports.items()}
        self._ports[usual] = real

    def addresses(self, name: str) -> Sequence[str]:
        """The addresses of a name; none if the map does not know it."""
        return self._addresses.get(canonical(name), ())

    def locate(self, address: str, port: int) -> SocketAddress:
        """Where a port of an address is really served."""
        asked = SocketAddress(address, port)
        return self._ports.get(asked, asked)

    @classmethod
    def from_json(cls, tree: Mapping[str, Mapping[str, Mapping[str, str]]]) -> AddressMap:
        """From `{"www.shop.test": {"127.0.60.1": {"443": "127.0.60.1:8443"}}}`, as the control socket gives it."""
        addresses = cls()
        for name, hosts in tree.items():
            for address, ports in hosts.items():
                addresses.add(name, address, {int(port): split_endpoint(where) for port, where in ports.items()})
        return addresses

    def as_json(self) -> dict[str, dict[str, dict[str, str]]]:
        ports: dict[str, dict[str, str]] = {}
        for (address, port), real in self._ports.items():
            ports.setdefault(address, {})[str(port)] = host_port(*real)
        return {name: {a: ports.get(a, {}) for a in known} for name, known in self._addresses.items()}

    def __contains__(self, name: str) -> bool:
        return bool(self._addresses) and canonical(name) in self._addresses

    def __len__(self) -> int:
        return len(self._addresses)

    def __repr__(self) -> str:
        return f"<AddressMap {len(self._addresses)} names, {len(self._ports)} ports>"


class Overrides:
    """Addresses a person laid down for a host and port, written as curl's `--resolve HOST:PORT:ADDRESS[,ADDRESS]`."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._addresses: dict[tuple[str, int], list[str]] = {}
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Take one HOST:PORT:ADDRESS in; the last word on a host and port counts. The host `*` stands for every one."""
        host, colon, rest = text.partition("]:") if text.startswith("[") else text.partition(":")
        port, second, addresses = rest.partition(":")
        found = [address.strip("[]") for address in addresses.split(",")]
        if not colon or not second or not port.isdecimal() or not all(map(is_literal, found)):
            raise UsageError(
                f"--resolve {text!r} is not HOST:PORT:ADDRESS, such as www.example.com:443:127.0.0.1 or a.test:80:[::1]"
            )
        self._addresses[canonical(host.strip("[]")), int(port)] = found

    def addresses(self, host: str, port: int) -> Sequence[str]:
        if not self._addresses:
            return ()
        return self._addresses.get((canonical(host), port), self._addresses.get(("*", port), ()))


def canonical(name: str) -> str:
    """A name as it is compared: without regard to case, and without the root's dot (RFC 4343, RFC 1034 3.1)."""
    return name.rstrip(".").lower()


def is_literal(host: str) -> bool:
    """Whether a host is an IP address, written without brackets; an IPv6 address may carry its zone (RFC 4007 11)."""
    address, _, _ = host.partition("%")
    for family, text in ((socket.AF_INET, host), (socket.AF_INET6, address)):
        try:
            socket.inet_pton(family, text)
        except OSError:
            continue
        return True
    return False


def interleave(addresses: Iterable[str]) -> list[str]:
    """The families by turns, beginning with the first one's, so that one broken family delays only by one stagger
    (RFC 8305 section 4).
    """
    families: dict[bool, list[str]] = {}
    for address in addresses:
        families.setdefault(":" in address, []).append(address)
    queues = list(families.values())
    longest = max(map(len, queues), default=0)
    return [queue[index] for index in range(longest) for queue in queues if index < len(queue)]


def split_endpoint(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)
