"""Trees cover their buffer: every bit is in exactly one leaf, whatever the bytes are."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captures import serialize
from captures.dissect import DISSECTORS, dissect, packet
from captures.tree import Field, Layer, Reader, Row, Short, as_json, leaves, walk

LOOPBACK = bytes((127, 0, 0, 1)), bytes((127, 0, 0, 2))
LOOPBACK6 = bytes(15) + b"\1", bytes(15) + b"\2"


def check_cover(layers: tuple[Layer, ...], size: int) -> None:
    """Leaves follow each other without gap or overlap, parts fill their parents, and names and sections are there."""
    at = 0
    for leaf in leaves(layers):
        assert leaf.start == at, leaf
        assert leaf.end > leaf.start, leaf
        at = leaf.end
    assert at == size * 8
    for layer in layers:
        assert layer.start <= layer.end
        for field in layer.all():
            assert field.name
            assert field.label
            assert field.meaning or field.parts or not field.malformed, field
            if field.parts:
                assert (field.parts[0].start, field.parts[-1].end) == (field.start, field.end)
    json.dumps(as_json(layers))


@settings(max_examples=40)
@given(data=st.binary(max_size=200))
@pytest.mark.parametrize("protocol", DISSECTORS)
def test_any_bytes_give_a_covering_tree(protocol: str, data: bytes) -> None:
    check_cover(dissect(data, protocol), len(data))


@given(data=st.binary(max_size=120))
def test_any_packet_gives_a_covering_tree(data: bytes) -> None:
    check_cover(packet(data), len(data))


@st.composite
def packets(draw: st.DrawFn) -> bytes:
    """An IP packet with a TCP segment, its options made of kinds that exist and kinds that do not."""
    options = b"".join(draw(st.lists(tcp_options(), max_size=6)))[:40]
    options += bytes(-len(options) % 4)
    ends = draw(st.sampled_from((LOOPBACK, LOOPBACK6)))
    segment = serialize.tcp_segment(
        (ends[0], draw(st.integers(0, 65535))),
        (ends[1], 80),
        draw(st.integers(0, 2**32 - 1)),
        0,
        draw(st.integers(0, 255)),
        draw(st.binary(max_size=40)),
        options=options,
    )
    return serialize.ip_packet(*ends, serialize.TCP, segment)


def tcp_options() -> st.SearchStrategy[bytes]:
    kinds = st.sampled_from((2, 3, 4, 5, 8, 28, 29, 30, 34, 200))
    made = st.builds(lambda kind, data: bytes((kind, len(data) + 2)) + data, kinds, st.binary(max_size=12))
    return st.one_of(made, st.sampled_from((b"\1", b"\0")), st.binary(max_size=4))


@given(data=packets(), cut=st.integers(0, 200), flip=st.tuples(st.integers(0, 59), st.integers(0, 255)))
def test_damaged_packets_give_a_covering_tree(data: bytes, cut: int, flip: tuple[int, int]) -> None:
    check_cover(packet(data), len(data))
    check_cover(packet(data[:cut]), len(data[:cut]))
    damaged = bytearray(data)
    damaged[min(flip[0], len(damaged) - 1)] = flip[1]
    check_cover(packet(bytes(damaged)), len(damaged))


@given(data=packets())
def test_what_was_written_is_read(data: bytes) -> None:
    layers = packet(data)
    assert [layer.name for layer in layers[:2]] == ["ipv6" if data[0] >> 4 == 6 else "ip", "tcp"]
    tcp = layers[1]
    checksum = tcp.get("tcp.checksum")
    assert checksum is not None
    assert checksum.meaning == "correct"
    assert tcp.value("tcp.dstport") == 80
    length = layers[0].value("ip.len") or 40 + layers[0].value("ipv6.plen")
    assert length == len(data)


def test_a_packet_in_a_packet_ends_somewhere() -> None:
    data = b"x"
    for _ in range(40):
        data = serialize.ip_packet(*LOOPBACK, 4, data)
    layers = packet(data)
    check_cover(layers, len(data))
    assert len(layers) == 17


def test_bytes_behind_the_packet_are_padding() -> None:
    data = serialize.ip_packet(*LOOPBACK, 255, b"inside")
    layers = packet(data + bytes(6))
    assert [(layer.name, layer.start // 8, layer.end // 8) for layer in layers] == [
        ("ip", 0, 20),
        ("data", 20, 26),
        ("padding", 26, 32),
    ]


def test_reader_reads_bits_over_byte_boundaries() -> None:
    reader = Reader(bytes((0b10110011, 0b01010101)), 0, 2)
    assert reader.numbers([Row("a", "A", 3), Row("b", "B", 7, lambda n: f"is {n}"), Row("c", "C", 6)]) == [5, 77, 21]
    assert [field.meaning for field in reader.fields] == ["", "is 77", ""]


def test_reader_marks_what_is_cut_short() -> None:
    reader = Reader(b"\1\2", 0, 2)
    reader.number(Row("a", "A", 8))
    with pytest.raises(Short):
        reader.number(Row("b", "B", 16, section="RFC 1"))
    assert reader.fields[-1] == Field(
        "b", "B", b"\2", 8, 16, "cut short: 16 bits are needed and 8 are left", "RFC 1", malformed=True
    )


def test_a_tag_of_a_provider_is_told_from_a_customer_s() -> None:
    frame = bytes(12) + b"\x88\xa8\x60\5\x81\0\x10\7\x08\0"
    _, outer, inner = dissect(frame, "eth")
    assert (outer.name, outer.value("ieee8021ad.id"), outer.value("ieee8021ad.priority")) == ("ieee8021ad", 5, 3)
    assert (inner.name, inner.value("vlan.id"), inner.value("vlan.dei"), inner.carries) == ("vlan", 7, 1, "ip")


def test_json_has_bits_and_hexadecimal() -> None:
    [record] = as_json(dissect(b"\xff", "nothing"))
    assert record["fields"] == [
        {
            "name": "data",
            "label": "Data",
            "value": "ff",
            "bits": [0, 8],
            "meaning": "not dissected further",
            "section": "",
        }
    ]


@pytest.mark.parametrize(
    "name", ["ip", "ipv6", "tcp", "udp", "icmp", "arp", "eth", "vlan", "ieee8021ad", "sll", "sll2", "null"]
)
def test_every_field_has_a_section(name: str) -> None:
    samples: dict[str, Callable[[], bytes]] = {
        "ip": lambda: serialize.ip_packet(*LOOPBACK, 6, b""),
        "ipv6": lambda: serialize.ip_packet(*LOOPBACK6, 6, b""),
        "tcp": lambda: serialize.tcp_segment((LOOPBACK[0], 1), (LOOPBACK[1], 2), 0, 0, 2),
    }
    layer = dissect(samples.get(name, lambda: bytes(40))(), name)[0]
    assert [field.name for field in walk(layer.fields) if not field.section] == []
