"""The Internet checksum (RFC 1071) of IP, TCP, UDP and ICMP."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from captures.tree import Layer


def ones_complement_sum(data: bytes) -> int:
    """The sum of the 16-bit words of `data`, with carries added back in; an odd last byte is padded with zero.

    Adding words with end-around carry is arithmetic modulo 0xFFFF, and 0x10000 leaves 1 when divided by 0xFFFF: so the
    whole buffer, read as one number, leaves the same remainder as the sum of its words. One division in C does it.
    """
    if len(data) & 1:
        data += b"\0"
    number = int.from_bytes(data, "big")
    # Of the two zeros of one's complement, words that are not all zero sum to 0xFFFF (RFC 1071 2).
    return number % 0xFFFF or (0xFFFF if number else 0)


def checksum(data: bytes) -> int:
    """What belongs in the checksum field of `data`, in which that field is zero; over intact data with it set, 0."""
    return ones_complement_sum(data) ^ 0xFFFF


def pseudo_header(source: bytes, destination: bytes, protocol: int, length: int) -> bytes:
    """What TCP and UDP checksums cover besides their own bytes, over IPv4 (RFC 9293 3.1) and IPv6 (RFC 8200 8.1)."""
    if len(source) == 4:
        return source + destination + bytes((0, protocol)) + length.to_bytes(2, "big")
    return source + destination + length.to_bytes(4, "big") + bytes((0, 0, 0, protocol))


def judge(segment: bytes, at: int, below: Layer | None, protocol: int) -> str:
    """What is to be said of the checksum at index `at` of a segment in the IP packet `below`; nothing without one."""
    ends = [] if below is None else [below.get(f"{below.name}.{end}") for end in ("src", "dst")]
    addresses = [_packed(str(field.value)) for field in ends if field is not None]
    if below is None or len(segment) < at + 2 or len(addresses) < 2:
        return ""
    if incomplete := untold(segment, below):
        return incomplete
    covered = pseudo_header(addresses[0], addresses[1], protocol, len(segment))
    wanted = checksum(covered + segment[:at] + b"\0\0" + segment[at + 2 :])
    found = int.from_bytes(segment[at : at + 2], "big")
    if found == (wanted or (0xFFFF if protocol == 17 else 0)):  # zero would mean "none" (RFC 768)
        return "correct"
    if found == ones_complement_sum(covered):
        return "only the addresses' part: the rest is left to the network card, and loopback has none"
    return f"wrong: these bytes give 0x{wanted:04x}"


def untold(segment: bytes, below: Layer) -> str:
    """Why nothing can be said of a checksum over a segment in the IP packet `below`; empty where all of it is there."""
    length = below.value("ip.len") or (below.value("ipv6.plen") or 0) + 40
    if len(segment) < length - (below.end - below.start) // 8:
        return "not to be told: the packet was cut short when it was captured"
    if below.value("ip.flags.mf") or below.value("ipv6.fraghdr.more"):
        return "not to be told from the first fragment alone"
    return ""


def _packed(address: str) -> bytes:
    return ip_address(address).packed
