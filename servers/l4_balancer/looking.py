"""WebSockets that a layer 4 balancer passes on: recognised by what the client begins with, their frames shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netlab.flow import Flow
from netlab.tape import Side

if TYPE_CHECKING:
    from netlab.http.websocket.watching import Tunnelled


class Onlooker:
    """Is written what passes, as a tape is; where that is no WebSocket it soon looks away."""

    __slots__ = ("_asked", "_began", "_watch")

    def __init__(self, asked: Flow) -> None:
        self._asked, self._began = asked, False
        self._watch: Tunnelled | None = None

    def write(self, now: float, side: Side, data: bytes) -> None:
        if not self._began and side == "client":
            self._began = True
            if data.startswith(b"GET "):
                from netlab.http.websocket.watching import recognise

                self._watch = recognise(self._asked, data)
        if self._watch is not None:
            self._watch.passed(side, data)

    def end(self, received: int, sent: int, outcome: str) -> None:
        """The connection is over."""
        if self._watch is not None:
            self._watch.count(received, sent)
            self._watch.end(outcome)
