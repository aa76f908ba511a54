"""One request on its way through a gateway: its content to the upstream, the response back, and every way to end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from netlab.cores.fields import Fields
from netlab.cores.http1 import Data, End, Informational, Response, encode_fields
from netlab.errors import (
    ConnectionLost,
    DeadlineExceeded,
    LocalProtocolError,
    NetlabError,
    PeerUnreachable,
    RemoteProtocolError,
    Truncated,
)
from netlab.flow import Flow, Outcome
from netlab.http import recording
from netlab.http.roles import Asker
from netlab.http.settings import STATUS_TEXT
from netlab.http.tunnel import Tunnel, watched
from netlab.http.upstream import NO_CONTENT, Upstream
from netlab.net.connection import NEVER
from netlab.net.gathering import MUCH
from netlab.net.pool import Origin
from netlab.policy.forwarding import response_fields, trailer_fields
from netlab.policy.gateway_errors import Failure, failure
from netlab.policy.retry import IDEMPOTENT, may_retry

if TYPE_CHECKING:
    from netlab.http.gateway import Gateway, Way

OK, REFUSED = Outcome.OK, Outcome.REFUSED


class Forwarding:
    """One exchange on its way through: takes the client's content, waits on the upstream, knows how far it is."""

    __slots__ = (
        "_asked",
        "_dialing",
        "_ended",
        "_fresh",
        "_held",
        "_sent_content",
        "deadline",
        "exchange",
        "gateway",
        "leg",
        "patience",
        "responding",
        "upstream",
        "way",
    )

    leg: Flow
    upstream: Upstream | None
    responding: bool  # the upstream's final response has begun
    deadline: float
    patience: float  # seconds for the upstream; 0: for ever
    _dialing: asyncio.Task[Any] | None
    _fresh: bool  # the connection was made for this request
    _held: bool  # the upstream waits for the client to read
    _asked: bool  # an upstream has been told of the request
    _sent_content: bool  # and of some of its content
    _ended: bool

    def __init__(self, gateway: Gateway, exchange: Asker, way: Way, leg: Flow) -> None:
        self.gateway, self.exchange, self.way, self.leg = gateway, exchange, way, leg
        self.upstream = self._dialing = None
        self.responding = self._held = self._ended = self._asked = self._sent_content = False
        self._fresh, self.deadline = True, NEVER
        self.patience = gateway.settings.response_timeout if way.timeout is None else way.timeout

    # -- towards the upstream ------------------------------------------------------------------------------------

    def resume(self, upstream: Upstream | None, deadline: float) -> None:
        """Go on with what was asked on this connection already; without one, it was answered."""
        self.upstream, self._fresh, self._asked, self.deadline = upstream, False, True, deadline
        self.responding = upstream is None
        self.exchange.relay(self, ready=True)

    def dial(self) -> None:
        self._dialing = self.gateway.tasks.start(self._dial(), f"dial for {self.leg.label}")
        self.exchange.relay(self, ready=False)

    async def _dial(self) -> None:
        try:
            upstream = await self.gateway.lease(self.way, self.leg)
        except NetlabError as error:
            self._dialing = None
            self.fail(error)
            return
        self._dialing = None
        if upstream.reusable:
            self.begin(upstream, fresh=not upstream.core.received)  # one that was kept may have come back meanwhile
        else:
            self.upstream = upstream
            self.fail(ConnectionLost("the upstream closed the connection, or spoke, before it was asked"))

    def begin(self, upstream: Upstream, *, fresh: bool) -> None:
        """Send the request on a leased connection."""
        exchange, way, leg = self.exchange, self.way, self.leg
        self.upstream, self._fresh = upstream, fresh
        if way.allow is not upstream.allowed and (objection := upstream.objection(way.allow)) is not None:
            self._release()
            self.fail(PeerUnreachable(objection.reason, stage="policy"))
            return
        upstream.waiting, upstream.reusable = self, False
        leg.client, leg.server = upstream.flow.client, upstream.flow.server
        try:
            if way.asked is not None:
                upstream.core.ask_again(way.asked)
            else:
                upstream.ask(exchange.request, way.target, way.fields, way.framing)
        except LocalProtocolError as error:  # nothing was written: a target or a field that a rule has made
            self._release()
            self.fail(error)
            return
        self._asked = True
        if leg.events is not None:
            recording.request_forwarded(leg, upstream)
        gateway = self.gateway
        gateway.sweep.add(self)
        if exchange.complete and self.patience:
            self.deadline = upstream.loop.time() + self.patience
        else:
            self._await_response()
        exchange.relay(self, ready=True)
        gateway.gathering.add(upstream)

    def content(self, data: bytes) -> None:
        """A piece of the client's content."""
        upstream = self.upstream
        if upstream is None or not upstream.core.writing_content:
            return  # the upstream has answered early, or is gone: the rest is read and dropped
        self._sent_content = True
        upstream.send(data)
        if upstream.writing_paused:
            self.exchange.connection.hold()
        self._await_response()

    def content_complete(self, trailers: Fields) -> None:
        upstream = self.upstream
        if upstream is not None and upstream.core.writing_content:
            upstream.core.finish(trailer_fields(self.way.trailers(trailers)) if trailers else ())
            upstream.flush_soon()
            self._await_response()

    def upstream_writable(self) -> None:
        self.exchange.connection.release()

    # -- towards the client --------------------------------------------------------------------------------------

    def answered(self, events: list[Any]) -> None:
        if not events:
            return  # a part of a head, or of a chunk's line: whoever drips is not heard out for ever
        if not self.responding and isinstance(events[-1], RemoteProtocolError):
            events = events[-1:]  # the client knows of nothing yet: it gets the reason, and no part of a lie
        self.exchange.connection.in_turn(self._heed, self._answered, events)

    def _heed(self, work: Callable[..., None], *arguments: Any) -> None:
        try:
            work(*arguments)
        except RemoteProtocolError as error:  # the content is not in the coding that its fields promise
            self.fail(error)

    def _answered(self, events: list[Any]) -> None:
        exchange = self.exchange
        for event in events:
            kind = type(event)
            if kind is Data:
                exchange.send(event.data)
            elif kind is Response:
                self._head(event)
                if self.upstream is None:
                    return  # that was all, or must not be all
            elif kind is End:
                if self.upstream is not None and self.upstream.was_cut:
                    self.fail(ConnectionLost("the upstream ended TLS without closure alert: its answer may be cut"))
                    return
                self._complete(event.trailers)
            elif kind is Informational:
                named = event.fields.tokens("connection")
                exchange.inform(event.status, response_fields(event.fields, named, self.gateway.hop, "1.1"))
            elif isinstance(event, RemoteProtocolError):
                began = self.upstream.core.began if self.upstream is not None else 0  # all it said before the request
                silent = isinstance(event, Truncated) and event.offset == began
                self.fail(ConnectionLost("the upstream closed the connection without an answer") if silent else event)
                return
        if self.upstream is None:
            return
        self._await_response()
        if exchange.connection.writing_paused:
            self._held = True
            self.upstream.hold()
            exchange.connection.source = self

    def whole(self, response: Response, content: bytes) -> None:
        """The response came in one read, and goes on in one write."""
        exchange, upstream, leg, way, gateway = self.exchange, self.upstream, self.leg, self.way, self.gateway
        status = response.status
        assert upstream is not None  # it calls
        if leg.events is not None:
            recording.response_received(leg, response, upstream.core.began)
        if status >= 400 and self._asked_elsewhere(status):
            return
        self.responding, self.upstream, upstream.waiting = True, None, None
        gateway.sweep.items.discard(self)
        block = gateway.back(exchange, upstream, response, way)
        gateway.pool.release(way.origin, upstream)
        if self._sent_content:
            leg.received = exchange.received
        leg.sent = len(content)
        leg.end(OK if status < 400 else REFUSED, STATUS_TEXT[status])
        try:
            exchange.pass_back(status, block, content)
        except RemoteProtocolError as error:  # the content is not in the coding that its fields promise
            self.fail(error)
            return
        if len(content) > MUCH:
            exchange.connection.flush()
        self._ended = True
        way.ended(None)

    def _head(self, response: Response) -> None:
        exchange, upstream = self.exchange, self.upstream
        assert upstream is not None
        if self.leg.events is not None:
            recording.response_received(self.leg, response, response.start)
        if response.status >= 400 and self._asked_elsewhere(response.status):
            return
        self.responding, self.leg.result = True, str(response.status)
        if upstream.core.switched:
            self._switch(upstream, response)
            return
        if response.status == 205 and response.frame.length:
            self.responding = False
            self.fail(NO_CONTENT)
            return
        fields, length = self.gateway.back(exchange, upstream, response, self.way), response.frame.length
        endless = length is None and (response.fields.get("content-type") or "").startswith("text/event-stream")
        if endless:
            exchange.endless = True
            self.patience = self.gateway.settings.tunnel_timeout  # events come when they come
        self.way.begun(response.status, endless=endless)
        exchange.start(response.status, fields, length=length, reason=response.reason, own=False)
        if not response.frame.has_body:
            self._complete(())

    def _switch(self, upstream: Upstream, response: Response) -> None:
        """Another protocol speaks from here on, through a tunnel."""
        self.upstream = None
        self._leave_upstream(upstream)
        upstream.switched = True
        self.way.begun(response.status, endless=True)
        tunnel = Tunnel(upstream, self.leg, idle=self.gateway.settings.tunnel_timeout, on_end=lambda: self._over(None))
        if response.fields.tokens("upgrade") == ["websocket"]:
            tunnel.watch = watched(self.exchange.flow, self.exchange.request, response)
        fields = self.way.returned(response, self.gateway.returned(response))
        switching = [("Connection", "upgrade"), ("Upgrade", response.fields.get("upgrade") or "")]
        block = encode_fields([*fields, *switching], framing=True) + self.way.adds
        self.exchange.upgrade(response.status, block, tunnel)

    def _complete(self, trailers: Any) -> None:
        """The response is whole. The connection is kept if the request is, too."""
        exchange = self.exchange
        self.leg.received, self.leg.sent = exchange.received, exchange.sent
        self.leg.end(OK if exchange.status < 400 else REFUSED)
        self._release()
        exchange.finish(trailer_fields(trailers))
        exchange.connection.flush()
        self._over(None)

    def go_on(self) -> None:
        """The client has taken what was sent."""
        self._held = False
        self.exchange.connection.source = None
        self._await_response()
        if self.upstream is not None:
            self.upstream.go_on()

    def cancel(self) -> None:
        """The client is gone; `lost` says so too."""

    # -- ends ----------------------------------------------------------------------------------------------------

    def lost(self, error: Exception) -> None:
        """The client is gone: so is the reason for the upstream's work."""
        if self._dialing is not None:
            self._dialing.cancel()
            self._dialing = None
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            self._leave_upstream(upstream)
            upstream.abort()
        self.leg.end(Outcome.CANCELLED, str(error))
        self._over(Failure(499, "client_gone", str(error)))

    def upstream_lost(self, error: Exception | None) -> None:
        reason = "the upstream closed the connection before its answer was complete"
        self.fail(error if isinstance(error, NetlabError) else ConnectionLost(reason))

    def expire(self, now: float) -> None:
        """The upstream is too slow."""
        self.fail(DeadlineExceeded("response", self.patience))

    def fail(self, error: NetlabError, *, ours: bool = False) -> None:
        """There will be no (more) answer: try once more where that is safe (nor were we the cause), else say why."""
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            self._leave_upstream(upstream)
            upstream.abort()
            if not ours and self._was_stale(upstream, error):
                self.leg.note("request.retried", reason="the kept connection was closed by the upstream")
                self.dial()
                return
        failed = failure(error)
        self.leg.end(failed.outcome, failed.error)
        self._over(failed)
        if not self._went_elsewhere(failed):
            self._give_up(failed)

    def _was_stale(self, upstream: Upstream, error: NetlabError) -> bool:
        """A connection kept too long was closed under our hands: once, idempotent, nothing of the content gone."""
        silent = isinstance(error, ConnectionLost) and upstream.core.received == upstream.core.began
        return silent and not self._fresh and self.exchange.request.method in IDEMPOTENT and not self._sent_content

    def _went_elsewhere(self, failed: Failure) -> bool:
        """Whether another upstream has the request now: one that knows nothing of it yet, or may be asked again."""
        exchange = self.exchange
        if exchange.started or exchange.answered:
            return False
        method, sent = exchange.request.method, self._sent_content
        if self._asked and not may_retry(method, content_sent=sent, response_begun=self.responding):
            return False
        way = self.way.another(failed)
        if way is None:
            return self.way.waits(failed)
        self.gateway.forward(exchange, way)
        return True

    def _asked_elsewhere(self, status: int) -> bool:
        """Whether another upstream has the request now, for this answer is one that is not taken while there is one."""
        method, origin = self.exchange.request.method, self.way.origin
        if not may_retry(method, content_sent=self._sent_content, response_begun=self.exchange.started):
            return False
        way = self.way.instead(status)
        if way is None:
            return False
        self._release(origin)
        self.leg.end(REFUSED, STATUS_TEXT[status])
        self._ended = True  # that the way knows already
        self.gateway.forward(self.exchange, way)
        return True

    def _give_up(self, failed: Failure) -> None:
        exchange = self.exchange
        connection = exchange.connection
        if exchange.started:
            exchange.flow.outcome = Outcome.CUT
            connection.flush()
            connection.abort()  # the client must not take a part for the whole
        elif not exchange.answered:
            connection.in_turn(self.gateway.refuse, exchange, failed)

    def _await_response(self) -> None:
        """The upstream's time runs while it is its turn: not while the client is slow to read, or to send."""
        exchange, upstream, patience = self.exchange, self.upstream, self.patience
        if upstream is None or self._held or not patience:
            self.deadline = NEVER
        elif exchange.complete or self.responding or upstream.writing_paused or self._awaits_continue():
            self.deadline = upstream.loop.time() + patience
        else:
            self.deadline = NEVER

    def _awaits_continue(self) -> bool:
        return self.exchange.request.frame.expects_continue and not self.exchange.content_begun

    def _release(self, origin: Origin | None = None) -> None:
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.waiting, upstream.reusable = None, upstream.core.idle
            self.gateway.sweep.discard(self)
            self.gateway.pool.release(origin or self.way.origin, upstream)

    def _leave_upstream(self, upstream: Upstream) -> None:
        """The connection will not come back to the pool."""
        upstream.waiting = None
        self.gateway.sweep.discard(self)
        self.gateway.pool.forget(self.way.origin)

    def _over(self, failed: Failure | None) -> None:
        """Say so once: what we cut, the client's connection says again is lost."""
        if not self._ended:
            self._ended = True
            self.way.ended(failed)
