"""IP and TCP headers read field by field as tshark reads them."""

from __future__ import annotations

import io
from ipaddress import ip_address
from pathlib import Path

import pytest

from captures import serialize
from captures.blocks import LinkType
from captures.dissect import packet
from captures.pcapng import Writer
from captures.tree import Layer, leaves
from tests.tshark import fields

FOUR = ip_address("127.0.0.1").packed, ip_address("192.0.2.7").packed
SIX = ip_address("::1").packed, ip_address("2001:db8::7").packed

OPTIONS = bytes.fromhex("020405b40402080a01020304050607080103030701050a000000010000000900")
LINUX_SYN = (
    "4500003c11d9400040062ae17f0000017f000001"
    "cc389c5d90495b4600000000a002ffd7fe3000000204ffd70402080a7d8bd9f4000000000103030a"
)

IP_NAMES = "version hdr_len dsfield dsfield.dscp dsfield.ecn len id flags.df flags.mf frag_offset ttl proto src dst"
IPV6_NAMES = "version tclass tclass.dscp tclass.ecn flow plen nxt hlim src dst"
TCP_NAMES = (
    "srcport dstport seq_raw ack_raw hdr_len flags flags.res flags.cwr flags.urg flags.ack flags.push flags.reset "
    "flags.syn flags.fin window_size_value checksum urgent_pointer option_kind option_len options.mss_val "
    "options.wscale.shift options.timestamp.tsval options.timestamp.tsecr options.sack_le options.sack_re"
)


def samples() -> list[bytes]:
    made = [bytes.fromhex(LINUX_SYN)]
    for ends in (FOUR, SIX):
        for flags, options, payload in ((0x02, OPTIONS, b""), (0x12, OPTIONS[:4], b""), (0xD8, b"", b"hello")):
            segment = serialize.tcp_segment(
                (ends[0], 40001), (ends[1], 443), 0x80000001, 7, flags, payload, window=512, options=options
            )
            made.append(serialize.ip_packet(*ends, serialize.TCP, segment, identification=99))
    four = bytearray(made[1])
    four[1] = 0xB9  # expedited forwarding, ECT(1)
    six = bytearray(made[4])
    six[:4] = bytes.fromhex("6b912345")
    return [*made, bytes(four), bytes(six)]


def capture(folder: Path, packets: list[bytes]) -> Path:
    out = io.BytesIO()
    writer = Writer(out)
    writer.section()
    interface = writer.interface(LinkType.RAW_IP)
    for number, data in enumerate(packets):
        writer.packet(interface, number, data)
    path = folder / "packets.pcapng"
    path.write_bytes(out.getvalue())
    return path


def ours(layer: Layer, name: str) -> str:
    """Our values of a field, as many as there are, in tshark's notation."""
    values = [field.value for field in layer.all() if field.name == f"{layer.name}.{name}"]
    return "|".join(map(str, values))


def normal(text: str) -> str:
    """A value of tshark's as a decimal number where it is one."""
    parts = text.split("|")
    return "|".join(str(int(part, 0)) if part.startswith("0x") else part for part in parts)


@pytest.mark.parametrize("protocol", ["ip", "ipv6", "tcp"])
def test_fields_as_tshark_has_them(protocol: str, tmp_path: Path) -> None:
    names = {"ip": IP_NAMES, "ipv6": IPV6_NAMES, "tcp": TCP_NAMES}[protocol].split()
    packets = [data for data in samples() if protocol == "tcp" or (data[0] >> 4 == 6) == (protocol == "ipv6")]
    absolute = ("-o", "tcp.relative_sequence_numbers:FALSE")
    theirs = fields(capture(tmp_path, packets), protocol, *(f"{protocol}.{name}" for name in names), options=absolute)
    assert len(theirs) == len(packets)
    for data, row in zip(packets, theirs, strict=True):
        layer = next(layer for layer in packet(data) if layer.name == protocol)
        for name, value in zip(names, row, strict=True):
            found = normal(value)
            if found in ("True", "False"):
                found = str(int(found == "True"))
            assert ours(layer, name) == found, (name, data.hex())


def test_a_syn_that_linux_sent() -> None:
    ip, tcp = packet(bytes.fromhex(LINUX_SYN))
    assert (ip.value("ip.src"), ip.value("ip.ttl"), ip.carries) == ("127.0.0.1", 64, "tcp")
    assert tcp.value("tcp.options.mss_val") == 65495
    assert tcp.value("tcp.options.wscale.shift") == 10
    flags = tcp.get("tcp.flags")
    assert flags is not None
    assert (flags.value, flags.meaning, flags.end - flags.start) == (2, "SYN", 12)
    checksum = tcp.get("tcp.checksum")
    assert checksum is not None
    assert "network card" in checksum.meaning  # loopback carries the pseudo-header's sum alone


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ("02", "tcp.option_kind"),  # no length
        ("0201", "tcp.option_len"),  # a length that cannot be
        ("02ff00", "tcp.option_len"),  # past the header's end
        ("020305", "tcp.options.mss.data"),  # not what this kind has
    ],
)
def test_options_that_cannot_be_are_marked(options: str, name: str) -> None:
    block = bytes.fromhex(options)
    block = bytes(-len(block) % 4).replace(b"\0", b"\1") + block
    segment = serialize.tcp_segment((FOUR[0], 1), (FOUR[1], 2), 0, 0, 2, options=block)
    _, tcp = packet(serialize.ip_packet(*FOUR, serialize.TCP, segment))
    marked = [field.name for field in tcp.all() if field.malformed]
    assert marked == [name]


def test_wrong_checksums_say_what_would_be_right() -> None:
    data = bytearray(samples()[1])
    data[10] ^= 1
    data[36] ^= 1
    ip, tcp, *_ = packet(bytes(data))
    for layer, name in ((ip, "ip.checksum"), (tcp, "tcp.checksum")):
        field = layer.get(name)
        assert field is not None
        assert field.meaning == f"wrong: these bytes give 0x{field.value ^ 0x100:04x}"


def test_extension_headers_of_ipv6() -> None:
    segment = serialize.tcp_segment((SIX[0], 1), (SIX[1], 2), 0, 0, 2)
    hop_by_hop = bytes((44, 0)) + b"\5\2\0\0\1\0"
    fragment = bytes((6, 0)) + (0 << 3 | 1).to_bytes(2, "big") + (7).to_bytes(4, "big")
    data = bytearray(serialize.ip_packet(*SIX, 0, hop_by_hop + fragment + segment))
    layers = packet(bytes(data))
    assert [layer.name for layer in layers] == ["ipv6", "data"]  # a part of something
    assert layers[0].value("ipv6.fraghdr.more") == 1
    assert layers[0].value("ipv6.opt.router_alert") == 0
    data[50:52] = (0).to_bytes(2, "big")  # an atomic fragment is whole (RFC 6946)
    assert [layer.name for layer in packet(bytes(data))] == ["ipv6", "tcp"]


def test_an_option_of_ipv6_that_is_cut_short_ends_with_its_header() -> None:
    segment = serialize.tcp_segment((SIX[0], 1), (SIX[1], 2), 0, 0, 2)
    layers = packet(serialize.ip_packet(*SIX, 0, bytes((6, 0)) + b"\5\xbb\0\0\1\0" + segment))
    assert [layer.name for layer in layers] == ["ipv6", "tcp"]
    assert [field.name for field in layers[0].all() if field.malformed] == ["ipv6.opt.unknown"]
    assert sum(field.end - field.start for field in leaves(layers)) == 8 * (40 + 8 + len(segment))
