"""A request that its client repeats, sent again to an upstream that had it: light, as long as all goes as before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netlab.cores.http1 import Asked, Response
from netlab.errors import ConnectionLost, RemoteProtocolError
from netlab.flow import Outcome
from netlab.http.forwarding import Forwarding
from netlab.http.roles import Asker
from netlab.http.settings import STATUS_TEXT
from netlab.http.upstream import Upstream
from netlab.http.upstream_call import Call, Onward
from netlab.net.connection import NEVER
from netlab.net.gathering import MUCH
from netlab.policy.breaker import State
from netlab.policy.rewriting import REDIRECTING

if TYPE_CHECKING:
    from netlab.cores.fields import Fields
    from netlab.http.upstreams import Member, Upstreams

OK, CLOSED = Outcome.OK, State.CLOSED
_new = object.__new__  # a call of __init__ would cost as much as half of what `begin` does


def repeat(group: Upstreams, exchange: Asker, onward: Onward, target: str, member: Member) -> bool:
    """Send it to this member as it was sent before, on a connection whose last answer came whole. False, and nothing
    has happened, if there is more to it.
    """
    made, gateway = exchange.request.made, group.gateway
    known = made.get(member) if made is not None else None
    if known is None or known[0] is not onward or onward.try_timeout is not None or exchange.flow.details is not None:
        return False
    if gateway.struck or member.breaker.state is not CLOSED or (upstream := gateway.pool.take(member.origin)) is None:
        return False
    if not upstream.came_whole:
        gateway.pool.release(member.origin, upstream)
        return False
    _new(RepeatedCall).begin(group, exchange, onward, target, member, upstream, known[3])
    return True


class RepeatedCall:
    """Waits for one more answer with the same head that comes in one read. If anything else happens, a `Call` and its
    `Forwarding` are made, as if they had been there from the beginning, and go on in its place.
    """

    __slots__ = ("_exchange", "_group", "_leg", "_onward", "_target", "_upstream", "deadline", "member")

    deadline: float

    def begin(
        self,
        group: Upstreams,
        exchange: Asker,
        onward: Onward,
        target: str,
        member: Member,
        upstream: Upstream,
        asked: Asked,
    ) -> None:
        self._group, self._exchange, self._onward = group, exchange, onward
        self._target, self.member, self._upstream = target, member, upstream
        gateway, flow, carrier = group.gateway, exchange.flow, upstream.flow
        upstream.core.ask_again(asked)
        upstream.waiting, upstream.reusable = self, False
        group.began(member, False)
        flow.details = group.told[member]
        label = flow.label if asked.target == exchange.request.target else f"{asked.method} {asked.target}"
        self._leg = gateway.flows.open("http", flow.service, flow, None, label, carrier.client, carrier.server)
        patience = gateway.settings.response_timeout if onward.timeout is None else onward.timeout
        self.deadline = upstream.loop.time() + patience if patience else NEVER
        gateway.sweep.add(self)
        exchange.relay(self, True)
        gateway.gathering.add(upstream)

    # -- what the upstream says ----------------------------------------------------------------------------------

    def whole(self, response: Response, content: bytes) -> None:
        """The response came in one read, and goes on in one write."""
        group, upstream, member = self._group, self._upstream, self.member
        fields, block, concerns, has_date = upstream.back
        status = response.status
        as_before = fields is response.fields and concerns is REDIRECTING and has_date
        if not as_before or status >= 400 or not member.breaker.clean:
            self._at_length(upstream).whole(response, content)
            return
        exchange, gateway, leg = self._exchange, group.gateway, self._leg
        upstream.waiting = None
        gateway.sweep.items.discard(self)
        gateway.pool.release(member.origin, upstream)
        leg.sent = len(content)
        leg.end(OK, STATUS_TEXT[status])
        try:
            exchange.pass_back(status, block, content)
        except RemoteProtocolError as error:  # the content is not in the coding that its fields promise
            self._at_length(None).fail(error)
            return
        if len(content) > MUCH:
            exchange.connection.flush()
        if group.judges:
            group.answered(member, True, group.now() - leg.started)
        group.ended(member, False)

    def answered(self, events: list[Any]) -> None:
        self._at_length(self._upstream).answered(events)

    def upstream_lost(self, error: Exception | None) -> None:
        self._at_length(self._upstream).upstream_lost(error)

    def upstream_writable(self) -> None:
        """There was nothing more to write."""

    def expire(self, now: float) -> None:
        self._at_length(self._upstream).expire(now)

    # -- what the client does ------------------------------------------------------------------------------------

    def content(self, data: bytes) -> None:
        raise AssertionError("a request that is repeated has no content")

    def content_complete(self, trailers: Fields) -> None:
        raise AssertionError("a request that is repeated has no content")

    def lost(self, error: Exception) -> None:
        self._at_length(self._upstream).lost(error)

    def cut(self, why: str) -> None:
        """End it where it stands: its member must have nothing to do any more."""
        self._at_length(self._upstream).fail(ConnectionLost(why), ours=True)

    def _at_length(self, upstream: Upstream | None) -> Forwarding:
        """All that there is to a request on its way, in our place from here on; `upstream` as for its `resume`."""
        group, exchange, gateway = self._group, self._exchange, self._group.gateway
        call = Call(group, exchange, self._onward, self._target, None)
        call.resume(self.member, self._leg.started)
        forwarding = Forwarding(gateway, exchange, call, self._leg)
        forwarding.resume(upstream, self.deadline)
        gateway.sweep.discard(self)
        if upstream is not None:
            upstream.waiting = forwarding
            gateway.sweep.add(forwarding)
        return forwarding
