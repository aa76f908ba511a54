"""What a capture holds as a whole: how much, of which protocols, in which conversations, and what was odd."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from captures.conversations import Conversation
from captures.inspector import Inspector, Seen
from captures.skim import address_text
from captures.summary import NOTES, summarize
from netlab.inspect.packet_names import KnownNames
from netlab.inspect.packet_streams import connection_line, place
from netlab.text import counted, duration, size

SIZES = (79, 159, 319, 639, 1279, 2559)
"""Bounds of packet lengths, each included."""


class Statistics:
    """Counts packets as they come."""

    def __init__(self, inspector: Inspector, names: KnownNames) -> None:
        self._inspector, self._names = inspector, names
        self.packets = self.bytes = 0
        self.first = self.last = 0
        self.protocols: Counter[str] = Counter()
        self.protocol_bytes: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self.lengths: Counter[int] = Counter()

    def add(self, seen: Seen) -> None:
        if not self.packets:
            self.first = seen.time
        self.packets += 1
        self.bytes += seen.length
        self.last = max(self.last, seen.time)
        protocol = summarize(seen).protocol
        self.protocols[protocol] += 1
        self.protocol_bytes[protocol] += seen.length
        self.notes.update(seen.notes)
        self.lengths[next((bound for bound in SIZES if seen.length <= bound), 0)] += 1

    @property
    def seconds(self) -> float:
        return (self.last - self.first) / 10**9

    def record(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "packets": self.packets,
            "bytes": self.bytes,
            "first": self.first / 10**9,
            "seconds": self.seconds,
            "protocols": {
                name: {"packets": count, "bytes": self.protocol_bytes[name]}
                for name, count in self.protocols.most_common()
            },
            "lengths": {f"to {bound}" if bound else "more": self.lengths[bound] for bound in (*SIZES, 0)},
            "notes": dict(self.notes),
            "conversations": [conversation_record(each, self._names) for each in self._inspector.conversations],
        }

    def lines(self) -> Iterator[str]:
        """For people."""
        rate = (
            f", {self.packets / self.seconds:,.0f} packets/s, {size(int(self.bytes / self.seconds))}/s"
            if self.seconds
            else ""
        )
        yield f"{counted(self.packets, 'packet')}, {size(self.bytes)}, {duration(self.seconds)}{rate}"
        yield ""
        yield "Protocols"
        for name, count in self.protocols.most_common():
            yield f"  {name:<12} {count:>8}  {size(self.protocol_bytes[name]):>9}  {count / self.packets:>4.0%}"
        yield "Lengths"
        for bound in (*SIZES, 0):
            if self.lengths[bound]:
                yield f"  {f'to {bound}' if bound else 'more':<12} {self.lengths[bound]:>8}"
        if self.notes:
            yield "Notes"
            for name, count in self.notes.most_common():
                yield f"  {count:>8}  {NOTES[name]}"
        yield "Conversations"
        for conversation in self._inspector.conversations:
            yield f"  {connection_line(conversation, self._names)}"


def conversation_record(conversation: Conversation, names: KnownNames) -> dict[str, Any]:
    """A conversation as JSON has it."""
    halves = conversation.halves
    ends = {"client": conversation.client, "server": conversation.server}
    named = {f"{end}_name": names.get(address_text(address)) for end, (address, _) in ends.items()}
    return {
        "stream": f"{conversation.kind} {conversation.index}",
        "client": place(conversation.client),
        "server": place(conversation.server),
        **{end: name for end, name in named.items() if name},
        "protocol": conversation.talk.protocol,
        "packets": {side: half.packets for side, half in halves.items()},
        "bytes": {side: half.bytes for side, half in halves.items()},
        "first": conversation.first / 10**9,
        "seconds": (conversation.last - conversation.first) / 10**9,
        "rtt": conversation.rtt / 10**9 if conversation.rtt >= 0 else None,
        "notes": conversation.notes,
    }
