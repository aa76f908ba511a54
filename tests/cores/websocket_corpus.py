"""What a client may send, frame by frame, and what a server must make of it: by section of RFC 6455, 7692."""

from __future__ import annotations

from typing import NamedTuple

from netlab.cores.websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, encode_frame

MASK = b"\x37\xfa\x21\x3d"


class Case(NamedTuple):
    """`said` by a client; `heard` are (kind, payload) of what comes of it, `code` that of the close frame we send."""

    name: str
    section: str
    said: bytes
    heard: tuple[tuple[str, object], ...] = ()
    code: int | None = None
    rule: str | None = None
    deflate: bool = False


def frame(opcode: int, data: bytes = b"", *, final: bool = True, rsv: int = 0) -> bytes:
    return encode_frame(opcode, data, final=final, rsv=rsv, mask=MASK)


def part(opcode: int, data: bytes = b"", *, rsv: int = 0) -> bytes:
    return frame(opcode, data, final=False, rsv=rsv)


def close(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


def bad(name: str, section: str, said: bytes, rule: str, code: int = 1002, **more: object) -> Case:
    """A violation, with a message before it that is still heard."""
    return Case(name, section, frame(TEXT, b"before") + said, (("text", b"before"),), code, rule, **more)  # type: ignore[arg-type]


def text(data: bytes) -> tuple[tuple[str, object], ...]:
    return (("text", data),)


GREEK = "κόσμε".encode()
FRAMES = [
    Case("example.masked", "5.7", bytes.fromhex("818537fa213d7f9f4d5158"), text(b"Hello")),
    Case("example.ping", "5.7", bytes.fromhex("898537fa213d7f9f4d5158"), (("ping", b"Hello"),)),
    Case("example.256", "5.7", frame(BINARY, bytes(256)), (("binary", bytes(256)),)),
    Case("example.64k", "5.7", frame(BINARY, bytes(65536)), (("binary", bytes(65536)),)),
    *[Case(f"length.{n}", "5.2", frame(BINARY, b"x" * n), (("binary", b"x" * n),)) for n in (0, 125, 126, 127, 65535)],
    bad("length.16.long", "5.2", b"\x82\xfe\x00\x7d" + MASK, "length.long"),
    bad("length.64.long", "5.2", b"\x82\xff" + (65535).to_bytes(8, "big") + MASK, "length.long"),
    bad("length.64.sign", "5.2", b"\x82\xff\x80" + bytes(7) + MASK, "length.sign"),
    bad("unmasked", "5.1", encode_frame(TEXT, b"x"), "mask"),
    bad("unmasked.control", "5.1", encode_frame(PING, b"x"), "mask"),
    *[bad(f"rsv.{bits}", "5.2", frame(TEXT, b"x", rsv=bits), "rsv.set") for bits in range(1, 8)],
    *[bad(f"rsv.ping.{bits}", "5.2", frame(PING, b"x", rsv=bits), "rsv.set") for bits in (1, 4)],
    *[bad(f"opcode.{opcode}", "5.2", frame(opcode, b"x"), "opcode.reserved") for opcode in (3, 4, 5, 6, 7)],
    *[bad(f"opcode.{opcode}", "5.2", frame(opcode, b"x"), "opcode.reserved") for opcode in (11, 12, 13, 14, 15)],
]
TEN = [b"%d" % n for n in range(10)]
CONTROL = [
    Case("ping.empty", "5.5.2", frame(PING), (("ping", b""),)),
    Case("ping.125", "5.5.2", frame(PING, b"\xfe" * 125), (("ping", b"\xfe" * 125),)),
    Case("ping.ten", "5.5.2", b"".join(frame(PING, n) for n in TEN), tuple(("ping", n) for n in TEN)),
    bad("ping.126", "5.5", frame(PING, b"x" * 126), "control.long"),
    bad("ping.fragmented", "5.5", part(PING, b"x"), "control.fragmented"),
    bad("pong.fragmented", "5.5", part(PONG, b"x"), "control.fragmented"),
    bad("close.fragmented", "5.5", part(CLOSE), "control.fragmented"),
    Case("pong.unasked", "5.5.3", frame(PONG, b"hi") + frame(TEXT, b"x"), (("pong", b"hi"), ("text", b"x"))),
]
FRAGMENTS = [
    Case("fragments.two", "5.4", part(TEXT, b"Hel") + frame(CONTINUATION, b"lo"), text(b"Hello")),
    Case("fragments.empty", "5.4", part(TEXT) + part(CONTINUATION) + frame(CONTINUATION), text(b"")),
    Case("fragments.empty.last", "5.4", part(TEXT, b"x") + frame(CONTINUATION), text(b"x")),
    Case(
        "fragments.ping.between",
        "5.4",
        part(TEXT, b"a") + frame(PING, b"1") + part(CONTINUATION, b"b") + frame(PING, b"2") + frame(CONTINUATION, b"c"),
        (("ping", b"1"), ("ping", b"2"), ("text", b"abc")),
    ),
    bad("continuation.alone", "5.4", frame(CONTINUATION, b"x"), "continuation.alone"),
    bad("continuation.alone.part", "5.4", part(CONTINUATION, b"x"), "continuation.alone"),
    bad("continuation.missing", "5.4", part(TEXT, b"a") + frame(TEXT, b"b"), "continuation.missing"),
    bad("continuation.missing.part", "5.4", part(BINARY, b"a") + part(TEXT, b"b"), "continuation.missing"),
    bad(
        "continuation.after.end",
        "5.4",
        part(TEXT, b"a") + frame(CONTINUATION, b"b") + frame(CONTINUATION, b"c"),
        "continuation.alone",
    )._replace(heard=(("text", b"before"), ("text", b"ab"))),
    Case("close.in.message", "5.5.1", part(TEXT, b"a") + close(1000, b"bye"), (("close", (1000, "bye")),), 1000),
]
GOOD_TEXT = [
    *(b"\x00", b"\x7f", b"\xc2\x80", b"\xdf\xbf", b"\xe0\xa0\x80", b"\xed\x9f\xbf", b"\xee\x80\x80"),
    *(b"\xef\xbf\xbd", b"\xef\xbf\xbf", b"\xf0\x90\x80\x80", b"\xf4\x8f\xbf\xbf"),
]
BAD_TEXT = [
    *(b"\x80", b"\xbf", b"\xc0\xaf", b"\xc1\xbf", b"\xc3", b"\xe0\x80\xaf", b"\xe0\xa0", b"\xed\xa0\x80"),
    *(b"\xed\xbf\xbf", b"\xf0\x80\x80\xaf", b"\xf0\x90\x8d", b"\xf4\x90\x80\x80", b"\xf5", b"\xf8\x88\x80\x80"),
    *(b"\xfe", b"\xff", GREEK + b"\xed\xa0\x80edited"),
]
UTF8 = [
    Case("utf8.whole", "5.6", frame(TEXT, GREEK), text(GREEK)),
    Case("utf8.cut.in.character", "5.6", part(TEXT, GREEK[:1]) + frame(CONTINUATION, GREEK[1:]), text(GREEK)),
    *[Case(f"utf8.good.{data.hex()}", "8.1", frame(TEXT, data), text(data)) for data in GOOD_TEXT],
    *[bad(f"utf8.bad.{data.hex()}", "8.1", frame(TEXT, b"k" + data), "text.utf8", 1007) for data in BAD_TEXT],
    bad("utf8.fragment", "8.1", part(TEXT, GREEK + b"\xf4\x90\x80\x80"), "text.utf8", 1007),
    bad("utf8.unfinished", "8.1", part(TEXT, b"\xce") + frame(CONTINUATION), "text.utf8", 1007),
    Case("utf8.not.for.binary", "5.6", frame(BINARY, b"\xff"), (("binary", b"\xff"),)),
    bad("close.reason.utf8", "5.5.1", close(1000, b"\xff"), "close.reason", 1007),
]
GOOD_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999)
BAD_CODES = (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
CLOSING = [
    Case("close.empty", "5.5.1", frame(CLOSE), (("close", (1005, "")),), 1005),
    bad("close.one.byte", "5.5.1", frame(CLOSE, b"\x03"), "close.short"),
    *[Case(f"close.{code}", "7.4", close(code), (("close", (code, "")),), code) for code in GOOD_CODES],
    *[bad(f"close.{code}", "7.4", close(code), "close.code") for code in BAD_CODES],
    Case("close.reason.123", "5.5.1", close(1000, b"r" * 123), (("close", (1000, "r" * 123)),), 1000),
    bad("close.reason.124", "5.5", close(1000, b"r" * 124), "control.long"),
    Case("close.then.more", "5.5.1", close(1000) + frame(TEXT, b"x") + frame(PING), (("close", (1000, "")),), 1000),
    Case("close.twice", "5.5.1", close(1000) + close(1001), (("close", (1000, "")),), 1000),
]
HELLO = bytes.fromhex("f248cdc9c90700")


def packed(name: str, section: str, payload: str, said: bytes = b"Hello") -> Case:
    """A compressed message in one frame, in hexadecimal."""
    return Case(name, section, frame(TEXT, bytes.fromhex(payload), rsv=4), text(said), deflate=True)


DEFLATE = [
    packed("deflate.one.block", "7692 7.2.3.1", "f248cdc9c90700"),
    Case(
        "deflate.fragments",
        "7692 7.2.3.1",
        part(TEXT, HELLO[:3], rsv=4) + frame(CONTINUATION, HELLO[3:]),
        text(b"Hello"),
        deflate=True,
    ),
    Case(
        "deflate.window.kept",
        "7692 7.2.3.2",
        frame(TEXT, HELLO, rsv=4) + frame(TEXT, bytes.fromhex("f200110000"), rsv=4),
        (("text", b"Hello"), ("text", b"Hello")),
        deflate=True,
    ),
    packed("deflate.stored", "7692 7.2.3.3", "000500faff48656c6c6f00"),
    packed("deflate.final.block", "7692 7.2.3.4", "f348cdc9c9070000"),
    packed("deflate.two.blocks", "7692 7.2.3.5", "f24805000000ffffcac9c90700"),
    packed("deflate.empty", "7692 7.2.3.6", "00", b""),
    Case(
        "deflate.nothing",
        "7692 7.2.2",
        frame(TEXT, rsv=4) + part(TEXT, rsv=4) + frame(CONTINUATION) + frame(TEXT, HELLO, rsv=4),
        (("text", b""), ("text", b""), ("text", b"Hello")),
        deflate=True,
    ),
    Case("deflate.not.this.one", "7692 6", frame(TEXT, b"plain"), text(b"plain"), deflate=True),
    bad(
        "deflate.rsv.continuation",
        "7692 6.1",
        part(TEXT, HELLO[:3], rsv=4) + frame(CONTINUATION, HELLO[3:], rsv=4),
        "rsv.continuation",
        deflate=True,
    ),
    bad("deflate.rsv.control", "7692 6.1", frame(PING, b"", rsv=4), "rsv.control", deflate=True),
    bad("deflate.rsv2", "7692 6", frame(TEXT, HELLO, rsv=6), "rsv.set", deflate=True),
    bad("deflate.broken", "7692 7.2.2", frame(TEXT, b"\xff\xff\xff", rsv=4), "deflate.broken", 1007, deflate=True),
    bad("deflate.utf8", "8.1", frame(TEXT, bytes.fromhex("fa0f00"), rsv=4), "text.utf8", 1007, deflate=True),
]
CASES = [*FRAMES, *CONTROL, *FRAGMENTS, *UTF8, *CLOSING, *DEFLATE]
