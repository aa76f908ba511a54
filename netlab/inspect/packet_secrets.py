"""Secrets in packets, starred out where they stand, also where several packets carry a message."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Container, Iterable, Mapping
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from captures import applications
from captures.checksum import ones_complement_sum, pseudo_header
from captures.conversations import Conversation, Given
from captures.dissectors import http1, mqtt, websocket
from captures.dissectors.lines import text
from captures.inspector import Buffer, Seen
from captures.messages import Message, Side
from captures.packet_fields import Facts
from captures.skim import ICMP, ICMPV6, TCP, UDP
from captures.tree import Field, Layer
from netlab.inspect.redact import StreamMask, masked_bytes, masked_text

SECRETS = {
    "smtp.auth.password", "smtp.auth.username_password", "pop.request.password", "mqtt.passwd", "mqtt.prop_auth_data",
    "socks.password",
}  # fmt: skip
"""Fields that are secrets; of HTTP and of what nobody knows, what stands before a secret tells it."""
BY_FIELD = {"smtp", "pop", "mqtt", "socks"}
"""Protocols whose secrets are told by their fields; those of others by what stands before them."""
CODED = {"http.file_data", "http.chunk_data", "websocket.payload", "websocket.payload.text"}
"""Content that may be coded: what it hides shows when the coding is taken off."""
COVERS, UNFINISHED = 1024, 4096
"""Secrets remembered of one side; bytes of an unfinished message that are read for secrets: of more, all is hidden."""
LOGIN = re.compile(rb"(?i)(?:PASS|APOP|AUTH +[^ \r\n]+) ")
CHECKSUM_AT = {TCP: 16, UDP: 6, ICMP: 2, ICMPV6: 2}


class Cover(NamedTuple):
    """What stands in the place of a secret, from this byte on."""

    start: int
    stars: bytes

    @property
    def end(self) -> int:
        return self.start + len(self.stars)


def covered(data: bytes, covers: Iterable[Cover]) -> bytes:
    """The same bytes with secrets covered."""
    found = bytearray(data)
    for cover in covers:
        found[cover.start : cover.end] = cover.stars
    return bytes(found)


def field_covers(layers: Iterable[Layer], names: Container[str] = SECRETS) -> list[Cover]:
    """Covers of the fields that are secrets."""
    fields = [field for layer in layers for field in layer.all() if field.name in names]
    return [Cover(field.start // 8, b"*" * ((field.end - field.start) // 8)) for field in fields]


def _differences(data: bytes, shown: bytes, offset: int) -> list[Cover]:
    """Covers that make the one of the other; bytes far apart have covers of their own."""
    found: list[Cover] = []
    at = 0
    while (at := shown.find(b"*", at)) >= 0:
        end = at
        while end < len(shown) and shown[end] == 42:
            end += 1
        if data[at:end] != shown[at:end]:
            found.append(Cover(offset + at, shown[at:end]))
        at = end
    return found


class _Veil:
    """One side's stream as far as it was read: where its secrets stand, counted from its beginning."""

    def __init__(self) -> None:
        self.covers: deque[Cover] = deque(maxlen=COVERS)
        self.forgotten = self.known = 0  # before the one nothing is remembered, behind the other nothing is known yet
        self._mask = StreamMask()

    def read(self, offset: int, data: bytes, *, torn: bool = False) -> None:
        """The next bytes; `torn` where those before them are not known, so that they may be the rest of a secret."""
        if torn:
            self.forgotten = offset
            self.covers.clear()
            self._mask = StreamMask(torn=not http1.recognize(data))
        shown = self._mask.piece(data)
        if shown is not data:
            self.add(_differences(data, shown, offset))
        self.known = offset + len(data)

    def add(self, covers: Iterable[Cover]) -> None:
        for cover in covers:
            if len(self.covers) == COVERS:
                self.forgotten = max(self.forgotten, self.covers[0].end)
            self.covers.append(cover)

    def over(self, start: int, end: int) -> list[Cover]:
        """What covers the secrets of these bytes of the stream: all of what is not remembered, or not known yet."""
        found = []
        if start < self.forgotten:
            found.append(Cover(start, b"*" * (min(end, self.forgotten) - start)))
        if end > self.known:
            begin = max(start, self.known)
            found.append(Cover(begin, b"*" * (end - begin)))
        for cover in self.covers:
            begin, until = max(cover.start, start), min(cover.end, end)
            if begin < until:
                found.append(Cover(begin, cover.stars[begin - cover.start : until - cover.start]))
        return found


