"""What an IP address says by itself: the registries of special-purpose addresses (RFC 6890), scopes of multicast."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import NamedTuple

LINK, SITE, GLOBAL, HOST, NONE = "the link", "private networks", "the Internet", "this machine", "nowhere"


class Kind(NamedTuple):
    """What addresses of one range are; `scope` is how far packets to them travel."""

    name: str
    scope: str
    meaning: str
    section: str


SPECIAL: dict[str, Kind] = {
    "0.0.0.0/32": Kind("unspecified", HOST, "no address yet, or any of this machine's", "RFC 1122 3.2.1.3"),
    "0.0.0.0/8": Kind("this network", LINK, "a host of this network, before it knows which", "RFC 791 3.2"),
    "10.0.0.0/8": Kind("private", SITE, "for whoever likes, inside of his own network", "RFC 1918 3"),
    "100.64.0.0/10": Kind("shared", SITE, "between a provider and the NAT of its customers", "RFC 6598"),
    "127.0.0.0/8": Kind("loopback", HOST, "never leaves the machine", "RFC 1122 3.2.1.3"),
    "169.254.0.0/16": Kind("link-local", LINK, "taken by a machine that nobody gave an address", "RFC 3927"),
    "172.16.0.0/12": Kind("private", SITE, "for whoever likes, inside of his own network", "RFC 1918 3"),
    "192.0.0.0/24": Kind("protocol assignments", NONE, "for the IETF's protocols", "RFC 6890 2.1"),
    "192.0.2.0/24": Kind("documentation", NONE, "for examples: TEST-NET-1", "RFC 5737"),
    "192.88.99.0/24": Kind("6to4 relay", GLOBAL, "was the way into 6to4; given up", "RFC 7526"),
    "192.168.0.0/16": Kind("private", SITE, "for whoever likes, inside of his own network", "RFC 1918 3"),
    "198.18.0.0/15": Kind("benchmarking", SITE, "for measuring devices between networks", "RFC 2544"),
    "198.51.100.0/24": Kind("documentation", NONE, "for examples: TEST-NET-2", "RFC 5737"),
    "203.0.113.0/24": Kind("documentation", NONE, "for examples: TEST-NET-3", "RFC 5737"),
    "224.0.0.0/24": Kind("multicast", LINK, "to routers, mDNS and the like on one link", "RFC 5771 4"),
    "232.0.0.0/8": Kind("multicast", GLOBAL, "from one source that is named with it", "RFC 4607"),
    "239.0.0.0/8": Kind("multicast", SITE, "as far as those who run the network let it", "RFC 2365"),
    "224.0.0.0/4": Kind("multicast", GLOBAL, "to all who have joined the group", "RFC 5771"),
    "255.255.255.255/32": Kind("limited broadcast", LINK, "to all on this link", "RFC 919 7"),
    "240.0.0.0/4": Kind("reserved", NONE, "for a future that did not come", "RFC 1112 4"),
    "0.0.0.0/0": Kind("global unicast", GLOBAL, "one machine, wherever it is", "RFC 791"),
    "::/128": Kind("unspecified", HOST, "no address yet, or any of this machine's", "RFC 4291 2.5.2"),
    "::1/128": Kind("loopback", HOST, "never leaves the machine", "RFC 4291 2.5.3"),
    "::ffff:0:0/96": Kind("IPv4-mapped", HOST, "an IPv4 peer, to software that knows IPv6 only", "RFC 4291 2.5.5.2"),
    "64:ff9b::/96": Kind("NAT64", GLOBAL, "an IPv4 address, for those who have IPv6 only", "RFC 6052 2.1"),
    "64:ff9b:1::/48": Kind("NAT64", SITE, "an IPv4 address, translated inside of one network", "RFC 8215"),
    "100::/64": Kind("discard", NONE, "thrown away by routers that are told so", "RFC 6666"),
    "2001::/32": Kind("Teredo", GLOBAL, "IPv6 through the NAT of an IPv4 network", "RFC 4380"),
    "2001:2::/48": Kind("benchmarking", SITE, "for measuring devices between networks", "RFC 5180"),
    "2001:20::/28": Kind("ORCHIDv2", NONE, "names of hosts in the shape of addresses", "RFC 7343"),
    "2001:db8::/32": Kind("documentation", NONE, "for examples", "RFC 3849"),
    "2002::/16": Kind("6to4", GLOBAL, "the network of an IPv4 address; given up", "RFC 3056"),
    "3fff::/20": Kind("documentation", NONE, "for examples", "RFC 9637"),
    "2000::/3": Kind("global unicast", GLOBAL, "one interface, wherever it is", "RFC 4291 2.5.4"),
    "fc00::/7": Kind("unique local", SITE, "for whoever likes; 40 bits of chance keep networks apart", "RFC 4193"),
    "fe80::/10": Kind("link-local", LINK, "every interface has one; which link is said by its zone", "RFC 4291 2.5.6"),
    "fec0::/10": Kind("site-local", SITE, "given up for unique local addresses", "RFC 3879"),
    "ff00::/8": Kind("multicast", GLOBAL, "to all who have joined the group", "RFC 4291 2.7"),
    "::/0": Kind("reserved", NONE, "not given to anybody", "RFC 4291 2.4"),
}
RANGES = sorted(((ip_network(text), kind) for text, kind in SPECIAL.items()), key=lambda one: -one[0].prefixlen)
"""The longest prefix first: it is the one that counts."""
MULTICAST_SCOPES = {
    0x1: HOST,
    0x2: LINK,
    0x3: "the realm",
    0x4: "what is administered together",
    0x5: "the site",
    0x8: "the organization",
    0xE: GLOBAL,
}
"""The fourth hexadecimal digit of an IPv6 group (RFC 7346 2)."""


@lru_cache(maxsize=4096)
def kind_of(address: IPv4Address | IPv6Address) -> Kind:
    """What an address is for."""
    kind = next(kind for network, kind in RANGES if address.version == network.version and address in network)
    if isinstance(address, IPv6Address) and address.is_multicast:
        scope = MULTICAST_SCOPES.get(address.packed[1] & 0xF, "not assigned")
        meaning = (
            "to neighbours with these last 24 bits, in place of ARP" if _asks_neighbours(address) else kind.meaning
        )
        return kind._replace(scope=scope, meaning=meaning)
    return kind


def _asks_neighbours(address: IPv6Address) -> bool:
    """Whether it is a solicited-node group (RFC 4291 2.7.1)."""
    return address.packed.startswith(bytes.fromhex("ff02000000000000000000 01ff".replace(" ", "")))


def scope(address: IPv4Address | IPv6Address) -> str:
    """The same in one phrase."""
    kind = kind_of(address)
    return f"{kind.name}: {kind.meaning} ({kind.section})"
