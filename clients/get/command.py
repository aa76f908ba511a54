"""One run of `netlab get`: what is asked, what is shown on the way, and what comes out."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from clients.get import show
from clients.get.client import Client
from clients.get.content import content
from clients.get.hop import Hop
from clients.get.output import Kept, Output
from clients.get.report import failure, report, sentence
from clients.get.request import Request, parse_fields
from clients.get.trust import Trust, facts
from netlab.errors import NetlabError, PeerUnreachable, UsageError
from netlab.flow import FlowLog
from netlab.http.client import ClientSettings
from netlab.http.url import Url
from netlab.net.addresses import AddressMap, Overrides, canonical, is_literal
from netlab.net.dial import Dialer, Timeouts
from netlab.text import escape

if TYPE_CHECKING:
    from clients.get import Addresses, Config


class Command:
    """Holds what the run has seen so far, so that it can be told whatever happens next."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.request = _request(config)
        self.trust = Trust(cacert=config.cacert, insecure=config.insecure, certificate=config.cert, key=config.key)
        self.proxy = Url.parse(config.proxy) if config.proxy else None
        self.overrides = Overrides(config.resolve)
        self.kept = Kept() if config.json and not config.output else None
        self.hops: list[Hop] = []
        self.tls: dict[Hop, dict[str, Any]] = {}
        self.refused: dict[str, Any] | None = None  # the TLS of a server that was not believed

    async def run(self, addresses: Addresses | None) -> int:
        seconds = self.config.timeout
        dialer = Dialer(
            FlowLog(),
            addresses=await lab_addresses(self.proxy or self.request.url, addresses),
            overrides=self.overrides,
            timeouts=Timeouts(resolve=seconds, connect=seconds, tls=seconds),
            service="get",
        )
        try:
            async with self._client(dialer, self.trust.context) as client:
                await self._fetch(client)
        except UsageError:
            raise
        except NetlabError as error:
            if isinstance(error, PeerUnreachable) and error.stage == "tls":
                await self._look(dialer)
            self._print_report(error)
            raise NetlabError(sentence(error)) from error
        self._print_report(None)
        return 0

    def _client(
        self, dialer: Dialer, tls: Callable[[], ssl.SSLContext], on_step: Callable[[str, Hop], None] | None = None
    ) -> Client:
        settings = ClientSettings(patience=self.config.timeout)
        to_proxy, _ = parse_fields(self.config.proxy_field)
        return Client(
            dialer, tls=tls, proxy=self.proxy, to_proxy=to_proxy, settings=settings, on_step=on_step or self._step
        )

    async def _fetch(self, client: Client) -> None:
        hop = await (client.follow(self.request) if self.config.location else client.send(self.request))
        try:
            await self._deliver(hop)
        finally:
            client.done(hop)

    # -- what comes out ----------------------------------------------------------------------------------------

    async def _deliver(self, hop: Hop) -> None:
        """The answer, to where it is wanted."""
        config, response = self.config, hop.response
        assert response is not None
        refused = config.fail and response.status >= 400
        if self.kept is not None:
            async for piece in hop.content(raw=config.raw):
                self.kept.write(piece)
        else:
            with Output("" if refused else config.output) as output:
                if config.include or config.head:
                    output.write(_head_bytes(hop, escaped=output.terminal))
                if not refused:
                    async for piece in hop.content(raw=config.raw):
                        output.write(piece)
            if config.verbose and output.line_open:
                show.tell([""])
        if refused:
            raise NetlabError(f"{response.status} {response.reason}".rstrip() + f" from {hop.request.url}")

    def _print_report(self, error: NetlabError | None) -> None:
        if not self.config.json:
            return
        reports = [report(hop, self.tls.get(hop)) for hop in self.hops]
        whole: dict[str, Any] = reports.pop() if reports else {"url": str(self.request.url), "tls": self.refused}
        if self.kept is not None and whole.get("response"):
            whole["response"]["body"] = self.kept.as_json()
        whole["redirects"] = reports
        if error is not None:
            whole["error"] = failure(error)
        print(json.dumps(whole, indent=2))

    # -- what is shown on the way ------------------------------------------------------------------------------

    def _step(self, step: str, hop: Hop) -> None:
        if step == "connected":
            self.hops.append(hop)
            if not hop.reused and (self.config.verbose or self.config.json):
                self._see_tls(hop)
        if not self.config.verbose:
            return
        match step:
            case "connected":
                show.tell(show.connection(hop))
                if hop in self.tls:
                    show.tell(show.tls(self.tls[hop]))
            case "sent":
                show.tell(show.request(hop))
            case "answered":
                show.tell(show.answer(hop))
            case "done":
                show.tell(show.end(hop))

    def _see_tls(self, hop: Hop) -> None:
        assert hop.connection is not None
        transport = hop.connection.transport
        ssl_object = transport.get_extra_info("ssl_object")
        if hop.request.url.scheme == "https" and ssl_object is not None:
            chain = transport.get_extra_info("peer_chain") or []
            self.tls[hop] = facts(ssl_object, chain, self.trust, hop.request.url.host)

    async def _look(self, dialer: Dialer) -> None:
        """See the certificates of a server that was not believed: they come only with a handshake that succeeds."""
        if self.config.insecure or not (self.config.verbose or self.config.json):
            return
        url = self.hops[-1].request.url if self.hops else self.request.url
        hop = Hop(Request(url=url))
        async with self._client(dialer, self.trust.blind().context, lambda step, hop: None) as client:
            try:
                connection = await client.connect(hop)
            except NetlabError:
                return  # it is not the certificates
            chain = connection.transport.get_extra_info("peer_chain") or []
            ssl_object = connection.transport.get_extra_info("ssl_object")
            self.refused = facts(ssl_object, chain, self.trust.blind(), url.host)
            self.refused["why"] = self.refused["why"].replace("nobody checked it (--insecure)", "see below")
            client.done(hop)
        if self.config.verbose:
            show.tell(show.tls(self.refused))


def _request(config: Config) -> Request:
    fields, without = parse_fields(config.field)
    data = content(config.data)
    return Request(
        url=Url.parse(config.url),
        method=config.method or ("HEAD" if config.head else "GET" if data is None else "POST"),
        fields=fields,
        without=without,
        content=data,
        version="1.0" if config.http1_0 else "1.1",
        codings=not config.raw,
    )


async def lab_addresses(url: Url, addresses: Addresses | None) -> AddressMap:
    """The address map of running labs, asked for only where a name may be theirs."""
    name = canonical(url.host)
    if addresses is None or is_literal(name) or name == "localhost":
        return AddressMap()
    return AddressMap.from_json(await addresses())


def _head_bytes(hop: Hop, *, escaped: bool) -> bytes:
    assert hop.exchange is not None
    heads = [*hop.exchange.interim, hop.exchange.response]
    lines = [line for head in heads if head is not None for line in (*show.head_lines(head), "")]
    if escaped:
        return "".join(f"{escape(line)}\n" for line in lines).encode()
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1")
