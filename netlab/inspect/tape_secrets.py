"""Secrets in the raw bytes of a flow: both sides' chunks read as one conversation, and starred out where they stand."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from captures.applications import script
from captures.conversations import Given
from captures.messages import Message, Side, Source, Talk
from netlab.inspect.masks import Cover, StreamMask, covered, differences, moved
from netlab.inspect.record import Record
from netlab.inspect.stream_secrets import TalkSecrets


class TapeReader:
    """The messages of both sides, as the chunks of their tape complete them."""

    def __init__(self, record: Mapping[str, Any]) -> None:
        self.talk = Talk((_port(record.get("client")), _port(record.get("server"))))
        self.sources: dict[Side, Source] = {"client": Source("client"), "server": Source("server")}
        self._scripts = {side: script(source, self.talk) for side, source in self.sources.items()}

    def add(self, side: Side, data: bytes) -> list[Message]:
        """The next bytes of a side; the messages in them."""
        for each in self.sources.values():
            each.coded = []
        source = self.sources[side]
        source.add(data)
        next(self._scripts[side], None)
        found, source.found = source.found, []
        return found


def redacted_tape(record: Mapping[str, Any], tape: Sequence[Mapping[str, Any]]) -> list[Record]:
    """A copy of a record's tape that can be shown to anyone."""
    reader, secrets = TapeReader(record), TalkSecrets(apart=True)
    streams = {side: bytearray() for side in secrets.veils}
    for chunk in tape:
        side, data = chunk["side"], b64decode(chunk["data"])
        start = len(streams[side])
        secrets.read(reader.talk, reader.sources, (Given(side, start, data),), reader.add(side, data))
        streams[side] += covered(data, moved(secrets.veils[side].over(start, start + len(data)), -start))
    for side, veil in secrets.veils.items():
        for start, text in _joined(veil.texts or []):
            _cover(streams[side], differences(text, StreamMask().piece(text), start))
    return [{**chunk, "data": _encoded(streams[chunk["side"]], chunk["data"])} for chunk in tape]


def _joined(texts: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """Text that follows text, in one: it is all there, so that nothing needs be hidden that may yet be a secret."""
    begin, parts, end = 0, list[bytes](), 0
    for start, text in texts:
        if start != end and parts:
            yield begin, b"".join(parts)
            parts = []
        begin = begin if parts else start
        parts.append(text)
        end = start + len(text)
    yield begin, b"".join(parts)


def _cover(stream: bytearray, covers: Iterable[Cover]) -> None:
    for cover in covers:
        stream[cover.start : cover.end] = cover.stars


def _encoded(stream: bytearray, before: str) -> str:
    """Take from the stream what has the place of these bytes."""
    size = len(b64decode(before))
    data = bytes(stream[:size])
    del stream[:size]
    return b64encode(data).decode("ascii")


def _port(peer: str | None) -> int:
    digits = (peer or "").rpartition(":")[2]
    return int(digits) if digits.isdecimal() else 0
