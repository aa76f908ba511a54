"""pcapng files written and read back, in both byte orders; damaged ones; and what tshark and capinfos make of ours."""

from __future__ import annotations

import struct
import tracemalloc
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captures.blocks import (
    MAX_VALUE,
    Block,
    Interface,
    LinkType,
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
from captures.pcapng import MAX_BLOCK, Reader, Writer
from netlab.errors import DamagedCapture
from tests.tshark import fields, run

ORDERS: list[Order] = ["<", ">"]

orders = st.sampled_from(ORDERS)
word = st.integers(0, 2**32 - 1)
tick = st.integers(0, 2**64 - 1)
# Code 0 ends a list of options; codes 9 and 14 of an interface have lengths of their own.
options = st.lists(st.tuples(st.integers(15, 0xFFFF), st.binary(max_size=9)), max_size=3).map(tuple)


@st.composite
def sections(draw: st.DrawFn) -> list[Block]:
    """A section with its interfaces and blocks of every kind."""
    order = draw(orders)
    resolution = st.binary(min_size=1, max_size=1).map(lambda value: ((Option.INTERFACE_RESOLUTION, value),))
    interfaces = [
        Interface(number, draw(st.integers(0, 0xFFFF)), 0, draw(options) + draw(resolution | st.just(())))
        for number in range(draw(st.integers(1, 3)))
    ]
    one = st.sampled_from(interfaces)
    others = st.one_of(
        st.builds(Packet, one, tick, st.binary(max_size=50), word, options),
        st.binary(max_size=50).map(lambda data: SimplePacket(interfaces[0], data, len(data))),
        st.builds(Names, options, options),
        st.builds(Secrets, word, st.binary(max_size=50), options),
        st.builds(Statistics, one, tick, options),
        st.builds(Unknown, st.integers(11, 2**31), st.binary(max_size=12).map(lambda data: data[: len(data) // 4 * 4])),
    )
    return [Section(order, draw(options)), *interfaces, *draw(st.lists(others, max_size=8))]


def written(blocks: list[Block]) -> bytes:
    sink = BytesIO()
    writer = Writer(sink)
    for block in blocks:
        writer.write(block)
    return sink.getvalue()


def read(data: bytes) -> tuple[list[Block], DamagedCapture | None]:
    """Everything before the damage, and the damage."""
    blocks = []
    try:
        for block in Reader(BytesIO(data)):
            blocks.append(block)  # noqa: PERF402  what came before the damage is wanted
    except DamagedCapture as damage:
        return blocks, damage
    return blocks, None


def small_capture(order: Order = "<") -> bytes:
    sink = BytesIO()
    writer = Writer(sink)
    writer.section(comment="by hand", application="a test", order=order)
    interface = writer.interface(LinkType.RAW_IP, name="lab0")
    writer.names({"192.0.2.1": ["www.shop.test"], "2001:db8::1": ["v6.shop.test", "also.shop.test"]})
    writer.secrets(b"CLIENT_RANDOM 00 00\n")
    writer.packet(interface, 1_790_000_000_123_456_789, b"E" * 21, comments=["one", "zwei ü"], flags=1)
    writer.packet(interface, 1_790_000_001_000_000_000, b"F" * 4, original_length=1500)
    writer.statistics(interface, 1_790_000_002_000_000_000, received=2, dropped=1)
    return sink.getvalue()


@given(st.lists(sections(), min_size=1, max_size=3).map(lambda parts: [*chain(*parts)]))
def test_round_trip_in_both_byte_orders(blocks: list[Block]) -> None:
    assert read(written(blocks)) == (blocks, None)


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda data: small_capture()[:28] + data))
def test_arbitrary_bytes_raise_nothing_else(data: bytes) -> None:
    for block in read(data)[0]:
        if isinstance(block, Names):
            list(block)


@given(sections(), st.data())
def test_mutated_files_raise_nothing_else_and_give_what_stood_before(blocks: list[Block], data: st.DataObject) -> None:
    file = bytearray(written(blocks))
    place = data.draw(st.integers(0, len(file) - 1))
    file[place] ^= data.draw(st.integers(1, 255))
    found, _ = read(bytes(file))
    ends = [len(written(blocks[: count + 1])) for count in range(len(blocks))]
    intact = sum(end <= place for end in ends)
    assert found[:intact] == blocks[:intact]


@pytest.mark.parametrize("order", ORDERS)
def test_the_conveniences_write_what_they_say(order: Order) -> None:
    blocks, damage = read(small_capture(order))
    assert damage is None
    section, interface, names, secrets, first, second, statistics = blocks
    assert isinstance(section, Section)
    assert (section.order, section.options) == (order, ((1, b"by hand"), (4, b"a test")))
    assert isinstance(interface, Interface)
    assert (interface.name, interface.link_type, interface.units) == ("lab0", 101, 10**9)
    assert isinstance(names, Names)
    addresses = "192.0.2.1", "2001:db8::1", "2001:db8::1"
    assert list(names) == list(zip(addresses, ("www.shop.test", "v6.shop.test", "also.shop.test"), strict=True))
    assert secrets == Secrets(Secrets.TLS_KEY_LOG, b"CLIENT_RANDOM 00 00\n")
    assert isinstance(first, Packet)
    assert (first.time, first.data, first.comments) == (1_790_000_000_123_456_789, b"E" * 21, ["one", "zwei ü"])
    assert first.options[-1] == (2, struct.pack(order + "I", 1))
    assert isinstance(second, Packet)
    assert (second.original_length, len(second.data)) == (1500, 4)
    assert isinstance(statistics, Statistics)
    assert statistics.options == ((4, struct.pack(order + "Q", 2)), (5, struct.pack(order + "Q", 1)))


def test_times_in_other_units_and_with_an_offset() -> None:
    def time(*pairs: tuple[int, bytes], ticks: int) -> int:
        head = Section(">"), Unknown(1, struct.pack(">HHI", 1, 0, 0) + _pairs(*pairs))
        packet = Unknown(6, struct.pack(">5I", 0, ticks >> 32, ticks & 0xFFFFFFFF, 0, 0))
        block = read(written([*head, packet]))[0][-1]
        assert isinstance(block, Packet)
        return block.time

    assert time(ticks=1_500_000) == 1_500_000_000  # microseconds where nothing is said
    assert time((9, b"\x03"), ticks=1_500) == 1_500_000_000
    assert time((9, b"\x8a"), ticks=512) == 500_000_000  # 2 to the -10th
    assert time((9, b"\x00"), (14, struct.pack(">q", -2)), ticks=3) == 1_000_000_000


def _pairs(*pairs: tuple[int, bytes]) -> bytes:
    return b"".join(struct.pack(">HH", code, len(value)) + value + b"\0" * (-len(value) % 4) for code, value in pairs)


def test_a_simple_packet_is_as_long_as_the_snap_length_allows() -> None:
    blocks: list[Block] = [Section(), interface := Interface(0, 1, snap_length=6)]
    data = written([*blocks, SimplePacket(interface, b"abcdef", 60)])
    assert read(data) == ([*blocks, SimplePacket(interface, b"abcdef", 60)], None)


def test_each_section_has_its_own_interfaces_and_order() -> None:
    data = small_capture("<") + small_capture(">") + written([Section()])
    blocks, damage = read(data)
    assert damage is None
    assert [block.order for block in blocks if isinstance(block, Section)] == ["<", ">", "<"]
    no_interface = written([Section(), Packet(Interface(0, 1), 0, b"", 0)])
    blocks, damage = read(small_capture() + no_interface)
    assert damage is not None
    assert "names interface 0 where 0 are described" in str(damage)


def test_a_file_cut_anywhere_gives_its_whole_blocks_and_the_place() -> None:
    whole = small_capture()
    blocks, _ = read(whole)
    ends = [len(written(blocks[: count + 1])) for count in range(len(blocks))]
    for size in range(len(whole)):
        found, damage = read(whole[:size])
        complete = sum(end <= size for end in ends)
        assert found == blocks[:complete]
        if size in ends:
            assert damage is None
        else:
            assert damage is not None
            assert damage.offset == (0, *ends)[complete]
            assert ("the file ends" if size else "the file is empty") in damage.reason


WRONG = [
    (b"\xd4\xc3\xb2\xa1" + bytes(20), 0, "this one with d4c3b2a1"),
    (b"GET / HT", 0, "begins with 0a0d0d0a"),
    (struct.pack("<III", 0x0A0D0D0A, 28, 0x01020304), 0, "byte-order mark"),
    (struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 2, 0, -1, 28), 0, "version 2.0"),
    (written([Section()]) + struct.pack("<II", 6, 13), 28, "gives its length as 13"),
    (written([Section()]) + struct.pack("<II", 6, MAX_BLOCK + 4), 28, "gives its length as 16777220"),
    (written([Section()]) + struct.pack("<IIIII", 77, 20, 0, 0, 24), 28, "begins with length 20 and ends with 24"),
    (written([Section(), Unknown(6, b"1234")]), 28, "block of type 0x6"),
    (written([Section(), Interface(0, 1), Unknown(6, struct.pack("<5I", 0, 0, 0, 9, 9) + bytes(8))]), 48, "9 bytes"),
    (written([Section(), Unknown(1, struct.pack("<HHIHHI", 1, 0, 0, 9, 2, 9))]), 28, "time resolution has 2 bytes"),
    (written([Section(), Unknown(1, struct.pack("<HHIHHI", 1, 0, 0, 2, 9, 9))]), 28, "option 2 claims 9 bytes"),
    (written([Section(), Unknown(1, struct.pack("<HHIHHI", 1, 0, 0, 14, 2, 9))]), 28, "time offset has 2 bytes"),
]


@pytest.mark.parametrize(("data", "offset", "reason"), WRONG, ids=[reason for *_, reason in WRONG])
def test_damage_is_named_with_its_place(data: bytes, offset: int, reason: str) -> None:
    _, damage = read(data)
    assert damage is not None
    assert damage.offset == offset
    assert reason in str(damage)


def test_an_overlong_comment_is_cut() -> None:
    sink = BytesIO()
    writer = Writer(sink)
    writer.section()
    writer.packet(writer.interface(LinkType.RAW_IP), 0, b"", comments=["x" * 70_000])
    packet = read(sink.getvalue())[0][-1]
    assert isinstance(packet, Packet)
    assert packet.comments == ["x" * MAX_VALUE]


class Endless:
    """A capture of any size that is never in memory, and that cannot seek."""

    def __init__(self, packets: int) -> None:
        sink = BytesIO()
        self._writer = Writer(sink)
        self._writer.section()
        self._interface = self._writer.interface(LinkType.RAW_IP)
        self._sink, self._left, self._buffer = sink, packets, b""
        self._take()

    def _take(self) -> None:
        self._buffer += self._sink.getvalue()
        self._sink.seek(0)
        self._sink.truncate()

    def read(self, size: int) -> bytes:
        while len(self._buffer) < size and self._left:
            self._left -= 1
            self._writer.packet(self._interface, 0, bytes(60_000))
            self._take()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data


def test_reading_and_writing_hold_one_block_at_a_time() -> None:
    tracemalloc.start()
    try:
        count = sum(isinstance(block, Packet) for block in Reader(cast(BinaryIO, Endless(500))))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 500  # 30 MB
    assert peak < 2_000_000


@pytest.mark.parametrize("order", ORDERS)
def test_capinfos_and_tshark_read_both_orders(order: Order, tmp_path: Path) -> None:
    capture = tmp_path / "small.pcapng"
    capture.write_bytes(small_capture(order))
    facts = run("capinfos", str(capture))
    for fact in ("Wireshark/... - pcapng", "Raw IP", "Number of packets:   2", "Name = lab0", "by hand", "a test"):
        assert fact in facts
    first, second = fields(capture, "frame", "frame.time_epoch", "frame.comment", "frame.len", "frame.cap_len")
    assert first == ("1790000000.123456789", "one|zwei ü", "21", "21")
    assert second == ("1790000001.000000000", "", "1500", "4")


@pytest.mark.parametrize("order", ORDERS)
def test_the_obsolete_packet_block_is_read_as_tshark_reads_it(order: Order, tmp_path: Path) -> None:
    interface = Interface(0, 101, 0, ((Option.INTERFACE_RESOLUTION, b"\x09"),))
    flags = struct.pack(order + "HHI4x", Option.PACKET_FLAGS, 4, 1)
    old = [
        Unknown(2, struct.pack(order + "HHIIII", 0, drops, 0, 5, 6, 60) + b"\x45abcde\0\0" + flags)
        for drops in (3, 0xFFFF)
    ]
    capture = tmp_path / "old.pcapng"
    capture.write_bytes(written([Section(order), interface, *old]))
    packets = [block for block in read(capture.read_bytes())[0] if isinstance(block, Packet)]
    names = "frame.time_epoch", "frame.len", "frame.cap_len", "frame.packet_flags"
    told = [(f"{packet.time / 1e9:.9f}", "60", str(len(packet.data)), "0x00000001") for packet in packets]
    assert told == fields(capture, "frame", *names) == [("0.000000005", "60", "6", "0x00000001")] * 2
    flagged = (Option.PACKET_FLAGS, struct.pack(order + "I", 1))
    assert [packet.options for packet in packets] == [
        (flagged, (Option.PACKET_DROPPED, struct.pack(order + "Q", 3))),
        (flagged,),
    ]


def test_a_block_too_long_to_be_held_is_stepped_over() -> None:
    long = MAX_BLOCK + 8
    frame = struct.pack("<I", long)
    custom = struct.pack("<I", 0xBAD) + frame + bytes(long - 12) + frame
    data = written([Section()]) + custom + written([Interface(0, LinkType.RAW_IP)])
    assert [type(block) for block in Reader(BytesIO(data))] == [Section, Interface]
    with pytest.raises(
        DamagedCapture, match=f"at byte 28: the file ends {long - 4} bytes into a block of {long}|ends with"
    ):
        list(Reader(BytesIO(data[: 28 + long - 2])))
    with pytest.raises(DamagedCapture, match="at byte 28: the file ends 9000 bytes into"):
        list(Reader(BytesIO(data[: 28 + 9000])))
