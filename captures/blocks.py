"""The blocks of a pcapng file, each with its parse and serialize (draft-ietf-opsawg-pcapng, sections 3 and 4).

A block's `parse` gets the body between its two length fields and raises ValueError or struct.error, in a sentence,
where the body is not what its type promises; `serialize` is the inverse and keeps every byte that `parse` read.
`order` is "<" or ">", as `struct` has it: each section of a file is in the byte order of the machine that wrote it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import ip_address
from typing import ClassVar, Literal

Order = Literal["<", ">"]

Pairs = tuple[tuple[int, bytes], ...]
"""Options, and the records of a name block: (code, value), in file order."""

NANOSECONDS = 1_000_000_000
MAX_VALUE = 0xFFFF
"""The most bytes one option or name record can hold."""


class Option:
    """Option codes; except for COMMENT, what a code means depends on the block it stands in."""

    COMMENT = 1
    SECTION_HARDWARE = 2
    SECTION_SYSTEM = 3
    SECTION_APPLICATION = 4
    INTERFACE_NAME = 2
    INTERFACE_DESCRIPTION = 3
    INTERFACE_RESOLUTION = 9
    INTERFACE_OFFSET = 14
    PACKET_FLAGS = 2
    PACKET_DROPPED = 4
    STATISTICS_RECEIVED = 4
    STATISTICS_DROPPED = 5


class LinkType(IntEnum):
    """What a packet begins with (the registry of draft-ietf-opsawg-pcaplinktype)."""

    NULL = 0
    ETHERNET = 1
    RAW_BSD = 12
    RAW_IP = 101
    LOOP = 108
    LINUX_COOKED = 113
    IPV4 = 228
    IPV6 = 229
    LINUX_COOKED_2 = 276


def parse_pairs(body: bytes, order: Order, start: int = 0) -> tuple[Pairs, int]:
    """The (code, value) pairs from `start` up to their end mark or the end of `body`, and where they ended."""
    pairs: list[tuple[int, bytes]] = []
    head = struct.Struct(order + "HH")
    while start < len(body):
        code, length = head.unpack_from(body, start)
        start += head.size
        if code == 0:
            return tuple(pairs), start
        if start + length > len(body):
            raise ValueError(f"option {code} claims {length} bytes where {len(body) - start} are left")
        pairs.append((code, body[start : start + length]))
        start += length + (-length & 3)
    return tuple(pairs), start


def serialize_pairs(pairs: Pairs, order: Order, *, marked: bool = False) -> bytes:
    """Pairs as they stand in a file, values cut at MAX_VALUE; the end mark follows if there are any, or if `marked`."""
    if not pairs and not marked:
        return b""
    parts = []
    for code, value in pairs:
        value = value[:MAX_VALUE]
        parts.append(struct.pack(order + "HH", code, len(value)) + padded(value))
    return b"".join(parts) + b"\0\0\0\0"


def padded(data: bytes) -> bytes:
    """`data` filled up with zeros to a multiple of four bytes."""
    return data + b"\0\0\0"[: -len(data) & 3]


def comment_options(comments: Iterable[str]) -> Pairs:
    return tuple((Option.COMMENT, comment.encode("utf-8", "replace")) for comment in comments)


def texts(options: Pairs, code: int) -> list[str]:
    """The values of every option with this code, as text."""
    return [value.decode("utf-8", "replace") for option, value in options if option == code]


def _piece(body: bytes, start: int, length: int, what: str) -> tuple[bytes, int]:
    """`length` bytes of `body` and where their padding ends."""
    if start + length > len(body):
        raise ValueError(f"{what} claims {length} bytes where {len(body) - start} are left")
    return body[start : start + length], start + length + (-length & 3)


@dataclass(slots=True)
class Section:
    """Section Header Block: what follows, up to the next of its kind, was written by one program in one byte order."""

    type: ClassVar[int] = 0x0A0D0D0A
    order: Order = "<"
    options: Pairs = ()

    @classmethod
    def parse(cls, body: bytes, order: Order) -> Section:
        major, minor = struct.unpack_from(order + "HH", body, 4)
        if major != 1:
            raise ValueError(f"version {major}.{minor} of the format is not known, only 1.x")
        struct.unpack_from(order + "q", body, 8)  # the section's length: a hint for skipping, -1 where it was streamed
        return cls(order, parse_pairs(body, order, 16)[0])

    def serialize(self, order: Order) -> bytes:
        return struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1) + serialize_pairs(self.options, order)


@dataclass(slots=True)
class Interface:
    """Interface Description Block: where packets were seen, what they begin with, and what their times count."""

    type: ClassVar[int] = 1
    number: int
    link_type: int
    snap_length: int = 0  # the most bytes kept of a packet; 0 is no limit
    options: Pairs = ()
    units: int = field(init=False, default=1_000_000)  # ticks of a packet's time in a second
    epoch: int = field(init=False, default=0)  # seconds to add to them

    def __post_init__(self) -> None:
        for code, value in self.options:
            if code == Option.INTERFACE_RESOLUTION:
                if len(value) != 1:
                    raise ValueError(f"the time resolution has {len(value)} bytes, not 1")
                self.units = 2 ** (value[0] & 0x7F) if value[0] & 0x80 else 10 ** value[0]

    @classmethod
    def nanoseconds(cls, number: int, link_type: int, *, name: str = "", description: str = "") -> Interface:
        """An interface whose packets' ticks are nanoseconds since 1970."""
        named = ((Option.INTERFACE_NAME, name), (Option.INTERFACE_DESCRIPTION, description))
        options = [(code, text.encode()) for code, text in named if text]
        return cls(number, link_type, 0, (*options, (Option.INTERFACE_RESOLUTION, b"\x09")))

    @classmethod
    def parse(cls, body: bytes, order: Order, number: int) -> Interface:
        link_type, _, snap_length = struct.unpack_from(order + "HHI", body)
        interface = cls(number, link_type, snap_length, parse_pairs(body, order, 8)[0])
        for code, value in interface.options:
            if code == Option.INTERFACE_OFFSET:
                if len(value) != 8:
                    raise ValueError(f"the time offset has {len(value)} bytes, not 8")
                (interface.epoch,) = struct.unpack(order + "q", value)
        return interface

    def serialize(self, order: Order) -> bytes:
        return struct.pack(order + "HHI", self.link_type, 0, self.snap_length) + serialize_pairs(self.options, order)

    @property
    def name(self) -> str:
        return next(iter(texts(self.options, Option.INTERFACE_NAME)), "")


