"""Parent proxies: connections that go through another proxy, by the host they are for."""

from __future__ import annotations

import asyncio
import base64
import fnmatch
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar, Unpack

from netlab.config.values import Kind
from netlab.cores.http1 import ClientCore as HttpCore
from netlab.cores.http1 import Response
from netlab.cores.socks_client import ClientCore as SocksCore
from netlab.cores.socks_client import Connected, Refused
from netlab.errors import PeerUnreachable, RemoteProtocolError, UsageError
from netlab.flow import Flow, Outcome
from netlab.http.url import Url
from netlab.net.addresses import SocketAddress
from netlab.net.dial import Detour, Dialer, How, Timeouts
from netlab.net.outgoing import Outgoing
from netlab.net.secure import TlsOptions
from netlab.net.within import secure_within
from netlab.text import host_port

P = TypeVar("P", bound=asyncio.Protocol)
SCHEMES = ("http", "https", "socks5", "direct")
BEYOND = frozenset((502, 503, 504))
"""Answers to CONNECT by which a parent says that it is not it, but who is behind it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Parent:
    """A proxy for the hosts that a pattern fits. Written `HOSTPATTERN=URL`, or `HOSTPATTERN=direct` for none."""

    pattern: str
    scheme: str
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = ""

    kind: ClassVar[Kind]

    @classmethod
    def parse(cls, text: str) -> Parent:
        pattern, equals, url = text.partition("=")
        if not equals or not pattern or "/" in pattern:
            raise ValueError
        if url == "direct":
            return cls(pattern=pattern.lower(), scheme="direct")
        scheme, mark, rest = url.partition("://")
        if not mark or scheme not in SCHEMES[:-1]:
            raise ValueError("has no scheme that a parent can have: http://, https:// or socks5://")
        try:
            parsed = Url.parse(f"http://{rest}")
        except UsageError as error:
            raise ValueError(f"has no address: {error}") from None
        if parsed.target != "/" or not rest.rstrip("/").rpartition(":")[2].isdecimal():
            raise ValueError("has no port, or a path; a parent is written like http://127.0.0.1:3128")
        return cls(
            pattern=pattern.lower(),
            scheme=scheme,
            host=parsed.host,
            port=parsed.port,
            user=parsed.user or "",
            password=parsed.password,
        )

    def fits(self, host: str) -> bool:
        return fnmatch.fnmatchcase(host.lower().rstrip("."), self.pattern)

    @property
    def credentials(self) -> list[tuple[str, str]]:
        """Proxy-Authorization for an HTTP parent that knows us (RFC 7617)."""
        if not self.user:
            return []
        token = base64.b64encode(f"{self.user}:{self.password}".encode()).decode("ascii")
        return [("Proxy-Authorization", f"Basic {token}")]

    @property
    def takes_requests(self) -> bool:
        """Whether http requests go to it whole, in absolute form."""
        return self.scheme in ("http", "https")

    def __str__(self) -> str:
        """Without user and password."""
        return "direct" if self.scheme == "direct" else f"{self.scheme}://{host_port(self.host, self.port)}"


Parent.kind = Kind(
    parse=Parent.parse,
    allowed="HOST=URL, such as *=http://127.0.0.1:3128, *.onion=socks5://127.0.0.1:9050 or *.test=direct",
    metavar="HOST=http://…|https://…|socks5://…|direct",
)


class ParentDialer(Detour):
    """A dialer whose connections go through the first parent whose pattern fits, else directly.

    A parent resolves names itself: of those, `allow` is asked without an address.
    """

    def __init__(self, direct: Dialer, parents: Sequence[Parent], tls: Callable[[], TlsOptions]) -> None:
        super().__init__(direct)
        self._parents, self._tls = tuple(parents), tls
        self._own = {(parent.host, parent.port) for parent in parents}

    def parent(self, host: str, port: int) -> Parent | None:
        """Through whom; None: directly, as parents themselves are called."""
        if (host, port) in self._own:
            return None
        found = next((parent for parent in self._parents if parent.fits(host)), None)
        return None if found is None or found.scheme == "direct" else found

    def tls_to(self, parent: Parent) -> TlsOptions | None:
        return self._tls() if parent.scheme == "https" else None

    async def dial(
        self, host: str, port: int, factory: Callable[[Flow], P], **how: Unpack[How]
    ) -> tuple[asyncio.Transport, P, Flow]:
        through = self.parent(host, port)
        if through is None:
            return await self._direct.dial(host, port, factory, **how)
        tls, allow = how.get("tls"), how.get("allow")
        if allow is not None and (objection := allow(SocketAddress(host, port))) is not None:
            raise PeerUnreachable(objection.reason, stage="policy")
        times = how.get("timeouts") or self.timeouts
        try:
            _, asking, flow = await self._direct.dial(
                through.host,
                through.port,
                lambda flow: Asking(flow, through, host, port),
                tls=self.tls_to(through),
                timeouts=times,
                source=how.get("source"),
                parent=how.get("parent"),
            )
        except PeerUnreachable as error:
            raise PeerUnreachable(f"the parent proxy: {error}", stage="proxy", timed_out=error.timed_out) from error
        try:
            await asking.answer(times.connect)
            return await self._enter(asking, host, factory, tls, times)
        except BaseException as error:
            asking.abort()
            cancelled = isinstance(error, asyncio.CancelledError)
            flow.end(Outcome.CANCELLED if cancelled else Outcome.UNREACHABLE, str(error))
            raise

    async def _enter(
        self, asking: Asking, host: str, factory: Callable[[Flow], P], tls: TlsOptions | None, times: Timeouts
    ) -> tuple[asyncio.Transport, P, Flow]:
        """What goes on inside of the tunnel: the caller's protocol, with TLS of its own where that is wanted."""
        outer, flow = asking.transport, asking.flow
        flow.label = f"{flow.label} for {asking.where}"
        if tls is None:
            protocol = factory(flow)
            outer.set_protocol(protocol)
            protocol.connection_made(outer)
            if isinstance(protocol, Outgoing) and (rest := asking.rest()):
                protocol.feed(rest)
            if asking.peer_ended:
                protocol.eof_received()
            return outer, protocol, flow
        return await secure_within(outer, flow, factory, host, tls, early=asking.rest(), seconds=times.tls)


