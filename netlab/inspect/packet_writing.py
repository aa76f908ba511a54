"""Packets that were read or sniffed, written as they are to a capture: those that a filter wants, say."""

from __future__ import annotations

from pathlib import Path

from captures.blocks import Block, Interface, Names, Order, Packet, Secrets, Section, SimplePacket
from captures.pcapng import Writer
from captures.rolling import Rolling
from netlab import __version__
from netlab.errors import NetlabError


class PacketWriting:
    """A capture, or a row of them, with the interfaces of the packets in it; names and secrets go along."""

    def __init__(self, path: Path, *, limit: int = 0, keep: int = 10) -> None:
        self._interfaces: dict[int, Interface] = {}
        self._beside: list[Names | Secrets] = []
        self._order: Order = "<"  # that of the section read: options go along as they are, and some are numbers
        try:
            self._rolling = Rolling(path, self._begin, limit=limit, keep=keep)
        except OSError as error:
            raise NetlabError(f"cannot write {path}: {error.strerror}") from None

    def _begin(self, writer: Writer) -> None:
        self._interfaces.clear()
        writer.section(application=f"netlab {__version__}", order=self._order)
        for block in self._beside:
            writer.write(block)

    def beside(self, block: Block) -> None:
        """A block that is no packet; names and secrets are kept for every file."""
        if isinstance(block, (Names, Secrets)):
            self._beside.append(block)
            self._rolling.writer().write(block)
        elif isinstance(block, Section) and block.order != self._order:
            self._order = block.order
            self._begin(self._rolling.writer())

    def packet(self, packet: Packet | SimplePacket) -> None:
        """One packet."""
        writer = self._rolling.writer()
        interface = self._interfaces.get(id(packet.interface))
        if interface is None:
            given = packet.interface
            interface = Interface(len(self._interfaces), given.link_type, given.snap_length, given.options)
            self._interfaces[id(given)] = interface
            writer.write(interface)
        ticks = packet.ticks if isinstance(packet, Packet) else 0
        options = packet.options if isinstance(packet, Packet) else ()
        writer.write(Packet(interface, ticks, packet.data, packet.original_length, options))

    def close(self) -> None:
        self._rolling.close()
