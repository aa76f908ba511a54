"""Explain an address or a network: what it is for, what it belongs to, how large it is, and into what it divides."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_interface
from itertools import islice
from typing import Annotated, Any

from captures.dissectors.addresses import kind_of
from netlab.config import positional
from netlab.errors import UsageError

EXAMPLES = (
    ("netlab ip 192.168.17.5/24", "the network, its hosts and its broadcast address"),
    ("netlab ip 10.0.0.0/22 --split 24", "the four networks in it"),
    ("netlab ip 172.16.0.0/255.255.240.0", "a mask, written as it used to be"),
    ("netlab ip fe80::1%eth0", "scope and zone of an IPv6 address"),
    ("netlab ip ::ffff:192.0.2.1", "the IPv4 address inside of it"),
)
Interface = IPv4Interface | IPv6Interface
CLASSES = {
    "A": "0.0.0.0 to 127.255.255.255, networks of /8",
    "B": "128.0.0.0 to 191.255.255.255, networks of /16",
    "C": "192.0.0.0 to 223.255.255.255, networks of /24",
    "D": "224.0.0.0 to 239.255.255.255, multicast",
    "E": "240.0.0.0 to 255.255.255.255, reserved",
}
SHOWN = 64
"""Parts of a network that are listed, unless --all says otherwise."""
MOST = 1 << 16
"""Parts that are listed at all."""


@dataclass(frozen=True, kw_only=True)
class Config:
    address: Annotated[str, positional]
    """An address, a network as ADDRESS/LENGTH, or ADDRESS/MASK."""
    split: int = 0
    """Divide the network into those of this prefix length."""
    contains: str = ""
    """Say whether this address, or network, is inside; exit code 1 if not."""
    all: bool = False
    """List all parts of a split, not the first 64."""
    json: bool = False
    """Print JSON."""


async def run(config: Config) -> int:
    """Explain, and give the exit code: 1 where --contains asks for what is not inside."""
    text = config.address
    if text.startswith("["):  # as in a URL (RFC 3986 3.2.2), a length behind it or not
        text = text[1:].replace("]", "", 1)
    address, _, zone = text.partition("%")
    zone, slash, length = zone.partition("/")
    interface = parse(f"{address}{slash}{length}")
    if zone and interface.version == 4:
        raise UsageError(f"{config.address!r}: only IPv6 addresses have a zone behind % (RFC 4007 11)")
    found = {**facts(interface), **({"zone": zone} if zone else {})}
    network = interface.network
    if config.split:
        if not network.prefixlen <= config.split <= network.max_prefixlen:
            raise UsageError(
                f"--split {config.split}: {network} divides into prefixes of /{network.prefixlen} to "
                f"/{network.max_prefixlen}"
            )
        found["split"] = split(interface, config.split, MOST if config.all else SHOWN)
    if config.contains:
        found["contains"] = contains(interface, config.contains)
    print(json.dumps(found) if config.json else "\n".join(lines(found)))
    return 0 if found.get("contains", True) else 1


def parse(text: str) -> Interface:
    """An address with its network; without a length it is a network of its own."""
    try:
        return ip_interface(text.strip("[]"))
    except ValueError as error:
        raise UsageError(
            f"{text!r} is no address, and no network such as 192.0.2.0/24 or 2001:db8::/48: {error}"
        ) from None


def contains(interface: Interface, text: str) -> bool:
    inner = parse(text).network
    return inner.version == interface.version and inner.subnet_of(interface.network)  # type: ignore[arg-type]  # one version


def split(interface: Interface, length: int, most: int) -> dict[str, Any]:
    network = interface.network
    parts = [str(part) for part in islice(network.subnets(new_prefix=length), most)]
    return {"length": length, "count": 1 << (length - network.prefixlen), "networks": parts}


# -- what is known of it ---------------------------------------------------------------------------------------------


def facts(interface: Interface) -> dict[str, Any]:
    """Everything about an address and its network, as JSON has it."""
    address, network = interface.ip, interface.network
    kind = kind_of(address)
    return {
        "address": str(address),
        "family": f"IPv{address.version}",
        "kind": kind.name,
        "scope": kind.scope,
        "meaning": kind.meaning,
        "section": kind.section,
        **_form(address),
        "network": _network(interface),
        **_parts(address),
        "reverse": address.reverse_pointer,
        "network_kind": ""
        if kind_of(network[0]) == kind == kind_of(network[-1])
        else "it holds addresses of other kinds",
    }


def _form(address: IPv4Address | IPv6Address) -> dict[str, Any]:
    """The same number, written otherwise."""
    whole = {"hexadecimal": f"0x{int(address):0{address.max_prefixlen // 4}x}", "decimal": str(int(address))}
    if isinstance(address, IPv6Address):
        return {"expanded": address.exploded, **whole}
    return {"class": class_of(address), "binary": ".".join(f"{byte:08b}" for byte in address.packed), **whole}


def _network(interface: Interface) -> dict[str, Any]:
    network, bits = interface.network, interface.max_prefixlen - interface.network.prefixlen
    single, pair = not bits, bits == 1
    first, last = network[0], network[-1]
    told: dict[str, Any] = {
        "prefix": str(network),
        "length": network.prefixlen,
        "addresses": network.num_addresses,
        "first": str(first if single or pair or network.version == 6 else network[1]),
        "last": str(last if single or pair or network.version == 6 else network[-2]),
    }
    if isinstance(interface, IPv6Interface):
        return {**told, "hosts": network.num_addresses}
    return {
        **told,
        "hosts": network.num_addresses if single or pair else network.num_addresses - 2,
        "mask": str(network.netmask),
        "wildcard": str(network.hostmask),
        "broadcast": None if single or pair else str(network.broadcast_address),
        "place": place(interface),
    }


def place(interface: IPv4Interface) -> str:
    """Which of its network's addresses it is."""
    network, bits = interface.network, interface.max_prefixlen - interface.network.prefixlen
    if bits < 2:
        return "the network is this address alone" if not bits else "one of two, of a link between two (RFC 3021)"
    if interface.ip == network.network_address:
        return "the network's own address, no host's"
    return "the broadcast address, no host's" if interface.ip == network.broadcast_address else "a host"


