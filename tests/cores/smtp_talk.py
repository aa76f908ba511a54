"""A server core spoken to without a network: bytes in, events and replies out."""

from __future__ import annotations

from typing import Any

from netlab.cores.smtp import Closed, Command, Event, ServerCore, ServerSettings, State
from netlab.errors import RemoteProtocolError

HELLO = b"EHLO me\r\n"
BEGUN = HELLO + b"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n"


class Talk:
    """Answers every event as the core would; `events` and `replies` are what came of it."""

    def __init__(self, *, secure: bool = False, **settings: Any) -> None:
        self.core = ServerCore(ServerSettings(**settings), secure=secure)
        self.events: list[Event] = []
        self.heard = b""

    def say(self, data: bytes, split: int = 0) -> Talk:
        for at in range(0, len(data), split or max(len(data), 1)):
            self._work(self.core.receive(data[at : at + split] if split else data))
        return self

    def end(self) -> Talk:
        self._work(self.core.receive(b""))
        return self

    def _work(self, events: list[Event]) -> None:
        while events:
            for event in events:
                self.events.append(event)
                if isinstance(event, Command):
                    self.core.answer()
            events = self.core.resume()
        self.heard += self.core.outgoing()

    @property
    def replies(self) -> list[str]:
        """The last line of each reply."""
        return [line for line in self.heard.decode().split("\r\n") if line[3:4] == " "]

    @property
    def codes(self) -> list[int]:
        return [int(line[:3]) for line in self.replies]

    @property
    def last(self) -> Event:
        return self.events[-1]


def code(data: bytes, **settings: Any) -> int:
    """The code of the last reply."""
    return Talk(**settings).say(data).codes[-1]


def violation(talk: Talk) -> RemoteProtocolError:
    assert isinstance(talk.last, RemoteProtocolError)
    assert talk.core.state is State.CLOSED
    return talk.last


__all__ = ["BEGUN", "HELLO", "Closed", "Talk", "code", "violation"]
