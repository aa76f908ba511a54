"""Answers found by a request's own bytes: clients repeat themselves, and the same bytes are answered the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netlab.flow import Brief, Outcome
from netlab.http.settings import StandingFields

if TYPE_CHECKING:
    from netlab.http.connection import HttpConnection
    from netlab.http.exchange import Exchange

LONGEST = 4 << 10
"""Bytes of a request that are remembered."""
MOST = 1024
"""Requests whose constant answers are remembered."""


class Express:
    """Who knows the answer to a request by its bytes, before anything is made of them.

    Nothing of a request counts that is not in them: it is barred while a server's answers depend on who asks, or while
    it has to see each request.
    """

    def __init__(self) -> None:
        self._bars: set[str] = set()
        self.barred = False

    def bar(self, why: str, there_is: bool) -> None:
        """Answer and learn nothing while there is one of these."""
        (self._bars.add if there_is else self._bars.discard)(why)
        self.barred = bool(self._bars)

    def answers(self, connection: HttpConnection, data: bytes) -> bool:
        """Whether these bytes are one request that is known, and has been answered now."""
        raise NotImplementedError


class Constant:
    """An answer that is always the same, but for its Date."""

    __slots__ = ("about", "tail", "until", "wire")

    def __init__(self, about: Brief, fields: bytes, body: bytes) -> None:
        self.about = about
        self.tail = b"%bContent-Length: %d\r\n\r\n%b" % (fields, len(body), body)
        self.wire, self.until = b"", -1.0


class Constants(Express):
    """Constant answers of 200 to GET, by the whole request."""

    def __init__(self, standing: StandingFields) -> None:
        super().__init__()
        self._standing = standing
        self._known: dict[bytes, Constant] = {}

    def respond(self, exchange: Exchange, fields: bytes, body: bytes) -> None:
        """Answer, and so again whoever sends the same bytes: it is the same for everyone, at any time."""
        if exchange.connection.express is self and not self.barred:
            self._learn(exchange, fields, body)
        exchange.respond(200, fields, body)

    def _learn(self, exchange: Exchange, fields: bytes, body: bytes) -> None:
        request, flow = exchange.request, exchange.flow
        if exchange.is_changed or request.method != "GET" or request.version != "1.1":
            return
        head = exchange.connection.core.head_of(request)
        if not 0 < len(head) <= LONGEST:
            return
        if len(self._known) >= MOST:
            self._known.clear()
        about = Brief(flow.kind, flow.service, flow.label, "200", Outcome.OK, len(body))
        self._known[head] = Constant(about, fields, body)

    def answers(self, connection: HttpConnection, data: bytes) -> bool:
        known = self._known.get(data)
        if known is None or self.barred:
            return False
        now = connection.flows.now()
        if now >= known.until:
            known.wire = b"HTTP/1.1 200 OK\r\n%b%b" % (self._standing.before(b"", now), known.tail)
            known.until = self._standing.until
        return connection.answered(len(data), known.wire, known.about, now)
