"""Secrets in packets: starred out however they are cut, doubled or out of order; what is written is a sound capture."""

from __future__ import annotations

import gzip
import json
from base64 import b64decode
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captures.blocks import Interface, LinkType, Packet
from captures.dissectors.websocket import unmask
from captures.files import blocks
from captures.inspector import Inspector
from captures.packet_fields import Facts
from captures.pcapng import Writer
from captures.synth import Conversation, Piece, synthesize
from netlab.commands import inspect
from netlab.inspect.packet_secrets import Secrets, hide
from netlab.inspect.packet_views import line, tree
from tests import tshark

Said = Sequence[tuple[str, bytes]]

# what is secret is written with the letter Z alone, which stands nowhere else
FORM = b"POST /in HTTP/1.1\r\nHost: a.test\r\nContent-Length: 27\r\n\r\nuser=ada&password=ZZZZ&end=1"
JSON = b'HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{"access_token": "ZZZZZZZZ", "more": 10}'
PACKED = gzip.compress(b'{"password": "ZZZZZZZZ", "more": "%s"}' % bytes(range(35, 90)))
CONNECT = b"\x10\x20\0\4MQTT\4\xc2\0\x3c\0\4me01\0\3ada\0\7" + b"Z" * 7
UPGRADE = b"GET /mqtt HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
KEY = b"\1\2\3\4"
TALKS: dict[str, tuple[int, Said]] = {
    "fields": (80, (
        ("client", b"GET http://ada:ZZZZ@a.test:80/?access_token=ZZZZ&b=1 HTTP/1.1\r\nHost: a.test\r\n"
                   b"Authorization: Basic ZZZZZZZZ\r\nProxy-Authorization: Bearer ZZZZ.ZZZZ==\r\n"
                   b"Cookie: one=ZZZZ; two=ZZ\r\nX-Api-Key: ZZZZ=\r\n\r\n"),
        ("server", b"HTTP/1.1 204 No Content\r\nSet-Cookie: one=ZZZZ; Path=/; Secure\r\n\r\n"),
    )),
    "content": (80, (("client", FORM), ("server", JSON))),
    "smtp": (25, (
        ("server", b"220 mail.test ESMTP\r\n"), ("client", b"EHLO me\r\n"), ("server", b"250 AUTH PLAIN LOGIN\r\n"),
        ("client", b"AUTH PLAIN ZZZZZZZZ\r\n"), ("server", b"535 no\r\n"), ("client", b"AUTH LOGIN\r\n"),
        ("server", b"334 VXNlcm5hbWU6\r\n"), ("client", b"ZZZZ\r\n"), ("server", b"334 UGFzc3dvcmQ6\r\n"),
        ("client", b"ZZZZZZ==\r\n"), ("server", b"235 yes\r\n"), ("client", b"QUIT\r\n"),
    )),
    "pop": (110, (
        ("server", b"+OK ready\r\n"), ("client", b"USER ada\r\n"), ("server", b"+OK\r\n"),
        ("client", b"PASS ZZ ZZ\r\n"),
        ("server", b"+OK\r\n"), ("client", b"AUTH PLAIN\r\n"), ("server", b"+ \r\n"), ("client", b"ZZZZ\r\n"),
    )),
    "mqtt": (1883, (("client", CONNECT), ("server", b"\x20\2\0\0"), ("client", b"\xe0\0"))),
    "mqtt over websocket": (9001, (
        ("client", UPGRADE), ("server", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"),
        ("client", b"\x82\xa2" + KEY + unmask(CONNECT, KEY)),
        ("client", b"\x81\x90" + KEY + unmask(b'{"password":"ZZ"', KEY)),
    )),
    "socks": (1080, (
        ("client", b"\5\1\2"), ("server", b"\5\2"), ("client", b"\1\3ada\6ZZZZZZ"), ("server", b"\1\0"),
        ("client", b"\5\1\0\3\6a.test\0\x50"),
    )),
    "nobody knows": (9999, (("client", b"hello\r\nAUTH PLAIN ZZZZ\r\nPASS ZZZZ\r\nnext\r\n"),)),
}  # fmt: skip
COMPRESSED = (
    ("server", b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(PACKED), PACKED)),
)


