"""What an IP address says by itself: where it is meant to be seen."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

# The first that fits counts, so the narrower stand first.
SCOPES = tuple(
    (ip_network(block), words)
    for block, words in (
        ("0.0.0.0/32", "unspecified: no address yet (RFC 1122 3.2.1.3)"),
        ("127.0.0.0/8", "loopback: this very machine (RFC 1122 3.2.1.3)"),
        ("10.0.0.0/8", "private: a network of its own (RFC 1918)"),
        ("172.16.0.0/12", "private: a network of its own (RFC 1918)"),
        ("192.168.0.0/16", "private: a network of its own (RFC 1918)"),
        ("100.64.0.0/10", "shared: behind a provider's address translation (RFC 6598)"),
        ("169.254.0.0/16", "link-local: this link only, chosen without a server (RFC 3927)"),
        ("192.0.2.0/24", "for documentation (RFC 5737)"),
        ("198.51.100.0/24", "for documentation (RFC 5737)"),
        ("203.0.113.0/24", "for documentation (RFC 5737)"),
        ("198.18.0.0/15", "for measurements between networks (RFC 2544)"),
        ("255.255.255.255/32", "broadcast: everyone on this link (RFC 919)"),
        ("224.0.0.0/4", "multicast: whoever has joined the group (RFC 1112)"),
        ("240.0.0.0/4", "reserved (RFC 1112)"),
        ("::/128", "unspecified: no address yet (RFC 4291 2.5.2)"),
        ("::1/128", "loopback: this very machine (RFC 4291 2.5.3)"),
        ("::ffff:0:0/96", "an IPv4 address in IPv6 form (RFC 4291 2.5.5.2)"),
        ("64:ff9b::/96", "an IPv4 address behind a translator (RFC 6052)"),
        ("2001:db8::/32", "for documentation (RFC 3849)"),
        ("fc00::/7", "unique local: a network of its own (RFC 4193)"),
        ("fe80::/10", "link-local: this link only (RFC 4291 2.5.6)"),
        ("ff00::/8", "multicast: whoever has joined the group (RFC 4291 2.7)"),
    )
)


def scope(address: IPv4Address | IPv6Address) -> str:
    """Where an address is meant to be seen, and who says so."""
    return next((words for network, words in SCOPES if address in network), "global: on the Internet")
