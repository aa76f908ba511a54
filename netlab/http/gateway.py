"""The gateway: what the forwardings of one server share, and what a message's fields become on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from netlab.cores.http1 import Limits, Response, encode_fields, phrase
from netlab.flow import FlowLog
from netlab.http.exchange import Exchange
from netlab.http.forwarding import Forwarding
from netlab.http.upstream import Upstream
from netlab.net.dial import Check, Dialer
from netlab.net.pool import Origin, Pool
from netlab.net.secure import TlsOptions
from netlab.net.sweep import Sweep
from netlab.net.tasks import Tasks
from netlab.policy.forwarding import Arrival, Hop, request_fields, response_fields
from netlab.policy.gateway_errors import Failure

Pair = tuple[str, str]
Change = Callable[[list[Pair]], list[Pair]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """Where a request goes and as what: the decisions of a server, which the gateway carries out."""

    origin: Origin
    target: str
    fields: bytes  # a block, Host included
    tls: TlsOptions | None = None
    source: str | None = None  # the local address to call from
    allow: Check | None = None  # whether an address may be called, asked again about that of a kept connection
    on_response: Callable[[Response, list[Pair]], list[Pair]] | None = None  # rewrites what travels back
    on_end: Callable[[Failure | None], None] | None = None  # the upstream's answer is over, or why there was none


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

    def __init__(self, hop: Hop, dialer: Dialer, flows: FlowLog, tasks: Tasks, settings: GatewaySettings) -> None:
        self.hop, self.dialer, self.flows, self.tasks, self.settings = hop, dialer, flows, tasks, settings
        self.pool: Pool[Upstream] = Pool(
            per_origin=settings.per_origin, total=settings.connections, idle=settings.idle_timeout
        )
        self.sweep = Sweep()

    def forward(self, exchange: Exchange, way: Way) -> None:
        """Send the request on its way; on a kept connection in this very call."""
        forwarding = Forwarding(self, exchange, way)
        upstream = self.pool.take(way.origin)
        if upstream is not None:
            forwarding.begin(upstream, fresh=False)
        else:
            forwarding.dial()

    def onward(
        self,
        exchange: Exchange,
        host: str,
        *,
        scheme: str = "",
        change: Callable[[list[Pair]], list[Pair]] | None = None,
    ) -> bytes:
        """The request's fields as they travel on, for a server that is called `host`.

        A client that repeats itself repeats them too: the block is made once, and kept with its connection. `scheme`
        is the request's, where it is not the connection's; `change` has the last word on the fields.
        """
        connection, request = exchange.connection, exchange.request
        known, facts = connection.onward, (host, request.authority, scheme, change)
        if known[0] is request.fields and known[1] == facts:
            return known[2]
        client = exchange.flow.client
        address, port = (client[0], client[1]) if isinstance(client, tuple) else ("", 0)
        scheme = scheme or ("https" if connection.secure else "http")
        arrival = Arrival(client=address, port=port, scheme=scheme, host=request.authority, version=request.version)
        named = request.fields.tokens("connection")
        fields = [("Host", host), *request_fields(request.fields, named, self.hop, arrival)]
        block = encode_fields(fields if change is None else change(fields))
        connection.onward = (request.fields, facts, block)
        return block

    def back(self, upstream: Upstream, response: Response) -> bytes:
        """The response's fields as they travel back; made once for as long as the upstream repeats itself."""
        if upstream.back[0] is response.fields:
            return upstream.back[1]
        block = encode_fields(self.returned(response))
        upstream.back = (response.fields, block)
        return block

    def returned(self, response: Response) -> list[Pair]:
        return response_fields(response.fields, response.fields.tokens("connection"), self.hop, response.version)

    def refuse(self, exchange: Exchange, failed: Failure) -> None:
        """Answer for an upstream that could not."""
        fields = [("Proxy-Status", failed.proxy_status(self.hop.name)), ("Content-Type", "text/plain; charset=utf-8")]
        if failed.status == 503:
            fields.append(("Retry-After", "1"))
        body = f"{failed.status} {phrase(failed.status)}\n{failed.reason}\n({failed.error}, RFC 9209)\n"
        exchange.respond(failed.status, fields, body.encode())

    def close(self) -> None:
        self.pool.close()
        self.sweep.close()
