"""Chat rooms: who is there, and what is said, to everyone in the room."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from netlab.cores.websocket import TEXT, Message
from netlab.http.websocket.audience import Audience
from netlab.http.websocket.session import Session
from netlab.http.websocket.speaker import Speaker

LONGEST_NAME = 40
NAMED = 100
"""Names that a newcomer is told. Among more than so many nobody is told who comes and goes: with everyone who comes
there would be one more to tell.
"""


class Room:
    """One room, open for as long as someone is in it."""

    def __init__(self, name: str, now: Callable[[], float]) -> None:
        self.name, self._now = name, now
        self.audience = Audience()
        self.present: dict[Session, str] = {}
        self._guests = 0

    def enter(self, session: Session) -> str:
        """Welcome a newcomer, who is told who is there, and tell the others; returns the name it has here."""
        self._guests += 1
        asked = parse_qs(session.query).get("name", [""])[0][:LONGEST_NAME] or f"guest-{self._guests}"
        taken = set(self.present.values()) if asked in self.present.values() else ()
        name = next(name for name in (asked, *(f"{asked}-{n}" for n in range(2, len(taken) + 3))) if name not in taken)
        names = list(self.present.values())[:NAMED]
        self._tell_of("joined", name, len(self.present) + 1)
        self.audience.join(session)
        self.present[session] = name
        session.say(spelled("welcome", room=self.name, name=name, present=names, count=len(self.present)))
        return name

    def leave(self, session: Session) -> None:
        self.audience.leave(session)
        name = self.present.pop(session, None)
        if name is not None:
            self._tell_of("left", name, len(self.present))

    def _tell_of(self, kind: str, name: str, count: int) -> None:
        if count <= NAMED:
            self.tell(kind, name=name, count=count)

    def tell(self, kind: str, by: Session | None = None, **facts: Any) -> None:
        """Something to everyone."""
        self.audience.send(TEXT, spelled(kind, **facts).encode(), by)

    def moment(self) -> str:
        return datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="milliseconds")


class Rooms:
    """The rooms of one server, by name."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.open: dict[str, Room] = {}

    def guest(self, name: str) -> Guest:
        return Guest(self, name)

    def enter(self, name: str, session: Session) -> Room:
        room = self.open.get(name)
        if room is None:
            room = self.open[name] = Room(name, self._now)
        room.enter(session)
        return room

    def leave(self, room: Room, session: Session) -> None:
        room.leave(session)
        if not room.present:
            self.open.pop(room.name, None)


class Guest(Speaker):
    """Someone in a room: text goes to everyone with name and time, binary as it is."""

    __slots__ = ("_name", "_room", "_rooms")

    def __init__(self, rooms: Rooms, name: str) -> None:
        self._rooms, self._name = rooms, name
        self._room: Room | None = None

    def begin(self, session: Session) -> None:
        self._room = self._rooms.enter(self._name, session)

    def message(self, session: Session, message: Message) -> None:
        room = self._room
        assert room is not None
        if message.opcode == TEXT:
            room.tell("message", session, name=room.present[session], text=message.text, time=room.moment())
        else:
            room.audience.send(message.opcode, message.data, session)

    def writable(self, session: Session) -> None:
        room = self._room
        if room is None:
            return
        room.audience.caught_up(session)
        if missed := room.audience.members.get(session):
            room.audience.members[session] = 0
            session.say(spelled("missed", count=missed))

    def over(self, session: Session) -> None:
        if self._room is not None:
            self._rooms.leave(self._room, session)
            self._room = None


def spelled(kind: str, **facts: Any) -> str:
    return json.dumps({"type": kind, **facts}, ensure_ascii=False)
