"""TLS interception: a tunnel's ClientHello is looked at, and where wanted both sides get TLS with us instead."""

from __future__ import annotations

import asyncio
import fnmatch
import ssl
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from netlab.cores.fields import Fields
from netlab.cores.tls_hello import ClientHello, HelloReader
from netlab.errors import NetlabError, UsageError
from netlab.flow import Flow, Outcome
from netlab.http.destination import Destination
from netlab.http.gateway import Gateway
from netlab.http.proxy_connection import ProxyConnection, Within
from netlab.http.tunnel import Tunnel
from netlab.http.upstream import FarEnd, Upstream
from netlab.net.certs import LEAVES, Authority, Leaf, canonical
from netlab.net.pool import Origin
from netlab.net.secure import TlsOptions
from netlab.net.tls_context import leaf_context
from netlab.net.within import secure_within

SPOKEN = frozenset(("http/1.1", "http/1.0"))
"""Application protocols that are spoken here; a client that offers others alone is left alone."""
SERVER_FIRST = "the server speaks first, which in TLS it does not"
MOST_NAMES = 100
"""Names of an upstream's certificate that ours takes over; real ones have some dozens at most."""


class Interception:
    """What intercepted connections share: which are, who vouches for us, and whom we trust.

    patterns   hosts (with wildcards) whose TLS is opened here
    passed     hosts among them that are left alone
    authority  issues our certificates
    trust      how upstreams are verified
    """

    def __init__(
        self,
        patterns: Sequence[str],
        passed: Sequence[str],
        authority: Authority,
        trust: TlsOptions,
        gateway: Gateway,
    ) -> None:
        self.patterns, self.passed = tuple(patterns), tuple(passed)
        self.authority, self.trust, self.gateway = authority, trust, gateway
        self._contexts: OrderedDict[tuple[str, ...], tuple[Leaf, ssl.SSLContext]] = OrderedDict()

    def wants(self, host: str) -> bool:
        """Whether a tunnel to this host is looked into."""
        return any(map(_pattern(host), self.patterns)) and not self.passes(host)

    def passes(self, host: str) -> bool:
        return any(map(_pattern(host), self.passed))

    def context(self, names: Sequence[str]) -> ssl.SSLContext:
        """Ours, with a certificate for these names; those that no certificate can hold are left out."""
        fit = tuple(dict.fromkeys(name for name in map(_certified, names) if name))[:MOST_NAMES]
        leaf = self.authority.leaf(fit) if fit else self.authority.leaf_for(None)
        known = self._contexts.get(leaf.names)
        if known is not None and known[0] is leaf:
            self._contexts.move_to_end(leaf.names)
            return known[1]
        context = leaf_context(leaf)
        self._contexts[leaf.names] = leaf, context
        if len(self._contexts) > LEAVES:
            self._contexts.popitem(last=False)
        return context

    def look_into(self, reached: Reached | None, to: Destination, asked: Flow, said: Fields) -> Peek:
        """Who has the client's connection from here on; the last two are the flow and fields of the request for it."""
        return Peek(self, reached, to, asked, said)


class Reached(NamedTuple):
    """A far end that stands, and the tunnel to it where it is to be no more than that."""

    far: FarEnd
    tunnel: Tunnel


