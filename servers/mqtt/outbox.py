"""What one turn of the loop produced for the broker's clients, written behind it: one write for each of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from servers.mqtt.link import Link


class Outbox:
    """The links that have something to send."""

    __slots__ = ("_links", "_loop")

    def __init__(self) -> None:
        self._links: list[Link] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def add(self, link: Link) -> None:
        if not self._links:
            if self._loop is None:
                self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self.flush)
        self._links.append(link)

    def flush(self) -> None:
        links, self._links = self._links, []
        for link in links:
            link.flush()
