"""Captures read to a line for each packet, by netlab and by scapy, and written."""

from __future__ import annotations

import importlib.util
import io
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from bench.model import NotAnswering, Sample
from bench.stage import Target
from captures.blocks import LinkType, Packet
from captures.files import blocks
from captures.inspector import Inspector
from captures.pcap import Writer as PcapWriter
from captures.pcapng import Writer
from captures.summary import summarize
from captures.synth import Conversation, Piece, synthesize_all

REQUEST = b"GET /index.html HTTP/1.1\r\nHost: www.shop.test\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4000\r\n\r\n" + bytes(4000)
QUERY = b"\x1a\x2b\1\0\0\1\0\0\0\0\0\0\3www\4shop\4test\0\0\1\0\1"
REPLY = QUERY[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + QUERY[12:] + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1"
CONVERSATIONS, EXCHANGES = 200, 4
AT_ONCE = 2000
"""Packets written between two looks at the clock."""


@cache
def capture() -> Path:
    """A file of HTTP connections and DNS queries over Ethernet, the same every time."""
    said = [conversation for number in range(CONVERSATIONS) for conversation in _conversations(number)]
    path = Path(tempfile.mkdtemp(prefix="netlab-bench-")) / "bench.pcap"
    with path.open("wb") as file:
        writer = PcapWriter(file, LinkType.ETHERNET)
        for packet in synthesize_all(said):
            writer.packet(packet.time, bytes(12) + b"\x08\0" + packet.data)
    return path


def _conversations(number: int) -> tuple[Conversation, Conversation]:
    began, client = 1000 + number / 100, ("127.0.0.1", 30000 + number)
    pieces = []
    for turn in range(EXCHANGES):
        pieces.append(Piece(began + turn / 1000, "client", turn * len(REQUEST), REQUEST))
        pieces.append(Piece(began + turn / 1000 + 0.0005, "server", turn * len(ANSWER), ANSWER))
    asked = [Piece(began, "client", 0, QUERY), Piece(began + 0.0001, "server", 0, REPLY)]
    http = Conversation(client=client, server=("127.0.0.2", 80), pieces=pieces, started=began, ended=began + 0.01)
    dns = Conversation(client=client, server=("127.0.0.53", 53), pieces=asked, started=began, transport="udp")
    return http, dns


def read_by_netlab(path: Path) -> int:
    """Every packet read, followed, and told in a line."""
    inspector = Inspector()
    with path.open("rb") as file:
        for block in blocks(file):
            if isinstance(block, Packet):
                summarize(inspector.add(block))
    return inspector.number


def read_by_scapy(path: Path) -> int:
    """The same with scapy, which follows no streams unless it is told to."""
    from scapy.all import PcapReader  # all: only so its layers are known

    count = 0
    with PcapReader(str(path)) as reader:
        for packet in reader:
            packet.summary()
            count += 1
    return count


READERS: dict[str, Callable[[Path], int]] = {"netlab": read_by_netlab, "scapy": read_by_scapy}


@dataclass(frozen=True, kw_only=True)
class Dissect:
    """A capture read to a line for each packet, over and over."""

    tool: Literal["netlab", "scapy"]

    def missing(self) -> str:
        there = self.tool == "netlab" or importlib.util.find_spec("scapy") is not None
        return "" if there else "scapy (pip install netlab[bench])"

    def check(self, target: Target) -> None:
        if (count := READERS[self.tool](capture())) < CONVERSATIONS:
            raise NotAnswering(f"{count} packets were read")

    def run(self, target: Target, seconds: int) -> Sample:
        read, path, count = READERS[self.tool], capture(), 0
        before, began = time.process_time(), time.perf_counter()
        while time.perf_counter() - began < seconds:
            count += read(path)
        spent = time.process_time() - before  # what others take of the core meanwhile is not the reader's
        return Sample(units=count, seconds=spent, load_cpu=spent)


@dataclass(frozen=True, kw_only=True)
class Write:
    """Packets of so many bytes written as pcapng into memory; the unit is a megabyte of packets."""

    size: int = 1500

    def missing(self) -> str:
        return ""

    def check(self, target: Target) -> None:
        """There is nothing to ask."""

    def run(self, target: Target, seconds: int) -> Sample:
        data, count = bytes(self.size), 0
        before, began = time.process_time(), time.perf_counter()
        while time.perf_counter() - began < seconds:
            sink = io.BytesIO()
            writer = Writer(sink)
            writer.section()
            interface = writer.interface(LinkType.ETHERNET)
            for number in range(AT_ONCE):
                writer.packet(interface, number, data)
            count += AT_ONCE
        spent = time.process_time() - before
        return Sample(units=count * self.size / 1e6, seconds=spent, load_cpu=spent)