class Peek:
    """Holds a new tunnel until the client's first message is known, then opens it, or leaves it to be a tunnel.

    Where the far end could not be reached, TLS is opened all the same: the client is told why inside of it, or a rule
    for rewriting has an answer in its place.
    """

    __slots__ = (
        "_asked",
        "_asked_with",
        "_calls",
        "_connection",
        "_hello",
        "_reached",
        "_said",
        "_shared",
        "_to",
        "_work",
    )

    def __init__(
        self, shared: Interception, reached: Reached | None, to: Destination, asked: Flow, said: Fields
    ) -> None:
        self._shared, self._reached, self._to = shared, reached, to
        self._asked, self._asked_with = asked, said
        self._connection: ProxyConnection
        self._hello = HelloReader()
        self._said = b""
        self._work: asyncio.Task[Any] | None = None
        self._calls: list[Callable[[], None]] = []

    def when_over(self, call: Callable[[], None]) -> None:
        """Call this when the tunnel is over, or when it is none any more: what is inside then counts for itself."""
        self._calls.append(call)

    # -- what the client's connection says -----------------------------------------------------------------------

    def begin(self, connection: Any, said: bytes = b"") -> None:
        self._connection = connection
        far = self._reached.far if self._reached is not None else None
        connection.release()
        connection.set_deadline("header", connection.http.settings.header_timeout)
        if far is not None:
            far.waiting = self
        if far is not None and (heard := far.rest()):
            self._leave_alone(SERVER_FIRST, [heard])
        elif said := said or connection.core.rest():
            self.feed(said)
        elif connection.peer_ended or (far is not None and far.peer_ended):
            self._leave_alone("one side ended before a word was said")
        if far is not None:
            far.go_on()

    def feed(self, data: bytes) -> None:
        self._said += data
        found = self._hello.receive(data) if data else None
        if not data:
            self._leave_alone("the client ended before it had said that it speaks TLS")
        elif isinstance(found, ClientHello):
            if (objection := self._objection(found)) is not None:
                self._leave_alone(objection)
                return
            self._connection.hold()
            self._connection.set_deadline("", 0)  # the handshake with the upstream has a time of its own
            tasks = self._shared.gateway.tasks
            self._work = tasks.start(self._open(found), f"interception of {self._to.authority}", self._opened)
        elif found is not None:
            self._leave_alone("what the client says is no TLS")

    def writable(self) -> None:
        """Nothing was written."""

    def timed_out(self, stage: str) -> None:
        self._leave_alone("the client waits for the server to speak")

    def drain(self) -> None:
        self._connection.close()

    def ended(self, error: Exception | None) -> None:
        if self._work is not None:
            self._work.cancel()
        if self._reached is not None:
            far = self._reached.far
            far.waiting = None
            far.flow.outcome = far.flow.outcome or Outcome.CANCELLED
            far.abort()
        self._over()

    # -- what the upstream says ----------------------------------------------------------------------------------

    def answered(self, events: list[Any]) -> None:
        """It speaks first: whatever that is, it is not TLS."""
        self._leave_alone(SERVER_FIRST, events)

    def upstream_lost(self, error: Exception | None) -> None:
        self._connection.close()

    def upstream_writable(self) -> None:
        """Nothing was written."""

    # -- either way ----------------------------------------------------------------------------------------------

    def _objection(self, hello: ClientHello) -> str | None:
        """Why this TLS is not opened."""
        if hello.alpn and not SPOKEN.intersection(hello.alpn):
            return f"the client speaks {', '.join(hello.alpn)} inside of TLS, and not HTTP/1.1"
        if hello.server_name is not None and self._shared.passes(hello.server_name):
            return f"{hello.server_name}, which the client asks for, is to be left alone"
        return None

    def _leave_alone(self, reason: str, heard: Sequence[bytes] = ()) -> None:
        """Nothing for us: a tunnel, with what was said so far at its front."""
        connection = self._connection
        self._asked.note("interception.declined", reason=reason)
        if self._reached is None:
            connection.linger()
            return
        tunnel = connection.delegate = self._reached.tunnel
        for call in self._calls:
            tunnel.when_over(call)
        tunnel.begin(connection, self._said)
        if heard:
            tunnel.answered(list(heard))

    async def _open(self, hello: ClientHello) -> None:
        """TLS with the upstream first, so that ours can show the same names; what fails there is shown to the client
        inside of its own TLS, when its request asks for it again.
        """
        connection, shared, to = self._connection, self._shared, self._to
        far = self._reached.far if self._reached is not None else None
        name = hello.server_name or to.host
        identity = name if far is None or far.way is None else (name, far.way)
        origin = Origin("https", to.host, to.port, identity)
        secured = Destination("https", to.host, to.port, _authority(to), origin)
        tls = TlsOptions(context=shared.trust.context, server_name=name)
        flow = connection.flows.open("tcp", connection.service, self._asked)
        flow.client, flow.server = self._asked.client, far.flow.server if far is not None else None
        flow.detail(intercepted=to.authority)
        names = [name]
        try:
            if far is not None:
                names += await self._secure_upstream(far, secured, tls)
        except NetlabError as error:
            flow.note("interception.unverified", "server", reason=str(error))
        except BaseException:
            flow.end(Outcome.CANCELLED)
            raise
        self._work = None
        connection.descend(Within(to=secured, tls=tls, asked=self._asked_with), shared.context(names), flow, self._said)
        self._over()

    def _opened(self, task: asyncio.Task[Any]) -> None:
        if task.cancelled() or task.exception() is not None:  # no certificate of ours can be had
            self._connection.abort()

    def _over(self) -> None:
        calls, self._calls = self._calls, []
        for call in calls:
            call()

    async def _secure_upstream(self, far: FarEnd, to: Destination, tls: TlsOptions) -> list[str]:
        """Leave the verified connection with the pool, for the first request; the names of its certificate."""
        gateway = self._shared.gateway
        transport, upstream, _ = await secure_within(
            far.transport,
            far.flow,
            lambda flow: Upstream(flow, gateway.settings.limits),
            to.host,
            tls,
            seconds=gateway.dialer.timeouts.tls,
        )
        if gateway.pool.reserve(to.origin):
            gateway.pool.release(to.origin, upstream)
        else:
            upstream.close()
        certificate = transport.get_extra_info("peercert") or {}
        return [value for _, value in certificate.get("subjectAltName", ())]


def _pattern(host: str) -> Any:
    name = host.lower().rstrip(".")
    return lambda pattern: fnmatch.fnmatchcase(name, pattern)


def _authority(to: Destination) -> str:
    """As it stands in a Host field, where 443 goes without saying."""
    return to.authority.removesuffix(":443") if to.port == 443 else to.authority


def _certified(name: str) -> str:
    """The name as a certificate has it, or nothing."""
    try:
        return canonical(name)
    except UsageError:
        return ""
