"""The addresses of a name together with how long they hold, asked of a DNS server: for who keeps asking again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address
from random import SystemRandom
from typing import Any, NamedTuple

from netlab.cores.dns_message import RD, TC, Edns, Message, Question, parse, serialize
from netlab.cores.dns_names import from_text
from netlab.errors import PeerUnreachable, RemoteProtocolError
from netlab.net.addresses import SocketAddress, interleave
from netlab.net.dial import Dialer
from netlab.net.resolve import resolve

A, AAAA, NXDOMAIN = 1, 28, 3
SECONDS = 2.0
"""How long a DNS server may take, over UDP and then over TCP."""


class Looked(NamedTuple):
    """What a name stands for, and for how many seconds; None where that was not said."""

    addresses: tuple[str, ...]
    ttl: float | None


async def look_up(dialer: Dialer, host: str, port: int, servers: Sequence[SocketAddress] = ()) -> Looked:
    """The lab's own word on a name, else that of these servers, the first that answers, else the system's.

    Raises PeerUnreachable, whose words say why there is no address.
    """
    if laid_down := dialer.overrides.addresses(host, port) or dialer.addresses.addresses(host):
        return Looked(tuple(laid_down), None)
    if not servers:
        return Looked(tuple((await resolve(host, dialer.resolver)).addresses), None)
    for server in servers:
        try:
            return await _ask_both(server, host)
        except TimeoutError:
            continue
    places = ", ".join(map(str, servers))
    raise PeerUnreachable(f"no answer about {host} from {places} within {SECONDS:g} s", stage="resolve", timed_out=True)


async def _ask_both(server: SocketAddress, host: str) -> Looked:
    """A and AAAA side by side; the shortest time to live counts."""
    try:
        name = from_text(host)
    except ValueError:
        raise PeerUnreachable(f"{host!r} is not the name of a host", stage="resolve") from None
    async with asyncio.timeout(SECONDS):
        answers = await asyncio.gather(*(_ask(server, Question(name, kind)) for kind in (A, AAAA)))
    records = [record for answer in answers for record in answer.answer]
    addresses = interleave(str(ip_address(record.rdata)) for record in records if record.type in (A, AAAA))
    if not addresses:
        why = "does not exist" if answers[0].rcode == NXDOMAIN else "has no address"
        raise PeerUnreachable(f"the name {host} {why}, says {server}", stage="resolve")
    return Looked(tuple(addresses), float(min(record.ttl for record in records)))


async def _ask(server: SocketAddress, question: Question) -> Message:
    query = Message(id=SystemRandom().getrandbits(16), flags=RD, question=[question], edns=Edns())
    answer = await _over_udp(server, query)
    return await _over_tcp(server, query) if answer.flags & TC else answer


async def _over_udp(server: SocketAddress, query: Message) -> Message:
    loop = asyncio.get_running_loop()
    where = (server.address, server.port)
    transport, waiting = await loop.create_datagram_endpoint(lambda: _Waiting(query), remote_addr=where)
    try:
        return await waiting.answer
    finally:
        transport.close()


async def _over_tcp(server: SocketAddress, query: Message) -> Message:
    try:
        reader, writer = await asyncio.open_connection(*server)
        try:
            message = serialize(query)
            writer.write(len(message).to_bytes(2, "big") + message)
            size = int.from_bytes(await reader.readexactly(2), "big")
            return parse(await reader.readexactly(size))
        finally:
            writer.close()
    except (OSError, asyncio.IncompleteReadError, RemoteProtocolError) as error:
        raise PeerUnreachable(f"{server} gives no whole answer over TCP: {error}", stage="resolve") from error


class _Waiting(asyncio.DatagramProtocol):
    """Waits for the one datagram that answers a query (RFC 5452 9.1); what else comes is not for us."""

    def __init__(self, query: Message) -> None:
        self._query = query
        self.answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        transport.sendto(serialize(self._query))

    def datagram_received(self, data: bytes, address: Any) -> None:
        try:
            answer = parse(data)
        except RemoteProtocolError:
            return
        ours = answer.is_response and answer.id == self._query.id and answer.question == self._query.question
        if ours and not self.answer.done():
            self.answer.set_result(answer)

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            words = f"the DNS server takes no questions: {getattr(exc, 'strerror', None) or exc}"
            self.answer.set_exception(PeerUnreachable(words, stage="resolve"))
