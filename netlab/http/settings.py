"""What every HTTP server can be told about connections and messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING, Union

from netlab.cores.http1 import Limits, Request, ServerCore, encode_fields
from netlab.errors import RemoteProtocolError
from netlab.http.pages import Page, refusal_page, violation_page

if TYPE_CHECKING:
    from netlab.cores.http1_h11 import H11ServerCore
    from netlab.http.exchange import Exchange

Core = Union[ServerCore, "H11ServerCore"]
"""Our core, or a library's in its shape."""
FieldSource = bytes | Iterable[tuple[str, str]]
"""Fields of a response: pairs, or a block that `encode_fields` made once and for all."""
CoreFactory = Callable[[Limits], Core]


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpSettings:
    """Timeouts in seconds, rates in bytes a second; 0 means never and no limit."""

    server: str = "netlab"
    header_timeout: float = 20.0  # from the first byte of a head to its last
    body_timeout: float = 20.0  # for content, plus one second for every `minimum_rate` bytes received
    minimum_rate: int = 500
    idle_timeout: float = 75.0  # between requests
    write_timeout: float = 60.0  # without any progress towards a client that does not read
    drain_room: int = 64 << 10  # unread content up to this is discarded to keep the connection; more closes it
    buffer: int = 256 << 10  # received content that waits for its handler; more pauses the client
    kept_body: int = 64 << 10  # of each message's content kept with a flow recorded in full
    limits: Limits = field(default_factory=Limits)
    core: CoreFactory = ServerCore
    on_answered: Callable[[Exchange], None] | None = None  # the access log
    pages: Mapping[int, Page] = field(default_factory=dict)  # what a refusal looks like, by status, where not as usual

    def refusal_page(self, status: int, why: str, request: Request, see: str = "") -> Page:
        return self.pages.get(status) or refusal_page(status, why, request.fields.get("accept"), see)

    def violation_page(self, error: RemoteProtocolError, request: Request) -> Page:
        return self.pages.get(error.status) or violation_page(error, request.fields.get("accept"))


class StandingFields:
    """The fields of every response, Server and Date, encoded once a second (RFC 9110 6.6.1, 10.2.4)."""

    __slots__ = ("_date", "_server", "block", "until")

    def __init__(self, server: str) -> None:
        self._server = f"Server: {server}\r\n".encode("latin-1") if server else b""
        self.block, self._date, self.until = b"", b"", -1.0

    def before(self, fields: FieldSource, now: float) -> bytes:
        """The block of a whole response: these fields first; `now` is monotonic."""
        if now >= self.until:
            self._renew(now)
        if type(fields) is bytes:
            return self.block + fields
        return self.block + encode_fields(fields, framing=True)  # type: ignore[arg-type]  # not bytes

    def date(self, now: float) -> bytes:
        """Date alone, for a response of somebody else's."""
        if now >= self.until:
            self._renew(now)
        return self._date

    def _renew(self, now: float) -> None:
        self._date = b"Date: %b\r\n" % formatdate(usegmt=True).encode()
        self.block, self.until = self._server + self._date, now + 0.5


STATUS_TEXT = [str(status) for status in range(1000)]
"""How each status stands on a flow."""
