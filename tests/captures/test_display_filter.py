"""Display filters: they show the packets that tshark shows for the same words."""

from __future__ import annotations

from pathlib import Path

import pytest

from captures.blocks import LinkType, Packet
from captures.display_filter import compile_display_filter
from captures.files import blocks
from captures.inspector import Inspector
from captures.packet_fields import Facts
from captures.pcapng import Writer
from captures.synth import synthesize_all
from netlab.errors import UsageError
from tests import tshark
from tests.captures.test_applications import TALKS, conversation_of

SHOWN = ("websocket", "smtp", "mqtt", "dns over TCP", "pop")
EXPRESSIONS = [
    "http", "http.request", "http.response and tcp.len > 9", "smtp.req",
    "dns", "mqtt", "smtp", "websocket", "tcp.port == 53", "tcp.flags.syn == 1 and tcp.flags.ack == 0",
    "http.request.method == \"GET\"", "http.response.code in {101, 200..299}", "http.host contains \"a\"",
    "dns.a == 127.0.0.0/8", "smtp.req.command == \"MAIL\" || smtp.response.code >= 354",
    "dns.qry.name == \"www.shop.test\"",
    "mqtt.topic matches \"^A/\"", "not tcp.len > 0", "tcp.stream eq 1",
    "ip.addr == 127.0.0.2 && !(tcp.srcport == 40000)", "tcp.window_size > 70000",
    "tcp contains \"GET\"", "ip contains \"MAIL\"", "tcp.payload", "tcp.payload contains \"EHLO\"",
    "frame contains \"hello\"", "tcp.dstport < 1000 and http", "udp",
]  # fmt: skip


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("display") / "all.pcapng"
    said = [conversation_of(TALKS[name][1], TALKS[name][0], 41000 + at) for at, name in enumerate(SHOWN)]
    with path.open("wb") as sink:
        writer = Writer(sink)
        writer.section()
        interface = writer.interface(LinkType.RAW_IP)
        for packet in synthesize_all(said):
            writer.packet(interface, packet.time, packet.data)
    return path


def shown(path: Path, expression: str) -> list[str]:
    wanted, inspector = compile_display_filter(expression), Inspector()
    with path.open("rb") as source:
        packets = [inspector.add(block) for block in blocks(source) if isinstance(block, Packet)]
    return [str(seen.number) for seen in packets if wanted(Facts(seen, inspector.first))]


PORTS = tuple(
    option for rule in ("9000,http", "1025,smtp", "9001,mqtt", "1110,pop") for option in ("-d", f"tcp.port=={rule}")
)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_the_same_packets_as_tshark(expression: str, file: Path) -> None:
    text = tshark.tshark(file, *PORTS, "-Y", expression, "-T", "fields", "-e", "frame.number")
    assert shown(file, expression) == text.split()


@pytest.mark.parametrize(
    ("expression", "column"),
    [
        ("tcp.port ==", 12),
        ("nothing.at == 1", 1),
        ("(tcp", 5),
        ("tcp and", 8),
        ("tcp.port = 3", 10),
        ('http.host matches "("', 19),
        ("tcp.port > abc", 12),
        ("tcp.port in 80", 13),
        ("not " * 60 + "tcp", 201),
        ('http.host == "a', 14),
    ],
)
def test_what_is_wrong_is_shown_with_its_column(expression: str, column: int) -> None:
    with pytest.raises(UsageError, match=f"column {column}:"):
        compile_display_filter(expression)


def test_a_near_name_is_suggested() -> None:
    with pytest.raises(UsageError, match="did you mean http"):
        compile_display_filter("htpp.host")