def hide(facts: Facts, covers: Iterable[Cover]) -> list[Buffer]:
    """A packet's buffers, secrets starred out in trees and bytes alike; `covers` are those of its own bytes."""
    found = []
    for number, buffer in enumerate(facts.buffers):
        own = list(covers) if not number else _buffer_covers(facts.seen, buffer)
        data = covered(buffer.data, own)
        layers = tuple(each._replace(fields=_hidden(each.fields, buffer.data, data)) for each in buffer.layers)
        found.append(Buffer(buffer.label, data, layers) if own else buffer)
    return found


def _buffer_covers(seen: Seen, buffer: Buffer) -> list[Cover]:
    """Covers of what was put together, or decoded, of one message or several packets."""
    covers = _differences(buffer.data, masked_bytes(buffer.data), 0) + field_covers(buffer.layers)
    message = next((each for each in seen.messages if each.data == buffer.data), None)
    return covers + (_message_covers(message._replace(offset=0)) if message is not None else [])


def _hidden(fields: Iterable[Field], whole: bytes, data: bytes) -> tuple[Field, ...]:
    return tuple(
        field
        if whole[(place := slice(field.start // 8, (field.end + 7) // 8))] == data[place]
        else field._replace(value=_hidden_value(field, whole, data), parts=_hidden(field.parts, whole, data))
        for field in fields
    )


def _hidden_value(field: Field, whole: bytes, data: bytes) -> Any:
    """What a field says of which some bytes are covered: the value as its bytes, or those of a part, have it now."""
    value = field.value
    if not isinstance(value, (str, bytes)):
        return value
    for each in (field, *field.parts):
        place = slice(each.start // 8, each.end // 8)
        if value in (whole[place], text(whole[place]), text(whole[place].rstrip()), text(whole[place].strip())):
            return data[place] if isinstance(value, bytes) else text(data[place].strip())
    shown = masked_bytes(value) if isinstance(value, bytes) else masked_text(value)
    if shown != value:
        return shown
    return b"*" * len(value) if isinstance(value, bytes) else "*" * len(value)


class Secrets:
    """Reads every packet of a capture in its order, and knows of each what is secret in it.

    What is secret in a packet may be told by an earlier one, so none may be left out. Bytes that came before those in
    front of them cannot be judged yet, and are hidden as a whole.
    """

    def __init__(self) -> None:
        self._veils: WeakKeyDictionary[Conversation, dict[Side, _Veil]] = WeakKeyDictionary()

    def add(self, seen: Seen) -> list[Cover]:
        """Covers over the secrets of the next packet's own bytes."""
        start, end = _payload(seen)
        if seen.part is None or seen.conversation is None or seen.tcp is None:
            data = seen.packet.data
            return _differences(data[start:end], masked_bytes(data[start:end]), start)
        veils = self._veils.setdefault(seen.conversation, {"client": _Veil(), "server": _Veil()})
        self._read(seen, seen.conversation, veils)
        if seen.reassembled is not None:  # where its bytes stand in this fragment is not known
            data = seen.packet.data
            return _differences(data[start:end], masked_bytes(data[start:end]), start)
        if seen.conversation.talk.protocol == "tls" or start >= end:
            return []
        away = seen.offset - start
        return [Cover(at - away, stars) for at, stars in veils[seen.side].over(seen.offset, seen.offset + end - start)]

    def given(self, conversation: Conversation | None, piece: Given) -> Given:
        """Bytes of a stream that are in order, with their secrets covered."""
        veils = self._veils.get(conversation) if conversation is not None else None
        if conversation is None or veils is None:
            return piece._replace(data=masked_bytes(piece.data))
        if conversation.talk.protocol == "tls":
            return piece
        veil, start, end = veils[piece.side], piece.offset, piece.offset + len(piece.data)
        if start >= veil.known:  # it waited to the end for what never came
            veil.read(start, piece.data, torn=bool(piece.missing))
        covers = [Cover(at - start, stars) for at, stars in veil.over(start, end)]
        return piece._replace(data=covered(piece.data, covers))

    def _read(self, seen: Seen, conversation: Conversation, veils: Mapping[Side, _Veil]) -> None:
        encrypted = conversation.talk.protocol == "tls"
        midway = max(conversation.opening[:2]) < 0  # the capture begins behind its SYN
        for side, offset, data, missing in seen.given:
            if encrypted:
                veils[side].known = offset + len(data)
            else:
                torn = bool(missing) or (midway and not offset)
                veils[side].read(offset, data, torn=torn)
        for message in seen.messages:
            veils[message.side].add(_message_covers(message))
        talk = conversation.talk
        if conversation.halves["client"].source.left and not talk.facts.get("data"):
            veils["client"].add(_unfinished(conversation))


def _payload(seen: Seen) -> tuple[int, int]:
    """Where a packet's text may stand in it."""
    if seen.part is not None and seen.reassembled is None:
        return seen.part.at, seen.part.end
    return seen.skimmed.start, min(seen.skimmed.end, len(seen.packet.data))


def _message_covers(message: Message) -> list[Cover]:
    """Covers of a whole message, counted from its stream's beginning."""
    data, at = message.data, message.offset
    protocol = message.protocol
    if protocol in BY_FIELD:
        covers = field_covers([applications.layer(message, data, 0, len(data))])
    elif protocol == "websocket":
        covers = _frame_covers(data)
    else:
        covers = []
    if any(masked_bytes(each.data) != each.data for each in applications.decoded(message) if _coded(each.label)):
        covers += field_covers([applications.layer(message, data, 0, len(data))], CODED)
    return [cover._replace(start=cover.start + at) for cover in covers]


def _coded(label: str) -> bool:
    """Whether a decoded buffer says more than the message's own bytes: chunks alone hide nothing."""
    return label != "Content without its chunks" and not label.endswith("message")


def _frame_covers(frame: bytes) -> list[Cover]:
    """Secrets in a WebSocket frame that is no part of a compressed message: covered so that unmasking gives stars."""
    layer = websocket.dissect(frame)
    key = layer.value("websocket.masking_key") or b""
    place = next((field for field in layer.fields if field.name in CODED), None)
    if place is None or layer.value("websocket.rsv1"):
        return []
    at, end = place.start // 8, place.end // 8
    plain = websocket.unmask(frame[at:end], key)
    covers = _differences(plain, masked_bytes(plain), 0)
    if mqtt.recognize(plain):
        covers += field_covers([mqtt.dissect(plain)])
    hidden = websocket.unmask(covered(plain, covers), key)
    return [Cover(at + cover.start, hidden[cover.start : cover.end]) for cover in covers]


def _unfinished(conversation: Conversation) -> list[Cover]:
    """What is secret in the part of a client's message that is there; where that is long, all behind its beginning."""
    source, talk = conversation.halves["client"].source, conversation.talk
    start, data = source.start + source.at, source.peek(UNFINISHED)
    if talk.protocol == "websocket":
        return [cover._replace(start=cover.start + start) for cover in _frame_covers(data)]
    if talk.protocol not in BY_FIELD or (talk.protocol == "mqtt" and data[0] >> 4 not in (mqtt.CONNECT, mqtt.AUTH)):
        return []
    rest = [Cover(start + len(data), b"*" * (source.left - len(data)))] if source.left > len(data) else []
    if talk.protocol in ("smtp", "pop"):
        login = LOGIN.match(data)
        secret = 0 if talk.facts.get("token") else login.end() if login else len(data)
        return [Cover(start + secret, b"*" * (len(data) - secret)), *rest]
    context = {"step": "login"} if talk.protocol == "socks" and data[:1] == b"\1" else {}
    layer = applications.MODULES[talk.protocol].dissect(data, context=context)
    return [*(cover._replace(start=cover.start + start) for cover in field_covers([layer])), *rest]


def mended(seen: Seen, data: bytes) -> bytes:
    """A packet whose bytes behind its transport's header were changed, with the checksum that is right for them.

    One that was wrong stays as wrong as it was; one that only begins, for a network card to complete, stays as it is.
    """
    skimmed, old = seen.skimmed, seen.packet.data
    at = skimmed.start + CHECKSUM_AT.get(skimmed.protocol, len(data))
    if data == old or skimmed.fragment is not None or at + 2 > skimmed.end:
        return data
    found = int.from_bytes(old[at : at + 2], "big")
    ends = (skimmed.source, skimmed.destination, skimmed.protocol, max(skimmed.length, 0))
    begun = found == ones_complement_sum(pseudo_header(*ends))
    if begun or (skimmed.protocol == UDP and not found):
        return data
    place = slice(skimmed.start, skimmed.end)
    total = (found + ones_complement_sum(old[place]) - ones_complement_sum(data[place])) % 0xFFFF
    return data[:at] + (total or (0xFFFF if skimmed.protocol == UDP else 0)).to_bytes(2, "big") + data[at + 2 :]
