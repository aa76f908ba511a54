"""EtherTypes, as IEEE and IANA assign them: their names, and which of them can be dissected."""

from __future__ import annotations

from captures.tree import Row

IPV4, ARP, VLAN, IPV6, SERVICE_VLAN = 0x0800, 0x0806, 0x8100, 0x86DD, 0x88A8

NAMES = {
    IPV4: "IPv4",
    ARP: "ARP",
    0x0842: "Wake-on-LAN",
    0x8035: "RARP",
    VLAN: "802.1Q VLAN",
    IPV6: "IPv6",
    0x8808: "Ethernet flow control",
    0x8809: "slow protocols (LACP)",
    0x8847: "MPLS",
    0x8863: "PPPoE discovery",
    0x8864: "PPPoE session",
    0x888E: "EAP over LAN (802.1X)",
    SERVICE_VLAN: "802.1ad service VLAN",
    0x88CC: "LLDP",
    0x88E5: "MACsec",
    0x88F7: "PTP",
    0x9000: "loopback test",
}

DISSECTORS = {IPV4: "ip", ARP: "arp", VLAN: "vlan", SERVICE_VLAN: "ieee8021ad", IPV6: "ipv6"}


def ether_type(name: str, section: str) -> Row:
    """The field that says what follows."""
    return Row(name, "EtherType", 16, lambda n: f"{NAMES.get(n, f'type 0x{n:04x}')} follows", section)


def mac(data: bytes) -> str:
    """An address of a link, as people write it."""
    return data.hex(":")


def mac_meaning(data: bytes) -> str:
    """What the address says by itself."""
    if data == b"\xff" * 6:
        return "broadcast: everyone on this link"
    if data[:1] and data[0] & 1:
        return "multicast: a group of stations"
    if not any(data):
        return "no address: loopback has none"
    return "one station, address given locally" if data[0] & 2 else "one station, address given by its maker"
