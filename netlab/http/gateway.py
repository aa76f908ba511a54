"""The gateway: what the forwardings of one server share, and what a message's fields become on the way."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from netlab.cores.fields import Fields
from netlab.cores.http1 import Asked, Limits, Response, encode_fields
from netlab.flow import Flow, FlowLog
from netlab.http.forwarding import Forwarding
from netlab.http.roles import Asker
from netlab.http.upstream import Upstream
from netlab.net.dial import Check, Dialer
from netlab.net.gathering import Gathering
from netlab.net.pool import Origin, Pool
from netlab.net.secure import TlsOptions
from netlab.net.sweep import Sweep
from netlab.net.tasks import Tasks
from netlab.policy.faults import Faults
from netlab.policy.forwarding import Arrival, Hop, request_fields, response_fields
from netlab.policy.gateway_errors import Failure

Pair = tuple[str, str]
Change = Callable[[list[Pair]], list[Pair]]
BLOCKS = 16
"""Blocks of fields that are remembered with a connection: one for each upstream that it was sent to lately."""


class Way:
    """Where a request goes and as what: the decisions of a server, which the gateway carries out. One for each request,
    so it is as light as it can be; a server that wants to know how it went overrides the methods.

    fields    a block, Host included
    framing   where in it the fields that frame the message stand; None: at its end
    tls       how connections to the origin are secured
    dialer    makes the connections, in place of the gateway's own
    allow     whether an address may be called; asked again about that of a kept connection
    timeout   seconds, in place of the gateway's `response_timeout`
    adds      a block that is put behind the response's fields
    began     when the request was sent on its way (monotonic)
    asked     the request as it was sent on this way before, in place of target, fields and framing
    concerns  lower-case names of the fields for which `returned` is asked; empty: it has nothing to say
    """

    __slots__ = ("adds", "allow", "asked", "began", "dialer", "fields", "framing", "origin", "target", "timeout", "tls")

    concerns: ClassVar[frozenset[str]] = frozenset()
    began: float

    def __init__(
        self,
        *,
        origin: Origin,
        target: str,
        fields: bytes,
        tls: TlsOptions | None = None,
        dialer: Dialer | None = None,
        framing: int | None = None,
        allow: Check | None = None,
        timeout: float | None = None,
    ) -> None:
        self.origin, self.target, self.fields, self.tls = origin, target, fields, tls
        self.dialer, self.framing, self.allow, self.timeout, self.adds = dialer, framing, allow, timeout, b""
        self.asked: Asked | None = None

    def trailers(self, trailers: Fields) -> Fields:
        """The request's trailers as they travel on."""
        return trailers

    def begun(self, status: int, *, endless: bool) -> None:
        """The answer has begun, and did not come whole; `endless`: it lives for as long as its client likes."""

    def returned(self, response: Response, pairs: list[Pair]) -> list[Pair]:
        """The response's fields as they travel back, where one of those is among them that this way concerns."""
        return pairs

    def ended(self, failed: Failure | None) -> None:
        """The upstream's answer is over, or there is none; called once."""

    def another(self, failed: Failure) -> Way | None:
        """Where to go instead; asked where repeating the request is safe."""
        return None

    def instead(self, status: int) -> Way | None:
        """Where to go in place of passing an answer with this status on; asked where repeating the request is safe."""
        return None

    def waits(self, failed: Failure) -> bool:
        """Whether the request waits for another way, where there is none now: then it is no more the gateway's."""
        return False


@dataclass(frozen=True, kw_only=True, slots=True)
class GatewaySettings:
    """Timeouts in seconds."""

    response_timeout: float = 60.0  # from the request's last byte to the response's head, and between its pieces
    pool_timeout: float = 5.0  # for room to connect
    tunnel_timeout: float = 600.0  # without a byte in either direction
    per_origin: int = 256
    connections: int = 4096
    idle_timeout: float = 30.0  # of a kept connection
    limits: Limits = field(default_factory=Limits)


