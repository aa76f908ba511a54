"""Captures read packet by packet: whatever the bytes are, every byte of every buffer is in exactly one field."""

from __future__ import annotations

import gzip
import time
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captures import pcap
from captures.blocks import Interface, LinkType, Packet
from captures.conversations import SYN
from captures.files import blocks
from captures.inspector import Inspector, buffers
from captures.pcapng import Writer
from captures.serialize import ACK, ip_packet, tcp_segment, udp_datagram
from captures.summary import summarize
from captures.synth import Conversation, Piece, synthesize
from netlab.errors import DamagedCapture
from tests.captures.test_tree import check_cover

CLIENT, SERVER = (bytes((127, 0, 0, 1)), 40000), (bytes((127, 0, 0, 2)), 80)
RAW = Interface.nanoseconds(0, LinkType.RAW_IP)
REQUEST = b"GET /a HTTP/1.1\r\nHost: www.shop.test\r\nCookie: a=b\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;a=b\r\nyou\r\n0\r\nX: y\r\n\r\n"


def inspected(packets: list[bytes], link_type: int = LinkType.RAW_IP) -> list[str]:
    """Every packet's line, after the trees of all were checked."""
    inspector, lines = Inspector(), []
    interface = Interface.nanoseconds(0, link_type)
    for number, data in enumerate(packets):
        seen = inspector.add(Packet(interface, number * 1_000_000, data, len(data)))
        for buffer in buffers(seen):
            check_cover(buffer.layers, len(buffer.data))
        lines.append(" ".join(summarize(seen)))
    return lines


def conversation(*pieces: tuple[str, bytes], port: int = 80) -> list[bytes]:
    """The packets of a connection on which this was said."""
    offsets = {"client": 0, "server": 0}
    said = []
    for number, (side, data) in enumerate(pieces):
        said.append(Piece(1000 + number / 1000, side, offsets[side], data))  # type: ignore[arg-type]  # only these two
        offsets[side] += len(data)
    made = Conversation(
        client=("127.0.0.1", 40000), server=("127.0.0.2", port), pieces=said, started=999.0, ended=1001.0
    )
    return [packet.data for packet in synthesize(made)]


HTTP = (("client", REQUEST), ("server", ANSWER), ("client", REQUEST), ("server", CHUNKED))


def test_messages_are_found_in_the_packets_that_complete_them() -> None:
    lines = inspected(conversation(*HTTP))
    assert [line for line in lines if line.startswith("HTTP")] == [
        "HTTP GET /a HTTP/1.1",
        "HTTP HTTP/1.1 200 OK",
        "HTTP GET /a HTTP/1.1",
        "HTTP HTTP/1.1 200 OK",
    ]
    assert "[SYN] Seq=0 Win=65535 Len=0 MSS=1460 WS=128" in lines[0]


@pytest.mark.parametrize("size", [1, 3, 20])
def test_messages_over_many_segments(size: int) -> None:
    split = [(side, data[at : at + size]) for side, data in HTTP for at in range(0, len(data), size)]
    lines = inspected(conversation(*split))
    assert sum(line.startswith("HTTP") for line in lines) == 4


def segments(data: bytes, sizes: list[int]) -> list[bytes]:
    """A request's segments, without handshake and answers but the SYN."""
    out, at = [tcp_segment(CLIENT, SERVER, 999, 0, SYN)], 0
    for size in [*sizes, len(data)]:
        piece = data[at : at + size]
        if piece:
            out.append(tcp_segment(CLIENT, SERVER, 1000 + at, 1, ACK, piece))
        at += size
    return [ip_packet(CLIENT[0], SERVER[0], 6, segment) for segment in out]


@settings(max_examples=60)
@given(
    sizes=st.lists(st.integers(1, 30), max_size=6),
    order=st.randoms(use_true_random=False),
    again=st.lists(st.integers(0, 6), max_size=4),
)
def test_any_order_of_segments_gives_the_message_once(sizes: list[int], order: Random, again: list[int]) -> None:
    first, *rest = segments(REQUEST, sizes)
    rest += [rest[index % len(rest)] for index in again]
    order.shuffle(rest)
    lines = inspected([first, *rest])
    assert sum("GET /a HTTP/1.1" in line for line in lines) == 1


def test_overlapping_segments_count_once() -> None:
    syn, *_ = segments(REQUEST, [])
    pieces = [(0, 10), (5, 30), (20, len(REQUEST))]
    overlapping = [
        ip_packet(CLIENT[0], SERVER[0], 6, tcp_segment(CLIENT, SERVER, 1000 + at, 1, ACK, REQUEST[at:end]))
        for at, end in pieces
    ]
    assert "GET /a HTTP/1.1" in inspected([syn, *overlapping])[-1]


def test_what_is_lost_ends_a_message_and_the_next_is_found() -> None:
    packets = [packet for packet in conversation(*HTTP) if ANSWER not in packet]
    lines = inspected(packets)
    assert sum(line.startswith("HTTP") for line in lines) == 3


