"""Who speaks on a WebSocket: told of messages, and answers with the session's acts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from netlab.cores.websocket import Message, Pong

if TYPE_CHECKING:
    from netlab.http.websocket.session import Session


class Speaker:
    """One conversation's side. All of it is called in the loop's turn and must not wait."""

    __slots__ = ()

    def begin(self, session: Session) -> None:
        """The handshake is over."""

    def message(self, session: Session, message: Message) -> None:
        """The peer has said something."""

    def pong(self, session: Session, pong: Pong, seconds: float) -> None:
        """An answer to a ping of the session's, after so many seconds."""

    def writable(self, session: Session) -> None:
        """The peer has taken what was written."""

    def over(self, session: Session) -> None:
        """The peer is gone, or has said goodbye."""


class Answering(Speaker):
    """Someone with one answer to each message, which follows from the message alone: one that is short is answered
    before anything is made of it.
    """

    __slots__ = ()

    def answer(self, opcode: int, data: bytes) -> bytes:
        """What comes back, of the same kind."""
        raise NotImplementedError

    def message(self, session: Session, message: Message) -> None:
        opcode = message.opcode
        session.send(opcode, self.answer(opcode, message.data))


MakeSpeaker = Callable[[], Speaker]
