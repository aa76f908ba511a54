"""Secrets in WebSocket's messages, read on as their frames come: masks and deflate taken off, MQTT read in them."""

from __future__ import annotations

from captures.dissectors import mqtt
from captures.dissectors.websocket import OPCODES, UNTIL_MESSAGE, unmask
from captures.messages import Coded, NotThis, Side, Source, Talk
from netlab.inspect.content_secrets import Inflation, Unreadable
from netlab.inspect.masks import Cover, StreamMask, clipped, covered, differences, moved, whole
from netlab.inspect.message_secrets import message_covers, unfinished

MARKED = 14
"""Bytes of a CONNECT that tell it."""
TEXT, BINARY, CLOSE = 1, 2, 8
EXTENDED = {126: 2, 127: 8}
"""What a length of seven bits says of its bytes further on."""
COVERS = 1024
"""Secrets remembered of one message; with more, all of it is hidden."""


class PacketSecrets:
    """One side's binary messages, if MQTT is in them: a stream of its packets, however messages cut it (MQTT 5.0 6)."""

    def __init__(self, side: Side, talk: Talk) -> None:
        self._source, self._talk = Source(side), talk
        self._script = mqtt.messages(self._source, talk)
        self._read = 0
        self.off = self.lost = False

    def read(self, data: bytes) -> list[Cover]:
        """What covers the secrets of the next bytes."""
        if self.off or not data:
            return []
        if self.lost:
            return whole(0, len(data))
        if not self._read and not self._begins(data[0]):
            self.off = True
            return []
        begin, self._read = self._read, self._read + len(data)
        source = self._source
        source.add(data)
        if begin < MARKED <= self._read and source.side == "client" and not source.start and not source.found:
            self.off = not mqtt.recognize(source.peek(MARKED))
        try:
            next(self._script, None)
        except NotThis:
            self.off = True
        found, source.found = source.found, []
        covers = [cover for message in found for cover in message_covers(message)]
        if not self.off:
            covers += unfinished(source, self._talk)
        return moved(clipped(covers, begin, self._read), -begin)

    def _begins(self, first: int) -> bool:
        """Only CONNECT comes first, and only CONNACK or AUTH answers it."""
        if self._source.side == "client":
            self._talk.protocol = mqtt.NAME if first == mqtt.CONNECT << 4 else ""
        return self._talk.protocol == mqtt.NAME


class _Said:
    """A message as far as it was read, or a control frame."""

    def __init__(self, opcode: int, *, deflated: bool = False) -> None:
        self.opcode, self.deflated = opcode, deflated
        self.mask = StreamMask()
        self.size = 0
        self.covers: list[Cover] = []

    def read(self, plain: bytes, covers: list[Cover]) -> list[Cover]:
        """The next bytes, some of which are known to be secret; what covers those and the secrets in text."""
        covers = covers + differences(plain, self.mask.piece(plain))
        self.covers += moved(covers, self.size)
        self.size += len(plain)
        if len(self.covers) > COVERS:
            self.covers = whole(0, self.size)
        return covers


class FrameSecrets:
    """One side's frames, from the first on; `talk` is what both sides know of the MQTT in them."""

    done = False

    def __init__(self, coded: Coded, side: Side, talk: Talk) -> None:
        self.start = self._at = coded.start
        self.lost = False  # whether it is not known any more where frames begin
        self.finished: dict[int, tuple[int, list[Cover]]] = {}  # where one ends: a message's length, and its secrets
        extensions = coded.codings[0]
        self._compressing = "permessage-deflate" in extensions
        self._fresh = f"{side}_no_context_takeover" in extensions
        self._packets = PacketSecrets(side, talk)
        self._inflation: Inflation | None = Inflation(-15)
        self._head, self._key, self._left, self._final = b"", b"", 0, False
        self._message = self._said = _Said(TEXT)  # the other is a control frame's, between two of a message

    def read(self, data: bytes) -> tuple[int, list[Cover]]:
        """The next bytes of the stream, all of which are frames; what covers the secrets in them."""
        at, covers = 0, list[Cover]()
        while at < len(data) and not self.lost:
            if not self._left:
                at = self._frame(data, at)
                continue
            piece = data[at : at + self._left]
            self._left -= len(piece)
            covers += moved(self._payload(piece), at)
            at += len(piece)
            if not self._left:
                self._finish(self._at + at)
        self._at += len(data)
        return len(data), covers + whole(at, len(data))

    def skip(self, size: int) -> bool:
        """So many bytes are missing; within a frame it is known what is behind them."""
        self._at += size
        self.lost = self.lost or size > self._left
        self._left -= size
        self._key = self._key[size % 4 :] + self._key[: size % 4]
        self._said.mask = StreamMask(torn=True)
        self._packets.lost = True
        if self._said.deflated:
            self._inflation = None
        if not self.lost and not self._left:
            self._finish(self._at)
        return True

    def _frame(self, data: bytes, at: int) -> int:
        """Pass what is there of a frame's head (RFC 6455 5.2)."""
        while at < len(data) and len(self._head) < _head_size(self._head):
            self._head += data[at : at + 1]
            at += 1
        if len(self._head) < _head_size(self._head):
            return at
        head, self._head = self._head, b""
        extra = EXTENDED.get(head[1] & 127, 0)
        self._left = int.from_bytes(head[2 : 2 + extra], "big") if extra else head[1] & 127
        self._key = head[2 + extra :]
        self._begin(head[0])
        if not self._left:
            self._payload(b"")
            self._finish(self._at + at)
        return at

    def _begin(self, first: int) -> None:
        opcode, deflated = first & 15, bool(first & 0x40)
        self._final = bool(first & 0x80)
        self.lost = bool(first & 0x30) or opcode not in OPCODES or (deflated and not self._compressing)
        if opcode >= CLOSE:
            self._said = _Said(opcode)
            return
        if opcode:
            self._message = _Said(opcode, deflated=deflated)
            if self._fresh:
                self._inflation = Inflation(-15)
        self._said = self._message

    def _payload(self, piece: bytes) -> list[Cover]:
        """What covers the secrets in the next bytes of a frame, so that they are stars once the mask is off."""
        key, said, size = self._key, self._said, len(piece)
        self._key = key[size % 4 :] + key[: size % 4]
        plain = unmask(piece, key)
        if said.deflated:
            try:
                plain = self._inflated(plain)
            except Unreadable:
                self._inflation, self._packets.lost = None, True
                return whole(0, size)
        covers = said.read(plain, self._packets.read(plain) if said.opcode == BINARY else [])
        if said.deflated:
            return whole(0, size) if covers or said.mask.open else []
        hidden = unmask(covered(plain, covers), key)
        return [Cover(cover.start, hidden[cover.start : cover.end]) for cover in covers]

    def _inflated(self, data: bytes) -> bytes:
        if self._inflation is None:
            raise Unreadable
        ends = self._final and not self._left
        return self._inflation(data + UNTIL_MESSAGE if ends else data)  # RFC 7692 7.2.2

    def _finish(self, end: int) -> None:
        """A frame ends here in the stream."""
        if self._final and self._said is self._message:
            self.finished[end] = self._message.size, self._message.covers


def _head_size(head: bytes) -> int:
    """Bytes of the head that begins so, as far as it tells."""
    return 2 if len(head) < 2 else 2 + EXTENDED.get(head[1] & 127, 0) + (4 if head[1] & 128 else 0)