def _parts(address: IPv4Address | IPv6Address) -> dict[str, Any]:
    """Addresses that stand inside of it."""
    if isinstance(address, IPv4Address):
        return {}
    found: dict[str, Any] = {}
    if (inner := address.ipv4_mapped or address.sixtofour) is not None:
        found["ipv4"] = str(inner)
    elif address.teredo is not None:
        found["teredo_server"], found["ipv4"] = map(str, address.teredo)
    elif address in NAT64:
        found["ipv4"] = str(IPv4Address(int(address) & 0xFFFF_FFFF))
    tail = address.packed[8:]
    if tail[3:5] == b"\xff\xfe" and not address.is_multicast:
        found["mac"] = ":".join(f"{byte:02x}" for byte in (tail[0] ^ 2, *tail[1:3], *tail[5:]))
    return found


NAT64 = ip_interface("64:ff9b::/96").network


# -- for people ------------------------------------------------------------------------------------------------------


def lines(found: dict[str, Any]) -> list[str]:
    """What a person reads: the address, its network, and the parts of a split."""
    rows = list(_rows(found))
    width = max(len(label) for label, _ in rows)
    shown = [f"{label:<{width}}  {value}" for label, value in rows]
    if parts := found.get("split"):
        more = parts["count"] - len(parts["networks"])
        shown += ["", f"{parts['count']:,} networks of /{parts['length']}"]
        shown += [f"  {network}" for network in parts["networks"]]
        shown += [f"  … and {more:,} more"] if more else []
    return shown


def _rows(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    network = found["network"]
    yield "address", f"{found['address']}  ({found['family']})"
    yield "kind", f"{found['kind']}: {found['meaning']} ({found['section']})"
    yield "scope", found["scope"]
    if name := found.get("class"):
        yield "class", f"{name}, {CLASSES[name]}; classes are history: since 1993 the prefix length says it (RFC 1519)"
    yield "network", f"{network['prefix']}{'  ' + found['network_kind'] if found['network_kind'] else ''}"
    yield "addresses", f"{network['addresses']:,}" + (f", {network['hosts']:,} for hosts" if "mask" in network else "")
    if network["addresses"] > 1:
        yield "from, to", f"{network['first']}  {network['last']}"
    if "mask" in network:
        yield "mask", f"{network['mask']}  wildcard {network['wildcard']}"
        if network["broadcast"]:
            yield "broadcast", network["broadcast"]
        yield "this one", network["place"]
    for label in ("zone", "ipv4", "teredo_server", "mac"):
        if found.get(label):
            yield label.replace("_", " "), found[label]
    yield (
        "written",
        "  ".join(found[form] for form in ("expanded", "binary", "hexadecimal", "decimal") if form in found),
    )
    yield "reverse", found["reverse"]
    if "contains" in found:
        yield "contains it", "yes" if found["contains"] else "no"


def class_of(address: IPv4Address) -> str:
    """A to E, by its first bits (RFC 791 3.2)."""
    first = address.packed[0]
    return "A" if first < 128 else "B" if first < 192 else "C" if first < 224 else "D" if first < 240 else "E"
