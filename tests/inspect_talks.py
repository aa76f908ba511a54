"""Conversations with secrets in them, as packets: cut, in fragments, and as who inspects them shows them."""

from __future__ import annotations

import gzip
from collections.abc import Sequence

from captures.blocks import Interface, LinkType, Packet
from captures.dissectors.websocket import unmask
from captures.inspector import Inspector, buffers
from captures.packet_fields import Facts
from captures.synth import Conversation, Piece, synthesize
from netlab.inspect.masks import covered
from netlab.inspect.packet_secrets import Secrets, hide
from netlab.inspect.packet_views import line, tree

Said = Sequence[tuple[str, bytes]]

# what is secret is written with the letter Z alone, which stands nowhere else
FORM = b"POST /in HTTP/1.1\r\nHost: a.test\r\nContent-Length: 27\r\n\r\nuser=ada&password=ZZZZ&end=1"
JSON = b'HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{"access_token": "ZZZZZZZZ", "more": 10}'
PACKED = gzip.compress(b'{"password": "ZZZZZZZZ", "more": "%s"}' % bytes(range(35, 90)))
CONNECT = b"\x10\x20\0\4MQTT\4\xc2\0\x3c\0\4me01\0\3ada\0\7" + b"Z" * 7
UPGRADE = b"GET /mqtt HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
KEY = b"\1\2\3\4"
PROOF = b"\x0b\x15\0\1x\x16\0\4ZZZZ"  # an authentication method and its data
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"


def frame(payload: bytes, first: int, key: bytes = b"") -> bytes:
    """A frame with these first bits, as a client sends it where there is a key."""
    size = len(payload)
    head = bytes((first, (0x80 if key else 0) | min(size, 126))) + (size.to_bytes(2, "big") if size > 125 else b"")
    return head + key + unmask(payload, key)


