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
OTHERS = Path(__file__).parent / "others.pcapng"
BESIDE = [
    "tcp.seq", "tcp.ack", "tcp.len", "tcp.window_size", "tcp.stream", "udp.stream", "tcp.port", "ip.addr",
    "tls.handshake.ja3", "tls.handshake.ja3s",
]  # fmt: skip
"""Fields that stand in no tree of ours, but that filters know."""
OTHERWISE = {
    "http.file_data": "its decoded text in tshark 4.0, its bytes in later ones and here",
    "pop.request": "nothing in tshark", "pop.response": "nothing in tshark", "pop.response.data": "one for each line",
    "pop.request.command": "only the first of several", "pop.response.indicator": "only the first of several",
    "pop.response.description": "only the first of several",
    "smtp.command_line": "with its line end", "smtp.response": "with its line end",
    "smtp.response.code": "once though it stands in each line",
    "tcp.options.sack_le": "relative in tshark", "tcp.options.sack_re": "relative in tshark",
    "tcp.segment_data": "only with the last segment in tshark", "websocket.payload.text": "not of what is short",
    "tls.handshake": "encrypted ones, too, in tshark",
    "data": "what one of both has no name for",
    "http.content_type": "with and without a space behind the comma",
}  # fmt: skip
"""Fields of the same name that are not the same, and why."""
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


@pytest.mark.parametrize("path", [*SAMPLES, OTHERS], ids=lambda path: path.stem)
def test_every_field_says_what_it_means_and_where_that_stands(path: Path) -> None:
    layers = [layer for each in packets(path) for buffer in each.buffers for layer in buffer.layers]
    fields = [field for layer in layers for field in layer.all()]
    silent = {field.name for field in fields if not (field.meaning or field.parts) or not field.section}
    assert silent <= {"data", "padding", "udp.checksum"}  # bytes that nobody knows; a checksum without its addresses


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_field_is_that_of_tshark(path: Path) -> None:
    check_fields(packets(path), tshark.trees(path, OPTIONS))


def test_so_it_is_with_what_dumpcap_saw_of_others() -> None:
    """curl to nginx with a second ClientHello, dig to unbound, mosquitto's clients, IPv6, fragments, ICMP errors."""
    check_fields(
        packets(OTHERS), tshark.trees(OTHERS), frozenset({"dns.resp.name", "udp.stream"})
    )  # of SRV, of what ICMP quotes


RENAMED = {"dns.flags.authenticated": "dns.flags.ad"}
"""What newer Wiresharks call otherwise, in questions."""


def check_fields(facts: list[Facts], theirs: list[dict[str, list[str]]], but: frozenset[str] = frozenset()) -> None:
    """Every field of ours that has a name of Wireshark's has its values, packet by packet."""
    known, compared = tshark.registered(), set()
    for each, packet in zip(facts, theirs, strict=True):
        shown = {field.name for buffer in each.buffers for layer in buffer.layers for field in layer.all()}
        shown |= {field.name for buffer in each.buffers for layer in buffer.layers for field in layer.derived}
        for name in (shown | {name for name in BESIDE if name in packet}) & known.keys() - OTHERWISE.keys() - but:
            ours = [tshark.plain(value, known[name]) for value in each.values(name)]
            told = packet.get(name) or packet.get(RENAMED.get(name, ""), [])
            assert sorted(ours) == sorted(told), (each.seen.number, name)
            compared.add(name)
    assert len(compared) > 20


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
