"""The Internet checksum (RFC 1071) of IP, TCP, UDP and ICMP."""

from __future__ import annotations


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
