"""An HTTP/1.1 connection of ours: one request at a time, content streamed in both directions."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from netlab.cores.fields import EMPTY, Fields
from netlab.cores.http1 import ClientCore, Data, End, Informational, Limits, Response
from netlab.cores.http1_events import Event
from netlab.errors import ConnectionLost, DeadlineExceeded, NetlabError, RemoteProtocolError, Truncated
from netlab.flow import Flow, Outcome
from netlab.net.outgoing import Outgoing

Pair = tuple[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientSettings:
    """Bounds of a client's connections. Times are in seconds."""

    patience: float = 30.0  # the longest wait for the answer's head, for its next bytes, and for a peer to take ours
    buffer: int = 256 << 10  # received content that nobody has asked for yet; more pauses the server
    limits: Limits | None = None
    core: Callable[[Limits | None], ClientCore] = ClientCore


@dataclass(kw_only=True, slots=True)
class Times:
    """When an exchange came to each of its points, by the flow log's clock, in seconds; 0 while it has not."""

    begun: float = 0.0
    sent: float = 0.0  # the last byte of the request was handed over
    answered: float = 0.0  # the head of the final response was read
    ended: float = 0.0


class ClientExchange:
    """One request and its answer: `send` and `finish`, `answer`, then `read` until it gives b""; `close` in any case.

    What goes wrong is raised where it is waited for: RemoteProtocolError, ConnectionLost, DeadlineExceeded.
    """

    def __init__(self, connection: ClientConnection, flow: Flow) -> None:
        self.connection, self.flow = connection, flow
        self.head_sent = b""
        self.interim: list[Informational] = []  # 1xx answers before the final one
        self.response: Response | None = None
        self.trailers: Fields = EMPTY
        self.received = self.sent = 0  # bytes of content
        self.complete = False  # the whole answer is here, though perhaps not read yet
        self.error: NetlabError | None = None
        self.times = Times(begun=flow.log.now())
        self._content: deque[bytes] = deque()
        self._held = 0  # bytes in it
        self._paused = False  # the server has to wait until somebody reads
        self._waiters: list[asyncio.Future[None]] = []

    # -- the request -------------------------------------------------------------------------------------------

    async def send(self, data: bytes) -> bool:
        """Send content, when the server takes it. False: no more is wanted, for the answer is there already and is
        no, or is the last on this connection (RFC 9112 9.5).
        """
        connection = self.connection
        if self.error is not None or self.complete or self._refused():
            return False
        connection.core.send(data)
        connection.flush()
        self.sent += len(data)
        if connection.writing_paused:
            await self._until(lambda: not connection.writing_paused or self.error is not None, "progress of the upload")
        return self.error is None

    def finish(self, trailers: Iterable[Pair] = ()) -> None:
        """The request is complete."""
        self.connection.core.finish(trailers)
        self.connection.flush()
        self.request_sent()

    def request_sent(self) -> None:
        self.times.sent = self.flow.log.now()
        self.flow.note("request.ended", "client", size=self.sent)
        self.notify()

    async def wanted(self) -> None:
        """Wait for 100 (Continue), for a final answer, or for as long as is sensible (RFC 9110 10.1.1)."""
        try:
            async with asyncio.timeout(min(1.0, self.connection.settings.patience / 2)):
                await self._until(lambda: bool(self.interim) or self._over_or_answered(), "100 (Continue)")
        except TimeoutError:
            pass  # a server that does not know the expectation: the content is sent all the same

    def _refused(self) -> bool:
        response = self.response
        return response is not None and (response.status >= 400 or not response.frame.keep_alive)

    # -- the answer --------------------------------------------------------------------------------------------

    async def answer(self) -> Response:
        """The head of the final response. Its time begins when the request is sent: an upload has its own."""
        await self._until(lambda: bool(self.times.sent) or self._over_or_answered(), "answer", endless=True)
        await self._until(self._over_or_answered, "answer")
        if self.response is None:
            assert self.error is not None
            raise self.error
        return self.response

    async def read(self) -> bytes:
        """The next content, as it came; b"" when that was all."""
        await self._until(lambda: bool(self._content) or self.complete or self.error is not None, "further content")
        if self._content:
            data = self._content.popleft()
            self._held -= len(data)
            if self._paused and self._held <= self.connection.settings.buffer // 2:
                self._resume()
            return data
        if self.error is not None:
            raise self.error
        return b""

    def close(self) -> None:
        """Be done with it: an answer that was not received whole ends its connection."""
        connection = self.connection
        if connection.exchange is self:
            connection.exchange = None
            if not connection.core.idle:
                connection.abort()
            elif self._paused:
                self._resume()
        self._end_flow(Outcome.CANCELLED if not self.complete else Outcome.OK)

    def _resume(self) -> None:
        self._paused = False
        if not self.connection.transport.is_closing():
            self.connection.transport.resume_reading()

    def _over_or_answered(self) -> bool:
        return self.response is not None or self.error is not None

    # -- what the connection tells -----------------------------------------------------------------------------

    def take(self, event: Event) -> None:
        """The core read something."""
        match event:
            case Data():
                self.received += len(event.data)
                self._content.append(event.data)
                self._held += len(event.data)
                if self._held > self.connection.settings.buffer and not self._paused:
                    self._paused = True
                    self.connection.transport.pause_reading()
            case Response():
                self._take_head(event)
            case Informational():
                self.interim.append(event)
                self._note_head("response.informational", event)
            case End():
                self.trailers = event.trailers
                self._completed()
            case RemoteProtocolError():
                self.fail(event)
        self.notify()

    def _take_head(self, response: Response) -> None:
        self.response = response
        self.times.answered = self.flow.log.now()
        self.flow.result = str(response.status)
        self._note_head("response.sent", response, version=response.version)
        if not response.frame.has_body:
            self._completed()

    def _note_head(self, name: str, head: Response | Informational, **facts: Any) -> None:
        self.flow.note(
            name,
            "server",
            start=head.start,
            end=head.end,
            status=head.status,
            reason=head.reason,
            fields=[list(pair) for pair in head.fields],
            **facts,
        )

    def _completed(self) -> None:
        if getattr(self.connection.transport, "truncated", False) and self._until_close():
            # RFC 9112 9.8: without a length, only TLS's own end says that this is all
            self.fail(ConnectionLost("the server ended TLS without closure alert: the content may have been cut"))
            return
        self.complete = True
        self.times.ended = self.flow.log.now()
        self.flow.note("response.ended", "server", size=self.received)
        assert self.response is not None
        self._end_flow(Outcome.REFUSED if self.response.status >= 400 else Outcome.OK)

    def _until_close(self) -> bool:
        frame = self.response.frame if self.response is not None else None
        return frame is not None and frame.has_body and frame.length is None and not frame.chunked

    def fail(self, error: NetlabError) -> None:
        """The answer will not come, or not whole."""
        if self.error is None and not self.complete:
            self.error = error
            self.times.ended = self.flow.log.now()
            cut = isinstance(error, Truncated | ConnectionLost)
            self._end_flow(Outcome.CUT if cut else Outcome.VIOLATION, str(error))
        self.notify()

    def notify(self) -> None:
        """Something changed: who waits looks whether it is what they wait for."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _until(self, happened: Callable[[], bool], what: str, *, endless: bool = False) -> None:
        """Wait for a condition, as long as something goes on that `notify` tells of."""
        connection = self.connection
        patience = None if endless else connection.settings.patience
        while not happened():
            waiter = connection.loop.create_future()
            self._waiters.append(waiter)
            try:
                async with asyncio.timeout(patience):
                    await waiter
            except TimeoutError:
                self.times.ended = self.flow.log.now()
                self._end_flow(Outcome.TIMEOUT, f"no {what} in time")
                raise DeadlineExceeded(what, connection.settings.patience) from None

    def _end_flow(self, outcome: str, result: str | None = None) -> None:
        flow = self.flow
        flow.received, flow.sent = self.sent, self.received
        flow.end(outcome, result)


class ClientConnection(Outgoing):
    """Writes requests and reads what is answered; `begin` starts an exchange when the one before is closed.

    `carrier` is the flow of the connection this one runs through, if any (a tunnel in a proxy's TLS); it ends with it.
    """

    __slots__ = ("carrier", "core", "exchange", "settings")

    def __init__(self, flow: Flow, settings: ClientSettings, carrier: Flow | None = None) -> None:
        super().__init__(flow)
        self.settings, self.carrier = settings, carrier
        self.core = settings.core(settings.limits)
        self.exchange: ClientExchange | None = None

    def begin(
        self,
        method: str,
        target: str,
        fields: Iterable[Pair],
        *,
        body: bytes | None = None,
        length: int | None = None,
        chunked: bool = False,
        version: str = "1.1",
        close: bool = False,
        upgrade: bool = False,
        url: str = "",
    ) -> ClientExchange:
        """Send a request: with `body` whole; else, where `length` or `chunked` is given, its content follows.

        Raises LocalProtocolError for what is no request. `url` is for the flow, whose label is method and URL.
        """
        pairs = list(fields)
        self.core.request(
            method,
            target,
            pairs,
            body=body,
            length=length,
            chunked=chunked,
            version=version,
            close=close,
            upgrade=upgrade,
        )
        flow = self.flow.log.open("http", self.flow.service, self.flow)
        flow.client, flow.server, flow.label = self.flow.client, self.flow.server, f"{method} {url or target}"
        exchange = self.exchange = ClientExchange(self, flow)
        out = self.core.outgoing()
        exchange.head_sent = out[: out.index(b"\r\n\r\n") + 4]
        start = self.tape.offsets["client"] if self.tape is not None else 0
        facts = {"method": method, "target": target, "version": version, "fields": [list(pair) for pair in pairs]}
        flow.note("request.received", "client", start=start, end=start + len(exchange.head_sent), **facts, url=url)
        self.write(out)
        exchange.sent = len(body or b"")
        if body is not None or not (length or chunked):
            exchange.request_sent()
        return exchange

    @property
    def reusable(self) -> bool:
        """Whether it can take the next request now."""
        return self.exchange is None and self.core.idle and not self.peer_ended and not self.transport.is_closing()

    def flush(self) -> None:
        """Write what the core wants written."""
        data = self.core.outgoing()
        if data:
            self.write(data)

    # -- what Outgoing calls -----------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        for event in self.core.receive(data):
            if self.exchange is not None:
                self.exchange.take(event)
            elif isinstance(event, RemoteProtocolError):
                self.flow.outcome, self.flow.result = Outcome.VIOLATION, str(event)
        self.flush()
        if (self.peer_ended or self.core.closed) and not self.core.switched:
            self.close()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.exchange is not None:
            self.exchange.notify()

    def lost(self, error: Exception | None) -> None:
        exchange = self.exchange
        if exchange is not None and not self.core.switched:
            where = "before the answer" if exchange.response is None else "inside the answer's content"
            how = str(error) if isinstance(error, NetlabError) else "reset" if error else "closed"
            exchange.fail(ConnectionLost(f"the connection ended {where} ({how})"))
        if self.carrier is not None:
            self.carrier.end(Outcome.OK)
