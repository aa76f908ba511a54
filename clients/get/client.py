"""A client for HTTP/1.1: directly or through a proxy, redirects followed, answers streamed."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType

from clients.get import tunnel
from clients.get.content import Text
from clients.get.hop import Hop
from clients.get.redirect import redirected
from clients.get.request import Request, check, chunked, fields_of
from netlab.cores.fields import Fields
from netlab.errors import BodyTooLarge, ConnectionLost, LocalProtocolError, NetlabError, Truncated
from netlab.flow import FlowLog
from netlab.http.client import ClientConnection, ClientExchange, ClientSettings, Pair
from netlab.http.url import Url
from netlab.net.dial import Dialer
from netlab.net.pool import Origin, Pool
from netlab.net.secure import TlsOptions
from netlab.net.tasks import Tasks
from netlab.net.tls_context import client_context

MAX_REDIRECTS = 10
REDIRECT_CONTENT = 64 << 10
"""So much of a redirect's own content is read to keep its connection."""
IDEMPOTENT = ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE")
"""Methods that may be sent again when nothing shows whether they arrived (RFC 9110 9.2.2)."""

Step = Callable[[str, Hop], None]


class Client:
    """Sends requests one after the other, over connections that are used again where they can be.

    tls      makes the TLS context when the first https connection needs it
    proxy    the HTTP proxy everything goes through; https targets by CONNECT
    to_proxy fields for the proxy alone
    on_step  is told "connected", "sent", "answered" and "done", with the hop, as it happens
    """

    def __init__(
        self,
        dialer: Dialer,
        *,
        tls: Callable[[], ssl.SSLContext] = client_context,
        proxy: Url | None = None,
        to_proxy: Sequence[Pair] = (),
        settings: ClientSettings | None = None,
        on_step: Step = lambda step, hop: None,
    ) -> None:
        self.dialer, self.proxy, self.settings = dialer, proxy, settings or ClientSettings()
        self.to_proxy = tuple(to_proxy)
        self._make_context = tls
        self._context: ssl.SSLContext | None = None
        self._on_step = on_step
        self._pool: Pool[ClientConnection] = Pool()
        self._tasks = Tasks("client")

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        await self._tasks.cancel()
        self._pool.close()
        await asyncio.sleep(0)  # one turn, for the transports' last callbacks

    # -- requests ----------------------------------------------------------------------------------------------

    async def follow(self, request: Request, limit: int = MAX_REDIRECTS) -> Hop:
        """Send a request, and those that redirects lead to; the last hop, as from `send`."""
        for _ in range(limit + 1):
            hop = await self.send(request)
            assert hop.response is not None
            try:
                following = redirected(request, hop.response)
                if following is None:
                    return hop
                await self._discard(hop)
            except BaseException:
                self.done(hop)
                raise
            self.done(hop)
            request = following
        raise NetlabError(f"more than {limit} redirects, the last to {request.url}")

    async def send(self, request: Request) -> Hop:
        """Send one request; the hop has the head of the answer. Its content is to be read, then `done` to be called.

        Raises UsageError for a request that cannot be sent, and any other NetlabError for what went wrong.
        """
        check(request)
        while True:
            hop = Hop(request)
            try:
                await self._attempt(hop)
            except (ConnectionLost, Truncated):
                self.done(hop)
                # RFC 9112 9.3.1: servers close idle connections, perhaps just as we use one
                if not hop.reused or hop.response is not None or not _repeatable(request):
                    raise
            except BaseException:
                self.done(hop)
                raise
            else:
                return hop

    def done(self, hop: Hop) -> None:
        """Let go of a hop's connection; an answer that was not received to its end ends it."""
        if hop.upload is not None:
            hop.upload.cancel()
        if hop.exchange is not None:
            hop.exchange.close()
        if hop.lease is not None and hop.connection is not None:
            lease, hop.lease = hop.lease, None
            self._pool.release(lease, hop.connection)
            self._on_step("done", hop)

    async def _attempt(self, hop: Hop) -> None:
        request, url, content = hop.request, hop.request.url, hop.request.content
        connection = await self.connect(hop)
        self._on_step("connected", hop)
        in_chunks = chunked(request)
        whole = content.data if isinstance(content, Text) and not in_chunks and not request.expects else None
        forward = self.proxy if url.scheme == "http" else None
        exchange = hop.exchange = connection.begin(
            request.method,
            str(url) if forward is not None else url.target,  # RFC 9112 3.2.2: a proxy gets the absolute form
            [*fields_of(request, forward), *(self.to_proxy if forward is not None else ())],
            body=whole,
            length=None if content is None or in_chunks else content.length,
            chunked=in_chunks,
            version=request.version,
            close=request.closes,
            url=str(url),
        )
        self._on_step("sent", hop)
        if content is not None and whole is None:
            hop.upload = self._tasks.start(_upload(exchange, request), "upload")
        await exchange.answer()
        self._on_step("answered", hop)

    async def _discard(self, hop: Hop) -> None:
        """Read a redirect's content, if it is short: a connection that is kept is worth it."""
        assert hop.exchange is not None
        while hop.exchange.received < REDIRECT_CONTENT and await hop.exchange.read():
            pass

    # -- connections -------------------------------------------------------------------------------------------

    async def connect(self, hop: Hop) -> ClientConnection:
        """A connection for the hop, of the pool or new; `done` gives it back."""
        url, proxy = hop.request.url, self.proxy
        if proxy is not None and url.scheme == "http":
            origin = Origin("proxy", proxy.host, proxy.port)
        else:
            origin = Origin(*url.origin)
        hop.reused = True

        async def dial() -> ClientConnection:
            hop.reused = False
            if proxy is None:
                return await self._dial(url)
            connection = await self._dial(proxy)
            return connection if url.scheme == "http" else await self._tunnel(hop, connection, proxy)

        hop.connection = await self._pool.acquire(origin, dial)
        hop.lease = origin
        return hop.connection

    async def _dial(self, url: Url) -> ClientConnection:
        tls = TlsOptions(context=self._tls()) if url.scheme == "https" else None
        _, connection, _ = await self.dialer.dial(
            url.host, url.port, lambda flow: ClientConnection(flow, self.settings), tls=tls
        )
        return connection

    async def _tunnel(self, hop: Hop, connection: ClientConnection, proxy: Url) -> ClientConnection:
        now = connection.flow.log.now
        started = now()
        early = await tunnel.ask(connection, proxy, hop.request.url, self.to_proxy)
        hop.proxy_seconds = now() - started
        seconds = self.dialer.timeouts.tls
        return await tunnel.enter(connection, early, hop.request.url, self._tls(), self.settings, seconds)

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = self._make_context()
        return self._context


