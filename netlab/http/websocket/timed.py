"""Speakers that wait: answers late, answers in drips, the time, a ticker, pings, a flood."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import parse_qs

from netlab.cores.websocket import BINARY, TEXT, Message, Pong
from netlab.http.websocket.audience import Audience
from netlab.http.websocket.session import Session
from netlab.http.websocket.speaker import Speaker

WAITING = 1 << 20
"""Bytes of late answers that one client may have waiting; more, and it is read no further."""
DRIP = 0.05  # seconds between two bytes
PIECE, ROUND = 1024, 64
"""Bytes of a flood's message unless the client says otherwise, and messages between two looks at the client."""
LARGEST_PIECE, QUICKEST = 1 << 20, 0.01
TOGETHER = 0.001  # seconds: what is due so soon after another leaves with it


class Late(Speaker):
    """Every message comes back after so many seconds, in order."""

    __slots__ = ("_seconds", "_size", "_timer", "_waiting")

    def __init__(self, seconds: float) -> None:
        self._seconds, self._size = seconds, 0
        self._waiting: deque[tuple[float, Message]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def message(self, session: Session, message: Message) -> None:
        loop = session.connection.loop
        due = loop.time() + self._seconds
        self._waiting.append((due, message))
        self._size += len(message.data)
        if self._size > WAITING:
            session.connection.hold()
        if self._timer is None:
            self._timer = loop.call_at(due, self._send, session)

    def _send(self, session: Session) -> None:
        """What is due by now, and the timer for what comes next."""
        loop, waiting = session.connection.loop, self._waiting
        while waiting and waiting[0][0] <= loop.time() + TOGETHER:
            _, message = waiting.popleft()
            self._size -= len(message.data)
            session.send(message.opcode, message.data)
        self._timer = loop.call_at(waiting[0][0], self._send, session) if waiting else None
        if self._size <= WAITING:
            session.go_on()

    def over(self, session: Session) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._waiting.clear()


class Dripping(Speaker):
    """Every message comes back byte by byte: what a client sees of a line that is very slow.

    Pongs and pings wait for their turn among the bytes; a close frame takes along what is left before it.
    """

    __slots__ = ("_left", "_session", "_timer")

    def __init__(self) -> None:
        self._left = bytearray()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, session: Session) -> None:
        self._session = session
        session.write = self._write

    def message(self, session: Session, message: Message) -> None:
        session.send(message.opcode, message.data)

    def _write(self, data: bytes) -> None:
        """What the session has to say: frames, whole."""
        session = self._session
        self._left += data
        if session.core.close_sent is not None:
            session.connection.write(bytes(self._left))
            self._left.clear()
            session.go_on()
        elif self._timer is None:
            self._drip()
        if len(self._left) > WAITING:
            session.connection.hold()

    def _drip(self) -> None:
        self._timer = None
        if not self._left:
            return
        session = self._session
        session.connection.write(bytes(self._left[:1]))
        del self._left[:1]
        if len(self._left) <= WAITING:
            session.go_on()
        self._timer = session.connection.loop.call_later(DRIP, self._drip)

    def over(self, session: Session) -> None:
        if self._timer is not None:
            self._timer.cancel()


class Pinging(Speaker):
    """Pings every second and tells how long each answer took; messages come back."""

    __slots__ = ("_timer",)

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, session: Session) -> None:
        session.ping()
        self._timer = session.connection.loop.call_later(every(session, 1.0), self.begin, session)

    def message(self, session: Session, message: Message) -> None:
        session.send(message.opcode, message.data)

    def pong(self, session: Session, pong: Pong, seconds: float) -> None:
        session.say(json.dumps({"ping": int.from_bytes(pong.data, "big"), "milliseconds": round(seconds * 1e3, 3)}))

    def over(self, session: Session) -> None:
        if self._timer is not None:
            self._timer.cancel()


class Flood(Speaker):
    """Sends as fast as it is read: `?count=` messages (0: without end) of `?size=` bytes."""

    __slots__ = ("_data", "_left", "_timer")

    def begin(self, session: Session) -> None:
        size = min(number(session, "size", PIECE), LARGEST_PIECE)
        self._data = bytes(range(256)) * (size // 256) + bytes(range(size % 256))
        self._left = number(session, "count", 0) or -1
        self._timer: asyncio.Handle | None = None
        self._schedule(session)

    def _schedule(self, session: Session) -> None:
        if self._timer is None:
            self._timer = session.connection.loop.call_soon(self._go_on, session)

    def _go_on(self, session: Session) -> None:
        self._timer = None
        for _ in range(ROUND):
            if session.connection.writing_paused or session.core.close_sent is not None:
                return
            if not self._left:
                session.close()
                return
            self._left -= 1
            session.send(BINARY, self._data)
            if len(self._data) > PIECE:
                session.flush(hold=False)
        session.flush(hold=False)  # its close frame is waited for, however much there is to read
        self._schedule(session)

    def writable(self, session: Session) -> None:
        self._schedule(session)

    def over(self, session: Session) -> None:
        if self._timer is not None:
            self._timer.cancel()


class Time(Speaker):
    """The lab's time, and goodbye."""

    __slots__ = ("_now",)

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now

    def begin(self, session: Session) -> None:
        session.say(spelled_time(self._now()))
        session.close()


class Tickers:
    """The tickers of one server, by how often they tick; one runs while someone listens."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self._running: dict[float, Ticker] = {}

    def listener(self) -> Listener:
        return Listener(self)

    def join(self, session: Session) -> Ticker:
        seconds = every(session, 1.0)
        ticker = self._running.get(seconds)
        if ticker is None:
            ticker = self._running[seconds] = Ticker(seconds, self.now)
        ticker.join(session)
        return ticker

    def leave(self, ticker: Ticker, session: Session) -> None:
        ticker.audience.leave(session)
        if not ticker.audience.members:
            ticker.stop()
            self._running.pop(ticker.seconds, None)


class Ticker:
    """Numbers and times, to everyone who listens."""

    def __init__(self, seconds: float, now: Callable[[], float]) -> None:
        self.seconds, self._now = seconds, now
        self.audience = Audience()
        self._number = 0
        self._timer: asyncio.TimerHandle | None = None

    def join(self, session: Session) -> None:
        self.audience.join(session)
        if self._timer is None:
            self._tick()

    def _tick(self) -> None:
        self._number += 1
        told = json.dumps({"tick": self._number, "time": spelled_time(self._now())})
        self.audience.send(TEXT, told.encode())
        self._timer = asyncio.get_running_loop().call_later(self.seconds, self._tick)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Listener(Speaker):
    """Someone who hears a ticker."""

    __slots__ = ("_ticker", "_tickers")

    def __init__(self, tickers: Tickers) -> None:
        self._tickers = tickers
        self._ticker: Ticker | None = None

    def begin(self, session: Session) -> None:
        self._ticker = self._tickers.join(session)

    def writable(self, session: Session) -> None:
        if self._ticker is not None:
            self._ticker.audience.caught_up(session)

    def over(self, session: Session) -> None:
        if self._ticker is not None:
            self._tickers.leave(self._ticker, session)
            self._ticker = None


def number(session: Session, name: str, default: int) -> int:
    """A number from the query; what is none counts as not given."""
    given = parse_qs(session.query).get(name, [""])[0]
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 12 else default


def every(session: Session, default: float) -> float:
    """Seconds, from `?every=` in milliseconds."""
    return max(number(session, "every", round(default * 1000)) / 1000, QUICKEST)


def spelled_time(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