@dataclass(slots=True)
class Packet:
    """Enhanced Packet Block: `data` as kept, of `original_length` bytes on the wire, at `ticks` of its interface."""

    type: ClassVar[int] = 6
    obsolete_type: ClassVar[int] = 2
    interface: Interface
    ticks: int
    data: bytes
    original_length: int
    options: Pairs = ()

    @classmethod
    def parse(cls, body: bytes, order: Order, interfaces: Sequence[Interface]) -> Packet:
        number, high, low, kept, original = struct.unpack_from(order + "IIIII", body)
        data, end = _piece(body, 20, kept, "the packet")
        options = parse_pairs(body, order, end)[0] if end < len(body) else ()
        return cls(_interface(interfaces, number), high << 32 | low, data, original, options)

    def serialize(self, order: Order) -> bytes:
        high, low = self.ticks >> 32, self.ticks & 0xFFFFFFFF
        head = struct.pack(order + "5I", self.interface.number, high, low, len(self.data), self.original_length)
        return head + padded(self.data) + serialize_pairs(self.options, order)

    @classmethod
    def parse_obsolete(cls, body: bytes, order: Order, interfaces: Sequence[Interface]) -> Packet:
        """From the obsolete Packet Block: what it says of drops in its head becomes the option of today's block."""
        number, drops = struct.unpack_from(order + "HH", body)
        packet = cls.parse(struct.pack(order + "I", number) + body[4:], order, interfaces)
        if drops != 0xFFFF:  # that is: not known
            packet.options += ((Option.PACKET_DROPPED, struct.pack(order + "Q", drops)),)
        return packet

    @property
    def time(self) -> int:
        """Nanoseconds since 1970."""
        interface = self.interface
        return self.ticks * NANOSECONDS // interface.units + interface.epoch * NANOSECONDS

    @property
    def comments(self) -> list[str]:
        return texts(self.options, Option.COMMENT)


