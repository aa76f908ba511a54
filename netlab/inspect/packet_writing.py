"""Packets that were read or sniffed, written to a capture: those that a filter wants, secrets starred out or not."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

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
)
from captures.inspector import Seen
from captures.pcapng import Writer
from captures.rolling import Rolling, block_size
from netlab import __version__
from netlab.errors import NetlabError
from netlab.inspect.masks import covered, masked_bytes
from netlab.inspect.packet_secrets import Covers, mended
from netlab.text import counted

STATISTICS = 160
"""Bytes of a block with all that it can count."""


class PacketWriting:
    """A capture, or a row of them, with the interfaces of the packets in it; names, other blocks and TLS secrets too.

    What is not to be revealed is starred out in place: sizes and times stay, checksums are those of the new bytes, and
    TLS secrets are left out.
    """

    def __init__(self, path: Path, *, limit: int = 0, keep: int = 10, reveal: bool = False) -> None:
        self._reveal = reveal
        self.hidden = self.left_out = 0  # packets with something starred out, blocks of TLS secrets
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
        if isinstance(block, Secrets) and not self._reveal:
            self.left_out += 1
        elif isinstance(block, (Names, Secrets)):
            self._beside.append(block)
            self._rolling.writer().write(block)
        elif isinstance(block, Section) and block.order != self._order:
            self._order = block.order
            self._begin(self._rolling.writer())
        elif isinstance(block, Statistics):
            writer = self._rolling.writer(STATISTICS)
            writer.write(replace(block, interface=self._interface(writer, block.interface)))
        elif isinstance(block, Unknown) and block.type != Unknown.not_to_be_copied:
            body = block.body if self._reveal else masked_bytes(block.body)
            self._rolling.writer(block_size(body)).write(Unknown(block.type, body))

    def packet(self, seen: Seen, covers: Covers) -> None:
        """One packet, with its secrets covered."""
        packet = seen.packet
        options = packet.options if isinstance(packet, Packet) else ()
        writer = self._rolling.writer(block_size(packet.data, (value for _, value in options)))
        interface = self._interface(writer, packet.interface)
        data = mended(seen, covered(packet.data, covers.own)) if covers.own else packet.data
        self.hidden += data is not packet.data
        if isinstance(packet, SimplePacket):
            simple = not interface.number  # only of a file's first interface is there a packet without a time
            made = SimplePacket if simple else partial(Packet, ticks=0)
            writer.write(made(interface=interface, data=data, original_length=packet.original_length))
            return
        if not self._reveal:
            options = tuple((code, masked_bytes(value) if code == Option.COMMENT else value) for code, value in options)
        writer.write(Packet(interface, packet.ticks, data, packet.original_length, options))

    def _interface(self, writer: Writer, given: Interface) -> Interface:
        """The interface as the file that is being written has it."""
        interface = self._interfaces.get(id(given))
        if interface is None:
            interface = Interface(len(self._interfaces), given.link_type, given.snap_length, given.options)
            self._interfaces[id(given)] = interface
            writer.write(interface)
        return interface

    @property
    def notice(self) -> str:
        """One sentence on what is not as it was; empty where all is."""
        parts = [f"secrets in {counted(self.hidden, 'packet')} are starred out"] if self.hidden else []
        parts += ["the TLS secrets are left out"] if self.left_out else []
        return f"{' and '.join(parts)}; --reveal writes them as they are" if parts else ""

    def close(self) -> None:
        self._rolling.close()
