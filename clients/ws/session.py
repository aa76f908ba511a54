"""One run of `netlab ws`: connect, say what there is to say, show what comes, and end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from clients.get.command import lab_addresses
from clients.get.request import parse_fields
from clients.get.trust import Trust
from clients.ws.connection import WebSocket
from clients.ws.handshake import connect, parse
from clients.ws.show import Show
from netlab.cores.websocket_close import ABNORMAL, GOING_AWAY, NO_STATUS, NORMAL
from netlab.cores.websocket_handshake import Compression
from netlab.errors import ConnectionLost, DeadlineExceeded, NetlabError, UsageError
from netlab.flow import FlowLog
from netlab.http.url import Url
from netlab.net.dial import Dialer, Timeouts
from netlab.net.standard_input import StandardInput
from netlab.net.tasks import Tasks
from netlab.text import peer_text

if TYPE_CHECKING:
    from clients.ws import Addresses, Config

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before the first attempt to connect again, doubled each time up to the second."""
LOST = frozenset((GOING_AWAY, ABNORMAL, 1012, 1013))
"""Codes after which a server may be there again."""


class Session:
    """Holds what is to be said; with --reconnect it outlives its connections."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.show = Show(as_json=config.json, verbose=config.verbose)
        self.tasks = Tasks("ws")
        self.messages: list[str | bytes] = [*config.text, *map(read_binary, config.binary)]
        self.input = StandardInput()
        self.listens = not (self.messages or config.ping)  # to standard input
        self.received = 0
        self._dialer: Dialer | None = None

    async def run(self, addresses: Addresses | None) -> int:
        config = self.config
        target = parse(config.url)
        first = Url.parse(config.proxy) if config.proxy else target
        seconds = config.timeout
        self._dialer = Dialer(
            FlowLog(),
            addresses=await lab_addresses(first, addresses),
            timeouts=Timeouts(resolve=seconds, connect=seconds, tls=seconds),
            service="ws",
        )
        pause = FIRST_PAUSE
        try:
            while True:
                try:
                    code = await self._once()
                    if code is None or not config.reconnect:
                        return 1 if code is not None else 0
                    why, pause = f"closed with {code}", FIRST_PAUSE
                except UsageError:
                    raise
                except NetlabError as error:
                    if not config.reconnect:
                        raise
                    why = str(error)
                self.show.again(why, pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
        finally:
            await self.tasks.cancel()

    async def _once(self) -> int | None:
        """One connection; the code it ended with where that is no good end, or one to come back from."""
        config = self.config
        trust = Trust(cacert=config.cacert, insecure=config.insecure)
        fields, _ = parse_fields(config.field)
        socket = await connect(
            config.url,
            subprotocols=config.subprotocol,
            fields=fields,
            compression=Compression(server_bits=None, client_bits=None) if config.compression else None,
            proxy=config.proxy or None,
            dialer=self._dialer,
            tls=trust.context,
            max_message=config.max_message,
            seconds=config.timeout,
            on_frame=self.show.frame if config.verbose else None,
            on_handshake=self.show.handshake,
        )
        place = peer_text(socket.wire.flow.server) or ""
        self.show.opened(place, socket.subprotocol, compressed=socket.accepted.deflate is not None)
        said = self.tasks.start(self._say(socket), "say")
        try:
            await self._listen(socket, said)
        finally:
            said.cancel()
            await socket.close()
        close = socket.closing
        assert close is not None
        received = socket.core.close_received is not None
        by = ("the server" if socket.core.peer_began else "us") if received else ""
        self.show.closed(close, by)
        good = close.code in (NORMAL, GOING_AWAY, NO_STATUS) or close.code >= 3000
        comes_back = config.reconnect and close.code in LOST
        return close.code if comes_back or not good else None

    async def _say(self, socket: WebSocket) -> None:
        """Everything there is to say; ends where that is the end."""
        try:
            for number in range(1, self.config.ping + 1):
                if number > 1:
                    await asyncio.sleep(1)
                self.show.pong(number, await socket.ping())
            for message in self.messages:
                await socket.send(message)
            if self.listens:
                await self._say_lines(socket)
        except (ConnectionLost, DeadlineExceeded) as error:
            if isinstance(error, DeadlineExceeded):
                socket.error = error
                socket.abort()

    async def _say_lines(self, socket: WebSocket) -> None:
        """Each line of standard input is a message."""
        held = b""
        while data := await self.input.read():
            *lines, held = (held + data).split(b"\n")
            for line in lines:
                await socket.send(line.rstrip(b"\r").decode("utf-8", "replace"))
        if held:
            await socket.send(held.decode("utf-8", "replace"))
        if self.input.terminal:
            await socket.close()

    async def _listen(self, socket: WebSocket, said: asyncio.Task[None]) -> None:
        """Show what comes, until all is said and nothing more comes."""
        config = self.config
        while True:
            done = said.done() and not config.reconnect
            try:
                message = await socket.message(config.wait if done else LOOK)
            except DeadlineExceeded:
                if done:
                    return
                continue
            if message is None:
                return
            self.show.message(message)
            self.received += 1
            if config.count and self.received >= config.count:
                return


LOOK = 0.2
"""Seconds between two looks at whether standard input has ended."""


def read_binary(text: str) -> bytes:
    """Bytes in hexadecimal, or a file's."""
    try:
        return Path(text[1:]).read_bytes() if text.startswith("@") else bytes.fromhex(text)
    except OSError as error:
        raise UsageError(f"--binary {text}: {error.strerror}") from None
    except ValueError:
        raise UsageError(f"--binary {text!r} is not hexadecimal, such as 00ff10, and no @FILE") from None
