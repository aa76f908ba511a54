"""One request on its way through a group of upstreams: who has it, who had it, and what its end says of that one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from netlab.cores.http1 import Asked, Response
from netlab.errors import ConnectionLost, LocalProtocolError
from netlab.http.exchange import Exchange
from netlab.http.forwarding import Forwarding
from netlab.http.gateway import Change, Pair, Way, arrival_of
from netlab.http.retry_on import UNANSWERED, UNREACHED, RetryOn
from netlab.http.roles import Asker
from netlab.policy.balance import Decision
from netlab.policy.breaker import Breaker, State
from netlab.policy.forwarding import Hop, seen_first
from netlab.policy.gateway_errors import Failure
from netlab.policy.retry import IDEMPOTENT
from netlab.policy.rewriting import REDIRECTING, Rewrite, Seen, WayBack

if TYPE_CHECKING:
    from netlab.http.upstreams import Member, Upstreams

FAILED = frozenset((502, 503, 504))
"""Answers by which an upstream says that it cannot: they count against it as no answer at all would."""
ANYWHERE = frozenset(("client_gone", "destination_ip_prohibited", "proxy_internal_error"))
"""Failures that would be the same with another upstream."""
OURS = ANYWHERE | {"connection_limit_reached"}
"""Failures that say nothing of an upstream."""
CLOSED = State.CLOSED
KEPT = 16
"""Upstreams for which a request is kept as it is sent to them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Onward:
    """What becomes of a request on its way to whichever upstream.

    timeout        seconds for the answer's head and between its pieces; None: the gateway's
    try_timeout    seconds for the answer's head while another upstream could be asked instead; None: the same
    retries        upstreams that are tried after the first
    retry_on       after which failures
    preserve_host  the upstream is sent the Host that the client sent
    """

    rewrite: Rewrite = field(default_factory=Rewrite)
    timeout: float | None = None
    try_timeout: float | None = None
    retries: int = 2
    retry_on: RetryOn = UNANSWERED
    preserve_host: bool = False


