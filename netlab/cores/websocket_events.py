"""What a WebSocket core hands out: messages, control frames, and, for who wants to see them, the frames themselves."""

from __future__ import annotations

from typing import NamedTuple

from netlab.errors import RemoteProtocolError

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
"""Opcodes (RFC 6455 11.8)."""
OPCODES = {CONTINUATION: "continuation", TEXT: "text", BINARY: "binary", CLOSE: "close", PING: "ping", PONG: "pong"}
"""Their names; those that are missing are reserved (RFC 6455 5.2)."""


class Message(NamedTuple):
    """A whole message, unmasked and decompressed; text has been checked to be UTF-8."""

    opcode: int  # TEXT or BINARY
    data: bytes
    start: int  # of its first frame, in everything received on the connection
    end: int
    payload: int  # bytes its frames carried: fewer than `data` where it was compressed
    frames: int = 1

    @property
    def text(self) -> str:
        return self.data.decode()


class Ping(NamedTuple):
    """The peer wants to know whether we are there; the core has answered already."""

    data: bytes
    start: int
    end: int


class Pong(NamedTuple):
    """An answer to a ping, or a sign of life nobody has asked for (RFC 6455 5.5.3)."""

    data: bytes
    start: int
    end: int


class Close(NamedTuple):
    """A close frame: 1005 stands for one without a code (RFC 6455 7.1.5)."""

    code: int
    reason: str
    start: int = 0
    end: int = 0


Event = Message | Ping | Pong | Close | RemoteProtocolError


class Frame(NamedTuple):
    """One frame as it was on the wire. `length` is its payload's, `start` and `end` span header and payload."""

    sent: bool  # by us, not by the peer
    final: bool
    rsv: int  # the three reserved bits: 4 is RSV1, "compressed" (RFC 7692 6)
    opcode: int
    mask: bytes  # four bytes, or none
    length: int
    start: int
    end: int

    @property
    def name(self) -> str:
        return OPCODES.get(self.opcode, f"reserved {self.opcode:#x}")


def frame_facts(frame: Frame) -> dict[str, object]:
    """A frame for a flow's event, or for JSON."""
    facts: dict[str, object] = {"opcode": frame.name, "fin": frame.final, "rsv": frame.rsv, "length": frame.length}
    return facts | ({"mask": frame.mask.hex()} if frame.mask else {})
