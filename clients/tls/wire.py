"""Connections to one server, each for one question."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass

from netlab.cores.tls_hello_answer import Answer, AnswerReader
from netlab.cores.tls_hello_offer import Offer, client_hello
from netlab.errors import RemoteProtocolError
from netlab.flow import Flow
from netlab.net.dial import Dialer
from netlab.net.outgoing import Outgoing


class Wire(Outgoing):
    """A connection whose bytes are waited for."""

    __slots__ = ("_heard", "_news")

    def __init__(self, flow: Flow) -> None:
        super().__init__(flow)
        self._heard: list[bytes] = []
        self._news = asyncio.Event()

    def feed(self, data: bytes) -> None:
        self._heard.append(data)
        self._news.set()

    def lost(self, error: Exception | None) -> None:
        self._heard.append(b"")
        self._news.set()

    async def read(self) -> bytes:
        """What has come; b"" is the server's end."""
        while not self._heard:
            self._news.clear()
            await self._news.wait()
        return self._heard.pop(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """Where it is, by which name it is asked, and how long it may take."""

    dialer: Dialer
    host: str
    port: int
    name: str
    seconds: float

    async def connect(self) -> Wire:
        """PeerUnreachable where there is no connection."""
        _, wire, _ = await self.dialer.dial(self.host, self.port, Wire)
        return wire

    async def ask(self, offer: Offer) -> Answer:
        """What it answers to a hello; nothing, where it hangs up or takes too long."""
        wire, reader = await self.connect(), AnswerReader()
        try:
            wire.write(client_hello(offer, secrets.token_bytes(32)))
            async with asyncio.timeout(self.seconds):
                while not (done := reader.receive(await wire.read())):
                    pass
        except TimeoutError:
            done = True
        finally:
            wire.abort()
        if isinstance(done, RemoteProtocolError):
            raise done
        return reader.answer
