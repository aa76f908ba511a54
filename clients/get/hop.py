"""One request, the connection it went over, and its answer: what there is to show of an exchange."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from clients.get.request import Request
from netlab.cores.http1 import Response
from netlab.http.client import ClientConnection, ClientExchange
from netlab.http.decoding import Decoding
from netlab.net.pool import Origin


class Hop:
    """Filled as it goes: `connection` once it stands, `exchange` once the request is sent, `response` when answered."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.connection: ClientConnection | None = None
        self.reused = False  # the connection had served a request before
        self.lease: Origin | None = None  # under which the pool has lent the connection
        self.proxy_seconds = 0.0  # for CONNECT
        self.exchange: ClientExchange | None = None
        self.upload: asyncio.Task[None] | None = None

    @property
    def response(self) -> Response | None:
        return self.exchange.response if self.exchange is not None else None

    async def content(self, *, raw: bool = False) -> AsyncIterator[bytes]:
        """The answer's content in pieces, content codings undone unless `raw`; raises NetlabError."""
        assert self.exchange is not None
        assert self.response is not None
        decoding = Decoding([] if raw else self.response.fields.tokens("content-encoding"))
        while data := await self.exchange.read():
            for piece in decoding.decode(data):
                yield piece
        decoding.finish()

    def timings(self) -> dict[str, float]:
        """Seconds of each stage, in their order; a stage that did not happen took 0."""
        dialled: dict[str, float] = {}
        if self.connection is not None and not self.reused:
            dialled = (self.connection.flow.details or {}).get("timings", {})
        stages = {stage: dialled.get(stage, 0.0) for stage in ("resolve", "connect")}
        stages |= {"proxy": self.proxy_seconds, "tls": dialled.get("tls", 0.0)}
        if self.exchange is not None:
            times = self.exchange.times
            answered = times.answered or times.ended
            sent = times.sent or answered or times.begun  # a refused upload was never sent whole
            stages["request"] = sent - times.begun
            stages["wait"] = max(answered - sent, 0.0)
            stages["receive"] = max(times.ended - max(answered, sent), 0.0)
        return stages
