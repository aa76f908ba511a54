"""How an HTTP connection ends: after its last answer, by a drain, with its client, or in a handler's failure."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from netlab.errors import ConnectionLost
from netlab.flow import Outcome
from netlab.http.pacing import PacedConnection
from netlab.net.connection import NEVER
from netlab.net.presence import DEPARTED, Presence, presence

if TYPE_CHECKING:
    from netlab.http.engine import HttpService
    from netlab.http.exchange import Exchange
    from netlab.http.roles import Delegate, Source

FAREWELL, HALF_CLOSED, HELD_BACK = "farewell", "half-closed", "held back"
"""Stages of a connection to which an answer is owed: its client has ended its side, before the first look and after;
or it is not read, so that its end could not be seen.
"""
FIRST_LOOK, NEXT_LOOK = 0.1, 2.0
"""Seconds; a process that is killed sends its FIN a moment before the kernel has let go of its socket."""


class EndingConnection(PacedConnection):
    """A connection with at most one exchange under way, or another protocol's delegate, which learn of its end.

    A client's FIN may be a half-close: its answer is owed as long as it is there to read it.
    """

    __slots__ = ("delegate", "exchange", "http", "source")

    http: HttpService
    exchange: Exchange | None
    source: Source | None  # where more of the response comes from once the client has taken some
    delegate: Delegate | None  # who speaks on this connection after an upgrade

    # -- a client that may have left -------------------------------------------------------------------------------

    def hold(self) -> None:
        super().hold()
        self._await_room()

    def _await_room(self) -> None:
        """A client that is held back is not late; but it may leave, and nothing would tell."""
        if self.held and self.exchange is not None and not self.writing_paused:
            self.set_deadline(HELD_BACK, NEXT_LOOK)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._await_room()

    def await_departure(self) -> None:
        """An answer is owed to a client that says no more: look from time to time whether it is still there."""
        self.set_deadline(FAREWELL, FIRST_LOOK)

    def expire(self, now: float) -> None:
        if self.stage in (FAREWELL, HALF_CLOSED, HELD_BACK):
            self.deadline = NEVER
            self._look_for_client()
        else:
            super().expire(now)

    def _look_for_client(self) -> None:
        exchange, found, stage = self.exchange, self._presence(), self.stage
        if exchange is None:
            return
        if found is Presence.GONE or (found is Presence.UNKNOWN and exchange.endless and stage != HELD_BACK):
            exchange.flow.note("client.departed", "client", reason=WHY[found])
            self.abort()
            return
        if found is Presence.UNKNOWN and stage == HALF_CLOSED and not exchange.started:
            self.tell_to_continue(exchange)  # RFC 9110 15.2.1: ignored by who did not ask; who is gone answers with RST
        self.set_deadline(HELD_BACK if stage == HELD_BACK else HALF_CLOSED, NEXT_LOOK)

    def _presence(self) -> Presence:
        told = self.transport.get_extra_info
        return presence(told("sockname"), told("peername"))

    def tell_to_continue(self, exchange: Exchange) -> None:
        """A client that expects 100 may go on with the content."""
        self.core.inform(100)
        exchange.flow.note("response.informed", "server", status=100)
        if not self.turning:
            self.flush()

    # -- our side --------------------------------------------------------------------------------------------------

    def leave(self) -> None:
        """The last answer is out: end our side, and let the client end its own (RFC 9112 9.6)."""
        if not self.transport.is_closing() and not self.lingering:
            self.linger()

    def drain(self) -> None:
        self.begin_drain()
        if self.delegate is not None:
            self.delegate.drain()
        elif self.exchange is None and not self.lingering:
            self.flush()
            self.close()
        elif self.exchange is not None and not self.exchange.started:
            self.core.will_close()

    def ended(self, error: Exception | None) -> None:
        if self.tape is None and self.flow is not None:
            self.flow.received += self.core.received  # the short way does not count
        self.give_up_waiting()
        if self.source is not None:
            self.source.cancel()
        if self.delegate is not None:
            self.delegate.ended(error)
        exchange, self.exchange = self.exchange, None
        if exchange is None:
            return
        if not exchange.answered:
            exchange.flow.note("connection.lost", "client")
        exchange.lost(ConnectionLost(LOST))
        exchange.end(Outcome.CUT, str(exchange.status or LOST))

    def task_ended(self, task: asyncio.Task[Any]) -> None:
        """A handler that had to wait has come to its end, one way or another."""
        exchange = self.exchange
        if exchange is None or exchange.task is not task or exchange.answered:
            return
        if task.cancelled():
            exchange.flow.outcome = Outcome.CANCELLED
            self.abort()
        elif (error := task.exception()) is not None:
            exchange.failed(error)
        elif not exchange.handed_on:
            exchange.failed(RuntimeError(f"the handler of {exchange!r} ended without an answer"))


LOST = "the client is gone"
WHY = {
    Presence.GONE: DEPARTED,
    Presence.UNKNOWN: "it has ended its side of a stream of events, which has no end that it could wait for",
}
