"""Who may work with a connection besides a handler: a taker of content, a giver of it, and another protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from netlab.cores.fields import Fields

if TYPE_CHECKING:
    from netlab.http.engine import HttpConnection


class Sink(Protocol):
    """Who takes a request's content as it arrives."""

    def content(self, data: bytes) -> None: ...

    def content_complete(self, trailers: Fields) -> None: ...

    def lost(self, error: Exception) -> None:
        """The client is gone before it was answered."""


class Recoding(Protocol):
    """Who codes a response's content on its way out."""

    def head(self, status: int, block: bytes, length: int | None) -> tuple[bytes, int | None]:
        """The field block and length as they are then; from here on it is known whether anything is coded at all."""

    def piece(self, data: bytes) -> bytes: ...

    def end(self) -> bytes:
        """What is left."""


class Source(Protocol):
    """Where more of a response comes from: a file, an upstream."""

    def go_on(self) -> None:
        """The client has taken what was sent."""

    def cancel(self) -> None:
        """The client is gone."""


class Delegate(Protocol):
    """Who speaks on a connection after an upgrade: it writes with `connection.write` and ends with its `close`."""

    def begin(self, connection: HttpConnection) -> None: ...

    def feed(self, data: bytes) -> None:
        """Bytes from the client; b"" is the end of them."""

    def writable(self) -> None:
        """The client has taken what was written."""

    def timed_out(self, stage: str) -> None: ...

    def drain(self) -> None: ...

    def ended(self, error: Exception | None) -> None: ...
