"""The samples: their trees are those that stand beside them, and say what tshark says, field by field."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from captures.blocks import Packet
from captures.files import blocks
from captures.inspector import Inspector
from captures.packet_fields import Facts
from netlab.inspect.packet_secrets import Secrets, hide
from netlab.inspect.packet_views import line, tree
from tests import tshark
from tests.captures.test_tree import check_cover

SAMPLES = sorted((Path(__file__).parent.parent.parent / "captures" / "samples").glob("*.pcapng"))
FIELDS = {
    "tcp": "tcp.seq tcp.ack tcp.len tcp.window_size tcp.stream tcp.flags.syn tcp.flags.fin tcp.options.mss_val ip.ttl",
    "udp": "udp.srcport udp.length ip.id",
    "http": "http.request.method http.request.uri http.host http.response.code http.content_type http.user_agent",
    "tls": "tls.record.content_type tls.handshake.type tls.handshake.extensions_server_name "
    "tls.handshake.ja3 tls.handshake.ja3s tls.handshake.ciphersuite tls.handshake.extension.type",
    "dns": "dns.id dns.qry.name dns.qry.type dns.resp.name dns.a dns.flags.rcode dns.count.answers "
    "dns.mx.mail_exchange",
    "websocket": "websocket.fin websocket.opcode websocket.payload_length websocket.mask",
    "smtp": "smtp.req.command smtp.response.code",
    "mqtt": "mqtt.msgtype mqtt.topic mqtt.msgid mqtt.qos mqtt.clientid mqtt.ver mqtt.kalive",
}
"""Protocol → fields that both engines give under one name."""
ONCE = {"smtp.response.code"}
"""Fields that tshark gives once though they stand in each line."""
OPTIONS = (
    "-d",
    "tcp.port==8443,tls",
    "-d",
    "tcp.port==8765,http",
    "-d",
    "tcp.port==1025,smtp",
    "-d",
    "tcp.port==3128,socks",
)
OPTIONS += ("-d", "tcp.port==5300,dns", "-d", "udp.port==5300,dns", "-d", "tcp.port==1110,pop")


@cache
def packets(path: Path) -> list[Facts]:
    inspector = Inspector()
    with path.open("rb") as source:
        read = [inspector.add(block) for block in blocks(source) if isinstance(block, Packet)]
    return [Facts(seen, inspector.first) for seen in read]


def printed(path: Path) -> list[str]:
    """What the command prints of it."""
    inspector, secrets, words = Inspector(), Secrets(), []
    with path.open("rb") as source:
        for block in blocks(source):
            if isinstance(block, Packet):
                facts = Facts(inspector.add(block), inspector.first)
                words += [line(facts), *tree(hide(facts, secrets.add(facts.seen)))]
    return words


def test_there_is_one_of_each() -> None:
    names = {path.stem for path in SAMPLES}
    assert names >= {"tcp", "udp", "http", "tls12", "tls13", "dns-udp", "dns-tcp", "websocket", "smtp", "mqtt", "socks"}


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_the_tree_is_the_one_beside_it(path: Path) -> None:
    facts = packets(path)
    assert "\n".join(printed(path)) + "\n" == path.with_suffix(".txt").read_text(encoding="utf-8")
    for each in facts:
        for buffer in each.buffers:
            check_cover(buffer.layers, len(buffer.data))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_fields_are_those_of_tshark(path: Path) -> None:
    facts = packets(path)
    wanted = [field for fields in FIELDS.values() for field in fields.split()]
    rows = tshark.fields(path, "frame", *wanted, options=OPTIONS)
    for each, row in zip(facts, rows, strict=True):
        theirs = dict(zip(wanted, row, strict=True))
        for field in wanted:
            ours = [_text(field, value) for value in each.values(field)]
            if field in ONCE:
                ours = ours[:1]
            given = [_text(field, value) for value in theirs[field].split("|") if value]
            assert sorted(ours) == sorted(given), (each.seen.number, field)  # what was put together comes last here


def _text(field: str, value: object) -> str:
    """Numbers as numbers, however they are written: 0x1a2b, 1, True."""
    text = str(value)
    if text.startswith("0x"):
        return str(int(text, 16))
    if field == "http.content_type":
        return text.replace(", ", ",")
    return {"True": "1", "False": "0"}.get(text, text)


@pytest.mark.parametrize(
    "arguments", [("--statistics",), ("--tree", "--json"), ("--notes",), ("--packet", "4", "--hex")]
)
def test_the_command_reads_a_sample(arguments: tuple[str, ...]) -> None:
    sample = next(path for path in SAMPLES if path.stem == "http")
    done = subprocess.run(
        [sys.executable, "-m", "netlab", "inspect", str(sample), *arguments],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
