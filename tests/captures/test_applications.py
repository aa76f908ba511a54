"""Each application's messages: found in any split of its streams, shown field by field, whatever the bytes are."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captures import applications
from captures.blocks import Interface, LinkType, Packet
from captures.inspector import Inspector, Seen, buffers
from captures.messages import Decoded, Message, Source, Talk
from captures.summary import summarize
from captures.synth import Conversation, Piece, synthesize
from captures.tree import Layer, walk
from netlab.cores.proxy_protocol_header import Tlv, write_tlvs
from tests.captures.test_tree import check_cover

Said = tuple[tuple[str, bytes], ...]


def frame(opcode: int, payload: bytes, *, key: bytes = b"", first: int = 0x80) -> bytes:
    size = len(payload)
    head = bytes((first | opcode, (128 if key else 0) | (min(126, size))))
    head += size.to_bytes(2, "big") if size > 125 else b""
    return head + key + bytes(byte ^ key[at % 4] for at, byte in enumerate(payload)) if key else head + payload


def deflated(text: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return (packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


UPGRADE = b"GET /chat HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
)
QUERY = bytes.fromhex("1a2b 0100 0001 0000 0000 0000") + b"\3www\4shop\4test\0\0\1\0\1"
ANSWER = (
    bytes.fromhex("1a2b 8180 0001 0001 0000 0000") + QUERY[12:] + bytes.fromhex("c00c 0001 0001 0000003c 0004 7f000001")
)
V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + (12 + len(write_tlvs([Tlv(1, b"h2")]))).to_bytes(2, "big")
V2 += bytes((10, 0, 0, 1, 10, 0, 0, 2)) + bytes.fromhex("d431 01bb") + write_tlvs([Tlv(1, b"h2")])
GET, OK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
MQTT5 = bytes.fromhex("10 19 0004 4d515454 05 c2 003c 05 11 0000000a 0001 61 0001 75 0001 70".replace(" ", ""))

TALKS: dict[str, tuple[int, Said, list[str]]] = {
    "websocket": (
        9000,
        (
            ("client", UPGRADE),
            ("server", SWITCHED),
            ("client", frame(1, b"hello", key=b"abcd")),
            ("server", frame(1, deflated(b"hello " * 9), first=0xC0)),
            ("server", frame(8, b"\x03\xe8bye")),
        ),
        ["GET /chat HTTP/1.1", "HTTP/1.1 101 Switching Protocols", "Text, 5 bytes: hello", "Text, 11 bytes",
         "Close, 5 bytes: 1000 normal bye"],
    ),
    "smtp": (
        1025,
        (
            ("server", b"220 mail.test ESMTP netlab\r\n"),
            ("client", b"EHLO me\r\n"),
            ("server", b"250-mail.test\r\n250 AUTH PLAIN\r\n"),
            ("client", b"AUTH PLAIN AGEAYg==\r\n"),
            ("server", b"235 2.7.0 welcome\r\n"),
            ("client", b"MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n"),
            ("server", b"250 ok\r\n250 ok\r\n354 go on\r\n"),
            ("client", b"Subject: hello\r\n\r\nbody\r\n..dot\r\n.\r\n"),
            ("server", b"250 taken\r\n"),
            ("client", b"QUIT\r\n"),
        ),
        ["220 mail.test ESMTP netlab", "EHLO me", "250-mail.test (and 1 lines more)", "AUTH PLAIN", "235 2.7.0 welcome",
         "MAIL FROM:<a@b.test>", "RCPT TO:<c@d.test>", "DATA", "250 ok", "250 ok", "354 go on",
         "mail of 34 bytes: hello", "250 taken", "QUIT"],
    ),
    "pop": (
        1110,
        (
            ("server", b"+OK ready\r\n"),
            ("client", b"USER a\r\n"),
            ("server", b"+OK\r\n"),
            ("client", b"PASS b\r\n"),
            ("server", b"+OK\r\n"),
            ("client", b"RETR 1\r\n"),
            ("server", b"+OK 5\r\nbody\r\n.\r\n"),
            ("client", b"LIST 1\r\n"),
            ("server", b"+OK 1 5\r\n"),
        ),
        ["+OK ready", "USER a", "+OK", "PASS", "+OK", "RETR 1", "+OK 5 (and 9 bytes more)", "LIST 1", "+OK 1 5"],
    ),
    "mqtt": (
        9001,
        (
            ("client", MQTT5),
            ("server", bytes.fromhex("2003000000")),
            ("client", bytes.fromhex("82090001000003612f6201")),
            ("server", bytes.fromhex("900400010001")),
            ("client", bytes.fromhex("340b0003612f62000700") + b"hey"),
            ("server", bytes.fromhex("50020007")),
            ("client", bytes.fromhex("62020007")),
            ("server", bytes.fromhex("70020007")),
            ("client", bytes.fromhex("c000")),
            ("client", bytes.fromhex("e000")),
        ),
        ["CONNECT 5.0 as a", "CONNACK success", "SUBSCRIBE (1) a/b", "SUBACK (1)", "PUBLISH QoS 2 (7) a/b, 3 bytes",
         "PUBREC (7)", "PUBREL (7)", "PUBCOMP (7)", "PINGREQ", "DISCONNECT"],
    ),
    "socks": (
        1080,
        (
            ("client", b"\5\1\2"),
            ("server", b"\5\2"),
            ("client", b"\1\1a\1b"),
            ("server", b"\1\0"),
            ("client", b"\5\1\0\3\6a.test\0\x50"),
            ("server", b"\5\0\0\1\x7f\0\0\1\0\x50"),
            ("client", GET),
            ("server", OK),
        ),
        ["greeting", "method chosen", "user and password", "login reply", "CONNECT a.test:80", "granted 127.0.0.1:80",
         "GET / HTTP/1.1", "HTTP/1.1 200 OK"],
    ),
    "socks4a": (
        9002,
        (
            ("client", b"\4\1\0\x50\0\0\0\1me\0a.test\0"),
            ("server", b"\0\x5a\0\0\0\0\0\0"),
            ("client", GET),
            ("server", OK),
        ),
        ["CONNECT a.test:80", "granted 0.0.0.0:0", "GET / HTTP/1.1", "HTTP/1.1 200 OK"],
    ),
    "proxy 1": (
        9003,
        (("client", b"PROXY TCP4 10.0.0.1 10.0.0.2 54321 443\r\n" + GET), ("server", OK)),
        ["PROXY v1, 10.0.0.1 port 54321 → 10.0.0.2 port 443", "GET / HTTP/1.1", "HTTP/1.1 200 OK"],
    ),
    "proxy 2": (
        9004,
        (("client", V2 + GET), ("server", OK)),
        ["PROXY v2, 10.0.0.1 port 54321 → 10.0.0.2 port 443", "GET / HTTP/1.1", "HTTP/1.1 200 OK"],
    ),
    "dns over TCP": (
        53,
        (
            ("client", len(QUERY).to_bytes(2, "big") + QUERY),
            ("server", len(ANSWER).to_bytes(2, "big") + ANSWER),
        ),
        ["query 0x1a2b A www.shop.test.", "query response 0x1a2b A www.shop.test. A 127.0.0.1"],
    ),
    "tunnel": (
        9005,
        (
            ("client", b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n"),
            ("server", b"HTTP/1.1 200 Connected\r\n\r\n"),
            ("client", GET),
            ("server", OK),
        ),
        ["CONNECT a.test:443 HTTP/1.1", "HTTP/1.1 200 Connected", "GET / HTTP/1.1", "HTTP/1.1 200 OK"],
    ),
}  # fmt: skip


def conversation_of(said: Said, port: int, client: int = 40000) -> Conversation:
    offsets = {"client": 0, "server": 0}
    pieces = []
    for number, (side, data) in enumerate(said):
        pieces.append(Piece(1000 + number / 1000, side, offsets[side], data))  # type: ignore[arg-type]  # only these two
        offsets[side] += len(data)
    return Conversation(client=("127.0.0.1", client), server=("127.0.0.2", port), pieces=pieces, started=999.0)


def packets(said: Said, port: int) -> list[Packet]:
    interface, made = Interface.nanoseconds(0, LinkType.RAW_IP), synthesize(conversation_of(said, port))
    return [Packet(interface, packet.time, packet.data, len(packet.data)) for packet in made]


def inspected(read: list[Packet]) -> list[Seen]:
    """Every packet, after the trees of its buffers were checked."""
    inspector, found = Inspector(), []
    for packet in read:
        found.append(inspector.add(packet))
        for buffer in buffers(found[-1]):
            check_cover(buffer.layers, len(buffer.data))
            summarize(found[-1])
    return found


def told(found: list[Seen]) -> list[str]:
    return [applications.summary(message) for seen in found for message in seen.messages]


@pytest.mark.parametrize("name", TALKS)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_messages_in_any_split(name: str, size: int) -> None:
    port, said, lines = TALKS[name]
    split = tuple((side, data[at : at + size]) for side, data in said for at in range(0, len(data), size))
    found = inspected(packets(split, port))
    assert told(found) == lines
    assert not [field for seen in found for field in fields(seen) if field.malformed]


def fields(seen: Seen) -> list[object]:  # type: ignore[type-arg]
    layers = [layer for buffer in buffers(seen) for layer in buffer.layers]
    return [field for layer in layers for field in walk(layer.fields)]


def values(name: str, field: str) -> list[object]:
    port, said, _ = TALKS[name]
    return [each.value for seen in inspected(packets(said, port)) for each in fields(seen) if each.name == field]  # type: ignore[attr-defined]


def test_fields_have_the_names_that_wireshark_gives_them() -> None:
    assert values("websocket", "websocket.payload.text")[0] == "hello"
    assert values("smtp", "smtp.req.command") == ["EHLO", "AUTH", "MAIL", "RCPT", "DATA", "QUIT"]
    assert values("smtp", "smtp.response.code")[-1] == 250
    assert values("mqtt", "mqtt.topic") == ["a/b", "a/b"]
    assert values("mqtt", "mqtt.prop_number") == [10]
    assert values("socks", "socks.remote_name") == ["a.test"]
    assert values("proxy 2", "proxy.v2.tlv.value") == ["h2"]
    assert values("dns over TCP", "dns.a") == ["127.0.0.1"]


def test_a_compressed_message_is_inflated() -> None:
    port, said, _ = TALKS["websocket"]
    found = [buffer for seen in inspected(packets(said, port)) for buffer in buffers(seen)]
    assert [buffer.data for buffer in found if "inflated" in buffer.label] == [b"hello " * 9]


@settings(max_examples=25)
@given(data=st.data())
@pytest.mark.parametrize("name", TALKS)
def test_damaged_streams_give_covering_trees(name: str, data: st.DataObject) -> None:
    port, said, _ = TALKS[name]
    damaged = [(side, bytearray(words)) for side, words in said]
    for _ in range(data.draw(st.integers(1, 4))):
        words = damaged[data.draw(st.integers(0, len(damaged) - 1))][1]
        if words:
            words[data.draw(st.integers(0, len(words) - 1))] = data.draw(st.integers(0, 255))
            del words[data.draw(st.integers(0, len(words))) :]
    inspected(packets(tuple((side, bytes(words)) for side, words in damaged), port))


@settings(max_examples=40)
@given(data=st.binary(max_size=120), version=st.sampled_from((3, 4, 5)), step=st.text(max_size=3))
@pytest.mark.parametrize("name", applications.MODULES)
def test_any_bytes_are_a_message_in_every_protocol(name: str, data: bytes, version: int, step: str) -> None:
    steps = ("greeting", "method", "login", "request", "reply", "old request", "old reply")
    contexts = [{"version": version, "tcp": True}, {}, *({"step": each} for each in steps if name == "socks")]
    contexts += [{"mail": True}, {"token": True}, {"reply": True}] if name in ("smtp", "pop") else []
    contexts += [{"over": True}, {"encrypted": True}] if name == "tls" else []
    for context in contexts:
        layer = applications.layer(Message(name, 0, data, context), data, 0, len(data))
        check_cover(whole(layer, data), len(data))
        applications.summary(Message(name, 0, data, context))


def whole(layer: Layer, data: bytes) -> tuple[Layer, ...]:
    rest = layer.end // 8
    return (layer, applications.opaque(data, rest, len(data))) if rest < len(data) else (layer,)


@settings(max_examples=30)
@given(pieces=st.lists(st.binary(max_size=40), max_size=6), side=st.sampled_from(("client", "server")))
@pytest.mark.parametrize("name", applications.MODULES)
def test_any_stream_is_read_without_an_exception(name: str, pieces: list[bytes], side: str) -> None:
    talk, source = Talk((40000, 80)), Source(side)  # type: ignore[arg-type]  # only these two
    talk.protocol = name
    script = applications.script(source, talk)
    for piece in pieces:
        source.add(piece)
        next(script, None)
    source.ended = True
    next(script, None)
    for message in source.found:
        check_cover(
            whole(applications.layer(message, message.data, 0, len(message.data)), message.data), len(message.data)
        )


@pytest.mark.parametrize("data", [b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\0"])
def test_a_server_that_says_what_only_a_client_may_is_read_on(data: bytes) -> None:
    talk, source = Talk((40000, 9)), Source("server")
    script = applications.script(source, talk)
    for _ in range(20):
        source.add(data)
        next(script)
    assert (source.found, source.left, talk.protocol) == ([], 0, "data")


def test_what_inflates_without_end_is_cut() -> None:
    bomb = frame(2, deflated(bytes(30 << 20)), first=0xC0)
    found = inspected(packets((("client", UPGRADE), ("server", SWITCHED), ("server", bomb)), 80))
    sizes = [len(each.data) for seen in found for message in seen.messages for each in message.decoded]
    assert sizes == [1 << 20]
    assert Decoded("", b"").data == b""


def test_a_long_mail_is_shown_in_parts_and_what_follows_is_found() -> None:
    said = (
        ("server", b"220 mail.test ESMTP\r\n"),
        ("client", b"DATA\r\n"),
        ("server", b"354 go on\r\n"),
        ("client", b"Subject: long\r\n\r\n" + b"0123456789abcde\n" * 50_000 + b"\r\n.\r\n"),
        ("server", b"250 taken\r\n"),
        ("client", b"QUIT\r\n"),
    )
    lines = told(inspected(packets(said, 25)))
    assert lines[-2:] == ["250 taken", "QUIT"]
    assert sum(line.startswith("content, ") for line in lines) >= 2