class Asking(Outgoing):
    """A connection to a parent until the tunnel through it stands."""

    __slots__ = ("_answered", "_core", "_parent", "where")

    def __init__(self, flow: Flow, parent: Parent, host: str, port: int) -> None:
        super().__init__(flow)
        self._parent = parent
        self.where = host_port(host, port)
        self._answered: asyncio.Future[None] = self.loop.create_future()
        self._core: HttpCore | SocksCore
        if parent.scheme == "socks5":
            try:
                self._core = SocksCore(host, port, user=parent.user, password=parent.password)
            except ValueError as error:
                raise PeerUnreachable(str(error), stage="proxy") from None
        else:
            self._core = HttpCore()
            self._core.request("CONNECT", self.where, [("Host", self.where), *parent.credentials])

    async def answer(self, seconds: float) -> None:
        """Wait until the tunnel stands; PeerUnreachable says why it does not."""
        try:
            async with asyncio.timeout(seconds or None):
                await self._answered
        except TimeoutError:
            words = f"the parent proxy {self._parent} did not answer within {seconds:g} s"
            raise PeerUnreachable(words, stage="proxy", timed_out=True) from None

    def rest(self) -> bytes:
        """What came behind the parent's answer."""
        return self._core.rest()

    def opened(self) -> None:
        self.write(self._core.outgoing())

    def feed(self, data: bytes) -> None:
        for event in self._core.receive(data):
            match event:
                case Connected():
                    self._settle(None)
                case Response() if self._core.switched:
                    self._settle(None)
                case Response():
                    wants = ": it wants other credentials" if event.status == 407 else ""
                    stage = "beyond" if event.status in BEYOND else "proxy"
                    self._settle(f"answered {event.status} {event.reason}{wants}", stage)
                case Refused():
                    self._settle(f"refused: {event.reason}", "beyond" if event.beyond else "proxy")
                case RemoteProtocolError():
                    self._settle(f"broke its protocol: {event.reason}")
        if said := self._core.outgoing():
            self.write(said)
        if not data:
            self._settle("ended the connection")

    def lost(self, error: Exception | None) -> None:
        self._settle("ended the connection")

    def _settle(self, problem: str | None, stage: str = "proxy") -> None:
        if self._answered.done():
            return
        if problem is None:
            self._answered.set_result(None)
            return
        words = f"the parent proxy {self._parent} {problem}, asked for {self.where}"
        self._answered.set_exception(PeerUnreachable(words, stage=stage))
