"""Version 2 of the PROXY protocol: a signature, an address block, TLVs and their checksum (section 2.2)."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Sequence

from netlab.cores.proxy_protocol_header import (
    CRC32C,
    LONGEST_UNIQUE_ID,
    SSL,
    UNIQUE_ID,
    Header,
    Malformed,
    Peer,
    Tlv,
    read_ssl,
    read_tlvs,
    text,
    wire,
    write_tlvs,
)
from netlab.errors import LocalProtocolError

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
FIXED = 16  # signature, version and command, family and transport, length
LOCAL, PROXY = 0, 1
UNSPEC, INET, INET6, UNIX = 0, 1, 2, 3
TRANSPORTS = {1: "stream", 2: "datagram"}
LAYOUTS = {INET: struct.Struct(">4s4sHH"), INET6: struct.Struct(">16s16sHH"), UNIX: struct.Struct(">108s108s")}
LARGEST = 0xFFFF


def parse_binary(data: bytes) -> Header | None:
    """A header whose first 16 bytes are here; None while the rest is not."""
    version, command = data[12] >> 4, data[12] & 0x0F
    if version != 2:
        raise Malformed(f"version {version} behind the signature is not 2", 12, "proxy.version", "2.2")
    if command not in (LOCAL, PROXY):
        raise Malformed(f"command {command} is neither LOCAL nor PROXY", 12, "proxy.command", "2.2")
    size = FIXED + int.from_bytes(data[14:16], "big")
    family, transport = data[13] >> 4, data[13] & 0x0F
    if command == PROXY:  # LOCAL's family is ignored with everything else
        if family > UNIX:
            raise Malformed(f"address family {family} is not defined", 13, "proxy.family", "2.2")
        if transport > 2:
            raise Malformed(f"transport protocol {transport} is not defined", 13, "proxy.transport", "2.2")
        if family and transport and size < FIXED + LAYOUTS[family].size:
            reason = f"a length of {size - FIXED} has no room for the addresses, {LAYOUTS[family].size} bytes"
            raise Malformed(reason, 14, "proxy.length", "2.2")
    if len(data) < size:
        return None
    if command == LOCAL:
        return Header(version=2, local=True, size=size)
    if not family or not transport:  # where TLVs would begin is unknown too
        return Header(version=2, size=size)
    source, destination = _parse_addresses(family, data)
    return Header(
        version=2,
        source=source,
        destination=destination,
        transport=TRANSPORTS[transport],
        tlvs=_parse_tlvs(data[:size], FIXED + LAYOUTS[family].size),
        size=size,
    )


def _parse_addresses(family: int, data: bytes) -> tuple[Peer, Peer]:
    parts = LAYOUTS[family].unpack_from(data, FIXED)
    if family == UNIX:
        return text(parts[0].rstrip(b"\0")), text(parts[1].rstrip(b"\0"))
    address = ipaddress.IPv4Address if family == INET else ipaddress.IPv6Address
    return (str(address(parts[0])), parts[2]), (str(address(parts[1])), parts[3])


def _parse_tlvs(header: bytes, start: int) -> tuple[Tlv, ...]:
    tlvs: list[Tlv] = []
    checksum_at = 0
    for at, tlv in read_tlvs(header[start:], start):
        if tlv.kind == CRC32C:
            if checksum_at or len(tlv.value) != 4:
                raise Malformed("a header has one CRC32c, of four bytes", at, "proxy.checksum", "2.2.3")
            checksum_at = at
        elif tlv.kind == UNIQUE_ID and len(tlv.value) > LONGEST_UNIQUE_ID:
            reason = f"a unique id has at most {LONGEST_UNIQUE_ID} bytes, not {len(tlv.value)}"
            raise Malformed(reason, at, "proxy.unique_id", "2.2.5")
        elif tlv.kind == SSL:
            read_ssl(tlv.value, at)
        tlvs.append(tlv)
    if checksum_at:
        _verify(header, checksum_at)
    return tuple(tlvs)


def _verify(header: bytes, at: int) -> None:
    told = int.from_bytes(header[at : at + 4], "big")
    found = crc32c(header[:at] + bytes(4) + header[at + 4 :])
    if told != found:
        reason = f"the header's CRC32c is {found:08x}, and it says {told:08x}"
        raise Malformed(reason, at, "proxy.checksum", "2.2.3")


def serialize_binary(
    source: Peer | None, destination: Peer | None, *, transport: str, tlvs: Sequence[Tlv], checked: bool
) -> bytes:
    """A header of version 2; the checksum, if wanted, is its last TLV."""
    if source is None or destination is None:
        code, addresses = b"\x20\x00", b""
    else:
        family, addresses = _write_addresses(source, destination)
        code = bytes((0x21, family << 4 | {"stream": 1, "datagram": 2}[transport]))
    block = addresses + write_tlvs([*tlvs, Tlv(CRC32C, bytes(4))] if checked else tlvs)
    if len(block) > LARGEST:
        raise LocalProtocolError(f"a PROXY header has at most {LARGEST} bytes behind its length, not {len(block)}")
    header = SIGNATURE + code + len(block).to_bytes(2, "big") + block
    return header[:-4] + crc32c(header).to_bytes(4, "big") if checked else header


def _write_addresses(source: Peer, destination: Peer) -> tuple[int, bytes]:
    if isinstance(source, str) or isinstance(destination, str):
        if not (isinstance(source, str) and isinstance(destination, str)):
            raise LocalProtocolError("one endpoint is a Unix socket and the other is not")
        return UNIX, LAYOUTS[UNIX].pack(_path(source), _path(destination))
    hosts = [ipaddress.ip_address(peer[0].partition("%")[0]) for peer in (source, destination)]
    if hosts[0].version == hosts[1].version == 4:
        return INET, LAYOUTS[INET].pack(hosts[0].packed, hosts[1].packed, source[1], destination[1])
    packed = [host.packed if host.version == 6 else MAPPED + host.packed for host in hosts]
    return INET6, LAYOUTS[INET6].pack(*packed, source[1], destination[1])


def _path(path: str) -> bytes:
    data = wire(path)
    if len(data) > 108:
        raise LocalProtocolError("the path of a Unix socket has at most 108 bytes")
    return data


def crc32c(data: bytes) -> int:
    """CRC32c (RFC 4960 appendix B: reflected, Castagnoli's polynomial)."""
    value, table = 0xFFFFFFFF, TABLE
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


def _table() -> tuple[int, ...]:
    found = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        found.append(value)
    return tuple(found)


TABLE = _table()
MAPPED = bytes(10) + b"\xff\xff"
"""What stands before an IPv4 address mapped into IPv6 (RFC 4291 2.5.5.2)."""
