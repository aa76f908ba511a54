"""What is said on which path: an echo, and peers that follow a script, well-behaved and not."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import unquote

from netlab.http.websocket import answering, timed, wrong
from netlab.http.websocket.chat import Rooms
from netlab.http.websocket.speaker import MakeSpeaker

if TYPE_CHECKING:
    from netlab.service import Context

ABOUT = {
    "/": "every message comes back",
    "/reverse": "comes back reversed",
    "/upper": "comes back in upper case",
    "/delay/{ms}": "comes back after so many milliseconds",
    "/fragment/{n}": "comes back in n frames",
    "/slow": "comes back byte by byte",
    "/ping": "a ping every second (?every=ms), and how long its answer took",
    "/time": "the time, and goodbye",
    "/ticker": "a number and the time every second (?every=ms)",
    "/flood": "messages as fast as they are read (?size=bytes&count=n)",
    "/chat/{room}": "a room: what is said goes to everyone in it (?name=you)",
    "/close/{code}": "closed at once with this code; 1005: without one, 1006: without a close frame",
    "/drop": "the connection is reset at the first message",
    "/badutf8": "answers with text that is not UTF-8",
    "/badmask": "answers with a masked frame",
    "/garbage": "answers with bytes that are no frame",
}
"""The paths, and what they do, for the page and the help."""
LONGEST_DELAY = 600_000  # milliseconds
Made = Callable[..., MakeSpeaker]


class Paths:
    """From a path to who speaks there; what the conversations of one server share (rooms, tickers) is held here."""

    def __init__(self, context: Context) -> None:
        now = context.clock.now
        rooms, tickers = Rooms(now), timed.Tickers(now)
        self.rooms = rooms.open
        self._exact: dict[str, MakeSpeaker] = {
            "/": answering.Echo,
            "/reverse": answering.Reversed,
            "/upper": answering.Upper,
            "/slow": timed.Dripping,
            "/ping": timed.Pinging,
            "/time": lambda: timed.Time(now),
            "/ticker": tickers.listener,
            "/flood": timed.Flood,
            "/drop": wrong.Dropping,
            "/badutf8": wrong.bad_utf8,
            "/badmask": wrong.bad_mask,
            "/garbage": wrong.garbage,
        }
        self._patterns: list[tuple[re.Pattern[str], Made]] = [
            (re.compile(r"/delay/([0-9]{1,6})"), lambda ms: lambda: timed.Late(min(int(ms), LONGEST_DELAY) / 1000)),
            (re.compile(r"/fragment/([0-9]{1,4})"), lambda n: lambda: answering.Fragmented(int(n))),
            (re.compile(r"/close/([0-9]{1,5})"), lambda code: lambda: wrong.Closing(int(code) & 0xFFFF)),
            (re.compile(r"/chat/([^/]+)"), lambda room: lambda: rooms.guest(unquote(room))),
        ]

    def find(self, path: str) -> MakeSpeaker | None:
        """Who speaks on a path without its query; None: nobody."""
        if (exact := self._exact.get(path)) is not None:
            return exact
        for pattern, make in self._patterns:
            if match := pattern.fullmatch(path):
                return make(*match.groups())
        return None
