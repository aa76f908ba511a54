"""Servers that do exactly what a test tells them, right or wrong: bytes on a socket, and a proxy that only relays."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from netlab.net.certs import Authority

OK_LINE = b"HTTP/1.1 200 OK\r\n"
OK = OK_LINE + b"Content-Length: 5\r\n\r\nhello"

Conversation = Callable[["Talk"], Awaitable[None]]


@dataclass
class Talk:
    """One connection of a raw server."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int  # of the connection, from 1
    requests: list[bytes]  # of all connections: the heads that came

    async def head(self) -> bytes:
        """The next request's head; b"" when the client has gone."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""
        self.requests.append(head)
        return head

    async def say(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    def reset(self) -> None:
        """End with RST and not with FIN."""
        with self._socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def cut(self) -> None:
        """Send FIN, below TLS where there is TLS."""
        with self._socket() as sock:
            sock.shutdown(socket.SHUT_WR)

    def _socket(self) -> socket.socket:
        return socket.socket(fileno=os.dup(self.writer.get_extra_info("socket").fileno()))


@dataclass
class RawServer:
    port: int
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def raw_server(conversation: Conversation, context: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    """A server whose every connection runs one conversation, and then ends."""
    server = RawServer(0)
    conversations: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        task = asyncio.current_task()
        assert task is not None
        conversations.add(task)
        try:
            await conversation(Talk(reader, writer, server.connections, server.requests))
        except (ConnectionError, ssl.SSLError):
            pass
        except asyncio.CancelledError:
            pass  # by us, below; before Python 3.12 the loop complains of a cancelled conversation
        finally:
            conversations.discard(task)
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in conversations:
            task.cancel()
        if conversations:
            await asyncio.wait(conversations)


def answering(*pieces: bytes) -> Conversation:
    """Answer every request with these bytes, one write a piece, then close."""

    async def talk(talk: Talk) -> None:
        await talk.head()
        await talk.say(*pieces)

    return talk


def keeping(answers: dict[bytes, bytes]) -> Conversation:
    """Answer by target, on connections that are kept."""

    async def talk(talk: Talk) -> None:
        while head := await talk.head():
            await talk.say(answers[head.split(b" ")[1]])

    return talk


@asynccontextmanager
async def proxy(context: ssl.SSLContext | None = None, refuse: bytes = b"") -> AsyncIterator[RawServer]:
    """A forward proxy for CONNECT that relays, and notes what it was asked; `refuse` is its answer instead."""

    async def talk(talk: Talk) -> None:
        head = await talk.head()
        if refuse:
            await talk.say(refuse)
            return
        host, port = head.split(b" ")[1].rsplit(b":", 1)
        reader, writer = await asyncio.open_connection("127.0.0.1" if b"." in host else host.decode(), int(port))
        await talk.say(b"HTTP/1.1 200 Connection established\r\n\r\n")
        async with asyncio.TaskGroup() as group:
            group.create_task(_relay(talk.reader, writer))
            group.create_task(_relay(reader, talk.writer))

    async with raw_server(talk, context) as server:
        yield server


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        writer.close()


def server_context(authority: Authority) -> ssl.SSLContext:
    """Of a server at 127.0.0.1 whose certificate the authority vouches for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.leaf(("127.0.0.1",)).load_into(context)
    return context


class Pieces:
    """Content of an unknown length that waits for a signal in between."""

    length, again = None, False

    def __init__(self, *pieces: bytes, gate: asyncio.Event | None = None) -> None:
        self._pieces, self._gate = pieces, gate

    async def pieces(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
            if self._gate is not None:
                await self._gate.wait()
