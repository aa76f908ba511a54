"""What is said on which path: an echo, and peers that follow a script, well-behaved and not."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from netlab.http.websocket.answering import Echo, Fragmented, Reversed, Upper
from netlab.http.websocket.speaker import MakeSpeaker

if TYPE_CHECKING:
    from netlab.service import Context

ABOUT = {
    "/": "every message comes back",
    "/reverse": "comes back reversed",
    "/upper": "comes back in upper case",
    "/fragment/{n}": "comes back in n frames",
}
"""The paths, and what they do, for the page and the docs."""
Found = Callable[..., MakeSpeaker]


class Paths:
    """From a path to who speaks there; what the conversations of one server share (rooms, clocks) is held here."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._exact: dict[str, MakeSpeaker] = {"/": Echo, "/reverse": Reversed, "/upper": Upper}
        self._patterns: list[tuple[re.Pattern[str], Found]] = [
            (re.compile(r"/fragment/([0-9]{1,4})"), lambda n: lambda: Fragmented(int(n)))
        ]

    def find(self, path: str) -> MakeSpeaker | None:
        """Who speaks on a path without its query; None: nobody."""
        if (exact := self._exact.get(path)) is not None:
            return exact
        for pattern, make in self._patterns:
            if match := pattern.fullmatch(path):
                return make(*match.groups())
        return None
