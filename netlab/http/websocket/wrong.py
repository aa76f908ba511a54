"""Speakers that end, or speak wrongly, on purpose: what a client has to notice."""

from __future__ import annotations

from collections.abc import Callable

from netlab.cores.websocket import CLOSE, TEXT, Message, encode_frame
from netlab.cores.websocket_close import ABNORMAL, NO_STATUS, may_be_sent
from netlab.flow import Outcome
from netlab.http.websocket.session import Session
from netlab.http.websocket.speaker import Speaker


class Closing(Speaker):
    """Closes at once, with any code: 1005 is a close frame without one, 1006 none at all; others as they are."""

    __slots__ = ("_code",)

    def __init__(self, code: int) -> None:
        self._code = code

    def begin(self, session: Session) -> None:
        code = self._code
        if code == ABNORMAL:
            session.connection.close()
        elif may_be_sent(code) or code == NO_STATUS:
            session.close(code, "as asked" if code != NO_STATUS else "")
        else:
            session.flow.note("rule.broken", "server", rule="RFC 6455 7.4", code=code)
            session.raw(encode_frame(CLOSE, code.to_bytes(2, "big")))


class Dropping(Speaker):
    """Resets the connection at the first message, as a server that crashed would."""

    __slots__ = ()

    def message(self, session: Session, message: Message) -> None:
        session.flow.outcome = Outcome.CANCELLED
        session.connection.reset()


class Wrong(Speaker):
    """Answers every message with bytes that break a rule."""

    __slots__ = ("_answer", "_rule")

    def __init__(self, rule: str, answer: Callable[[bytes], bytes]) -> None:
        self._rule, self._answer = rule, answer

    def message(self, session: Session, message: Message) -> None:
        session.flow.note("rule.broken", "server", rule=self._rule)
        session.raw(self._answer(message.data))


MASK = b"\x37\xfa\x21\x3d"


def bad_utf8() -> Speaker:
    """Text whose last byte is none of UTF-8."""
    return Wrong("RFC 6455 8.1", lambda data: encode_frame(TEXT, data + b"\xff"))


def bad_mask() -> Speaker:
    """A masked frame, which a server must not send."""
    return Wrong("RFC 6455 5.1", lambda data: encode_frame(TEXT, data, mask=MASK))


def garbage() -> Speaker:
    """Bytes that are no frame: every reserved bit, a reserved opcode, an impossible length."""
    return Wrong("RFC 6455 5.2", lambda data: b"\xff" * 14 + data)