def packets(said: Said, port: int, size: int = 10_000) -> list[bytes]:
    """The packets of a connection on which this was said, so many bytes in each."""
    offsets = {"client": 0, "server": 0}
    pieces = []
    for number, (side, data) in enumerate(said):
        for at in range(0, len(data), size):
            part = data[at : at + size]
            pieces.append(Piece(1000 + number + at / 10_000, side, offsets[side], part))  # type: ignore[arg-type]  # only these two
            offsets[side] += len(part)
    ends = {"client": ("127.0.0.1", 40000), "server": ("127.0.0.2", port)}
    made = Conversation(**ends, pieces=pieces, started=999.0, ended=2000.0)  # type: ignore[arg-type]  # by name
    return [packet.data for packet in synthesize(made)]


def written(path: Path, data: Sequence[bytes]) -> Path:
    with path.open("wb") as sink:
        writer = Writer(sink)
        writer.section()
        interface = writer.interface(LinkType.RAW_IP)
        writer.secrets(b"CLIENT_RANDOM 00 11\n")
        for number, packet in enumerate(data):
            writer.packet(interface, number * 1_000_000, packet, comments=["GET /?password=ZZZZ"])
    return path


def shown(data: Sequence[bytes]) -> tuple[str, list[bytes]]:
    """What lines and trees say of these packets, and the packets' bytes as they are shown."""
    inspector, secrets = Inspector(), Secrets()
    told, raw = [], []
    for number, packet in enumerate(data):
        seen = inspector.add(Packet(INTERFACE, number * 1_000_000, packet, len(packet)))
        covers = secrets.add(seen)
        facts = Facts(seen, 0)
        buffers = hide(facts, covers)
        assert [len(each.data) for each in buffers] == [len(each.data) for each in facts.buffers]
        told += [line(facts), *tree(buffers)]
        raw.append(buffers[0].data[seen.part.at if seen.part is not None else 0 :])
    return "\n".join(told), raw


INTERFACE = Interface.nanoseconds(0, LinkType.RAW_IP)


@pytest.mark.parametrize("name", TALKS)
@pytest.mark.parametrize("size", [1, 3, 10_000])
def test_a_secret_is_hidden_however_it_is_cut(name: str, size: int) -> None:
    port, said = TALKS[name]
    told, raw = shown(packets(said, port, size))
    assert "Z" not in told
    assert not any(b"Z" in data for data in raw)


@settings(max_examples=5, deadline=None)
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


@pytest.mark.parametrize("name", ["fields", "content"])
@pytest.mark.parametrize("lost", range(4, 20))
def test_and_where_the_capture_has_lost_some(name: str, lost: int) -> None:
    port, said = TALKS[name]
    sent = packets(said, port, 17)
    told, raw = shown(sent[:lost] + sent[lost + 1 :])
    assert "Z" not in told
    assert not any(b"Z" in data for data in raw)


@pytest.mark.parametrize("name", ["fields", "smtp", "mqtt over websocket"])
def test_what_is_written_is_the_same_capture_with_stars(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port, said = TALKS[name]
    source = written(tmp_path / "from.pcapng", packets(said, port, 7))
    target = tmp_path / "to.pcapng"
    assert inspect.run(inspect.Config(source=str(source), write=target, quiet=True)) == 0
    assert "are starred out and the TLS secrets are left out; --reveal" in capsys.readouterr().err
    before, after = (tshark.fields(path, "tcp", "frame.len", "tcp.seq_raw", "tcp.flags") for path in (source, target))
    assert before == after
    assert not tshark.fields(target, "tcp.checksum.status != 1", "frame.number")
    said_now = b"".join(bytes.fromhex(row[0]) for row in tshark.fields(target, "tcp.len > 0", "tcp.payload"))
    assert b"Z" not in said_now
    assert unmask(b"ZZZZ", KEY) not in said_now
    assert b"CLIENT_RANDOM" not in target.read_bytes()
    inspect.run(inspect.Config(source=str(source), write=target, quiet=True, reveal=True))
    assert [block.data for block in read(target)] == [block.data for block in read(source)]
    assert b"CLIENT_RANDOM" in target.read_bytes()


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


def test_what_is_no_secret_stays() -> None:
    said = (("client", b"GET http://a.test:8080/ HTTP/1.1\r\nHost: a.test\r\nReferer: http://b.test:90/@x\r\n\r\n"),)
    _, raw = shown(packets(said, 80))
    assert b"".join(raw) == said[0][1]
    port, talk = TALKS["fields"]
    told, _ = shown(packets(talk, port))
    assert "Authorization: Basic ********" in told
    assert "one=****; two=**" in told
    assert "Set-Cookie: one=****; Path=/; Secure" in told
