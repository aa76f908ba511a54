"""Who may work with a connection besides a handler: a taker of content, a giver of it, and another protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from netlab.cores.fields import Fields
from netlab.cores.http1 import Request
from netlab.flow import Flow

if TYPE_CHECKING:
    from netlab.http.connection import HttpConnection
    from netlab.http.settings import FieldSource


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


class Prompt(Protocol):
    """Who answers some of what is read at once, before anything is made of it."""

    def answers(self, connection: HttpConnection, data: bytes) -> bool:
        """Whether these bytes have been answered now; if not, nothing has changed."""


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


class Downstream(Protocol):
    """The connection of an `Asker`, as far as a gateway deals with it."""

    source: Source | None
    onward: tuple[Fields | None, dict[Any, bytes]]

    @property
    def flow(self) -> Flow | None: ...

    @property
    def secure(self) -> bool: ...

    def client_certificate(self) -> bytes: ...

    @property
    def writing_paused(self) -> bool: ...

    def hold(self) -> None: ...

    def release(self) -> None: ...

    def flush(self) -> None: ...

    def abort(self) -> None: ...

    def in_turn(self, work: Callable[..., None], *arguments: Any) -> None: ...


class Asker(Protocol):
    """Whose request a gateway forwards, and who is told what is answered: a client's exchange, or a cache's fetch."""

    endless: bool  # the answer is a stream of events, for as long as the client likes

    @property
    def connection(self) -> Downstream: ...

    @property
    def request(self) -> Request: ...

    @property
    def flow(self) -> Flow: ...

    @property
    def complete(self) -> bool: ...

    @property
    def started(self) -> bool: ...

    @property
    def answered(self) -> bool: ...

    @property
    def content_begun(self) -> bool: ...

    @property
    def status(self) -> int: ...

    @property
    def received(self) -> int: ...

    @property
    def sent(self) -> int: ...

    def for_this_client(self, block: bytes) -> None:
        """The end of the answer's fields that is nobody else's business: whoever keeps answers leaves it out."""

    def dated(self, block: bytes) -> bytes:
        """The fields of an answer that came without Date: whoever passes it on says when it came (RFC 9110 6.6.1)."""

    def relay(self, sink: Sink, ready: bool) -> None: ...

    def inform(self, status: int, fields: Iterable[tuple[str, str]] = ()) -> None: ...

    def respond(self, status: int, fields: FieldSource = b"", body: bytes = b"", *, own: bool = True) -> None: ...

    def pass_back(self, status: int, fields: bytes, content: bytes) -> None:
        """The whole response of an upstream, as a turn of its own."""

    def start(
        self,
        status: int,
        fields: FieldSource = b"",
        *,
        length: int | None = None,
        reason: str | None = None,
        own: bool = True,
    ) -> None: ...

    def send(self, data: bytes) -> None: ...

    def finish(self, trailers: Iterable[tuple[str, str]] = ()) -> None: ...

    def refuse(self, status: int, why: str, fields: Iterable[tuple[str, str]] = ()) -> None: ...

    def upgrade(self, status: int, fields: FieldSource, delegate: Delegate) -> None: ...
