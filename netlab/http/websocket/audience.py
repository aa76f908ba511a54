"""Many sessions that are sent the same: encoded once, compressed once for each window, written once a turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cached_property

from netlab.cores.websocket import Message, encode_frame
from netlab.cores.websocket_close import POLICY
from netlab.cores.websocket_deflate import Deflate, deflate_alone
from netlab.http.websocket.session import Session

WORTH_IT = 64
"""Bytes from which a message is compressed for all."""
LOOK = 64 << 10
"""Bytes to each member of a line between two looks at whether they read: the loops' own mark for a full buffer."""
COMPRESSED = 4
"""RSV1 among the reserved bits (RFC 7692 6)."""


class Batch:
    """What one turn of the loop has to say to an audience, in each of the forms that its members take."""

    def __init__(self) -> None:
        self.messages: list[tuple[int, bytes]] = []
        self._compressed: dict[tuple[int, int, int], bytes] = {}

    @cached_property
    def plain(self) -> bytes:
        return b"".join([encode_frame(opcode, data) for opcode, data in self.messages])

    @cached_property
    def is_worth_compressing(self) -> bool:
        return any(len(data) >= WORTH_IT for _, data in self.messages)

    def spelled(self, agreed: Deflate | None) -> bytes:
        """As it is for members who have agreed on this."""
        return self.plain if agreed is None or not self.is_worth_compressing else self.compressed(agreed)

    def compressed(self, agreed: Deflate) -> bytes:
        """For members with such a window; each message refers to none before it, so that all can read it."""
        key = (agreed.our_bits, agreed.level, agreed.memory)
        found = self._compressed.get(key)
        if found is None:
            found = self._compressed[key] = b"".join(
                [
                    encode_frame(opcode, deflate_alone(data, agreed), rsv=COMPRESSED)
                    if len(data) >= WORTH_IT
                    else encode_frame(opcode, data)
                    for opcode, data in self.messages
                ]
            )
        return found


class Line:
    """Members who take the same bytes and have nothing else under way: each costs a call of their transport's `write`,
    and no other object of theirs is touched, which is what a message to a thousand would spend its time with.
    """

    def __init__(self, agreed: Deflate | None, apart: dict[Session, None]) -> None:
        self._agreed, self._apart = agreed, apart
        self._writes: dict[Session, Callable[[bytes], None]] = {}
        self._since: dict[Session, tuple[int, int]] = {}  # what had been sent when they came
        self._messages = self._size = self._looked = 0

    def enter(self, session: Session) -> None:
        """From now on its counts stand still, and its next message must not refer to one before."""
        session.core.forget()
        session.line = self
        self._writes[session] = session.connection.transport.write
        self._since[session] = self._messages, self._size

    def leave(self, session: Session) -> None:
        """It has something of its own to say, does not read, or is gone."""
        del self._writes[session]
        messages, size = self._since.pop(session)
        session.line = None
        session.core.passed(self._messages - messages, self._size - size)
        session.connection.written += self._size - size
        self._apart[session] = None

    def send(self, batch: Batch) -> None:
        """To everyone here. Whether they read is looked at every so many bytes."""
        if self._size - self._looked >= LOOK:
            self._looked = self._size
            for session in [session for session in self._writes if session.connection.writing_paused]:
                self.leave(session)
        data = batch.spelled(self._agreed)
        for write in list(self._writes.values()):
            write(data)
        self._messages += len(batch.messages)
        self._size += len(data)


class Audience:
    """Who is sent the same. Someone who does not read misses messages, goes, or holds up who speaks, by policy."""

    def __init__(self) -> None:
        self.members: dict[Session, int] = {}  # and how many messages each has missed
        self._lines: dict[Deflate | None, Line] = {}
        self._apart: dict[Session, None] = {}  # members in no line
        self._batch: Batch | None = None
        self._speaking: set[Session] = set()  # who spoke in this turn
        self._held: set[Session] = set()  # who is read no more until the slow have caught up
        self._slow: set[Session] = set()

    def join(self, session: Session) -> None:
        """From now on it hears what is said."""
        self.flush()
        self.members[session] = 0
        self._apart[session] = None

    def leave(self, session: Session) -> None:
        if session.line is not None:
            session.line.leave(session)
        self._apart.pop(session, None)
        self.members.pop(session, None)
        self._held.discard(session)
        self._speaking.discard(session)
        self.caught_up(session)

    def send(self, opcode: int, data: bytes, by: Session | None = None) -> None:
        """To every member, at the end of this turn of the loop."""
        batch = self._batch
        if batch is None:
            if not self.members:
                return
            batch = self._batch = Batch()
            asyncio.get_running_loop().call_soon(self.flush)
        batch.messages.append((opcode, data))
        if by is not None:
            self._speaking.add(by)

    def flush(self) -> None:
        """Write what was said."""
        batch, self._batch = self._batch, None
        if batch is None:
            return
        for line in self._lines.values():
            line.send(batch)
        for session in list(self._apart):
            if not session.connection.writing_paused or not self._is_too_slow(session, len(batch.messages)):
                self._write(session, batch)
        if self._slow:
            self._hold_speakers()
        self._speaking.clear()

    def _write(self, session: Session, batch: Batch) -> None:
        """To one, behind what it is to hear besides."""
        core, agreed, connection = session.core, session.accepted.deflate, session.connection
        if core.close_sent is not None:
            return
        if core.frames is not None:
            for opcode, said in batch.messages:
                session.note_sent(Message(opcode, said, 0, 0, len(said)))
        if agreed is not None and batch.is_worth_compressing:
            core.forget()
        connection.write(core.outgoing_with(batch.spelled(agreed), len(batch.messages)))
        if core.frames is None and connection.tape is None and not connection.writing_paused:
            if (line := self._lines.get(agreed)) is None:
                line = self._lines[agreed] = Line(agreed, self._apart)
            line.enter(session)
            del self._apart[session]

    # -- the slow ----------------------------------------------------------------------------------------------------

    def _is_too_slow(self, session: Session, count: int) -> bool:
        """Whether a member that does not read now is passed over."""
        settings = session.settings
        if settings.slow == "pause":
            self._slow.add(session)
            return False
        if session.connection.transport.get_write_buffer_size() <= settings.queue:
            return False
        if settings.slow == "close":
            session.close(POLICY, "too slow for what is said here")
            session.connection.set_deadline("write", settings.close_timeout)
        else:
            self.members[session] += count
            session.flow.detail(missed=self.members[session])
        return True

    def _hold_speakers(self) -> None:
        for session in self._speaking:
            session.connection.hold()
            self._held.add(session)

    def caught_up(self, session: Session) -> None:
        """A member has read what waited for it, or is gone."""
        self._slow.discard(session)
        if not self._slow:
            for held in self._held:
                if not held.connection.writing_paused:
                    held.go_on()
            self._held.clear()