class Gateway:
    """What the forwardings of one server share: the way out, and the connections that are kept."""

    def __init__(
        self,
        hop: Hop,
        dialer: Dialer,
        flows: FlowLog,
        tasks: Tasks,
        settings: GatewaySettings,
        faults: Faults | None = None,
    ) -> None:
        self.hop, self.dialer, self.flows, self.tasks, self.settings = hop, dialer, flows, tasks, settings
        self.faults = faults
        self.pool: Pool[Upstream] = Pool(
            per_origin=settings.per_origin, total=settings.connections, idle=settings.idle_timeout
        )
        self.sweep = Sweep()
        self.gathering = Gathering(self.sweep.items)
        self._forwarding: Callable[[Gateway, Asker, Way, Flow], Forwarding] = Forwarding
        self.struck = False  # faults may strike a forwarding
        if faults is not None:
            faults.follow(self._strike)

    def _strike(self, there_are: bool) -> None:
        """Have forwardings struck, while there are faults."""
        self.struck = there_are
        if there_are:
            from netlab.http.faulty_forwarding import FaultyForwarding

            self._forwarding = FaultyForwarding
        else:
            self._forwarding = Forwarding

    def forward(self, exchange: Asker, way: Way) -> None:
        """Send the request on its way; on a kept connection in this very call."""
        flow, request = exchange.flow, exchange.request
        label = flow.label if way.target == request.target else f"{request.method} {way.target}"
        leg = self.flows.open("http", flow.service, flow, None, label)
        way.began = leg.started
        forwarding = self._forwarding(self, exchange, way, leg)
        upstream = self.pool.take(way.origin)
        if upstream is not None:
            forwarding.begin(upstream, fresh=False)
        else:
            forwarding.dial()

    async def lease(self, way: Way, leg: Flow) -> Upstream:
        """A connection to a way's origin: one that was kept, or one that is dialled once there is room."""
        dialer = way.dialer or self.dialer
        timeouts = None if way.timeout is None else dialer.timeouts.within(way.timeout)

        async def open_one() -> Upstream:
            _, upstream, _ = await dialer.dial(
                way.origin.host,
                way.origin.port,
                lambda flow: Upstream(flow, self.settings.limits),
                tls=way.tls,
                timeouts=timeouts,
                parent=leg,
                allow=way.allow,
            )
            return upstream

        return await self.pool.acquire(way.origin, open_one, seconds=self.settings.pool_timeout)

    def onward(
        self,
        exchange: Asker,
        host: str,
        *,
        scheme: str = "",
        change: Change | None = None,
    ) -> bytes:
        """The request's fields as they travel on, for a server that is called `host`.

        A client that repeats itself repeats them too: the block is made once, and kept with its connection. `scheme`
        is the request's, where it is not the connection's; `change` has the last word on the fields.
        """
        connection, request = exchange.connection, exchange.request
        fields, blocks = connection.onward
        # of an origin-form target the fields name the authority, so that it need not be looked at to know the block
        facts = (host, scheme, change) if request.target[0] == "/" else (host, scheme, change, request.authority)
        if fields is request.fields and (known := blocks.get(facts)) is not None:
            return known
        block = self._onward(exchange, host, scheme, change)
        if fields is not request.fields or len(blocks) >= BLOCKS:
            blocks = {}
        blocks[facts] = block
        connection.onward = (request.fields, blocks)
        return block

    def _onward(self, exchange: Asker, host: str, scheme: str, change: Change | None) -> bytes:
        request = exchange.request
        named = request.fields.tokens("connection")
        fields = [("Host", host), *request_fields(request.fields, named, self.hop, arrival_of(exchange, scheme))]
        return encode_fields(fields if change is None else change(fields))

    def back(self, exchange: Asker, upstream: Upstream, response: Response, way: Way) -> bytes:
        """The response's fields as they travel back; made once for as long as the upstream repeats itself."""
        fields, block, concerns, has_date = upstream.back
        if fields is not response.fields or concerns is not way.concerns:
            pairs, fields, concerns = self.returned(response), response.fields, way.concerns
            has_date = "date" in fields
            if any(name in fields for name in concerns):
                block = encode_fields(way.returned(response, pairs))
            else:
                block = encode_fields(pairs)
                upstream.back = (fields, block, concerns, has_date)
        if not has_date:
            block = exchange.dated(block)
        return block + way.adds

    def returned(self, response: Response) -> list[Pair]:
        return response_fields(response.fields, response.fields.tokens("connection"), self.hop, response.version)

    def refuse(self, exchange: Asker, failed: Failure) -> None:
        """Answer for an upstream that could not."""
        exchange.refuse(failed.status, f"{failed.reason} ({failed.error}, RFC 9209)", self.refusal_fields(failed))

    def refusal_fields(self, failed: Failure) -> list[Pair]:
        fields = [("Proxy-Status", failed.proxy_status(self.hop.name))]
        if failed.status == 503:
            fields.append(("Retry-After", str(max(math.ceil(failed.retry_after), 1))))
        return fields

    def close(self) -> None:
        self.pool.close()
        self.sweep.close()


def arrival_of(exchange: Asker, scheme: str = "") -> Arrival:
    """How a request reached us; `scheme` where it is not the connection's."""
    connection, request = exchange.connection, exchange.request
    client = connection.flow.client if connection.flow is not None else None
    return Arrival(
        client=str(client[0]) if isinstance(client, tuple) else "",
        scheme=scheme or ("https" if connection.secure else "http"),
        host=request.authority,
        version=request.version,
        certificate=connection.client_certificate(),
    )
