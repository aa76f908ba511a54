"""Capture files in pcapng form, read and written as streams: one block at a time is held, whatever the file's size.

Format: draft-ietf-opsawg-pcapng. Every block is `type, length, body, length again`, so a reader that does not know a
type can step over it, and one that meets a length that makes no sense knows that the file is damaged there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO

from captures.blocks import (
    Block,
    Interface,
    Names,
    Option,
    Order,
    Packet,
    Secrets,
    Section,
    SimplePacket,
    Statistics,
    Unknown,
    comment_options,
    serialize_pairs,
)
from netlab.errors import DamagedCapture

MAX_BLOCK = 16 << 20
"""The longest block that is held, which bounds the reader's memory; longer packets are not believed in."""

_BOUNDED = {Section.type, Interface.type, Packet.type, Packet.obsolete_type, SimplePacket.type}
_SECTION_MARK = Section.type.to_bytes(4, "big")  # the same in both byte orders
_BYTE_ORDER = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}


class Reader:
    """The blocks of a pcapng file, in order, by iteration.

    A file that is cut short or damaged gives every block before the damage, then DamagedCapture with the place and what
    is wrong there; the end of the file between two blocks is its end.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.offset = 0  # where the block that is being read begins
        self.order: Order = "<"
        self.interfaces: list[Interface] = []  # of the section that is being read

    def __iter__(self) -> Iterator[Block]:
        while (head := self._source.read(8)) or not self.offset:
            block_type, length, body = self._frame(head)
            if length > MAX_BLOCK:
                self.offset += length
                continue
            try:
                block = self._parse(block_type, body)
            except (ValueError, struct.error) as wrong:
                raise self._damaged(f"block of type {block_type:#x}: {wrong}") from None
            yield block
            self.offset += length

    def _frame(self, head: bytes) -> tuple[int, int, bytes]:
        """One block's type, length and body, after its first eight bytes were read."""
        if len(head) < 8:
            raise self._damaged(f"the file ends {len(head)} bytes into a block's head" if head else "the file is empty")
        mark = b""
        if head[:4] == _SECTION_MARK:
            mark = self._begin_section()
        elif self.offset == 0:
            raise self._damaged(f"a pcapng file begins with 0a0d0d0a, this one with {head[:4].hex()}")
        block_type, length = struct.unpack(self.order + "II", head)
        most = MAX_BLOCK if block_type in _BOUNDED else 0xFFFFFFFF
        if length % 4 or not 12 + len(mark) <= length <= most:
            raise self._damaged(f"a block of type {block_type:#x} gives its length as {length}")
        if length > MAX_BLOCK:
            self._step_over(block_type, length)
            return block_type, length, b""
        rest = self._source.read(length - 8 - len(mark))
        if len(rest) < length - 8 - len(mark):
            raise self._damaged(f"the file ends {8 + len(mark) + len(rest)} bytes into a block of {length}")
        (again,) = struct.unpack(self.order + "I", rest[-4:])
        if again != length:
            raise self._damaged(f"a block of type {block_type:#x} begins with length {length} and ends with {again}")
        return block_type, length, mark + rest[:-4]

    def _step_over(self, block_type: int, length: int) -> None:
        """Pass a block that is too long to be held, such as a program's own: without keeping it."""
        left = length - 12
        while left:
            piece = self._source.read(min(left, 1 << 20))
            if not piece:
                raise self._damaged(f"the file ends {length - 4 - left} bytes into a block of {length}")
            left -= len(piece)
        if self._source.read(4) != struct.pack(self.order + "I", length):
            raise self._damaged(f"a block of type {block_type:#x} begins with length {length} and ends with another")

    def _begin_section(self) -> bytes:
        """Reads a section's byte-order mark: the length before it cannot be understood without."""
        mark = self._source.read(4)
        order = _BYTE_ORDER.get(mark)
        if len(mark) < 4:
            raise self._damaged("the file ends before its section's byte-order mark")
        if order is None:
            raise self._damaged(f"a section's byte-order mark is 1a2b3c4d in one order or the other, not {mark.hex()}")
        self.order = "<" if order == "<" else ">"
        self.interfaces = []
        return mark

    def _parse(self, block_type: int, body: bytes) -> Block:
        order = self.order
        match block_type:
            case Packet.type:
                return Packet.parse(body, order, self.interfaces)
            case Packet.obsolete_type:
                return Packet.parse_obsolete(body, order, self.interfaces)
            case SimplePacket.type:
                return SimplePacket.parse(body, order, self.interfaces)
            case Interface.type:
                interface = Interface.parse(body, order, len(self.interfaces))
                self.interfaces.append(interface)
                return interface
            case Section.type:
                return Section.parse(body, order)
            case Names.type:
                return Names.parse(body, order)
            case Secrets.type:
                return Secrets.parse(body, order)
            case Statistics.type:
                return Statistics.parse(body, order, self.interfaces)
        return Unknown(block_type, body)

    def _damaged(self, reason: str) -> DamagedCapture:
        return DamagedCapture(reason, offset=self.offset)


