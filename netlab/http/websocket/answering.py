"""Speakers that answer each message: as it was, reversed, in upper case, in fragments."""

from __future__ import annotations

from itertools import pairwise

from netlab.cores.websocket import TEXT, Message
from netlab.http.websocket.session import Session
from netlab.http.websocket.speaker import Answering, Speaker


class Echo(Answering):
    """Every message comes back."""

    __slots__ = ()

    def answer(self, opcode: int, data: bytes) -> bytes:
        return data


class Reversed(Answering):
    """Text by its characters, binary by its bytes."""

    __slots__ = ()

    def answer(self, opcode: int, data: bytes) -> bytes:
        return data.decode()[::-1].encode() if opcode == TEXT else data[::-1]


class Upper(Answering):
    """Text in upper case, as Unicode has it; of binary the ASCII letters."""

    __slots__ = ()

    def answer(self, opcode: int, data: bytes) -> bytes:
        return data.decode().upper().encode() if opcode == TEXT else data.upper()


class Fragmented(Speaker):
    """Every message comes back in so many frames, some of them empty where it is shorter."""

    __slots__ = ("_count",)

    def __init__(self, count: int) -> None:
        self._count = max(count, 1)

    def message(self, session: Session, message: Message) -> None:
        size, count = len(message.data), self._count
        cuts = [size * number // count for number in range(count + 1)]
        session.send_fragmented(message.opcode, [message.data[a:b] for a, b in pairwise(cuts)])