@st.composite
def damaged(draw: st.DrawFn) -> list[bytes]:
    packets = conversation(*HTTP)
    for _ in range(draw(st.integers(1, 6))):
        index = draw(st.integers(0, len(packets) - 1))
        data = bytearray(packets[index])
        if data:
            data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
        packets[index] = bytes(data[: draw(st.integers(0, len(data)))]) if draw(st.booleans()) else bytes(data)
    return packets


@settings(max_examples=60)
@given(packets=damaged())
def test_damaged_packets_give_covering_trees(packets: list[bytes]) -> None:
    inspected(packets)


@settings(max_examples=40)
@given(data=st.binary(max_size=120), link_type=st.sampled_from((0, 1, 12, 101, 108, 113, 228, 229, 276, 147)))
def test_any_bytes_of_any_link_type(data: bytes, link_type: int) -> None:
    inspected([data], link_type)


def test_fragments_are_joined_in_any_order() -> None:
    datagram = udp_datagram(CLIENT, (SERVER[0], 9000), bytes(range(256)) * 12)
    parts = []
    for at in range(0, len(datagram), 1480):
        piece = datagram[at : at + 1480]
        packet = bytearray(ip_packet(CLIENT[0], SERVER[0], 17, piece, identification=7))
        more = 0x2000 if at + len(piece) < len(datagram) else 0
        packet[6:8] = (more | at // 8).to_bytes(2, "big")
        parts.append(bytes(packet))
    lines = inspected(parts[::-1])
    assert len(parts) == 3
    assert "the last of them: reassembled" in lines[-1]
    assert "of several" in lines[0]


def test_time_is_linear_in_the_size() -> None:
    """Twenty times the segments take about twenty times as long, out of order and a byte each."""

    def spent(count: int) -> float:
        data = REQUEST * (count // len(REQUEST) + 1)
        first, *rest = segments(data[:count], [1] * count)
        packets = [first, *(rest[at ^ 1] for at in range(len(rest) & ~1))]
        inspector, began = Inspector(), time.process_time()
        for number, packet in enumerate(packets):
            summarize(inspector.add(Packet(RAW, number, packet, len(packet))))
        return time.process_time() - began

    spent(500)
    assert spent(10_000) < 20 * spent(500) * 5


def pcap_file(packets: list[bytes], *, microseconds: bool = False) -> bytes:
    sink = BytesIO()
    writer = pcap.Writer(sink, LinkType.RAW_IP, microseconds=microseconds)
    for number, packet in enumerate(packets):
        writer.packet(1_790_000_000_000_000_000 + number * 1_234_567, packet)
    return sink.getvalue()


@pytest.mark.parametrize("microseconds", [False, True])
def test_pcap_is_read_as_it_was_written(microseconds: bool) -> None:
    packets = conversation(*HTTP)
    read = list(blocks(BytesIO(pcap_file(packets, microseconds=microseconds))))
    assert isinstance(read[0], Interface)
    assert [block.data for block in read if isinstance(block, Packet)] == packets
    times = [block.time for block in read if isinstance(block, Packet)]
    assert times[1] == 1_790_000_000_001_234_567 // (1000 if microseconds else 1) * (1000 if microseconds else 1)
    assert all(early < late for early, late in pairwise(times))


def test_a_big_endian_pcap_with_microseconds() -> None:
    head = bytes.fromhex("a1b2c3d4 0002 0004 00000000 00000000 0000ffff 00000065")
    packet = bytes.fromhex("6ab00000 00000005 00000004 00000063") + b"abcd"
    _, read = blocks(BytesIO(head + packet))
    assert isinstance(read, Packet)
    assert (read.time, read.data, read.original_length) == (0x6AB00000 * 10**9 + 5000, b"abcd", 0x63)


def test_gzip_is_taken_off() -> None:
    packets = conversation(*HTTP)
    read = blocks(BytesIO(gzip.compress(pcap_file(packets))))
    assert sum(isinstance(block, Packet) for block in read) == len(packets)


@pytest.mark.parametrize("cut", [1, 10, 24, 30, 45, 60])
@pytest.mark.parametrize("packed", [False, True])
def test_a_cut_file_is_read_up_to_the_damage(cut: int, packed: bool) -> None:
    data = pcap_file(conversation(*HTTP))
    source = BytesIO(gzip.compress(data)[:-cut] if packed else data[:-cut])
    read = []
    with pytest.raises(DamagedCapture, match="damaged at byte"):
        read += list(_until_damage(source, read))
    assert packed or len(read) > 5


def _until_damage(source: BytesIO, read: list[object]) -> list[object]:
    for block in blocks(source):
        read.append(block)  # noqa: PERF402  what came before the damage is what counts
    return []


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(DamagedCapture, match="begins with"):
        list(blocks(BytesIO(b"GIF89a, which is no capture")))


def test_pcapng_is_told_from_pcap() -> None:
    sink = BytesIO()
    writer = Writer(sink)
    writer.section()
    interface = writer.interface(LinkType.RAW_IP)
    writer.packet(interface, 5, b"x")
    assert [type(block).__name__ for block in blocks(BytesIO(sink.getvalue()))] == ["Section", "Interface", "Packet"]
