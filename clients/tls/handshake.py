"""A handshake as OpenSSL makes it, with all of its messages, the encrypted ones too."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Literal, NamedTuple

from clients.tls.wire import Server, Wire
from netlab.errors import NetlabError
from netlab.net.tls_errors import handshake_error

HANDSHAKE, ALERT = 22, 21
CERTIFICATE = 11
READ_SIZE = 1 << 14
TICKETS = 0.5
"""Seconds that tickets of TLS 1.3 are waited for: they come behind the handshake, or never."""


class Message(NamedTuple):
    """One message: by whom, how many seconds after the first, and its bytes in the clear."""

    side: Literal["client", "server"]
    after: float
    kind: int  # HANDSHAKE or ALERT
    data: bytes


@dataclass(slots=True)
class Made:
    """A handshake that came about, or did not: then `error` says why."""

    messages: list[Message] = field(default_factory=list)
    error: str = ""
    silent: bool = False  # nothing came back
    version: str = ""
    suite: str = ""
    alpn: str = ""
    resumed: bool = False
    session: ssl.SSLSession | None = None
    seconds: float = 0.0

    @property
    def chain(self) -> list[bytes]:
        """The certificates in DER, as the server sent them, its own first."""
        sent = [one.data for one in self.messages if one.side == "server" and one.kind == HANDSHAKE]
        found = next((data for data in sent if data[:1] == bytes((CERTIFICATE,))), b"")
        return [der for der, _ in entries(found[4:], later=self.version == "TLSv1.3")]

    @property
    def wants_certificate(self) -> bool:
        """Whether the server asked for a client's certificate."""
        return any(one.side == "server" and one.kind == HANDSHAKE and one.data[:1] == b"\x0d" for one in self.messages)

    @property
    def refuses(self) -> bool:
        """Whether it ended the connection, once it had none."""
        return any(one.side == "server" and one.kind == ALERT and one.data[:1] == b"\2" for one in self.messages)


def entries(body: bytes, *, later: bool) -> Iterator[tuple[bytes, bytes]]:
    """The certificates of a Certificate message, with their extensions, which TLS 1.3 has (RFC 8446 4.4.2)."""
    at = 1 + body[0] + 3 if later and body else 3
    while at + 3 <= len(body):
        end = at + 3 + int.from_bytes(body[at : at + 3], "big")
        behind = end + 2 + int.from_bytes(body[end : end + 2], "big") if later else end
        yield body[at + 3 : end], body[end + 2 : behind]
        at = behind


async def handshake(
    server: Server, context: ssl.SSLContext, session: ssl.SSLSession | None = None, *, verified_as: str = ""
) -> Made:
    """Make one; with a `session` of an earlier one by the same context that is offered for resumption, and with a name
    (or address) that the certificate must have, where the context verifies.

    PeerUnreachable where there is no connection.
    """
    made, began = Made(), perf_counter()

    def told(_: Any, direction: str, version: Any, kind: Any, message: Any, data: bytes) -> None:
        if int(kind) in (HANDSHAKE, ALERT):
            side: Literal["client", "server"] = "client" if direction == "write" else "server"
            made.messages.append(Message(side, perf_counter() - began, int(kind), bytes(data)))

    wire = await server.connect()
    began = perf_counter()
    context._msg_callback = told  # type: ignore[attr-defined]  # there since Python 3.8, without an official name
    try:
        async with asyncio.timeout(server.seconds):
            await _drive(wire, context, verified_as or server.name, session, made)
    except TimeoutError:
        made.error = f"the handshake was not done within {server.seconds:g} s"
        made.silent = not any(message.side == "server" for message in made.messages)
    except (ssl.SSLError, NetlabError) as error:
        made.error = _words(error)
    finally:
        context._msg_callback = None  # type: ignore[attr-defined]  # as above
        wire.abort()
    return made


async def _drive(wire: Wire, context: ssl.SSLContext, name: str, session: ssl.SSLSession | None, made: Made) -> None:
    began = perf_counter()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=name or None, session=session)
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            await _exchange(wire, incoming, outgoing)
        except ssl.SSLError:
            wire.write(outgoing.read())  # the alert that says why
            raise
    wire.write(outgoing.read())
    made.seconds = perf_counter() - began
    made.version, made.suite = tls.version() or "", (tls.cipher() or ("",))[0]
    made.alpn, made.resumed = tls.selected_alpn_protocol() or "", bool(tls.session_reused)
    made.session = tls.session
    if made.version == "TLSv1.3":
        made.session = await _ticket(wire, tls, incoming, outgoing)
    context._msg_callback = None  # type: ignore[attr-defined]  # as below; what follows belongs to no handshake
    try:
        tls.unwrap()
    except ssl.SSLError:
        pass  # the server's farewell is not waited for
    wire.write(outgoing.read())  # without ours, some servers forget the session (RFC 5246 7.2.1)


async def _ticket(
    wire: Wire, tls: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO
) -> ssl.SSLSession | None:
    """The session with its ticket, which TLS 1.3 sends behind the handshake."""
    try:
        async with asyncio.timeout(TICKETS):
            while tls.session is None or not tls.session.has_ticket:
                await _exchange(wire, incoming, outgoing)
                try:
                    tls.read(READ_SIZE)
                except ssl.SSLWantReadError:
                    pass  # the tickets are no data
    except (TimeoutError, ssl.SSLError):
        pass  # there is none
    return tls.session


async def _exchange(wire: Wire, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> None:
    if outgoing.pending:
        wire.write(outgoing.read())
    data = await wire.read()
    if data:
        incoming.write(data)
    else:
        incoming.write_eof()


def _words(error: ssl.SSLError | NetlabError) -> str:
    return str(handshake_error(error, server_side=False, offset=0)) if isinstance(error, ssl.SSLError) else str(error)
