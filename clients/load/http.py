"""Journeys over HTTP/1.1: one connection of them, and how one is opened."""

from __future__ import annotations

import math

from clients.load.generator import Generator, monotonic
from clients.load.journey import Ask
from netlab.cores.http1 import ClientCore, Data, End, Response
from netlab.errors import NetlabError, RemoteProtocolError
from netlab.flow import Flow
from netlab.http.url import Url
from netlab.net.dial import Dialer, Timeouts
from netlab.net.outgoing import Outgoing
from netlab.net.secure import TlsOptions

NEVER = math.inf


class HttpLink(Outgoing):
    """Sends a journey's requests, each when the one before is answered, and counts what comes."""

    __slots__ = (
        "_cookies",
        "_core",
        "_due",
        "_generator",
        "_index",
        "_journey",
        "_number",
        "_plan",
        "_size",
        "_status",
        "_step",
        "_tallies",
        "deadline",
    )

    def __init__(self, flow: Flow, generator: Generator, plan: Plan) -> None:
        super().__init__(flow)
        self._generator, self._plan, self._journey = generator, plan, plan.journey
        self._tallies = generator.results.tallies
        self._core = ClientCore()
        self._due, self._step, self._index, self._number = 0.0, 0, -1, 0
        self._status, self._size = "", 0
        self._cookies: dict[str, str] = {}
        self.deadline = NEVER

    # -- what the generator says ---------------------------------------------------------------------------------

    def begin(self, due: float, step: int, number: int) -> None:
        self._due, self._step, self._number, self._index = due, step, number, 0
        if self._plan.numbered:
            self._journey = tuple(ask.with_number(number) for ask in self._plan.journey)
        if self._cookies:
            self._cookies = {}  # another visitor
        self._ask()

    def expire(self, now: float) -> None:
        self._fail(f"no answer within {self._generator.bounds.timeout:g} s")
        self.abort()

    # -- a request -----------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        ask, core = self._journey[self._index], self._core
        self._tallies[self._step][self._index].asked += 1
        self._status = ""
        self.deadline = self.loop.time() + self._generator.bounds.timeout
        fields = ask.fields
        if self._cookies:
            fields += b"Cookie: %b\r\n" % "; ".join(map("=".join, self._cookies.items())).encode("latin-1")
        if ask.content is None and not self._plan.closes:
            core.ask(ask.method, ask.target, fields)
        else:
            core.request(ask.method, ask.target, fields, body=ask.content, close=self._closes)
        self.transport.write(core.outgoing())

    @property
    def _closes(self) -> bool:
        return self._plan.closes and self._index == len(self._journey) - 1

    def data_received(self, data: bytes) -> None:
        known = self._core.repeated(data)
        if known is None:
            self.feed(data)
        else:
            response, content = known
            if self._plan.cookies:
                self._keep_cookies(response)
            self._answered(str(response.status), len(content))

    def feed(self, data: bytes) -> None:
        for event in self._core.receive(data):
            match event:
                case Response():
                    self._status, self._size = str(event.status), 0
                    if self._plan.cookies:
                        self._keep_cookies(event)
                    if not event.frame.has_body:
                        self._answered(self._status, 0)
                case Data():
                    self._size += len(event.data)
                case End():
                    self._answered(self._status, self._size)
                case RemoteProtocolError():
                    if data:
                        self._fail(f"not HTTP: {event}")
                    elif self._status:
                        self._fail("the answer was cut off")
                    self.abort()
        if not data:
            self.close()

    def _answered(self, status: str, size: int) -> None:
        now = monotonic()
        self._tallies[self._step][self._index].answered(status, now - self._due, size)
        self._index += 1
        if self._index < len(self._journey) and self._core.idle:
            if self._plan.think:
                self.deadline = NEVER
                self.loop.call_later(self._plan.think, self._go_on)
            else:
                self._due = now
                self._ask()
            return
        if self._index < len(self._journey):
            self._tallies[self._step][self._index].asked += 1
            self._fail("the server closed the connection inside the journey")
        self._index, self.deadline = -1, NEVER
        if self._core.idle and not self.peer_ended:
            self._generator.free(self)
        else:
            self.close()

    def _go_on(self) -> None:
        """The visitor has thought."""
        if self._index >= 0 and not self.transport.is_closing():
            self._due = monotonic()
            self._ask()

    def _keep_cookies(self, response: Response) -> None:
        for line in response.fields.all("set-cookie"):
            name, equals, value = line.partition(";")[0].partition("=")
            if equals and name.strip():
                self._cookies[name.strip()] = value.strip()

    def _fail(self, why: str) -> None:
        if self._index >= 0:
            self._tallies[self._step][self._index].failed(why)
            self._index, self.deadline = -1, NEVER

    def lost(self, error: Exception | None) -> None:
        how = (
            "closed" if error is None or self.peer_ended else str(error) if isinstance(error, NetlabError) else "reset"
        )
        self._fail(f"the connection was {how} before the answer")
        self._generator.gone(self)


class Plan:
    """What is asked on each connection.

    cookies  send back what was set earlier in the same journey
    closes   a new connection for every journey
    think    seconds between an answer and the journey's next request
    """

    __slots__ = ("closes", "cookies", "journey", "numbered", "think")

    def __init__(self, journey: tuple[Ask, ...], *, cookies: bool, closes: bool, think: float) -> None:
        self.journey, self.cookies, self.closes, self.think = journey, cookies, closes, think
        self.numbered = any(ask.numbered for ask in journey)


class HttpDriver:
    """Opens connections to the origin of a URL."""

    def __init__(self, url: Url, plan: Plan, dialer: Dialer, tls: TlsOptions | None, timeouts: Timeouts) -> None:
        self.url, self.plan, self.dialer, self.tls, self.timeouts = url, plan, dialer, tls, timeouts

    async def open(self, generator: Generator) -> HttpLink:
        _, link, _ = await self.dialer.dial(
            self.url.host,
            self.url.port,
            lambda flow: HttpLink(flow, generator, self.plan),
            tls=self.tls,
            timeouts=self.timeouts,
        )
        return link
