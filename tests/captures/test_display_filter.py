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


EXACTLY = [*(expression for expression in EXPRESSIONS if "," in expression), "not tcp.len > 0", "smtp.req"]
"""Those of which not only the number is compared."""
MANY = """
tcp
udp
ip
ipv6
arp
icmp
icmpv6
dns
http
tls
mqtt
frame
eth
not tcp
!udp
tcp && ip
tcp || udp
tcp or udp and ipv6
(tcp or udp) and ipv6
not tcp and not udp
!(tcp or udp)
tcp.port == 443
tcp.port != 443
tcp.srcport == 443
tcp.dstport eq 443
udp.port == 53
udp.length > 60
udp.length >= 60
udp.length lt 60
ip.addr == 10.9.0.1
ip.addr != 10.9.0.1
!(ip.addr == 10.9.0.1)
ip.src == 10.9.0.0/24
ip.dst != 10.9.0.2
ip.src > 10.9.0.1
ip.addr in {10.9.0.0/24}
ip.addr in {10.9.0.1 .. 10.9.0.9}
ipv6.addr == fd00:9::1
ipv6.addr == fd00:9::/64
ipv6.src == fe80::/10
eth.addr == 33:33:00:00:00:16
eth.dst == 33-33-00-00-00-16
eth.dst contains 33:33
eth.type == 0x86dd
eth.type == 34525
frame.number == 5
frame.number <= 10
frame.len > 200
frame.len ge 1000
frame contains "GET"
frame contains 47:45:54
frame contains "GET /"
frame matches "get /"
tcp.flags.syn == 1
tcp.flags.syn
tcp.flags.syn == 1 and tcp.flags.ack == 0
tcp.flags == 0x012
tcp.flags & 0x02
tcp.flags & 2 == 2
tcp.flags.fin == 1
tcp.flags.reset == 1
tcp.len > 0
tcp.len == 0 && tcp.flags.push == 0
tcp.stream == 0
tcp.stream eq 3
tcp.seq == 1
tcp.ack > 500
tcp.window_size > 65000
tcp.window_size_value == 64
tcp.options.mss_val == 1460
tcp.options.wscale.shift == 10
tcp.options.timestamp
tcp.payload
tcp.payload contains "HTTP"
tcp.payload[0:3] == "GET"
tcp.payload[0:3] == 47:45:54
tcp.payload[0] == 0x16
tcp[13] & 2
tcp[0:2] == 01:bb
eth.src[0:3] == e6:bc:18
eth.dst[0] == 33
frame[0:2] == 33:33
http.request
http.response
http.request.method == "GET"
http.request.method == GET
http.request.method != "POST"
http.host == "10.9.0.2"
http.host contains "10.9"
http.host matches "^10[.]9"
http.user_agent contains "curl"
http.user_agent matches "CURL"
http.user_agent ~ "curl"
http.response.code == 200
http.response.code >= 200 && http.response.code < 300
http.content_type == "text/html"
http.authorization
http.cookie contains "x="
http.request.uri == "/"
lower(http.user_agent) contains "curl"
upper(http.request.method) == "GET"
len(http.host) > 5
len(tcp.payload) > 100
count(ip.addr) > 2
tls.handshake.type == 1
tls.handshake.type == 2
tls.handshake.extensions_server_name
tls.record.content_type == 22
tls.record.version == 0x0303
tls.handshake.ciphersuite == 0x1301
tls.handshake.ciphersuite == 4865
tls.handshake.session_id_length > 0
dns.qry.name == "www.shop.test"
dns.qry.name contains "shop"
dns.qry.name matches "^www"
dns.qry.type == 1
dns.flags.response == 0
dns.flags.response == 1 && dns.flags.rcode == 3
dns.a
dns.a == 10.9.0.2
dns.aaaa == fd00:9::2
dns.count.answers > 0
dns.id == 0xba06
dns.flags.rcode != 0
mqtt.msgtype == 3
mqtt.topic == "a/b"
mqtt.topic contains "a"
mqtt.qos == 2
icmp.type == 3
icmp.type == 3 && icmp.code == 3
icmpv6.type == 143
icmpv6.mldr.mar.multicast_address == ff02::fb
ip.ttl == 64
ip.ttl < 64
ip.id == 0
ip.flags.df == 1
ip.flags.mf == 1
ip.frag_offset > 0
ip.proto == 17
ip.proto == 6 or ip.proto == 17
ip.version == 4
ip.hdr_len == 20
ip.dsfield.dscp == 0
ipv6.nxt == 6
ipv6.hlim == 64
ipv6.plen > 100
ip.checksum == 0x2841
tcp.analysis.retransmission
tcp.analysis.flags
tcp.analysis.duplicate_ack
frame.time_relative < 0.5
frame.time_relative > 1.2
any tcp.port == 443
all tcp.port > 100
tcp.port === 443
ip.addr ~= 10.9.0.1
ip.addr any_ne 10.9.0.1
ip.addr !== 10.9.0.1
tcp.port == 80 || tcp.port == 443 && ipv6
ip.src == ip.dst
tcp.srcport < tcp.dstport
udp contains "shop"
dns contains 04:73:68:6f:70
http contains "curl"
ip.src eq 10.9.0.1 and tcp.dstport eq 80
http.request.method matches "^(GET|POST)$"
dns.qry.name == www.shop.test
tcp.port == 0x1bb
tcp.flags.syn==1&&tcp.flags.ack==1
tcp.hdr_len == 40
tls.handshake.extension.type == 43
tls.handshake.ja3
""".strip().splitlines()
"""Looked for in what dumpcap saw of others; without commas, which tshark's counting takes for itself."""
OTHERWISE = (" ~= ", "http.request.uri == ", "[0] == 33")
"""What newer Wiresharks do not have, show of answers too, or read as a decimal number."""


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


@pytest.mark.parametrize("expression", EXACTLY)
def test_the_same_packets_as_tshark(expression: str, file: Path) -> None:
    text = tshark.tshark(file, *PORTS, "-Y", expression, "-T", "fields", "-e", "frame.number")
    assert shown(file, expression) == text.split()


def test_as_many_packets_as_tshark() -> None:
    other = OTHERWISE if tshark.version() >= (4, 2) else ()
    expressions = [each for each in MANY if not any(part in each for part in other)]
    counted(Path(__file__).parent / "others.pcapng", expressions, ())


def test_as_many_packets_of_messages_as_tshark(file: Path) -> None:
    counted(file, [expression for expression in EXPRESSIONS if expression not in EXACTLY], PORTS)


def counted(path: Path, expressions: list[str], options: tuple[str, ...]) -> None:
    """As many packets match each as tshark counts, which looks for all of them in one go."""
    table = tshark.run("tshark", "-r", str(path), *options, "-q", "-z", ",".join(("io,stat,0", *expressions)))
    counts = next(line for line in table.splitlines() if "<>" in line and line.strip(" |")[:1].isdigit()).split("|")
    frames = [int(cell) for cell in counts[2:-1:2]]
    inspector = Inspector()
    with path.open("rb") as source:
        seen = [inspector.add(block) for block in blocks(source) if isinstance(block, Packet)]
    packets = [Facts(each, inspector.first) for each in seen]
    found = [sum(map(compile_display_filter(expression), packets)) for expression in expressions]
    assert dict(zip(expressions, found, strict=True)) == dict(zip(expressions, frames, strict=True))


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
        ("tcp.payload[] == 1", 13),
        ("tcp.payload[3", 13),
        ("tcp.flags & x", 13),
        ("lower(http.host", 16),
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
