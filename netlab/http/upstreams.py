"""A group of upstreams: who gets a request, who gets it next when that one fails, and who gets none for a while."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from netlab.clock import Clock
from netlab.cores.http1 import Response
from netlab.http.gateway import Change, Gateway, Pair, Way
from netlab.http.roles import Asker
from netlab.http.target import Target
from netlab.net.pool import Origin
from netlab.net.secure import TlsOptions
from netlab.policy.balance import BALANCERS, Balancer, Latency
from netlab.policy.breaker import Breaker, BreakerRules, State
from netlab.policy.forwarding import Hop, is_trusted
from netlab.policy.gateway_errors import Failure
from netlab.policy.retry import RetryBudget
from netlab.policy.rewriting import REDIRECTING, Rewrite, Seen, WayBack

FAILED = frozenset((502, 503, 504))
"""Answers by which an upstream says that it cannot: they count against it as no answer at all would."""
ANYWHERE = frozenset(("client_gone", "destination_ip_prohibited", "proxy_internal_error"))
"""Failures that would be the same with another upstream."""
OURS = ANYWHERE | {"connection_limit_reached"}
"""Failures that say nothing of an upstream."""
CLOSED = State.CLOSED


@dataclass(frozen=True, kw_only=True, slots=True)
class Onward:
    """What becomes of a request on its way to whichever upstream.

    timeout        seconds for the answer's head and between its pieces; None: the gateway's
    retries        upstreams that are tried after the first
    preserve_host  the upstream is sent the Host that the client sent
    """

    rewrite: Rewrite = field(default_factory=Rewrite)
    timeout: float | None = None
    retries: int = 2
    preserve_host: bool = False


class Member:
    """One upstream, as all groups know it: its breaker, and how many requests it has now."""

    __slots__ = ("active", "authority", "breaker", "latency", "name", "origin", "path", "seen", "tls", "weight")

    def __init__(self, target: Target, *, tls: TlsOptions | None = None, rules: BreakerRules | None = None) -> None:
        self.name, self.authority, self.path, self.tls = str(target), target.authority, target.path, tls
        self.origin = Origin(target.scheme, target.host, target.port, tls)
        self.seen = Seen(scheme=target.scheme, authority=target.authority)
        self.breaker = Breaker(rules)
        self.active, self.weight, self.latency = 0, 1.0, Latency()

    def __repr__(self) -> str:
        return f"<Member {self.name} {self.active} active, {self.breaker.state.value}>"


class Upstreams:
    """Members that can stand in for each other, a balancer that picks, a budget for retries."""

    def __init__(
        self,
        members: Sequence[Member],
        gateway: Gateway,
        clock: Clock,
        random: Callable[[], float],
        *,
        balance: str,
        budget: RetryBudget,
    ) -> None:
        self.members, self.gateway, self.clock, self.budget = tuple(members), gateway, clock, budget
        self.balance = balance
        self._balancer: Balancer[Member] = BALANCERS[balance](random)
        self._alone = self.members[0] if len(self.members) == 1 else None

    def forward(self, exchange: Asker, onward: Onward, target: str, change: Change | None = None) -> None:
        """Send a request to one of the members, with this path and query; `change` has the last word on its fields."""
        self.budget.count()
        alone = self._alone
        member = alone if alone is not None and alone.breaker.state is CLOSED else self.pick(self.members)
        if member is None:
            self.gateway.refuse(exchange, self.unavailable())
        else:
            self.gateway.forward(exchange, Call(self, exchange, onward, target, change).to(member))

    def pick(self, candidates: tuple[Member, ...]) -> Member | None:
        """A member whose breaker lets a request through; `record` or `forget` follows."""
        while candidates:
            member = candidates[0] if len(candidates) == 1 else self._balancer.pick(candidates)
            if member.breaker.state is CLOSED or member.breaker.allow(self.clock.now()):
                return member
            candidates = tuple(other for other in candidates if other is not member)
        return None

    def unavailable(self) -> Failure:
        """Nobody takes requests now: who, why, and how long (RFC 9209 2.3.3)."""
        now = self.clock.now()
        waits = {member.name: member.breaker.retry_after(now) for member in self.members}
        told = (f"{name} failed too often, and is asked again in {wait:.1f} s" for name, wait in waits.items())
        reason = f"no upstream takes requests now: {'; '.join(told)}"
        return Failure(503, "destination_unavailable", reason, min(waits.values()))

    def __len__(self) -> int:
        return len(self.members)


class Call(Way):
    """One request on its way through a group: which member has it, which had it, what its end says of that one."""

    __slots__ = ("_change", "_exchange", "_group", "_left", "_member", "_onward", "_target", "_trial")

    concerns = REDIRECTING

    def __init__(self, group: Upstreams, exchange: Asker, onward: Onward, target: str, change: Change | None) -> None:
        self._group, self._exchange, self._onward = group, exchange, onward
        self._target, self._change = target, change
        self._left = group.members  # those that may still be tried
        self.source, self.allow, self.timeout = None, None, onward.timeout

    def to(self, member: Member) -> Way:
        """The way to one of the members, whose breaker has let the request through."""
        group, exchange, onward, target = self._group, self._exchange, self._onward, self._target
        self._member = member
        self._trial: bool | None = member.breaker.state is not CLOSED
        member.active += 1
        if exchange.flow.events is not None:
            self._note_pick()
        host = member.authority
        if onward.preserve_host:
            host = exchange.request.authority or host
        self.origin, self.tls = member.origin, member.tls
        self.target = member.path + target if member.path and target != "*" else target
        self.fields = group.gateway.onward(exchange, host, change=self._change)
        return self

    # -- what the gateway tells ----------------------------------------------------------------------------------

    def returned(self, response: Response, pairs: list[Pair]) -> list[Pair]:
        """The answer's fields as the client has to see them."""
        if response.status == 101:
            self._record(None)  # it has answered; how long a tunnel lives says nothing of its health
        member, rewrite = self._member, self._onward.rewrite
        if member.path:
            rewrite = replace(rewrite, add=member.path + rewrite.add)
        client = client_sees(self._exchange, self._group.gateway.hop)
        asked = client.authority if self._onward.preserve_host else member.authority
        return WayBack(rewrite=rewrite, upstream=member.seen, asked=asked, client=client).fields(pairs)

    def ended(self, failed: Failure | None) -> None:
        """The request is over, as far as this member is concerned."""
        member = self._member
        member.active -= 1
        if failed is None and self._trial is False and member.breaker.state is CLOSED and self._exchange.status < 500:
            member.breaker.record(True)  # as it should be
        else:
            self._record(failed)

    def another(self, failed: Failure) -> Way | None:
        """The request to a member that was not tried, if it may be tried at all."""
        group, before = self._group, self._member
        if len(self._left) < 2:
            return None
        left = self._left = tuple(member for member in self._left if member is not before)
        if len(group.members) - len(left) > self._onward.retries or failed.error in ANYWHERE:
            return None
        member = group.pick(left)
        if member is None:
            return None
        if not group.budget.spend():
            member.breaker.forget()
            self._exchange.flow.note("retry.refused", reason="retries are too large a share of all requests already")
            return None
        way = self.to(member)
        self._exchange.flow.note("request.retried", failed=before.name, why=failed.reason, upstream=member.name)
        return way

    # -- what is recorded ----------------------------------------------------------------------------------------

    def _record(self, failed: Failure | None) -> None:
        """Tell the breaker once. What began before it opened says nothing of a trial."""
        trial, self._trial = self._trial, None
        breaker = self._member.breaker
        before = breaker.state
        if trial is None or (before is not CLOSED and not trial):
            return
        if failed is not None and failed.error in OURS:
            breaker.forget()
            return
        ok = failed is None and self._exchange.status not in FAILED
        breaker.record(ok, self._group.clock.now())
        if breaker.state is not before and self._exchange.flow.events is not None:
            self._note_breaker(breaker, failed)

    def _note_pick(self) -> None:
        group, now = self._group, self._group.clock.now()
        out = {
            m.name: f"{m.breaker.state.value}, {m.breaker.retry_after(now):.1f} s"
            for m in group.members
            if m.breaker.state is not CLOSED
        }
        self._exchange.flow.note(
            "upstream.picked",
            upstream=self._member.name,
            balance=group.balance,
            among=len(self._left),
            breakers=out,
            active=self._member.active,
        )

    def _note_breaker(self, breaker: Breaker, failed: Failure | None) -> None:
        name = {State.OPEN: "breaker.opened", State.CLOSED: "breaker.closed", State.HALF_OPEN: "breaker.tried"}
        why = failed.reason if failed is not None else f"it answered {self._exchange.status}"
        pause = breaker.retry_after(self._group.clock.now())
        self._exchange.flow.note(name[breaker.state], upstream=self._member.name, why=why, pause=round(pause, 3))


def client_sees(exchange: Asker, hop: Hop) -> Seen:
    """The origin as the client asked for it; a trusted proxy before us has said so in X-Forwarded-*."""
    connection, request = exchange.connection, exchange.request
    scheme, authority = "https" if connection.secure else "http", request.authority
    peer = connection.flow.client if connection.flow is not None else None
    if hop.trusted and isinstance(peer, tuple) and is_trusted(peer[0], hop.trusted):
        scheme = first(request.fields.get("x-forwarded-proto")) or scheme
        authority = first(request.fields.get("x-forwarded-host")) or authority
    return Seen(scheme=scheme, authority=authority)


def first(value: str | None) -> str:
    """The first member of a list: what the hop nearest to the client said."""
    return (value or "").partition(",")[0].strip()
