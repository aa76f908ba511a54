"""Protocol numbers of IP, as IANA assigns them: their names, and which of them can be dissected."""

from __future__ import annotations

NAMES = {
    0: "IPv6 Hop-by-Hop Options",
    1: "ICMP",
    2: "IGMP",
    4: "IPv4 in IP",
    6: "TCP",
    17: "UDP",
    33: "DCCP",
    41: "IPv6 in IP",
    43: "IPv6 Routing",
    44: "IPv6 Fragment",
    47: "GRE",
    50: "ESP",
    51: "Authentication Header",
    58: "ICMPv6",
    59: "nothing",
    60: "IPv6 Destination Options",
    89: "OSPF",
    103: "PIM",
    112: "VRRP",
    132: "SCTP",
    135: "IPv6 Mobility",
    136: "UDP-Lite",
    139: "Host Identity Protocol",
    140: "Shim6",
}

DISSECTORS = {1: "icmp", 4: "ip", 6: "tcp", 17: "udp", 41: "ipv6", 58: "icmpv6"}


def protocol_name(number: int) -> str:
    """What follows the header, as a person calls it."""
    return f"{NAMES.get(number, f'protocol {number}')} follows"


def protocol(number: int) -> str:
    """The dissector of what follows; empty where there is none."""
    return DISSECTORS.get(number, "")
