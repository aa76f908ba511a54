"""What one turn of the loop produced for the broker's clients, written behind it: one write for each of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from netlab.errors import StoreFailed
from netlab.stores.mqtt import MqttStore

if TYPE_CHECKING:
    from servers.mqtt.link import Link

Batch = list[tuple["Link", bytes]]


class Outbox:
    """The links that have something to send. What rests on something that must survive waits until it is kept: the
    acknowledgement of a message, and a message of QoS 2 with its identifier.
    """

    __slots__ = ("_last", "_links", "_loop", "_store")

    def __init__(self, store: MqttStore | None) -> None:
        self._links: list[Link] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._store = store
        self._last: Batch = []  # that waits for the last commit

    def add(self, link: Link) -> None:
        if not self._links:
            if self._loop is None:
                self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self.flush)
        self._links.append(link)

    def flush(self) -> None:
        links, self._links = self._links, []
        store = self._store
        if store is None:
            for link in links:
                link.flush()
            return
        bound = bool(store.pending)
        if bound:
            batch: Batch = []
            self._last = batch
            store.commit(lambda error: self._committed(batch, error))
        for link in links:
            if link.holding or (bound and link.bound):
                link.holding += 1
                self._last.append((link, link.take()))
            else:
                link.flush()

    def _committed(self, batch: Batch, error: StoreFailed | None) -> None:
        for link, data in batch:
            link.holding -= 1
            if error is not None:
                link.fail(error)
            else:
                link.send_held(data)
