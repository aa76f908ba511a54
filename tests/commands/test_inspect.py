"""`netlab inspect` as people use it: views, JSON, damage, secrets and hostile bytes; and flows watched as packets."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest

from captures.blocks import Interface, LinkType, Option, Order, Packet, Secrets
from captures.files import blocks
from captures.inspector import HELD, Inspector
from captures.pcapng import Writer
from captures.serialize import ACK, ip_packet, tcp_segment, udp_datagram
from captures.synth import Conversation, Piece, synthesize_all
from netlab.commands import inspect
from netlab.errors import DamagedCapture, NetlabError, UsageError
from netlab.inspect.packet_log import PacketLog
from netlab.inspect.record import to_record
from tests import tshark
from tests.inspect.test_packets import ANSWER, REQUEST, Lab

SECRET = b"GET /a?password=hush HTTP/1.1\r\nHost: a.test\r\nAuthorization: Basic aHVzaA==\r\nCookie: s=hush\r\n\r\n"
STEERING = b"HTTP/1.1 200 \x1b[31mred\x1b]0;title\x07\r\nContent-Length: 0\r\nX: \x1b[2J\r\n\r\n"


def written(path: Path, *said: tuple[str, bytes], count: int = 1) -> Path:
    """A capture of connections on which this was said."""
    made = []
    for number in range(count):
        offsets = {"client": 0, "server": 0}
        pieces = []
        for at, (side, data) in enumerate(said):
            pieces.append(Piece(1000 + at / 100, side, offsets[side], data))  # type: ignore[arg-type]  # only these two
            offsets[side] += len(data)
        ends = {"client": ("127.0.0.1", 40000 + number), "server": ("127.0.0.2", 80)}
        made.append(Conversation(**ends, pieces=pieces, started=999.0, ended=1001.0))  # type: ignore[arg-type]  # by name
    with path.open("wb") as sink:
        writer = Writer(sink)
        writer.section()
        interface = writer.interface(LinkType.RAW_IP, name="lab")
        for packet in synthesize_all(made):
            writer.packet(interface, packet.time, packet.data, comments=packet.comments)
    return path


@pytest.fixture
def capture(tmp_path: Path) -> str:
    return str(written(tmp_path / "http.pcapng", ("client", SECRET), ("server", STEERING)))


@pytest.mark.parametrize(
    "views",
    [
        {},
        {"tree": True, "hex": True},
        {"tree": True, "json": True},
        {"follow": "tcp 0"},
        {"follow": "tcp 0", "json": True},
        {"handshake": 0},
        {"statistics": True},
        {"notes": True},
    ],
    ids=lambda views: "-".join(views) or "list",
)
def test_no_view_steers_a_terminal_or_tells_a_secret(
    views: dict[str, object], capture: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert inspect.run(inspect.Config(source=capture, **views)) == 0  # type: ignore[arg-type]  # fields by name
    shown = capsys.readouterr().out
    assert shown
    for text in ("\x1b", "hush", "aHVzaA", SECRET.hex()[20:60], b"aHVzaA".hex()):
        assert text not in shown


def test_names_that_the_capture_has_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "named.pcapng"
    with path.open("wb") as sink:
        writer = Writer(sink)
        writer.section()
        writer.names({"127.0.0.2": ["www.shop.test", "another"], "127.0.0.1": ["\x1b[31m" + "long" * 20]})
        interface = writer.interface(LinkType.RAW_IP)
        ends = (bytes((127, 0, 0, 1)), 40000), (bytes((127, 0, 0, 2)), 80)
        data = ip_packet(ends[0][0], ends[1][0], 6, tcp_segment(*ends, 1, 0, 2))
        writer.packet(interface, 0, data)
    inspect.run(inspect.Config(source=str(path)))
    inspect.run(inspect.Config(source=str(path), statistics=True))
    told = capsys.readouterr().out
    assert " www.shop.test  " in told
    assert "→ www.shop.test:80" in told
    assert "\x1b" not in told
    inspect.run(inspect.Config(source=str(path), json=True))
    assert json.loads(capsys.readouterr().out)["destination_name"] == "www.shop.test"
    inspect.run(inspect.Config(source=str(path), addresses=True))
    assert "www" not in capsys.readouterr().out


def test_secrets_are_shown_on_demand(capture: str, capsys: pytest.CaptureFixture[str]) -> None:
    inspect.run(inspect.Config(source=capture, packet=4, reveal=True))
    shown = capsys.readouterr().out
    assert "Basic aHVzaA==" in shown
    assert "password=hush" in shown


def test_json_of_the_handshake_and_the_statistics(capture: str, capsys: pytest.CaptureFixture[str]) -> None:
    inspect.run(inspect.Config(source=capture, handshake=0, json=True))
    steps = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(step["client"], step["server"]) for step in steps[:3]] == [
        ("SYN-SENT", "LISTEN"),
        ("ESTABLISHED", "SYN-RECEIVED"),
        ("ESTABLISHED", "ESTABLISHED"),
    ]
    assert (steps[-1]["client"], steps[-1]["server"]) == ("TIME-WAIT", "CLOSED")
    inspect.run(inspect.Config(source=capture, statistics=True, json=True))
    [told] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert told["protocols"]["HTTP"]["packets"] == 2
    assert told["conversations"][0]["protocol"] == "http"


def test_a_filter_chooses_and_what_it_chose_can_be_written(tmp_path: Path, capture: str) -> None:
    out = tmp_path / "out.pcapng"
    inspect.run(inspect.Config(source=capture, filter="http", write=out, quiet=True))
    assert [row[0] for row in tshark.fields(out, "frame", "http.request.method")] == ["GET", ""]


@pytest.mark.parametrize("order", ["<", ">"])
def test_numbers_among_options_stay_what_they_were_when_written(order: Order, tmp_path: Path) -> None:
    source, out = tmp_path / "in.pcapng", tmp_path / "out.pcapng"
    packet = ip_packet(bytes(4), bytes(4), 17, udp_datagram((bytes(4), 7), (bytes(4), 9), b"abc"))
    with source.open("wb") as sink:
        writer = Writer(sink)
        each: Order
        for each in ("<", order):
            offset = Option.INTERFACE_OFFSET, struct.pack(each + "q", 1000)
            interface = Interface(0, LinkType.RAW_IP, 0, ((Option.INTERFACE_RESOLUTION, b"\x03"), offset))
            writer.section(order=each)
            writer.write(interface)
            writer.packet(interface, 1500, packet, flags=2)
    inspect.run(inspect.Config(source=str(source), write=out, quiet=True))
    names = "frame.time_epoch", "frame.packet_flags", "udp.dstport"
    told = tshark.fields(out, "frame", *names)
    assert told == tshark.fields(source, "frame", *names) == [("1001.500000000", "0x00000002", "9")] * 2


def test_wrong_checksums_and_malformed_fields_are_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capture = tmp_path / "wrong.pcapng"
    ends = (bytes((10, 0, 0, 1)), 7), (bytes((10, 0, 0, 2)), 9)
    right = ip_packet(ends[0][0], ends[1][0], 17, udp_datagram(*ends, b"abc"))
    segment = ip_packet(ends[0][0], ends[1][0], 6, tcp_segment(*ends, 1, 1, ACK, b"abc"))
    damaged = [
        right[:-1] + b"!",
        segment[:-1] + b"!",
        right[:8] + b"\x03" + right[9:],
        segment[:32] + b"\x10" + segment[33:],
    ]
    with capture.open("wb") as sink:
        writer = Writer(sink)
        writer.section()
        interface = writer.interface(LinkType.RAW_IP)
        for packet in (right, segment, *damaged):
            writer.packet(interface, 0, packet)
        writer.packet(interface, 0, right[:-1], original_length=len(right))  # cut by the capture, and no fault
    inspect.run(inspect.Config(source=str(capture), notes=True, json=True))
    *told, counts = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    bad = {row["number"]: row["notes"] for row in told}
    shown = "ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0"
    theirs = [int(row[0]) for row in tshark.fields(capture, shown, "frame.number")]
    assert theirs == [number for number in bad if number < 6 and "checksum_bad" in bad[number]] == [3, 4, 5]
    assert bad[6] == ["checksum_bad", "malformed"]  # tshark looks at no checksum behind a header that cannot be
    assert (set(bad), counts["notes"]["malformed"]) == ({3, 4, 5, 6}, 1)


def test_damage_is_said_behind_what_could_be_read(
    tmp_path: Path, capture: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = tmp_path / "cut.pcapng"
    cut.write_bytes(Path(capture).read_bytes()[:-30])
    with pytest.raises(NetlabError, match=r"is damaged at byte [0-9]+: .*what stands before it is shown"):
        inspect.run(inspect.Config(source=str(cut)))
    assert capsys.readouterr().out.count("\n") > 8


@pytest.mark.parametrize(
    "wrong",
    [
        {"filter": "http =="},
        {"source": "/nowhere.pcap"},
        {"decode_as": ("80=nothing",)},
        {"follow": "0"},
        {"capture": "tcp"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_wrong_usage(wrong: dict[str, object], capture: str) -> None:
    with pytest.raises(UsageError):
        inspect.run(inspect.Config(**{"source": capture, **wrong}))  # type: ignore[arg-type]  # fields by name


def test_what_is_not_in_it_is_said(capture: str) -> None:
    with pytest.raises(NetlabError, match="no stream 'udp 3'"):
        inspect.run(inspect.Config(source=capture, follow="udp 3"))


def test_a_pipe_is_read(capture: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "netlab", "inspect", "-", "--json", "-Y", "http.request"],
        input=Path(capture).read_bytes(), capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["protocol"] == "HTTP"


def test_what_is_held_is_bounded_and_connections_go_on_behind() -> None:
    """Thousands of messages that are never completed do not fill the memory."""
    inspector, interface = Inspector(), Interface.nanoseconds(0, LinkType.RAW_IP)
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + bytes(60000)
    for number in range(HELD // 60000 + 200):
        ends = (bytes((10, 0, number >> 8, number & 255)), 40000), (bytes((10, 1, 0, 1)), 80)
        packet = ip_packet(ends[0][0], ends[1][0], 6, tcp_segment(*ends, 1000, 1, ACK, head))
        inspector.add(Packet(interface, number, packet, len(packet)))
    assert sum(conversation.hold() for conversation in inspector.conversations) <= HELD + 100_000
    again = ip_packet(
        bytes((10, 0, 0, 0)),
        bytes((10, 1, 0, 1)),
        6,
        tcp_segment((bytes((10, 0, 0, 0)), 40000), ends[1], 1000 + len(head), 1, ACK, REQUEST),
    )
    seen = inspector.add(Packet(interface, 0, again, len(again)))
    assert [message.protocol for message in seen.messages] == ["http"]


def test_flows_are_written_as_they_end(tmp_path: Path) -> None:
    lab = Lab()
    connection = lab.connection(8080)
    lab.exchange(connection)
    connection.end("ok")
    path = tmp_path / "watched.pcapng"
    with PacketLog(str(path), {"127.0.0.2": ["www.shop.test"]}) as log:
        for flow in reversed(lab.flows):  # a request ends before its connection
            log.add(to_record(flow, whole=True))
    assert tshark.complaints(path) == []
    assert tshark.fields(path, "http", "frame.comment") == [
        ("flow 2 request.received: GET /hello",),
        ("flow 2 response.sent: 200",),
    ]


def test_rolling_files_stay_few_and_each_is_whole(tmp_path: Path) -> None:
    lab = Lab()
    with PacketLog(str(tmp_path / "lab.pcapng"), {}, limit=3000, keep=3) as log:
        for _ in range(12):
            connection = lab.connection(8080)
            lab.exchange(connection, repeat=2)
            connection.end("ok")
            log.add(to_record(connection, whole=True))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == 3
    assert "lab-1.pcapng" not in names
    for path in tmp_path.iterdir():
        assert path.stat().st_size <= 3000
        with path.open("rb") as source:
            data = b"".join(block.data for block in blocks(source) if isinstance(block, Packet))
        assert data.count(REQUEST) == data.count(ANSWER) >= 2


def test_a_flow_that_is_larger_than_a_file_has_its_secrets_in_each(tmp_path: Path) -> None:
    lab = Lab()
    connection = lab.connection(8443)
    connection.detail(secrets=f"CLIENT_RANDOM {'ab' * 32} {'cd' * 48}")
    lab.exchange(connection, repeat=20)
    connection.end("ok")
    with PacketLog(str(tmp_path / "lab.pcapng"), {}, limit=2000, keep=100) as log:
        log.add(to_record(connection, whole=True))
    found = []
    for path in tmp_path.iterdir():
        assert path.stat().st_size <= 2000
        with path.open("rb") as source:
            found.append([type(block) for block in blocks(source)])
    assert len(found) > 3
    assert all(Secrets in types and types.index(Secrets) < types.index(Packet) for types in found)


def test_a_real_syn_is_kept_and_said(tmp_path: Path) -> None:
    lab = Lab()
    connection = lab.connection(8080)
    client, server = (bytes((127, 0, 0, 1)), 51000), (bytes((127, 0, 0, 2)), 8080)
    syn = ip_packet(client[0], server[0], 6, tcp_segment(client, server, 777, 0, 2, window=12345))
    lab.exchange(connection)
    connection.detail(syn=syn.hex())
    connection.end("ok")
    with PacketLog(str(tmp_path / "syn.pcapng"), {}) as log:
        log.add(to_record(connection, whole=True))
    assert tshark.complaints(tmp_path / "syn.pcapng") == []
    first = tshark.fields(
        tmp_path / "syn.pcapng", "frame.number == 1", "tcp.seq_raw", "tcp.window_size", "frame.comment"
    )
    assert first[0][:2] == ("777", "12345")
    assert "real: the client's SYN" in first[0][2]


def test_damage_is_one_sentence() -> None:
    with pytest.raises(DamagedCapture, match="the capture is damaged at byte 0"):
        list(blocks(BytesIO(b"")))
