"""What an HTTP/1.1 core hands out: heads, pieces of content, ends."""

from __future__ import annotations

from typing import Any, NamedTuple

from netlab.cores.fields import EMPTY, Fields
from netlab.errors import RemoteProtocolError


class Frame(NamedTuple):
    """What the fields of a head say about the message and its connection (RFC 9112 6 and 9)."""

    has_body: bool
    length: int | None  # None with a body: chunked, or until the connection closes
    chunked: bool
    keep_alive: bool
    expects_continue: bool = False  # the client waits for 100 before it sends (RFC 9110 10.1.1)
    expectation: str | None = None  # an Expect nobody here can meet: 417
    upgrade: tuple[str, ...] = ()  # protocols offered, lower case; only together with Connection: upgrade


class Request:
    """The head of a request. Without a body (`frame.has_body`) the message is complete: no End follows.

    `label` is its method and target. `made` is for who passes it on: what has been made of it, for when the client
    repeats itself.
    """

    __slots__ = ("end", "fields", "frame", "label", "made", "method", "start", "target", "version")

    def __init__(
        self, method: str, target: str, version: str, fields: Fields, frame: Frame, start: int = 0, end: int = 0
    ) -> None:
        self.method, self.target, self.version = method, target, version  # version: "1.0" or "1.1"
        self.fields, self.frame, self.start, self.end = fields, frame, start, end
        self.label = f"{method} {target}"
        self.made: dict[Any, Any] | None = None

    @property
    def form(self) -> str:
        """Which of the four target forms this is (RFC 9112 3.2): origin, absolute, authority or asterisk."""
        if self.target.startswith("/"):
            return "origin"
        if self.method == "CONNECT":
            return "authority"
        return "asterisk" if self.target == "*" else "absolute"

    @property
    def authority(self) -> str:
        """The host (and port) meant: of the target where it has one, else of Host (RFC 9112 3.3); may be empty."""
        target = self.target
        if target[:1] == "/" or target == "*":
            return self.fields.get("host") or ""
        return target if self.method == "CONNECT" else target.partition("://")[2].partition("/")[0].partition("?")[0]

    @property
    def path(self) -> str:
        """Path and query as they stand in the target; "/" for an absolute-form without a path."""
        if self.form != "absolute":
            return self.target
        rest = self.target.partition("://")[2][len(self.authority) :]
        return rest if rest.startswith("/") else "/" + rest

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Request):
            return NotImplemented
        return _values(self) == _values(other)

    __hash__ = None  # type: ignore[assignment]  # events are compared in tests, never keys

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.target} {self.version} {self.fields!r}>"


class Response:
    """The head of a final response. Without a body (`frame.has_body`) the message is complete: no End follows."""

    __slots__ = ("end", "fields", "frame", "reason", "start", "status", "version")

    def __init__(
        self, status: int, reason: str, version: str, fields: Fields, frame: Frame, start: int = 0, end: int = 0
    ) -> None:
        self.status, self.reason, self.version = status, reason, version
        self.fields, self.frame, self.start, self.end = fields, frame, start, end

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Response):
            return NotImplemented
        return _values(self) == _values(other)

    __hash__ = None  # type: ignore[assignment]  # events are compared in tests, never keys

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.version} {self.fields!r}>"


class Informational(NamedTuple):
    """A 1xx response: an answer on the way (client role)."""

    status: int
    reason: str
    fields: Fields
    start: int = 0
    end: int = 0


class Data(NamedTuple):
    """A piece of content, transfer coding removed; `start` and `end` span its own bytes on the wire."""

    data: bytes
    start: int = 0
    end: int = 0


class End(NamedTuple):
    """A message that has a body is complete."""

    trailers: Fields = EMPTY
    start: int = 0
    end: int = 0


class Closed(NamedTuple):
    """The peer ended the connection between messages."""


Event = Request | Response | Informational | Data | End | Closed | RemoteProtocolError


def _values(head: Request | Response) -> list[object]:
    return [getattr(head, name) for name in type(head).__slots__ if name != "made"]
