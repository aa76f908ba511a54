"""Synthesized packets: tshark has no complaint, and what it reassembles is what went in."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captures.blocks import LinkType
from captures.checksum import checksum, ones_complement_sum, pseudo_header
from captures.pcapng import Writer
from captures.serialize import udp_datagram
from captures.synth import LABEL, Conversation, Piece, Side, Synthesized, synthesize, synthesize_all
from netlab.errors import LocalProtocolError
from tests.tshark import complaints, fields, tshark

START = 1_790_000_000.25
V4 = ("127.0.0.1", 51000), ("127.0.0.1", 8080)
V6 = ("::1", 51000), ("2001:db8::80", 8080)
REQUEST = b"GET /hello HTTP/1.1\r\nHost: www.shop.test\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def conversation(
    pieces: Iterable[Piece], *, peers: tuple[tuple[str, int], tuple[str, int]] = V4, **settings: object
) -> Conversation:
    ended = {"ended": START + 2, **settings}
    return Conversation(client=peers[0], server=peers[1], pieces=list(pieces), started=START, **ended)  # type: ignore[arg-type]  # the settings' types differ


def exchange() -> list[Piece]:
    return [
        Piece(START + 0.001, "client", 0, REQUEST, ("the request",)),
        Piece(START + 0.002, "server", 0, ANSWER[:2000], ("the answer",)),
        Piece(START + 0.5, "server", 2000, ANSWER[2000:]),
    ]


def write(path: Path, packets: Iterable[Synthesized]) -> Path:
    with path.open("wb") as file:
        writer = Writer(file)
        writer.section(comment=LABEL)
        interface = writer.interface(LinkType.RAW_IP)
        for packet in packets:
            writer.packet(interface, packet.time, packet.data, comments=packet.comments)
    return path


class Segment:
    """A synthesized packet taken apart again, its checksums verified."""

    def __init__(self, packet: Synthesized) -> None:
        data = packet.data
        self.time, self.comments = packet.time, packet.comments
        if data[0] >> 4 == 4:
            assert checksum(data[:20]) == 0
            assert int.from_bytes(data[2:4], "big") == len(data)
            source, destination, protocol, body = data[12:16], data[16:20], data[9], data[20:]
        else:
            assert int.from_bytes(data[4:6], "big") == len(data) - 40
            source, destination, protocol, body = data[8:24], data[24:40], data[6], data[40:]
        assert ones_complement_sum(pseudo_header(source, destination, protocol, len(body)) + body) == 0xFFFF
        self.source = str(ip_address(source)), int.from_bytes(body[:2], "big")
        self.destination = str(ip_address(destination)), int.from_bytes(body[2:4], "big")
        if protocol == 17:
            self.payload = body[8:]
            return
        self.sequence, self.acknowledged, offset, self.flags = struct.unpack_from("!IIBB", body, 4)
        self.options, self.payload = body[20 : offset >> 2], body[offset >> 2 :]


@pytest.mark.parametrize("peers", [V4, V6], ids=["IPv4", "IPv6"])
def test_tshark_sees_a_whole_connection_and_has_no_complaint(
    peers: tuple[tuple[str, int], tuple[str, int]], tmp_path: Path
) -> None:
    capture = write(tmp_path / "tcp.pcapng", synthesize(conversation(exchange(), peers=peers)))
    assert complaints(capture) == []
    assert fields(capture, "http.request", "http.request.uri") == [("/hello",)]
    assert fields(capture, "http.response", "http.response.code") == [("200",)]
    # SYN, SYN-ACK, ACK, data and FIN of both sides: "conversation complete, WITH_DATA"
    assert fields(capture, "tcp", "tcp.completeness")[-1] == ("31",)
    mss = "1460" if peers is V4 else "1440"
    offers = fields(
        capture, "tcp.flags.syn == 1", "tcp.options.mss_val", "tcp.options.wscale.shift", "tcp.options.sack_perm"
    )
    assert [(offer[0], offer[1], offer[2].replace(":", "")) for offer in offers] == [(mss, "7", "0402")] * 2
    good = set(fields(capture, "tcp", "ip.checksum.status", "tcp.checksum.status"))
    assert good == {("1" if peers is V4 else "", "1")}


def test_times_are_those_of_the_conversation() -> None:
    segments = [Segment(packet) for packet in synthesize(conversation(exchange()))]
    start = 1_790_000_000_250_000_000
    assert [s.time - start for s in segments[:3]] == [-2000, -1000, 0]
    assert [(s.time - start) // 1_000_000 for s in segments[3:]] == [
        1,
        1,
        2,
        2,
        2,
        500,
        500,
        500,
        500,
        2000,
        2000,
        2000,
        2000,
    ]


def test_the_last_segment_of_a_write_pushes_and_the_other_side_acknowledges() -> None:
    segments = [Segment(packet) for packet in synthesize(conversation(exchange()))]
    shape = [(s.source[1], s.flags, len(s.payload)) for s in segments]
    client, server = 51000, 8080
    assert shape == [
        (client, SYN, 0),
        (server, SYN | ACK, 0),
        (client, ACK, 0),
        (client, ACK | PSH, len(REQUEST)),
        (server, ACK, 0),
        (server, ACK, 1460),
        (server, ACK | PSH, 540),
        (client, ACK, 0),
        (server, ACK, 1460),
        (server, ACK, 1460),
        (server, ACK | PSH, len(ANSWER) - 4920),
        (client, ACK, 0),
        (client, FIN | ACK, 0),
        (server, ACK, 0),
        (server, FIN | ACK, 0),
        (client, ACK, 0),
    ]


def test_comments_stand_on_the_first_packet_and_on_the_bytes_they_are_about() -> None:
    segments = [Segment(packet) for packet in synthesize(conversation(exchange(), comments=("flow 17",)))]
    assert [s.comments for s in segments if s.comments] == [(LABEL, "flow 17"), ("the request",), ("the answer",)]


def test_a_reset_instead_of_an_end(tmp_path: Path) -> None:
    packets = list(synthesize(conversation(exchange(), reset=True, closed_by="server")))
    last = Segment(packets[-1])
    assert (last.source[1], last.flags) == (8080, RST | ACK)
    assert [message for _, message in complaints(write(tmp_path / "reset.pcapng", packets))] == [
        "Connection reset (RST)"
    ]


def test_an_open_conversation_has_no_end_and_an_unanswered_one_only_a_syn() -> None:
    still = [Segment(packet) for packet in synthesize(conversation(exchange(), ended=None))]
    assert not [s for s in still if s.flags & (FIN | RST)]
    alone = [Segment(packet) for packet in synthesize(conversation([], unanswered=True))]
    assert [(s.flags, s.comments) for s in alone] == [(SYN, (LABEL,))]


def test_bytes_that_were_not_kept_are_a_gap(tmp_path: Path) -> None:
    pieces = [*exchange()[:2], Piece(START + 1, "server", len(ANSWER), b""), Piece(START + 1, "client", 100, b"more")]
    packets = list(synthesize(conversation(pieces)))
    segments = [Segment(packet) for packet in packets]
    missing = len(ANSWER) - 2000, 100 - len(REQUEST)
    said = [comment for s in segments for comment in s.comments if "not kept" in comment]
    assert said == [
        f"{missing[0]} bytes of the server before this were not kept",
        f"{missing[1]} bytes of the client before this were not kept",
    ]
    capture = write(tmp_path / "gap.pcapng", packets)
    numbers = fields(capture, "tcp.flags.fin == 1", "tcp.srcport", "tcp.seq")
    assert numbers == [("51000", "105"), ("8080", str(len(ANSWER) + 1))]


def test_many_flows_are_merged_in_time_order(tmp_path: Path) -> None:
    def other(port: int, delay: float) -> Conversation:
        pieces = [piece._replace(time=piece.time + delay) for piece in exchange()]
        return Conversation(
            client=("::1", port), server=("::1", 8080), pieces=pieces, started=START + delay, ended=START + 3
        )

    packets = list(synthesize_all([other(50000 + n, delay) for n, delay in enumerate((0.3, 0.0, 0.1))]))
    assert packets == sorted(packets, key=lambda packet: packet.time)
    capture = write(tmp_path / "merged.pcapng", packets)
    assert complaints(capture) == []
    assert len(fields(capture, "http.response", "frame.number")) == 3


def test_a_large_write_is_acknowledged_before_any_window_is_full(tmp_path: Path) -> None:
    packets = synthesize(conversation([Piece(START, "client", 0, bytes(3 << 20))]))
    capture = write(tmp_path / "large.pcapng", packets)
    assert fields(capture, "tcp.analysis.flags", "frame.number") == []
    in_flight = max(int(row[0]) for row in fields(capture, "tcp.len > 0", "tcp.analysis.bytes_in_flight"))
    assert in_flight <= 0xFFFF


@pytest.mark.parametrize("peers", [V4, V6], ids=["IPv4", "IPv6"])
def test_datagrams(peers: tuple[tuple[str, int], tuple[str, int]], tmp_path: Path) -> None:
    query = bytes.fromhex("beef01000001000000000000") + b"\3www\4shop\4test\0\0\1\0\1"
    answer = (
        query[:2]
        + b"\x81\x80"
        + query[4:6]
        + b"\0\1\0\0\0\0"
        + query[12:]
        + bytes.fromhex("c00c000100010000003c00047f000107")
    )
    pieces = [Piece(START, "client", 0, query, ("asked",)), Piece(START + 0.01, "server", 0, answer)]
    packets = list(synthesize(conversation(pieces, peers=peers, transport="udp")))
    capture = write(tmp_path / "udp.pcapng", packets)
    assert complaints(capture) == []
    as_dns = ("-d", "udp.port==8080,dns")
    assert fields(capture, "dns", "dns.qry.name", "dns.a", "udp.checksum.status", options=as_dns) == [
        ("www.shop.test", "", "1"),
        ("www.shop.test", "127.0.1.7", "1"),
    ]
    assert [packet.comments for packet in packets] == [(LABEL, "asked"), ()]


def test_a_datagram_too_long_for_ip_is_refused() -> None:
    sockets = (bytes(4), 1), (bytes(4), 2)
    assert len(udp_datagram(*sockets, bytes(65_507))) == 65_515
    with pytest.raises(LocalProtocolError, match="at most 65507 bytes"):
        udp_datagram(*sockets, bytes(65_508))


def test_a_udp_checksum_of_zero_is_sent_as_its_other_form() -> None:
    sockets = (bytes(4), 1), (bytes(4), 2)
    plain = udp_datagram(*sockets, b"\0\0")
    filler = plain[6:8]  # with its own checksum as payload the sum becomes 0xFFFF, and the checksum 0
    assert udp_datagram(*sockets, filler)[6:8] == b"\xff\xff"


def test_addresses_of_two_families_meet_in_mapped_form() -> None:
    mixed = ("::ffff:127.0.0.1", 1), ("127.0.0.2", 2)
    assert Segment(next(synthesize(conversation([], peers=mixed)))).source == ("127.0.0.1", 1)
    mixed = ("127.0.0.1", 1), ("fe80::1%lo", 2)
    first = Segment(next(synthesize(conversation([], peers=mixed))))
    mapped = str(ipaddress.ip_address("::ffff:127.0.0.1"))  # Python 3.13 spells it otherwise
    assert (first.source[0], first.destination[0]) == (mapped, "fe80::1")


sides: st.SearchStrategy[Side] = st.sampled_from(["client", "server"])
writes = st.lists(st.tuples(sides, st.integers(0, 4000), st.floats(-1, 2)), max_size=12)


@given(writes, st.sampled_from([V4, V6]))
def test_each_side_s_payload_is_its_input_in_any_chunking(
    chunks: list[tuple[Side, int, float]], peers: tuple[tuple[str, int], tuple[str, int]]
) -> None:
    streams: dict[Side, bytes] = {"client": b"", "server": b""}
    pieces = []
    for number, (side, size, delay) in enumerate(chunks):
        data = bytes([number]) * size
        pieces.append(Piece(START + delay, side, len(streams[side]), data))
        streams[side] += data
    segments = [Segment(packet) for packet in synthesize(conversation(pieces, peers=peers))]
    assert [s.time for s in segments] == sorted(s.time for s in segments)
    _follow(segments, peers[0][1], streams)


def _follow(segments: list[Segment], client_port: int, streams: dict[Side, bytes]) -> None:
    """Sequence and acknowledgement numbers of every segment are those of a receiver that misses nothing."""
    following: dict[Side, int] = {}
    received: dict[Side, bytes] = {"client": b"", "server": b""}
    for segment in segments:
        side: Side = "client" if segment.source[1] == client_port else "server"
        peer: Side = "server" if side == "client" else "client"
        assert segment.sequence == following.setdefault(side, segment.sequence)
        assert segment.acknowledged == following.get(peer, 0)
        taken = len(segment.payload) + bool(segment.flags & SYN) + bool(segment.flags & FIN)
        following[side] = (segment.sequence + taken) & 0xFFFFFFFF
        received[side] += segment.payload
    assert received == streams


def test_tshark_reassembles_the_very_bytes(tmp_path: Path) -> None:
    capture = write(tmp_path / "stream.pcapng", synthesize(conversation(exchange())))
    followed = tshark(capture, "-q", "-z", "follow,tcp,raw,0").splitlines()
    lines = [line for line in followed if line and set(line.strip()) <= set("0123456789abcdef")]
    assert bytes.fromhex("".join(line for line in lines if not line.startswith("\t"))) == REQUEST
    assert bytes.fromhex("".join(line.strip() for line in lines if line.startswith("\t"))) == ANSWER
