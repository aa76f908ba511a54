"""What a fetch is to the gateway in place of a client's connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from netlab.cores.fields import Fields
from netlab.flow import Flow
from netlab.http.roles import Source

if TYPE_CHECKING:
    from netlab.http.cache.fetch import Fetch


class Line:
    """Made when it is needed: all that lasts is the fetch's."""

    __slots__ = ("_fetch",)

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    @property
    def source(self) -> Source | None:
        return self._fetch.source

    @source.setter
    def source(self, source: Source | None) -> None:
        self._fetch.source = source

    @property
    def onward(self) -> tuple[Fields | None, dict[Any, bytes]]:
        client = self._fetch.line_of
        return self._fetch.onward if client is None else client.onward

    @onward.setter
    def onward(self, known: tuple[Fields | None, dict[Any, bytes]]) -> None:
        client = self._fetch.line_of
        if client is None:
            self._fetch.onward = known
        else:
            client.onward = known

    @property
    def flow(self) -> Flow | None:
        return self._fetch.client

    @property
    def secure(self) -> bool:
        return self._fetch.secure

    def client_certificate(self) -> bytes:
        """None: what is kept is for everybody."""
        return b""

    @property
    def writing_paused(self) -> bool:
        return self._fetch.writing_paused

    def hold(self) -> None:
        if self._fetch.content_from is not None:
            self._fetch.content_from.connection.hold()

    def release(self) -> None:
        if self._fetch.content_from is not None:
            self._fetch.content_from.connection.release()

    def flush(self) -> None:
        """What was sent is the readers' own business."""

    def abort(self) -> None:
        self._fetch.broke_off()

    def in_turn(self, work: Callable[..., object], *arguments: Any) -> None:
        """In the turn of the first client that still waits: what is answered leaves in one write."""
        for reader in self._fetch.readers:
            if not reader.exchange.answered:
                reader.exchange.connection.in_turn(work, *arguments)
                return
        work(*arguments)
