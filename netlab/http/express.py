"""Answers found by a request's own bytes: clients repeat themselves, and the same bytes are answered the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netlab.flow import Brief
from netlab.http.recording import read_head
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

    __slots__ = ("about", "events", "tail", "until", "wire")

    def __init__(self, exchange: Exchange, fields: bytes, body: bytes) -> None:
        flow = exchange.flow
        self.about = Brief(flow.kind, flow.service, flow.label, flow.result, flow.outcome, len(body))
        self.tail = b"%bContent-Length: %d\r\n\r\n%b" % (fields, len(body), body)
        self.wire, self.until = b"", -1.0
        self.events = flow.events

    def make(self, standing: StandingFields, now: float) -> None:
        """Anew, with the Date of this moment; what was recorded before keeps the old one."""
        self.wire = wire = b"HTTP/1.1 200 OK\r\n%b%b" % (standing.before(b"", now), self.tail)
        self.until = standing.until
        if self.events is None:
            return
        self.about = about = self.about.again()
        about.events = []
        first = {event.side: event.start for event in reversed(self.events)}
        for event in self.events:
            if event.name == "response.sent":
                fields = read_head(wire[: wire.find(b"\r\n\r\n")])[1]
                event = event._replace(fields={**event.fields, "fields": fields})
            about.events.append(event.moved(now, -first[event.side]))


class Constants(Express):
    """Constant answers of 200 to GET, by the whole request."""

    def __init__(self, standing: StandingFields) -> None:
        super().__init__()
        self._standing = standing
        self._known: dict[bytes, Constant] = {}

    def respond(self, exchange: Exchange, fields: bytes, body: bytes) -> None:
        """Answer, and so again whoever sends the same bytes: it is the same for everyone, at any time."""
        exchange.respond(200, fields, body)
        if exchange.connection.express is not self or self.barred or exchange.is_changed:
            return
        request = exchange.request
        head = exchange.connection.core.head_of(request)
        if not 0 < len(head) <= LONGEST or request.method != "GET" or request.version != "1.1":
            return
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[head] = Constant(exchange, fields, body)

    def answers(self, connection: HttpConnection, data: bytes) -> bool:
        known = self._known.get(data)
        if known is None or self.barred:
            return False
        now = connection.flows.now()
        if now >= known.until:
            known.make(self._standing, now)
        return connection.answered(data, known.wire, known.about, now)