class Call(Way):
    """One request; `to` makes it the way to a member, `ended` is the end of one attempt."""

    __slots__ = (
        "_change",
        "_exchange",
        "_group",
        "_key",
        "_onward",
        "_seconds",
        "_session",
        "_target",
        "_trial",
        "failed",
        "is_retry",
        "member",
        "tried",
    )

    concerns = REDIRECTING
    dialer, framing, allow = None, None, None

    def __init__(self, group: Upstreams, exchange: Asker, onward: Onward, target: str, change: Change | None) -> None:
        self._group, self._exchange, self._onward = group, exchange, onward
        self._target, self._change = target, change
        key = group.traffic.key
        self._key = b"" if key is None else key(exchange)
        self._session: Member | None = None  # whose session the client shows
        self.tried: tuple[Member, ...] = ()  # those that failed
        self.failed: Failure | None = None  # how the last of them did
        self.is_retry = False
        self.adds = b""
        self.timeout = onward.timeout

    @property
    def exchange(self) -> Asker:
        return self._exchange

    # -- to a member -----------------------------------------------------------------------------------------------

    def find(self) -> Member | None:
        """Who gets it now: the one its session belongs to, or the balancer's pick; None: nobody takes it now.

        Another address goes before another member at an address that has failed.
        """
        group = self._group
        if group.sessions is None and not self.tried and self._exchange.flow.events is None:
            return group.pick(self._key)
        sessions = group.sessions
        if sessions is not None and not self.tried:
            self._session = sessions.member_of(self._exchange)
            if self._session is not None:
                if group.takes_session(self._session):
                    return self._session
                if sessions.faithful:
                    return None
        if not self.tried:
            return group.pick(self._key) if self._exchange.flow.events is None else self._pick(())
        origins = {member.origin for member in self.tried}
        member = self._pick(tuple(member for member in group.members if member.origin in origins))
        return member or self._pick(self.tried)

    def _pick(self, tried: tuple[Member, ...]) -> Member | None:
        group, flow = self._group, self._exchange.flow
        if flow.events is None:
            return group.pick(self._key, tried)
        decision = Decision()
        member = group.pick(self._key, tried, decision)
        if member is not None:
            account = group.account(member, decision, tried=tried)
            if self._key:
                account["key"] = self._key.decode("latin-1")[:200]
            flow.note("upstream.picked", **account)
        return member

    def _note_way(self, member: Member) -> None:
        """Whose session it is, or whom it is tried at after whom."""
        if member is self._session:
            by = self._group.sessions
            self._exchange.flow.note("upstream.picked", upstream=member.name, rule=f"the session is its, by {by}")
        if self.is_retry and self.failed is not None:
            before = self.tried[-1].name
            self._exchange.flow.note("request.retried", failed=before, why=self.failed.reason, upstream=member.name)

    def _tell(self, member: Member) -> None:
        """Why it is this one, in short, where there is more to it than what the group would tell of any request."""
        group, session = self._group, self._session
        why = f"the session is its, by {group.sessions}" if member is session else group.why(member, self.tried)
        if session is not None and member is not session and not self.tried:
            why += f", for {session.name}, whose session it is, takes nothing"
        self._exchange.flow.detail(upstream=member.name, picked=why)

    def to(self, member: Member) -> Way:
        """The way to one of the members, whose breaker has let the request through."""
        group, exchange, onward = self._group, self._exchange, self._onward
        self.member = member
        self._trial: bool | None = member.breaker.state is not CLOSED
        self._seconds = -1.0
        group.began(member, self.is_retry)
        flow = exchange.flow
        if flow.details is None:
            flow.details = group.told[member]
        else:
            self._tell(member)
        if flow.events is not None:
            self._note_way(member)
        if onward.try_timeout is not None:
            self.timeout = onward.try_timeout if self._has_another() else onward.timeout
        if (sessions := group.sessions) is not None:
            if self._session is not None:
                self._tell(member)
            self.adds = b"" if member is self._session else sessions.bind(exchange, member)
            exchange.for_this_client(self.adds)
        self._aim(member)
        return self

    def resume(self, member: Member, began: float) -> None:
        """It is on its way to this member already, and counted there."""
        self.member, self._trial, self._seconds, self.began = member, False, -1.0, began
        self._aim(member)

    def _aim(self, member: Member) -> None:
        onward = self._onward
        self.origin, self.tls = member.origin, member.tls
        made = self._exchange.request.made
        known = made.get(member) if made is not None else None
        if known is not None and known[0] is onward:
            _, self.target, self.fields, self.asked = known
        else:
            self._make(member)

    def _make(self, member: Member) -> None:
        """The request as it is sent to this member. What a client repeats is made once more, and then kept with it."""
        onward, target, request = self._onward, self._target, self._exchange.request
        host = member.authority
        if onward.preserve_host:
            host = request.authority or host
        self.target = member.path + target if member.path and target != "*" else target
        self.fields = self._group.gateway.onward(self._exchange, host, change=self._change)
        self.asked = None
        made, frame = request.made, request.frame
        if self._change is not None or target[0] != "/" or frame.has_body or frame.upgrade:
            return
        if made is None or len(made) >= KEPT:
            request.made = {}
        else:
            try:
                asked = Asked.made(request.method, self.target, self.fields)
            except LocalProtocolError:
                return  # a rule has made what no request can be: whoever sends it says so
            made[member] = onward, self.target, self.fields, asked

    def _has_another(self) -> bool:
        """Whether it could be tried elsewhere, if this attempt took too long."""
        onward, untried = self._onward, len(self._group.available) - len(self.tried) > 1
        more = untried and len(self.tried) < onward.retries and "timeout" in onward.retry_on.causes
        return more and self._exchange.request.method in IDEMPOTENT

    # -- what the gateway tells ------------------------------------------------------------------------------------

    def begun(self, status: int, *, endless: bool) -> None:
        """Its answer has begun; how long a tunnel or a stream of events lives says nothing of its health."""
        if self._group.times_answers:
            self._seconds = self._group.now() - self.began
        if endless:
            self.member.endless.add(self)
            self._record(None, status)

    def returned(self, response: Response, pairs: list[Pair]) -> list[Pair]:
        """The answer's fields as the client has to see them."""
        member, rewrite = self.member, self._onward.rewrite
        if member.path:
            rewrite = replace(rewrite, add=member.path + rewrite.add)
        client = client_sees(self._exchange, self._group.gateway.hop)
        asked = client.authority if self._onward.preserve_host else member.authority
        return WayBack(rewrite=rewrite, upstream=member.seen, asked=asked, client=client).fields(pairs)

    def ended(self, failed: Failure | None) -> None:
        """The attempt is over."""
        member, group, status = self.member, self._group, self._exchange.status
        if failed is None and status < 500 and member.breaker.clean and self._trial is False:
            if group.judges:  # else there is nothing to tell: all is as it was
                seconds = self._seconds
                group.answered(member, True, group.now() - self.began if seconds < 0 else seconds)
        else:
            self._record(failed, status)
        if member.endless:
            member.endless.discard(self)
        group.ended(member, self.is_retry)

    def another(self, failed: Failure) -> Way | None:
        """The way to a member that was not tried, if it may be tried at all and the budget allows it."""
        self.tried += (self.member,)
        onward = self._onward
        if len(self.tried) > onward.retries or failed.error in ANYWHERE or self._is_faithful:
            return None
        if not onward.retry_on.covers(failed.error):
            return None
        if not self._group.budget.share:
            self._exchange.flow.note("retry.refused", reason="there is no budget for retries")
            return None
        self.failed, self.is_retry = failed, True
        member = self.find() if self._group.may_retry() else None
        return None if member is None else self.to(member)

    def instead(self, status: int) -> Way | None:
        """The way to another member, if answers with this status are not taken as long as there is one."""
        group, onward, member = self._group, self._onward, self.member
        if status not in onward.retry_on.statuses or len(self.tried) >= onward.retries or self._is_faithful:
            return None
        if not group.may_retry():
            return None
        before, self.tried = self.tried, (*self.tried, member)
        other = self.find()
        if other is None:
            self.tried = before
            return None
        self._record(None, status)
        group.ended(member, self.is_retry)
        self.failed, self.is_retry = Failure(status, "", f"it answered {status}"), True
        return self.to(other)

    def waits(self, failed: Failure) -> bool:
        """Whether it waits for its turn to be tried again: the budget is used up, or the others are full."""
        return self.is_retry and self.failed is failed and self._group.queue.take(self)

    @property
    def _is_faithful(self) -> bool:
        """Whether its session is its member's for good."""
        sessions = self._group.sessions
        return sessions is not None and sessions.faithful and self._session is not None

    def cut(self, why: str) -> None:
        """End it where it stands: its member must have nothing to do any more."""
        exchange = self._exchange
        if not isinstance(exchange, Exchange):
            return  # a cache's own fetch has its own end
        if exchange.connection.delegate is not None:
            exchange.connection.delegate.drain()
        elif isinstance(exchange.sink, Forwarding) and exchange.sink.upstream is not None:
            exchange.sink.fail(ConnectionLost(why), ours=True)

    # -- what is recorded ------------------------------------------------------------------------------------------

    def _answered(self, *, ok: bool) -> None:
        group, seconds = self._group, self._seconds
        if group.times_answers and seconds < 0:
            seconds = group.now() - self.began
        if group.judges or not ok:
            group.answered(self.member, ok, seconds)

    def _record(self, failed: Failure | None, status: int) -> None:
        """Tell breaker and group once. What began before the breaker opened says nothing of a trial."""
        trial, self._trial = self._trial, None
        if trial is None:
            return
        breaker = self.member.breaker
        before = breaker.state
        ours = failed is not None and failed.error in OURS
        if not ours:
            self._answered(ok=failed is None and status < 500)
        if before is not CLOSED and not trial:
            return
        if ours:
            breaker.forget()
            return
        breaker.record(not self._counts(failed, status), self._group.clock.now())
        if breaker.state is not before:
            self.member.changed()
            if self._exchange.flow.events is not None:
                self._note_breaker(breaker, failed, status)

    def _counts(self, failed: Failure | None, status: int) -> bool:
        """Whether it is held against the member. Nobody is served by sparing one that is there and has no stand-in."""
        if self._group.traffic.spares_the_only_one or len(self._group.members) > 1:
            return failed is not None or status in FAILED
        return failed is not None and failed.error in UNREACHED

    def _note_breaker(self, breaker: Breaker, failed: Failure | None, status: int) -> None:
        name = {State.OPEN: "breaker.opened", State.CLOSED: "breaker.closed", State.HALF_OPEN: "breaker.tried"}
        why = failed.reason if failed is not None else f"it answered {status}"
        pause = breaker.retry_after(self._group.clock.now())
        self._exchange.flow.note(name[breaker.state], upstream=self.member.name, why=why, pause=round(pause, 3))


def client_sees(exchange: Asker, hop: Hop) -> Seen:
    """The origin as the client asked for it; a trusted proxy before us has said so."""
    seen = seen_first(exchange.request.fields, arrival_of(exchange), hop.trusted)
    return Seen(scheme=seen.scheme, authority=seen.host)