class Writer:
    """Writes a pcapng file block by block; the sink is only ever appended to, so it can be a pipe.

    `write` takes any block, so that what a Reader gives can be copied; a section sets the byte order of what follows,
    as in the file. The methods named for what they write make the usual blocks.
    """

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self._interfaces = 0
        self._begin("<")

    def _begin(self, order: Order) -> None:
        self._order = order
        self._packet_head = struct.Struct(order + "7I")
        self._length = struct.Struct(order + "I")
        self._interfaces = 0

    def write(self, block: Block) -> None:
        if isinstance(block, Section):
            self._begin(block.order)
        elif isinstance(block, Interface):
            self._interfaces += 1
        body = block.serialize(self._order)
        length = len(body) + 12
        self._sink.write(struct.pack(self._order + "II", block.type, length) + body + self._length.pack(length))

    def section(self, *, comment: str = "", application: str = "", order: Order = "<") -> None:
        """Begins the file, or another section of it."""
        options = comment_options([comment] if comment else [])
        if application:
            options += ((Option.SECTION_APPLICATION, application.encode()),)
        self.write(Section(order, options))

    def interface(self, link_type: int, *, name: str = "", description: str = "") -> Interface:
        """Describes an interface whose times are in nanoseconds."""
        interface = Interface.nanoseconds(self._interfaces, link_type, name=name, description=description)
        self.write(interface)
        return interface

    def packet(
        self,
        interface: Interface,
        ticks: int,
        data: bytes,
        *,
        original_length: int | None = None,
        comments: Iterable[str] = (),
        flags: int | None = None,
    ) -> None:
        """One packet, `ticks` in the interface's units; `flags` as in the format's 4.3.1 (1 inbound, 2 outbound)."""
        options = comment_options(comments)
        if flags is not None:
            options += ((Option.PACKET_FLAGS, self._length.pack(flags)),)
        size = len(data)
        original = size if original_length is None else original_length
        tail = b"\0\0\0"[: -size & 3] + serialize_pairs(options, self._order)
        length = 32 + size + len(tail)
        numbers = Packet.type, length, interface.number, ticks >> 32, ticks & 0xFFFFFFFF, size, original
        self._sink.write(b"".join((self._packet_head.pack(*numbers), data, tail, self._length.pack(length))))

    def names(self, names: Mapping[str, Iterable[str]]) -> None:
        """What addresses are called, for readers that show names."""
        self.write(Names.of(names))

    def secrets(self, key_log: bytes) -> None:
        """TLS secrets as lines of an NSS key log; they must stand before the packets they decrypt."""
        self.write(Secrets(Secrets.TLS_KEY_LOG, key_log))

    def statistics(self, interface: Interface, ticks: int, *, received: int, dropped: int = 0) -> None:
        """How many packets an interface had seen and lost at a time."""
        counts = ((Option.STATISTICS_RECEIVED, received), (Option.STATISTICS_DROPPED, dropped))
        options = tuple((code, struct.pack(self._order + "Q", count)) for code, count in counts)
        self.write(Statistics(interface, ticks, options))
