"""IP, TCP and UDP headers written as bytes, checksums and lengths filled in."""

from __future__ import annotations

from struct import Struct

from captures.checksum import checksum, pseudo_header
from netlab.errors import LocalProtocolError

TCP, UDP = 6, 17
"""Protocol numbers in the IP header."""

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
"""TCP flags (RFC 9293 3.1)."""

_IPV4 = Struct("!BBHHHBBH4s4s")
_IPV6 = Struct("!IHBB16s16s")
_TCP = Struct("!HHIIBBHHH")
_UDP = Struct("!HHHH")

_DO_NOT_FRAGMENT = 0x4000
_HOPS = 64  # what Linux and the BSDs send with


def ip_packet(source: bytes, destination: bytes, protocol: int, payload: bytes, *, identification: int = 0) -> bytes:
    """An IPv4 packet where the addresses have four bytes, an IPv6 packet where they have sixteen."""
    if len(source) == 16:
        return _IPV6.pack(6 << 28, len(payload), protocol, _HOPS, source, destination) + payload
    length = _IPV4.size + len(payload)
    parts = (0x45, 0, length, identification & 0xFFFF, _DO_NOT_FRAGMENT, _HOPS, protocol)
    header = _IPV4.pack(*parts, 0, source, destination)
    return _IPV4.pack(*parts, checksum(header), source, destination) + payload


def tcp_segment(
    source: tuple[bytes, int],
    destination: tuple[bytes, int],
    sequence: int,
    acknowledgement: int,
    flags: int,
    payload: bytes = b"",
    *,
    window: int = 0xFFFF,
    options: bytes = b"",
) -> bytes:
    """A TCP segment between two (packed address, port) pairs; `options` must be a multiple of four bytes long."""
    offset = (_TCP.size + len(options)) << 2  # in 32-bit words, in the upper half of its byte
    ports = source[1], destination[1]
    numbers = sequence & 0xFFFFFFFF, acknowledgement & 0xFFFFFFFF
    segment = _TCP.pack(*ports, *numbers, offset, flags, window, 0, 0) + options + payload
    total = checksum(pseudo_header(source[0], destination[0], TCP, len(segment)) + segment)
    return segment[:16] + total.to_bytes(2, "big") + segment[18:]


def udp_datagram(source: tuple[bytes, int], destination: tuple[bytes, int], payload: bytes) -> bytes:
    """A UDP datagram between two (packed address, port) pairs; LocalProtocolError where no IP packet can hold it."""
    most = 0xFFFF - _UDP.size - (_IPV4.size if len(source[0]) == 4 else 0)
    if len(payload) > most:
        raise LocalProtocolError(f"a UDP datagram holds at most {most} bytes here, not {len(payload)}")
    length = _UDP.size + len(payload)
    datagram = _UDP.pack(source[1], destination[1], length, 0) + payload
    total = checksum(pseudo_header(source[0], destination[0], UDP, length) + datagram)
    # Zero would mean "no checksum"; its other form in one's complement is sent instead (RFC 768).
    return datagram[:6] + (total or 0xFFFF).to_bytes(2, "big") + payload
