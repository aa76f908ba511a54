"""Secrets in packets: starred out however they are cut, doubled or out of order; what is written is a sound capture."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from ipaddress import ip_address
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captures.blocks import Interface, LinkType, Names, Packet, Section, SimplePacket, Statistics, Unknown
from captures.dissectors.websocket import unmask
from captures.files import blocks
from captures.pcapng import Writer
from captures.serialize import UDP, ip_packet, udp_datagram
from netlab.commands import inspect
from netlab.dashboard.bytemap import byte_map
from netlab.inspect.redact import redacted
from tests import tshark
from tests.inspect_talks import COMPRESSED, KEY, PACKED, TALKS, decoded, fragments, hidden, in_order, packets, shown


def written(path: Path, data: Sequence[bytes]) -> Path:
    with path.open("wb") as sink:
        writer = Writer(sink)
        writer.section()
        interface = writer.interface(LinkType.RAW_IP)
        writer.secrets(b"CLIENT_RANDOM 00 11\n")
        for number, packet in enumerate(data):
            writer.packet(interface, number * 1_000_000, packet, comments=["GET /?password=ZZZZ"])
    return path


@pytest.mark.parametrize("name", TALKS)
@pytest.mark.parametrize("size", [1, 10_000])
def test_a_secret_is_hidden_however_it_is_cut(name: str, size: int) -> None:
    port, said = TALKS[name]
    sent = packets(said, port, size)
    told, raw = shown(sent)
    assert "Z" not in told
    assert not any(b"Z" in data for data in raw)
    assert not any(b"Z" in data for data in decoded(hidden(sent)))


@pytest.mark.parametrize("name", TALKS)
@pytest.mark.parametrize("size", [3])
def test_nor_does_a_flow_s_record_tell_it(name: str, size: int) -> None:
    port, said = TALKS[name]
    parts = [(side, data[at : at + size]) for side, data in said for at in range(0, len(data), size)]
    wire = [{"time": 1.0, "side": side, "offset": 0, "data": b64encode(data).decode()} for side, data in parts]
    record = {"client": "127.0.0.1:40000", "server": f"127.0.0.2:{port}", "wire": wire, "plain": None}
    shown = redacted(record)
    assert [len(chunk["data"]) for chunk in shown["wire"]] == [len(chunk["data"]) for chunk in wire]
    assert b"Z" not in b"".join(b64decode(chunk["data"]) for chunk in shown["wire"])
    mapped = byte_map(shown | {"id": "1"}, None)
    assert mapped["messages"] or port == 9999
    assert "Z" not in str(mapped)
    assert "5a5a" not in str(mapped)


@settings(max_examples=3, deadline=None)
@given(order=st.randoms(use_true_random=False), size=st.integers(2, 30), again=st.booleans())
@pytest.mark.parametrize("name", TALKS)
def test_and_out_of_order_or_twice(name: str, order: Random, size: int, again: bool) -> None:
    port, said = TALKS[name]
    sent = []
    for _, run in groupby(packets(said, port, size), key=lambda packet: packet[12:16]):
        flight = list(run)
        order.shuffle(flight)
        sent += flight * (2 if again else 1)
    told, raw = shown(sent)
    assert "Z" not in told
    assert not any(b"Z" in data for data in raw)


@pytest.mark.parametrize(
    "name", ["fields", "content", "mqtt", "mqtt in several frames", "text in several frames", "chunks"]
)
def test_and_where_the_capture_has_lost_some(name: str) -> None:
    port, said = TALKS[name]
    sent = packets(said, port, 17)
    for lost in range(4, min(len(sent), 24)):
        told, raw = shown(sent[:lost] + sent[lost + 1 :])
        assert "Z" not in told
        assert not any(b"Z" in data for data in raw)


@pytest.mark.parametrize("order", ["as sent", "backwards", "one lost", "twice"])
@pytest.mark.parametrize("name", ["fields", "mqtt"])
@pytest.mark.parametrize("ends", [("127.0.0.1", "127.0.0.2"), ("::1", "::2")])
def test_a_segment_in_fragments_tells_none(ends: tuple[str, str], name: str, order: str) -> None:
    port, said = TALKS[name]
    sent = [in_order(fragments(each, 24, at), order) for at, each in enumerate(packets(said, port, ends=ends))]
    told, raw = shown([part for parts in sent for part in parts])
    assert "Z" not in told
    assert not any(b"ZZ" in data for data in raw)
    assert (b"GET http://" in b"".join(raw)) == (name == "fields" and order != "one lost")


@pytest.mark.parametrize("order", ["as sent", "backwards", "one lost", "twice"])
@pytest.mark.parametrize("ends", [("127.0.0.1", "127.0.0.2"), ("::1", "::2")])
def test_a_datagram_in_fragments_tells_none(ends: tuple[str, str], order: str) -> None:
    source, target = ((ip_address(end).packed, 5060) for end in ends)
    words = (
        b"REGISTER sip:a.test SIP/2.0\r\nAuthorization: Digest ZZZZZZZZZZZZZZZZZZZZ\r\nCookie: a=ZZZZZZZZ\r\nTo: b\r\n"
    )
    datagram = ip_packet(source[0], target[0], UDP, udp_datagram(source, target, words))
    told, raw = shown(in_order(fragments(datagram, 16), order))
    assert "Z" not in told
    assert not any(b"Z" in data for data in raw)
    assert (b"To: b" in b"".join(raw)) == (order != "one lost")
    if order == "as sent":
        assert b"REGISTER sip:a.test" in b"".join(data[28 if ends[0] == "::1" else 0 :][20:] for data in raw[:3])[8:]


@pytest.mark.parametrize("name", ["fields", "smtp", "mqtt over websocket"])
def test_what_is_written_is_the_same_capture_with_stars(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port, said = TALKS[name]
    source = written(tmp_path / "from.pcapng", packets(said, port, 7))
    target = tmp_path / "to.pcapng"
    assert inspect.run(inspect.Config(source=str(source), write=target, quiet=True)) == 0
    assert "are starred out and the TLS secrets are left out; --reveal" in capsys.readouterr().err
    names = ("frame.len", "tcp.seq_raw", "tcp.flags", "tcp.checksum.status", "tcp.payload")
    before, after = (tshark.fields(path, "tcp", *names) for path in (source, target))
    assert [row[:4] for row in before] == [row[:4] for row in after]
    assert {row[3] for row in after} == {"1"}
    said_now = b"".join(bytes.fromhex(row[4]) for row in after)
    assert said_now
    assert b"Z" not in said_now
    assert unmask(b"ZZZZ", KEY) not in said_now
    assert b"CLIENT_RANDOM" not in target.read_bytes()
    inspect.run(inspect.Config(source=str(source), write=target, quiet=True, reveal=True))
    assert [block.data for block in read(target)] == [block.data for block in read(source)]
    assert b"CLIENT_RANDOM" in target.read_bytes()


@pytest.mark.parametrize("order", ["<", ">"])
def test_what_is_written_keeps_what_is_no_packet(order: Literal["<", ">"], tmp_path: Path) -> None:
    (packet,) = packets((("client", b"GET /?password=ZZ HTTP/1.1\r\n\r\n"),), 80)[3:4]
    with (tmp_path / "from.pcapng").open("wb") as sink:
        writer = Writer(sink)
        writer.section(order=order)
        first, second = writer.interface(LinkType.ETHERNET), writer.interface(LinkType.RAW_IP)
        writer.names({"127.0.0.1": ["here.test"]})
        writer.write(Unknown(0xBAD, b"\0\0\x7e\xd9 password=ZZ"))
        writer.write(Unknown(Unknown.not_to_be_copied, b"\0\0\x7e\xd9"))
        writer.packet(second, 7, packet, flags=1)
        writer.write(SimplePacket(first, bytes(60), 60))
        writer.statistics(second, 8, received=9, dropped=1)
    inspect.run(inspect.Config(source=str(tmp_path / "from.pcapng"), write=tmp_path / "to.pcapng", quiet=True))
    with (tmp_path / "to.pcapng").open("rb") as source:
        kept = [block for block in blocks(source) if not isinstance(block, (Section, Interface, Names))]
    custom, told, simple, counted = kept
    assert custom == Unknown(0xBAD, b"\0\0\x7e\xd9 password=**")
    assert isinstance(told, Packet)
    assert (told.ticks, told.interface.link_type, told.options[0][1][:: -1 if order == "<" else 1]) == (
        7,
        101,
        b"\0\0\0\1",
    )
    assert isinstance(simple, Packet)  # its interface is not the first here
    assert isinstance(counted, Statistics)
    assert (counted.ticks, counted.interface.link_type) == (8, 101)


def read(path: Path) -> list[Packet]:
    with path.open("rb") as source:
        return [block for block in blocks(source) if isinstance(block, Packet)]


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("name", TALKS)
def test_what_is_followed_tells_none(
    name: str, as_json: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port, said = TALKS[name]
    source = written(tmp_path / "from.pcapng", packets(said, port, 3))
    inspect.run(inspect.Config(source=str(source), follow="tcp 0", hex=not as_json, json=as_json))
    told = capsys.readouterr().out
    assert told
    if as_json:
        told = " ".join(b64decode(json.loads(piece)["data"]).hex() for piece in told.splitlines())
    assert "5a5a" not in told.replace(" ", "")


def test_content_that_hides_a_secret_is_hidden_as_a_whole() -> None:
    _, raw = shown(packets(COMPRESSED, 80))
    assert PACKED[12:40] not in b"".join(raw)
    assert b"*" * len(PACKED) in b"".join(raw)


def test_what_was_said_before_tls_is_hidden_once_more_behind_it() -> None:
    asked = b"CONNECT b.test:443 HTTP/1.1\r\nHost: b.test\r\nProxy-Authorization: Basic ZZZZZZ==\r\n\r\n"
    hello = b"\x16\3\1\0\x31\1\0\0\x2d\3\3" + bytes(32) + b"\0\0\2\x13\1\1\0\0\2\0\0"
    said = (("client", asked), ("server", b"HTTP/1.1 200 OK\r\n\r\n"), ("client", hello), ("server", hello))
    sent = packets(said, 3128)
    told, raw = shown(sent + sent[3:4])
    assert "retransmission" in told
    assert "TLS" in told
    assert not any(b"ZZ" in data for data in raw)
    assert sum(hello in data for data in raw) == 2


def test_what_is_no_secret_stays() -> None:
    said = (("client", b"GET http://a.test:8080/ HTTP/1.1\r\nHost: a.test\r\nReferer: http://b.test:90/@x\r\n\r\n"),)
    _, raw = shown(packets(said, 80))
    assert b"".join(raw) == said[0][1]
    port, talk = TALKS["fields"]
    told, _ = shown(packets(talk, port))
    assert "Authorization: Basic ********" in told
    assert "one=****; two=**" in told
    assert "Set-Cookie: one=****; Path=/; Secure" in told
