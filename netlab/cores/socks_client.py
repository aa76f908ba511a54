"""SOCKS 5 without I/O, the client's side (RFC 1928, RFC 1929): asks to be connected somewhere, by name or address."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from netlab.cores.socks_wire import (
    CONNECT,
    LONGEST,
    NO_ACCEPTABLE,
    NO_AUTHENTICATION,
    USER_PASSWORD,
    Reply,
    Side,
    address_end,
    read_address,
    write_address,
)
from netlab.errors import RemoteProtocolError

BEYOND = {
    reply.value
    for reply in (Reply.NETWORK_UNREACHABLE, Reply.HOST_UNREACHABLE, Reply.CONNECTION_REFUSED, Reply.TTL_EXPIRED)
}
"""Replies about the way behind the server, or who is at its end."""


class Connected(NamedTuple):
    """The tunnel stands; the address is the server's end of it, as far as it tells."""

    host: str
    port: int


class Refused(NamedTuple):
    """There will be no connection, and why in the server's words. `beyond`: the server is not to blame."""

    reason: str
    beyond: bool = False


Event = Connected | Refused | RemoteProtocolError


class Stage(Enum):
    METHOD = "method"
    CREDENTIALS = "credentials"
    REPLY = "reply"
    TUNNEL = "tunnel"
    CLOSED = "closed"


class ClientCore(Side):
    """One way to a tunnel. The first bytes are in `outgoing` from the start.

    ValueError for what SOCKS cannot say: a name, user or password of more than 255 bytes.
    """

    __slots__ = ("_credentials", "_request", "_stage")

    def __init__(self, host: str, port: int, *, user: str = "", password: str = "") -> None:
        super().__init__()
        self._request = bytes((5, CONNECT, 0)) + write_address(host, port)
        self._credentials = _credentials(user, password) if user else b""
        methods = (NO_AUTHENTICATION, USER_PASSWORD) if user else (NO_AUTHENTICATION,)
        self._out = bytes((5, len(methods), *methods))
        self._stage = Stage.METHOD

    def receive(self, data: bytes) -> list[Event]:
        """What the server's bytes mean; b"" is the end of them."""
        if self._stage is Stage.CLOSED:
            return []
        if not data:
            if self._stage is Stage.TUNNEL:
                return []
            self._stage = Stage.CLOSED
            return [self._cut("the SOCKS server ended before there was a connection")]
        self._buffer += data
        while self._stage in READERS:
            before = self._stage
            event = READERS[self._stage](self)
            if event is not None:
                return [event]
            if self._stage is before:
                break
        return []

    # -- what the server says ------------------------------------------------------------------------------------

    def _read_method(self) -> Event | None:
        """`05 method` (RFC 1928 3)."""
        data = self._buffer
        if len(data) < 2:
            return None
        if data[0] != 5:
            return self._violated(f"version {data[0]} is not SOCKS 5", "socks.version", "RFC 1928 3")
        self._use(2)
        if data[1] == NO_AUTHENTICATION:
            self._ask()
        elif data[1] == USER_PASSWORD and self._credentials:
            self._out += self._credentials
            self._stage = Stage.CREDENTIALS
        elif data[1] == NO_ACCEPTABLE:
            self._stage = Stage.CLOSED
            return Refused("it wants other credentials" if self._credentials else "it wants user and password")
        else:
            return self._violated(f"method {data[1]} was not offered", "socks.method", "RFC 1928 3")
        return None

    def _read_verdict(self) -> Event | None:
        """`01 status` (RFC 1929 2)."""
        data = self._buffer
        if len(data) < 2:
            return None
        self._use(2)
        if data[1] != 0:
            self._stage = Stage.CLOSED
            return Refused("user or password are wrong")
        self._ask()
        return None

    def _read_reply(self) -> Event | None:
        """`05 reply 00 type address port` (RFC 1928 6)."""
        data = self._buffer
        if len(data) < 5:
            return None
        if data[0] != 5:
            return self._violated(f"version {data[0]} is not SOCKS 5", "socks.version", "RFC 1928 6")
        if data[1] != 0:
            self._stage = Stage.CLOSED
            return Refused(Reply.words(data[1]), data[1] in BEYOND)
        try:
            end = address_end(data)
        except KeyError:
            return self._violated(f"address type {data[3]} is not known", "socks.address_type", "RFC 1928 5")
        if end is None or len(data) < end + 2:
            return None
        host, port = read_address(data, end)
        self._use(end + 2)
        self._stage = Stage.TUNNEL
        return Connected(host, port)

    # -- how it stands -------------------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        return self._stage is Stage.CLOSED

    @property
    def switched(self) -> bool:
        return self._stage is Stage.TUNNEL

    def _ask(self) -> None:
        self._out += self._request
        self._stage = Stage.REPLY

    def _violated(self, reason: str, rule: str, section: str) -> RemoteProtocolError:
        self._stage = Stage.CLOSED
        return self._wrong(reason, 0, rule, section, status=502)

    def __repr__(self) -> str:
        return f"<SOCKS 5 client {self._stage.value}>"


READERS = {
    Stage.METHOD: ClientCore._read_method,
    Stage.CREDENTIALS: ClientCore._read_verdict,
    Stage.REPLY: ClientCore._read_reply,
}


def _credentials(user: str, password: str) -> bytes:
    """`01 ulen user plen password` (RFC 1929 2)."""
    parts = [part.encode() for part in (user, password)]
    if any(len(part) > LONGEST for part in parts):
        raise ValueError(f"user and password for SOCKS have at most {LONGEST} bytes each")
    return b"\x01" + b"".join(bytes((len(part),)) + part for part in parts)