def chunks(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n"


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
        ("client", UPGRADE), ("server", SWITCHED + b"\r\n"),
        ("client", frame(CONNECT, 0x82, KEY)), ("client", frame(b'{"password":"ZZ"', 0x81, KEY)),
    )),
    "mqtt in several frames": (9001, (
        ("client", UPGRADE), ("server", SWITCHED + b"\r\n"),
        ("client", frame(CONNECT[:3], 2, KEY)), ("client", frame(b"still there?", 0x89, KEY)),
        ("client", frame(CONNECT[3:-4], 0, KEY)), ("client", frame(b"", 0, KEY)),
        ("client", frame(CONNECT[-4:-2], 0x80, KEY)), ("client", frame(CONNECT[-2:] + b"\xc0\0", 0x82, KEY)),
        ("server", frame(b"\x20\2\0\0", 0x82)), ("client", frame(b"\xe0\0", 0x82, KEY)),
    )),
    "text in several frames": (9001, (
        ("client", UPGRADE), ("server", SWITCHED + b"\r\n"),
        ("client", frame(b'{"user": "ada", "passw', 1, KEY)), ("client", frame(b'ord":"ZZ', 0, KEY)),
        ("client", frame(b'ZZ", "more": 1}', 0x80, KEY)),
        ("server", frame(b'{"access_tok', 1)), ("server", frame(b"there", 0x89)), ("server", frame(b'en":"ZZ', 0)),
        ("server", frame(b'ZZ"}' + b"." * 200, 0x80)),
    )),
    "chunks": (80, (
        ("client", b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"),
        ("server", CHUNKED + b"\r\n" + chunks(b'{"pass', b'word": "ZZ', b"ZZ", b'ZZ", "more": 1}')
                   + b"Set-Cookie: a=ZZ\r\n\r\n"),
        ("client", b"GET /?password=ZZ HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    )),
    "mqtt with proof": (1883, (
        ("client", b"\x10\x1a\0\4MQTT\5\2\0\x3c" + PROOF + b"\0\2me"), ("server", b"\x20\3\0\0\0"),
        ("client", b"\xf0\x0d\x18" + PROOF), ("server", b"\xf0\x0d\x18" + PROOF),
    )),
    "socks": (1080, (
        ("client", b"\5\1\2"), ("server", b"\5\2"), ("client", b"\1\3ada\6ZZZZZZ"), ("server", b"\1\0"),
        ("client", b"\5\1\0\3\6a.test\0\x50"),
    )),
    "proxies in proxies": (1080, (
        ("client", b"\5\1\2"), ("server", b"\5\2"), ("client", b"\1\3ada\6ZZZZZZ"), ("server", b"\1\0"),
        ("client", b"\5\1\0\3\6a.test\0\x50"), ("server", b"\5\0\0\1\x7f\0\0\1\0\x50"),
        ("client", b"CONNECT b.test:25 HTTP/1.1\r\nHost: b.test:25\r\nProxy-Authorization: Basic ZZZZZZ==\r\n\r\n"),
        ("server", b"HTTP/1.1 200 OK\r\n\r\n"), ("server", b"220 b.test ESMTP\r\n"), ("client", b"EHLO me\r\n"),
        ("server", b"250 AUTH LOGIN\r\n"), ("client", b"AUTH LOGIN ZZZZ\r\n"), ("server", b"334 UGFzc3dvcmQ6\r\n"),
        ("client", b"ZZZZZZ==\r\n"), ("server", b"235 yes\r\n"),
    )),
    "nobody knows": (9999, (("client", b"hello\r\nAUTH PLAIN ZZZZ\r\nPASS ZZZZ\r\nnext\r\n"),)),
}  # fmt: skip
COMPRESSED = (
    ("server", b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(PACKED), PACKED)),
)


def packets(
    said: Said, port: int, size: int = 10_000, *, ends: tuple[str, str] = ("127.0.0.1", "127.0.0.2")
) -> list[bytes]:
    """The packets of a connection on which this was said, so many bytes in each."""
    offsets = {"client": 0, "server": 0}
    pieces = []
    for number, (side, data) in enumerate(said):
        for at in range(0, len(data), size):
            part = data[at : at + size]
            pieces.append(Piece(1000 + number + at / 10_000, side, offsets[side], part))  # type: ignore[arg-type]  # only these two
            offsets[side] += len(part)
    sockets = {"client": (ends[0], 40000), "server": (ends[1], port)}
    made = Conversation(**sockets, pieces=pieces, started=999.0, ended=2000.0)  # type: ignore[arg-type]  # by name
    return [packet.data for packet in synthesize(made)]


def shown(data: Sequence[bytes]) -> tuple[str, list[bytes]]:
    """What lines and trees say of these packets, and the packets' bytes as they are shown."""
    inspector, secrets = Inspector(), Secrets()
    told, raw = [], []
    for number, packet in enumerate(data):
        seen = inspector.add(Packet(INTERFACE, number * 1_000_000, packet, len(packet)))
        covers = secrets.add(seen)
        facts = Facts(seen, 0)
        found = hide(facts, covers)
        assert [len(each.data) for each in found] == [len(each.data) for each in facts.buffers]
        told += [line(facts), *tree(found)]
        raw.append(found[0].data[seen.part.at if seen.part is not None and seen.reassembled is None else 0 :])
        raw += [each.data for each in found[1:]]
    return "\n".join(told), raw


INTERFACE = Interface.nanoseconds(0, LinkType.RAW_IP)


def hidden(data: Sequence[bytes]) -> list[bytes]:
    """These packets as `--write` has them."""
    inspector, secrets = Inspector(), Secrets()
    made = []
    for number, packet in enumerate(data):
        seen = inspector.add(Packet(INTERFACE, number * 1_000_000, packet, len(packet)))
        made.append(covered(packet, secrets.add(seen).own))
    return made


def decoded(data: Sequence[bytes]) -> list[bytes]:
    """What somebody else finds in packets: messages put together, masks and codings taken off."""
    inspector = Inspector()
    seen = [inspector.add(Packet(INTERFACE, 0, packet, len(packet))) for packet in data]
    return [buffer.data for each in seen for buffer in buffers(each)[1:]]


def fragments(packet: bytes, size: int, number: int = 0) -> list[bytes]:
    """An IP packet in fragments with so many bytes in each, a multiple of eight."""
    version = packet[0] >> 4
    at = 20 if version == 4 else 40
    body, made = packet[at:], []
    for offset in range(0, len(body), size):
        part, more = body[offset : offset + size], offset + size < len(body)
        if version == 4:
            numbers = 20 + len(part), number, more << 13 | offset // 8
            head = packet[:2] + b"".join(each.to_bytes(2, "big") for each in numbers)
            made.append(head + packet[8:20] + part)
        else:
            extra = bytes((packet[6], 0)) + (offset | more).to_bytes(2, "big") + number.to_bytes(4, "big")
            made.append(packet[:4] + (8 + len(part)).to_bytes(2, "big") + b"\x2c" + packet[7:40] + extra + part)
    return made


def in_order(parts: list[bytes], order: str) -> list[bytes]:
    """As a network may give them."""
    if order == "one lost" and len(parts) > 2:
        return parts[:1] + parts[2:]
    return parts[::-1] if order == "backwards" else [part for part in parts for _ in range(1 + (order == "twice"))]