async def _upload(exchange: ClientExchange, request: Request) -> None:
    assert request.content is not None
    try:
        if request.expects:
            await exchange.wanted()
        async for piece in request.content.pieces():
            if not await exchange.send(piece):
                return
        exchange.finish()
    except LocalProtocolError:
        exchange.fail(NetlabError("the content changed its length while it was sent"))
    except NetlabError as error:
        exchange.fail(error)


def _repeatable(request: Request) -> bool:
    return request.method in IDEMPOTENT and (request.content is None or request.content.again)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A whole answer, its content decoded and in memory."""

    status: int
    reason: str
    fields: Fields
    body: bytes
    trailers: Fields
    hop: Hop


async def fetch(
    url: str,
    *,
    method: str = "GET",
    fields: Iterable[Pair] = (),
    body: bytes | None = None,
    dialer: Dialer | None = None,
    tls: Callable[[], ssl.SSLContext] = client_context,
    proxy: str | None = None,
    follow: bool = False,
    raw: bool = False,
    limit: int = 16 << 20,
) -> Answer:
    """One request, its answer whole; BodyTooLarge past `limit` bytes, NetlabError for what else goes wrong."""
    content = None if body is None else Text(body)
    request = Request(url=Url.parse(url), method=method, fields=tuple(fields), content=content, codings=not raw)
    through = None if proxy is None else Url.parse(proxy)
    async with Client(dialer or Dialer(FlowLog()), tls=tls, proxy=through) as client:
        hop = await (client.follow(request) if follow else client.send(request))
        try:
            received = bytearray()
            async for piece in hop.content(raw=raw):
                received += piece
                if len(received) > limit:
                    raise BodyTooLarge(limit)
        finally:
            client.done(hop)
    assert hop.exchange is not None
    assert hop.response is not None
    head = hop.response
    return Answer(
        status=head.status,
        reason=head.reason,
        fields=head.fields,
        body=bytes(received),
        trailers=hop.exchange.trailers,
        hop=hop,
    )
