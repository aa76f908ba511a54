"""The world's nameservers and a resolver over it, in this process, on a port that is free at all their addresses."""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.message
import dns.rdatatype

from netlab.clock import LabClock
from netlab.config import Address
from netlab.errors import AddressInUse
from netlab.flow import FlowLog, Level
from netlab.service import Context, running
from servers import nameserver, resolver

SECONDS = 20.0
ROOT = "127.0.53.1"


@dataclass
class Internet:
    """Where everything is, and what it keeps."""

    port: int  # of the nameservers
    resolver: resolver.Server
    endpoints: dict[str, int]  # scheme → port of the resolver
    clock: LabClock

    async def ask(self, name: str, kind: str = "A", **options: Any) -> dns.message.Message:
        """One question to the resolver over UDP, read by dnspython."""
        query = dns.message.make_query(name, kind, **({"use_edns": 0} | options))
        return await ask(("127.0.0.1", self.endpoints["dns"]), query)


@asynccontextmanager
async def nameservers(port: int | None = None, **settings: Any) -> AsyncIterator[tuple[nameserver.Server, int]]:
    """Those of the world, all at one port."""
    for _ in range(20):
        chosen = port or free_port()
        server = nameserver.Server(nameserver.Config(port=chosen, **settings), Context(flows=FlowLog(Level.FULL)))
        try:
            async with running(server, grace=0.2):
                yield server, chosen
                return
        except AddressInUse:
            continue


@asynccontextmanager
async def internet(tmp_path: Path, **settings: Any) -> AsyncIterator[Internet]:
    """A resolver over the world."""
    clock = LabClock()
    clock.freeze()
    async with nameservers() as (_, port):
        context = Context(flows=FlowLog(Level.FULL), clock=clock, random=random.Random(1), state=tmp_path)
        places = {name: Address("127.0.0.1", 0) for name in ("listen", "tls_listen", "https_listen")}
        server = resolver.Server(resolver.Config(upstream_port=port, **places, **settings), context)
        async with running(server, grace=0.2) as endpoints:
            yield Internet(port, server, {each.scheme: each.port for each in endpoints}, clock)


def free_port(own: str = ROOT) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((own, 0))
        return int(sock.getsockname()[1])


async def exchange(where: tuple[str, int], data: bytes, *, seconds: float = SECONDS) -> bytes | None:
    """One datagram and its answer; None where none comes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect(where)
        sock.send(data)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.get_running_loop().sock_recv(sock, 65_535)
        except TimeoutError:
            return None


async def ask(where: tuple[str, int], query: dns.message.Message) -> dns.message.Message:
    """Over UDP; the reply has to be one to this query."""
    wire = await exchange(where, query.to_wire())
    assert wire is not None
    reply = dns.message.from_wire(wire)
    assert query.is_response(reply)
    return reply


async def stream(
    where: tuple[str, int], data: bytes, count: int, context: ssl.SSLContext | None = None, *, end: bool = False
) -> list[bytes]:
    """Bytes over TCP, or TLS with a context, and so many messages back."""
    reader, writer = await asyncio.open_connection(*where, ssl=context)
    try:
        async with asyncio.timeout(SECONDS):
            writer.write(data)
            if end:
                writer.write_eof()
            return [await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big")) for _ in range(count)]
    finally:
        writer.close()


def framed(*messages: bytes) -> bytes:
    return b"".join(len(message).to_bytes(2, "big") + message for message in messages)


def answers(reply: dns.message.Message) -> list[str]:
    return sorted(
        f"{rrset.name} {dns.rdatatype.to_text(rrset.rdtype)} {each.to_text()}"
        for rrset in reply.answer
        for each in rrset
    )


async def dig(*arguments: str) -> str:
    """What dig prints."""
    process = await asyncio.create_subprocess_exec("dig", *arguments, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(SECONDS):
        out, _ = await process.communicate()
    return out.decode()