@dataclass(slots=True)
class SimplePacket:
    """Simple Packet Block: a packet of the section's first interface, without a time."""

    type: ClassVar[int] = 3
    interface: Interface
    data: bytes
    original_length: int

    @classmethod
    def parse(cls, body: bytes, order: Order, interfaces: Sequence[Interface]) -> SimplePacket:
        (original,) = struct.unpack_from(order + "I", body)
        interface = _interface(interfaces, 0)
        kept = min(original, interface.snap_length) if interface.snap_length else original
        return cls(interface, _piece(body, 4, kept, "the packet")[0], original)

    def serialize(self, order: Order) -> bytes:
        return struct.pack(order + "I", self.original_length) + padded(self.data)


@dataclass(slots=True)
class Names:
    """Name Resolution Block: `records` as (record type, address and names); type 1 is IPv4, 2 is IPv6."""

    type: ClassVar[int] = 4
    records: Pairs
    options: Pairs = ()

    @classmethod
    def of(cls, names: Mapping[str, Iterable[str]]) -> Names:
        """From address → names; a record each, so that however many they are none is too long."""
        records = []
        for text, its_names in names.items():
            address = ip_address(text)
            kind = 1 if address.version == 4 else 2
            records += [(kind, address.packed + name.encode("utf-8")[:255] + b"\0") for name in its_names]
        return cls(tuple(records))

    @classmethod
    def parse(cls, body: bytes, order: Order) -> Names:
        records, end = parse_pairs(body, order)
        return cls(records, parse_pairs(body, order, end)[0])

    def serialize(self, order: Order) -> bytes:
        return serialize_pairs(self.records, order, marked=True) + serialize_pairs(self.options, order)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """(address, name), leaving out records of other kinds and what is not a name."""
        for kind, value in self.records:
            size = {1: 4, 2: 16}.get(kind, 0)
            if size and len(value) > size:
                address = str(ip_address(value[:size]))
                yield from ((address, n.decode("utf-8", "replace")) for n in value[size:].split(b"\0") if n)


@dataclass(slots=True)
class Secrets:
    """Decryption Secrets Block: what decrypts the packets behind it; TLS_KEY_LOG holds lines of an NSS key log."""

    TLS_KEY_LOG: ClassVar[int] = 0x544C534B
    type: ClassVar[int] = 10
    kind: int
    data: bytes
    options: Pairs = ()

    @classmethod
    def parse(cls, body: bytes, order: Order) -> Secrets:
        kind, length = struct.unpack_from(order + "II", body)
        data, end = _piece(body, 8, length, "the key log")
        return cls(kind, data, parse_pairs(body, order, end)[0])

    def serialize(self, order: Order) -> bytes:
        return (
            struct.pack(order + "II", self.kind, len(self.data))
            + padded(self.data)
            + serialize_pairs(self.options, order)
        )


@dataclass(slots=True)
class Statistics:
    """Interface Statistics Block: what an interface had counted at a time."""

    type: ClassVar[int] = 5
    interface: Interface
    ticks: int
    options: Pairs = ()

    @classmethod
    def parse(cls, body: bytes, order: Order, interfaces: Sequence[Interface]) -> Statistics:
        number, high, low = struct.unpack_from(order + "III", body)
        return cls(_interface(interfaces, number), high << 32 | low, parse_pairs(body, order, 12)[0])

    def serialize(self, order: Order) -> bytes:
        head = struct.pack(order + "III", self.interface.number, self.ticks >> 32, self.ticks & 0xFFFFFFFF)
        return head + serialize_pairs(self.options, order)


@dataclass(slots=True)
class Unknown:
    """A block of a type not read here (custom, journal, obsolete): its body as it stood, in its section's order."""

    not_to_be_copied: ClassVar[int] = 0x40000BAD  # a custom block that would be wrong in another file (4.8)
    type: int
    body: bytes

    def serialize(self, order: Order) -> bytes:
        return self.body


Block = Section | Interface | Packet | SimplePacket | Names | Secrets | Statistics | Unknown


def _interface(interfaces: Sequence[Interface], number: int) -> Interface:
    if number >= len(interfaces):
        raise ValueError(f"it names interface {number} where {len(interfaces)} are described")
    return interfaces[number]
