"""One connection to an upstream: its core, and whoever waits for the answer under way; or bytes without meaning."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Protocol

from netlab.cores.fields import Fields
from netlab.cores.http1 import ClientCore, Limits, Request, Response, encode_fields
from netlab.errors import RemoteProtocolError
from netlab.flow import Flow
from netlab.net.addresses import SocketAddress
from netlab.net.dial import Check, Objection
from netlab.net.outgoing import Outgoing

PIECE = 64 << 10
"""Bytes of content that are worth a write of their own."""
UNSEEN = frozenset(("h2c",))
"""Protocols that are not offered to upstreams: requests inside of them would pass beside all that stands before one."""

NO_CONTENT = RemoteProtocolError(
    "a 205 response has no content", offset=0, rule="response.reset_content", section="RFC 9110 15.3.6", status=502
)


class Waiting(Protocol):
    """Who sent the request under way."""

    def answered(self, events: list[Any]) -> None:
        """Events of the response, in their order, as they come."""

    def upstream_lost(self, error: Exception | None) -> None:
        """The connection is gone before the response was complete."""

    def upstream_writable(self) -> None:
        """The upstream has taken what was written."""


class Asking(Waiting, Protocol):
    """Who sent a request."""

    def whole(self, response: Response, content: bytes) -> None:
        """The response and all of its content, in place of its events."""


class FarEnd(Outgoing):
    """The far end of a tunnel: what it says means nothing here. What it says before anyone waits for it is kept.

    `way` names the way it was reached by, where there is a choice: connections of other ways do not stand in for it.
    """

    __slots__ = ("_early", "waiting", "way")

    def __init__(self, flow: Flow) -> None:
        super().__init__(flow)
        self.way: Hashable = None
        self.waiting: Waiting | None = None
        self._early = b""

    def feed(self, data: bytes) -> None:
        if self.waiting is not None:
            self.waiting.answered([data])
        elif data:
            self._early += data
            self.hold()

    def rest(self) -> bytes:
        """What has come already."""
        early, self._early = self._early, b""
        return early

    def lost(self, error: Exception | None) -> None:
        self.peer_ended = True
        if self.waiting is not None:
            self.waiting.upstream_lost(error)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.waiting is not None:
            self.waiting.upstream_writable()

    def hold(self) -> None:
        """Do not read: whoever the answer is for is slow."""
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def go_on(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()


class Upstream(FarEnd):
    """A connection that a pool keeps and a gateway leases; between exchanges nobody waits, and any byte ends it.

    reusable    whether the next request may be sent on it: false from a request until who sent it knows better
    came_whole  the last answer had a head that was known, and all of it came in one read
    """

    __slots__ = ("_flushing", "_gathered", "allowed", "back", "came_whole", "core", "reusable", "switched")

    waiting: Asking | None

    def __init__(self, flow: Flow, limits: Limits | None = None) -> None:
        super().__init__(flow)
        self.core = ClientCore(limits)
        # the last response's fields, as they travel back, the fields a Way concerns that are not among them, and
        # whether Date is
        self.back: tuple[Fields | None, bytes, frozenset[str], bool] = (None, b"", frozenset(), False)
        self.allowed: Check | None = None  # the check that its address has passed last
        self.reusable = self.came_whole = False
        self.switched = False  # bytes have no meaning here any more
        self._flushing = False
        self._gathered = 0  # bytes of content that wait for a flush

    def opened(self) -> None:
        self.reusable = True

    def close(self) -> None:
        self.reusable = False
        super().close()

    def abort(self) -> None:
        self.reusable = False
        super().abort()

    def objection(self, allow: Check | None) -> Objection | None:
        """Whether a connection that was dialled for another request may not serve one with this check, and why."""
        server = self.flow.server
        if allow is None or not self.core.received or not isinstance(server, tuple):
            return None
        objection = allow(SocketAddress(server[0], server[1]))
        self.allowed = allow if objection is None else None
        return objection

    @property
    def was_cut(self) -> bool:
        """Whether content that goes on to the end of the connection ended by no end of TLS's own: anybody may have cut
        it (RFC 9112 9.8). Content that ends by itself has ended before.
        """
        return getattr(self.transport, "truncated", False)

    def ask(self, request: Request, target: str, fields: bytes, framing_at: int | None = None) -> None:
        """Send a request on, with this target and block; its content follows, if it has any. Nothing is written here.
        `framing_at` is where in the block the fields stand that frame it, if not at its end.

        LocalProtocolError for what no request can hold.
        """
        frame = request.frame
        if not frame.has_body and not frame.upgrade and framing_at is None:
            self.core.ask(request.method, target, fields)
            return
        upgrade = [protocol for protocol in frame.upgrade if protocol not in UNSEEN]
        if upgrade:
            fields += encode_fields([("Upgrade", ", ".join(upgrade))])
        self.core.request(
            request.method,
            target,
            fields,
            length=frame.length if frame.has_body else None,
            chunked=frame.chunked,
            upgrade=bool(upgrade),
            framing_at=framing_at,
        )

    def data_received(self, data: bytes) -> None:
        waiting = self.waiting
        if waiting is None or self.switched:
            super().data_received(data)
            return
        if self.tape is not None:
            self.tape.write(self.flow.log.now(), "server", data)
            self.flow.sent += len(data)
        if (known := self.core.repeated(data)) is not None:
            self.reusable = self.came_whole = True
            response, content = known
            waiting.whole(response, content)
        else:
            self.came_whole = False
            waiting.answered(self.core.receive(data))

    def feed(self, data: bytes) -> None:
        waiting = self.waiting
        if waiting is None:
            self.abort()  # an answer nobody asked for, or the upstream's end
            return
        waiting.answered([data] if self.switched else self.core.receive(data))

    def lost(self, error: Exception | None) -> None:
        self.reusable = False
        if self.tape is None:
            self.flow.sent += self.core.received  # the short way does not count
        super().lost(error)

    def rest(self) -> bytes:
        return self.core.rest()

    def send(self, data: bytes) -> None:
        """Content of the request under way. Much of it is written at once: uvloop reads a client up to 32 times in a
        turn, and only a transport that has the bytes says that it has enough.
        """
        self.core.send(data)
        self._gathered += len(data)
        if self._gathered >= PIECE:
            self.flush()
        else:
            self.flush_soon()

    def flush(self) -> None:
        self._flushing, self._gathered = False, 0
        if data := self.core.outgoing():
            self.write(data)

    def flush_soon(self) -> None:
        """At the end of this turn of the loop, all that it produced leaves in one write."""
        if not self._flushing:
            self._flushing = True
            self.loop.call_soon(self.flush)
