"""Capture files in the classic pcap form, read and written as streams (draft-ietf-opsawg-pcap).

A file is one header and then packets; it knows one link type and one precision. What is read comes in the blocks of
pcapng, so that nobody behind has to know which of the two a file was.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from captures.blocks import Interface, Option, Packet
from netlab.errors import DamagedCapture

MICROSECONDS, NANOSECONDS = 0xA1B2C3D4, 0xA1B23C4D
_MAGIC = {
    struct.pack(order + "I", magic): (order, digits)
    for order in "<>"
    for magic, digits in ((MICROSECONDS, 6), (NANOSECONDS, 9))
}
LONGEST = 1 << 18
"""The longest packet that is believed: Wireshark's own bound. It bounds the reader's memory."""


def is_pcap(beginning: bytes) -> bool:
    """Whether a file that begins so is a pcap."""
    return beginning[:4] in _MAGIC


class Reader:
    """The packets of a pcap file behind the one interface they came from, by iteration.

    What stands before a damage is given first, then DamagedCapture says where it is and what is wrong there.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.offset = 0  # where the packet that is being read begins

    def __iter__(self) -> Iterator[Interface | Packet]:
        head = self._source.read(24)
        if head[:4] not in _MAGIC:
            raise self._damaged(
                f"a pcap file begins with a1b2c3d4 in one of its forms, not {head[:4].hex() or 'empty'}"
            )
        if len(head) < 24:
            raise self._damaged(f"the file ends {len(head)} bytes into its header of 24")
        order, digits = _MAGIC[head[:4]]
        major, minor, _, _, snap_length, link_type = struct.unpack(order + "HHIIII", head[4:])
        if major != 2:
            raise self._damaged(f"version {major}.{minor} of the format is not known, only 2.x")
        # the upper bits of the link type tell of check sequences behind packets (draft-ietf-opsawg-pcap 4)
        interface = Interface(0, link_type & 0xFFFF, snap_length, ((Option.INTERFACE_RESOLUTION, bytes((digits,))),))
        yield interface
        self.offset = 24
        yield from self._packets(interface, struct.Struct(order + "IIII"))

    def _packets(self, interface: Interface, head: struct.Struct) -> Iterator[Packet]:
        read, units = self._source.read, interface.units
        while data := read(16):
            if len(data) < 16:
                raise self._damaged(f"the file ends {len(data)} bytes into a packet's head of 16")
            seconds, fraction, kept, original = head.unpack(data)
            if kept > LONGEST:
                raise self._damaged(f"a packet gives its length as {kept}")
            packet = read(kept)
            if len(packet) < kept:
                raise self._damaged(f"the file ends {len(packet)} bytes into a packet of {kept}")
            yield Packet(interface, seconds * units + fraction, packet, original)
            self.offset += 16 + kept

    def _damaged(self, reason: str) -> DamagedCapture:
        return DamagedCapture(reason, offset=self.offset)


class Writer:
    """Writes a pcap file with nanoseconds, or microseconds for readers that know no better; only ever appended to."""

    def __init__(
        self, sink: BinaryIO, link_type: int, *, snap_length: int = LONGEST, microseconds: bool = False
    ) -> None:
        self._sink, self._unit = sink, 1_000 if microseconds else 1
        magic = MICROSECONDS if microseconds else NANOSECONDS
        sink.write(struct.pack("<IHHIIII", magic, 2, 4, 0, 0, snap_length, link_type))
        self._head = struct.Struct("<IIII")

    def packet(self, time: int, data: bytes, *, original_length: int | None = None) -> None:
        """One packet, its time in nanoseconds since 1970."""
        seconds, fraction = divmod(time, 1_000_000_000)
        size = len(data)
        original = size if original_length is None else original_length
        self._sink.write(self._head.pack(seconds, fraction // self._unit, size, original) + data)
