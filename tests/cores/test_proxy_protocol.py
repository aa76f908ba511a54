"""The PROXY protocol: the specification's own examples and rules, in any split, and back again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.cores.proxy_protocol import LONGEST_LINE, Header, HeaderReader, Peer, Tlv, serialize
from netlab.cores.proxy_protocol_binary import SIGNATURE, crc32c
from netlab.cores.proxy_protocol_header import (
    ALPN,
    AUTHORITY,
    CLIENT_CERT_CONN,
    CLIENT_SSL,
    CRC32C,
    NOOP,
    UNIQUE_ID,
    TlsFacts,
    write_ssl,
)
from netlab.errors import LocalProtocolError, RemoteProtocolError, Truncated

V4: tuple[Peer, Peer] = (("192.168.0.1", 56324), ("192.168.0.11", 443))
V6: tuple[Peer, Peer] = (("2001:db8::1", 1), ("2001:db8:ffff::2", 65535))
UNIX: tuple[Peer, Peer] = ("/run/a.sock", "\0abstract")


def read(stream: bytes, size: int = 1 << 20) -> tuple[Header | RemoteProtocolError | None, bytes]:
    """What a reader finds in this stream, cut into pieces of a size, and what is left behind the header."""
    reader = HeaderReader()
    for start in range(0, len(stream), size):
        found = reader.receive(stream[start : start + size])
        if found is not None:
            return found, reader.rest + stream[start + size :]
    return None, b""


def header(stream: bytes) -> Header:
    found, _ = read(stream)
    assert isinstance(found, Header), found
    return found


def rule(stream: bytes) -> str:
    found, _ = read(stream)
    assert isinstance(found, RemoteProtocolError), found
    assert found.section.startswith("PROXY protocol 2")
    return found.rule


def binary(code: bytes, block: bytes, length: int | None = None) -> bytes:
    return SIGNATURE + code + (len(block) if length is None else length).to_bytes(2, "big") + block


# -- version 1 -----------------------------------------------------------------------------------------------------


def test_the_specification_s_example() -> None:
    stream = b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\nGET / HTTP/1.1\r\n"
    found, rest = read(stream)
    assert found == Header(version=1, source=V4[0], destination=V4[1], transport="stream", size=47)
    assert rest == b"GET / HTTP/1.1\r\n"


@pytest.mark.parametrize(
    "line",
    [
        b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
        b"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff FFFF:ffff:ffff:ffff:ffff:ffff:ffff:FFFF 65535 65535\r\n",
        b"PROXY TCP6 :: ::1 0 1\r\n",
        b"PROXY TCP6 ::ffff:1.2.3.4 ::ffff:0102:0304 1 2\r\n",  # as inet_ntop, and so haproxy, writes a mapped one
    ],
)
def test_lines_that_are_right(line: bytes) -> None:
    assert header(line).size == len(line)


@pytest.mark.parametrize("behind", [b"", b" ", b" ffff::1 x  y \r \n z", b" " + b"f" * 91])
def test_whatever_stands_behind_unknown_is_ignored(behind: bytes) -> None:
    line = b"PROXY UNKNOWN" + behind + b"\r\n"
    assert header(line) == Header(version=1, size=len(line))


@pytest.mark.parametrize(
    ("line", "broken"),
    [
        (b"GET / HTTP/1.1\r\n", "proxy.missing"),
        (b"PROXYTCP4", "proxy.missing"),
        (b"proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n", "proxy.missing"),
        (b"PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n", "proxy.line"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", "proxy.line"),
        (b"PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n", "proxy.line"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", "proxy.line"),
        (b"PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n", "proxy.line"),
        (b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", "proxy.line"),
        (b"PROXY UNKNOWNS\r\n", "proxy.line"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", "proxy.line"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n", "proxy.line"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", "proxy.port"),
        (b"PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n", "proxy.address"),
        (b"PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n", "proxy.address"),
        (b"PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n", "proxy.address"),
        (b"PROXY TCP4 ::1 ::1 1 2\r\n", "proxy.address"),
        (b"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", "proxy.address"),
        (b"PROXY TCP6 1::2::3 ::1 1 2\r\n", "proxy.address"),
        (b"PROXY TCP6 1:2:3:4:5:6:7 ::1 1 2\r\n", "proxy.address"),
        (b"PROXY TCP6 12345:: ::1 1 2\r\n", "proxy.address"),
        (b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", "proxy.line"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r\n", "proxy.line"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n" + b"x" * 80, "proxy.line"),
        (b"PROXY UNKNOWN" + b"x" * 93 + b"\r\n", "proxy.line"),
    ],
)
def test_lines_that_are_wrong(line: bytes, broken: str) -> None:
    assert rule(line) == broken


def test_a_line_has_a_longest_length() -> None:
    line = b"PROXY UNKNOWN " + b"f" * (LONGEST_LINE - 16) + b"\r\n"
    assert len(line) == LONGEST_LINE
    assert header(line).size == LONGEST_LINE
    assert rule(line.replace(b"\r\n", b"f\r\n")) == "proxy.line"


def test_what_is_wrong_is_known_early() -> None:
    """No byte is waited for that could change nothing."""
    assert rule(b"G") == "proxy.missing"
    assert rule(b"PROXI") == "proxy.missing"
    assert rule(b"\r\n\r\n\0\r\nQUIT\r") == "proxy.missing"
    assert rule(binary(b"\x31\x11", b"", 12)) == "proxy.version"


# -- version 2 -----------------------------------------------------------------------------------------------------


def test_version_2_byte_by_byte() -> None:
    stream = bytes.fromhex("0d0a0d0a000d0a515549540a 21 11 000c c0a80001 c0a8000b dc04 01bb".replace(" ", ""))
    assert header(stream) == Header(version=2, source=V4[0], destination=V4[1], transport="stream", size=28)
    assert serialize(2, *V4) == stream


def test_a_connection_of_the_proxy_itself() -> None:
    assert serialize(2, None, None) == SIGNATURE + b"\x20\x00\x00\x00"
    assert header(serialize(2, None, None)) == Header(version=2, local=True, size=16)
    assert header(binary(b"\x20\xff", b"anything")).local  # its family and block are ignored, its length is not
    assert serialize(1, None, None) == b"PROXY UNKNOWN\r\n"


@pytest.mark.parametrize("code", [0x00, 0x01, 0x02, 0x10, 0x20, 0x30])
def test_unspecified_families_and_transports_mean_the_real_endpoints(code: int) -> None:
    found, rest = read(binary(bytes((0x21, code)), b"not read") + b"data")
    assert found == Header(version=2, size=24)
    assert rest == b"data"


@pytest.mark.parametrize(
    ("stream", "broken"),
    [
        (binary(b"\x11\x11", bytes(12)), "proxy.version"),
        (binary(b"\x01\x11", bytes(12)), "proxy.version"),
        (binary(b"\x22\x11", bytes(12)), "proxy.command"),
        (binary(b"\x2f\x11", bytes(12)), "proxy.command"),
        (binary(b"\x21\x41", bytes(12)), "proxy.family"),
        (binary(b"\x21\x13", bytes(12)), "proxy.transport"),
        (binary(b"\x21\x11", bytes(11)), "proxy.length"),
        (binary(b"\x21\x21", bytes(35)), "proxy.length"),
        (binary(b"\x21\x31", bytes(215)), "proxy.length"),
        (binary(b"\x21\x11", bytes(12) + b"\x04\0"), "proxy.tlv"),
        (binary(b"\x21\x11", bytes(12) + b"\x04\0\x02x"), "proxy.tlv"),
        (binary(b"\x21\x11", bytes(12) + b"\x20\0\x04" + bytes(4)), "proxy.tlv"),
        (binary(b"\x21\x11", bytes(12) + b"\x20\0\x08" + bytes(5) + b"\x21\0\x01"), "proxy.tlv"),
        (binary(b"\x21\x11", bytes(12) + b"\x05\0\x81" + bytes(129)), "proxy.unique_id"),
        (binary(b"\x21\x11", bytes(12) + b"\x03\0\x04" + bytes(4)), "proxy.checksum"),
        (binary(b"\x21\x11", bytes(12) + b"\x03\0\x03" + bytes(3)), "proxy.checksum"),
    ],
)
def test_binary_headers_that_are_wrong(stream: bytes, broken: str) -> None:
    assert rule(stream) == broken


def test_checksums() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # the check value of this CRC
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720 B.4
    assert crc32c(bytes(range(32))) == 0x46DD794E
    good = serialize(2, *V4, tlvs=[Tlv(UNIQUE_ID, b"id")], checked=True)
    assert [tlv.kind for tlv in header(good).tlvs] == [UNIQUE_ID, CRC32C]
    twice = good[:14] + (len(good) - 16 + 7).to_bytes(2, "big") + good[16:] + good[-7:]
    assert rule(twice) == "proxy.checksum"


@given(st.sampled_from([*range(16, 52), *range(55, 62), *range(65, 69)]), st.integers(0, 7))
def test_a_checksum_finds_every_flipped_bit(at: int, bit: int) -> None:
    """In addresses, values and the sum itself; a flipped type or length makes other TLVs, perhaps without a sum."""
    good = serialize(2, *V6, tlvs=[Tlv(NOOP, b"padding")], checked=True)
    bad = bytearray(good)
    bad[at] ^= 1 << bit
    assert isinstance(read(bytes(bad))[0], RemoteProtocolError)


def test_facts_about_the_connection() -> None:
    facts = TlsFacts(
        CLIENT_SSL | CLIENT_CERT_CONN, 0, "TLSv1.3", "TLS_AES_256_GCM_SHA384", "käse.test", "RSA-SHA256", "RSA2048"
    )
    tlvs = [Tlv(ALPN, b"h2"), Tlv(AUTHORITY, "käse.test".encode()), Tlv(UNIQUE_ID, b"\0\xff"), write_ssl(facts)]
    found = header(serialize(2, *V6, tlvs=tlvs, checked=True))
    assert (found.alpn, found.authority, found.unique_id) == ("h2", "käse.test", b"\0\xff")
    assert found.tls == facts
    assert facts.verified
    assert not TlsFacts(CLIENT_SSL, 1).verified
    assert header(serialize(2, *V4)).tls is None


# -- both ----------------------------------------------------------------------------------------------------------

HOSTS4, HOSTS6 = st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(lambda host: host.exploded)
PORTS = st.integers(0, 65535)
ENDPOINTS = st.one_of(
    *(st.tuples(st.tuples(hosts, PORTS), st.tuples(hosts, PORTS)) for hosts in (HOSTS4, HOSTS6)),
    st.just(UNIX),
)
TLVS = st.lists(
    st.builds(Tlv, st.sampled_from([ALPN, AUTHORITY, NOOP, UNIQUE_ID, 0xE0, 0xFF]), st.binary(max_size=128)), max_size=6
)


@given(ENDPOINTS, TLVS, st.booleans(), st.sampled_from(["stream", "datagram"]), st.integers(1, 80), st.binary())
def test_what_is_written_is_read(
    ends: tuple[Peer, Peer], tlvs: list[Tlv], checked: bool, transport: str, size: int, behind: bytes
) -> None:
    stream = serialize(2, *ends, tlvs=tlvs, transport=transport, checked=checked)
    found, rest = read(stream + behind, size)
    assert isinstance(found, Header)
    assert serialize(2, found.source, found.destination, tlvs=tlvs, transport=transport, checked=checked) == stream
    assert (list(found.tlvs)[: len(tlvs)], found.transport, found.size, rest) == (tlvs, transport, len(stream), behind)


@given(ENDPOINTS, st.integers(1, 80), st.binary())
def test_lines_are_read_as_they_were_written(ends: tuple[Peer, Peer], size: int, behind: bytes) -> None:
    stream = serialize(1, *ends)
    found, rest = read(stream + behind, size)
    assert isinstance(found, Header)
    assert (found.size, rest) == (len(stream), behind)
    if ends is not UNIX:
        assert serialize(1, found.source, found.destination) == stream
        assert len(stream) <= LONGEST_LINE


@given(
    st.one_of(st.binary(), st.binary().map(SIGNATURE.__add__), st.binary().map(b"PROXY ".__add__)), st.integers(1, 9)
)
def test_any_bytes_in_any_split(stream: bytes, size: int) -> None:
    whole, split = read(stream), read(stream, size)
    if isinstance(whole[0], RemoteProtocolError):
        assert isinstance(split[0], RemoteProtocolError)
    else:
        assert whole == split


def test_an_end_in_the_middle() -> None:
    reader = HeaderReader()
    assert reader.receive(b"PROXY TCP4") is None
    assert isinstance(reader.receive(b""), Truncated)


def test_two_families_are_written_as_ipv6() -> None:
    assert serialize(1, V4[0], V6[1]) == b"PROXY TCP6 ::ffff:c0a8:1 2001:db8:ffff::2 56324 65535\r\n"
    found = header(serialize(2, V4[0], V6[1]))
    assert isinstance(found.source, tuple)
    assert found.source[1] == 56324


def test_what_cannot_be_said_is_our_own_mistake() -> None:
    for arguments in ((1, V4[0], None), (2, None, V4[1])):
        with pytest.raises(LocalProtocolError):
            serialize(*arguments)
    with pytest.raises(LocalProtocolError):
        serialize(1, *V4, tlvs=[Tlv(ALPN, b"h2")])
    with pytest.raises(LocalProtocolError):
        serialize(2, *V4, tlvs=[Tlv(UNIQUE_ID, bytes(129))])
    with pytest.raises(LocalProtocolError):
        serialize(2, V4[0], "/path")
    with pytest.raises(LocalProtocolError):
        serialize(2, *V4, tlvs=[Tlv(NOOP, bytes(40_000)), Tlv(NOOP, bytes(40_000))])
