"""Secrets in packets, starred out where they stand, also where several packets carry a message."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from captures import applications
from captures.checksum import ones_complement_sum, pseudo_header
from captures.conversations import Conversation, Given
from captures.dissectors.lines import text
from captures.inspector import Buffer, Seen
from captures.messages import LONGEST
from captures.packet_fields import Facts
from captures.reassemble import PACKETS
from captures.skim import ICMP, ICMPV6, TCP, UDP
from captures.tree import Field
from netlab.inspect.masks import (
    Cover,
    StreamMask,
    clipped,
    covered,
    differences,
    masked_bytes,
    masked_text,
    moved,
    whole,
)
from netlab.inspect.message_secrets import field_covers, message_covers
from netlab.inspect.stream_secrets import TalkSecrets

CHECKSUM_AT = {TCP: 16, UDP: 6, ICMP: 2, ICMPV6: 2}


class Covers(NamedTuple):
    """What covers the secrets in a packet's own bytes, and in those that were put together or decoded of several."""

    own: list[Cover]
    others: tuple[tuple[bytes, list[Cover]], ...] = ()


NOTHING = Covers([])


def hide(facts: Facts, covers: Covers) -> list[Buffer]:
    """A packet's buffers, secrets starred out in trees and bytes alike."""
    found = []
    for number, buffer in enumerate(facts.buffers):
        own = covers.own if not number else _buffer_covers(buffer, covers)
        data = covered(buffer.data, own)
        layers = tuple(each._replace(fields=_hidden(each.fields, buffer.data, data)) for each in buffer.layers)
        found.append(Buffer(buffer.label, data, layers) if own else buffer)
    return found


def _buffer_covers(buffer: Buffer, covers: Covers) -> list[Cover]:
    """Covers of what was put together, or decoded."""
    data = buffer.data
    known = [cover for other, several in covers.others if other == data for cover in several]
    return differences(data, masked_bytes(data)) + field_covers(buffer.layers) + known


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

    What is secret in a packet may be told by an earlier one, so none may be left out. What cannot be judged yet, since
    what is before it has not come, is hidden as a whole.
    """

    def __init__(self) -> None:
        self._talks: WeakKeyDictionary[Conversation, TalkSecrets] = WeakKeyDictionary()
        self._begun: OrderedDict[tuple[bytes, bytes, int, int], tuple[int, StreamMask]] = OrderedDict()

    def add(self, seen: Seen) -> Covers:
        """Covers over the secrets of the next packet."""
        data, skimmed, fragment = seen.packet.data, seen.skimmed, seen.skimmed.fragment
        start, end = skimmed.start, min(skimmed.end, len(data))
        if fragment is None:
            covers = self._datagram(seen, data[start:end], start)
            return covers._replace(own=moved(covers.own, start))
        if seen.reassembled is None:
            return Covers(moved(self._fragment(seen, data[start:end]), start))
        covers = self._datagram(seen, seen.reassembled, 0)
        at = fragment[1]
        own = moved(clipped(covers.own, at, at + end - start), start - at)
        return Covers(own, (*covers.others, (seen.reassembled, covers.own)))

    def _datagram(self, seen: Seen, data: bytes, start: int) -> Covers:
        """Of what IP carries, put together if it came in fragments; `start` is what a segment's places count from."""
        if seen.part is None or seen.conversation is None or seen.tcp is None:
            found = [cover for message in seen.messages for cover in message_covers(message)]  # of UDP
            return Covers(differences(data, masked_bytes(data)) + moved(found, 8))
        conversation, part = seen.conversation, seen.part
        talk = self._talks.get(conversation)
        if talk is None:
            talk = self._talks[conversation] = TalkSecrets()
        sources = {side: half.source for side, half in conversation.halves.items()}
        midway = max(conversation.opening[:2]) < 0  # the capture begins behind its SYN
        talk.read(conversation.talk, sources, seen.given, seen.messages, midway=midway)  # type: ignore[arg-type]  # sides
        at, size = part.at - start, part.end - part.at
        own = talk.veils[seen.side].over(seen.offset, seen.offset + size) if size else []
        return Covers(moved(own, at - seen.offset), tuple(_others(seen, talk)) if seen.messages else ())

    def _fragment(self, seen: Seen, data: bytes) -> list[Cover]:
        """Of a fragment, judged by those before it; where one of them is missing yet, and of TCP, all is hidden."""
        skimmed = seen.skimmed
        assert skimmed.fragment is not None
        identification, offset, _ = skimmed.fragment
        if skimmed.protocol == TCP:
            return whole(0 if offset else max((data[12] >> 4) * 4, 20) if len(data) > 12 else 20, len(data))
        key = (skimmed.source, skimmed.destination, skimmed.protocol, identification)
        expected, mask = self._begun.get(key) or (0, StreamMask())
        if offset != expected:
            return whole(0, len(data))
        self._begun[key] = offset + len(data), mask
        if len(self._begun) > PACKETS:
            self._begun.popitem(last=False)
        return differences(data, mask.piece(data))

    def given(self, conversation: Conversation | None, piece: Given) -> Given:
        """Bytes of a stream that are in order, with their secrets covered."""
        talk = self._talks.get(conversation) if conversation is not None else None
        if talk is None:
            return piece._replace(data=masked_bytes(piece.data))
        veil, start, end = talk.veils[piece.side], piece.offset, piece.offset + len(piece.data)
        if start >= veil.known and not veil.encrypted:  # it waited to the end for what never came
            veil.read(start, piece.data, missing=piece.missing, torn=bool(piece.missing))
        return piece._replace(data=covered(piece.data, moved(veil.over(start, end), -start)))


def _others(seen: Seen, talk: TalkSecrets) -> Iterable[tuple[bytes, list[Cover]]]:
    """The messages that a packet completes, and what was decoded of them, with what covers their secrets."""
    for message in seen.messages:
        veil, end = talk.veils[message.side], message.offset + len(message.data)
        if covers := veil.over(message.offset, end):
            yield message.data, moved(covers, -message.offset)
        if message.protocol == "websocket":
            size, plain = veil.message(end)
            for each in applications.decoded(message):
                same = size == len(each.data) or len(each.data) == LONGEST <= size
                yield each.data, clipped(plain, 0, size) if same else whole(0, len(each.data))


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
