"""SOCKS 5 without I/O, the client's side (RFC 1928, RFC 1929): asks to be connected somewhere, by name or address."""

from __future__ import annotations

import ipaddress
from enum import Enum
from typing import NamedTuple

from netlab.errors import RemoteProtocolError, Truncated

NO_AUTHENTICATION, USER_PASSWORD, NO_ACCEPTABLE = 0x00, 0x02, 0xFF  # methods, RFC 1928 3
CONNECT = 1
IPV4, NAME, IPV6 = 1, 3, 4  # address types, RFC 1928 5
REPLIES = {  # RFC 1928 6
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "TTL expired",
    7: "command not supported",
    8: "address type not supported",
}
BEYOND = (3, 4, 5, 6)
"""Replies about the way behind the server, or who is at its end."""
LONGEST = 255
"""Bytes of a name, a user or a password."""


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


class ClientCore:
    """One way to a tunnel. The first bytes are in `outgoing` from the start.

    ValueError for what SOCKS cannot say: a name, user or password of more than 255 bytes.
    """

    __slots__ = ("_buffer", "_credentials", "_offset", "_out", "_request", "_stage")

    def __init__(self, host: str, port: int, *, user: str = "", password: str = "") -> None:
        self._request = bytes((5, CONNECT, 0)) + _address(host) + port.to_bytes(2, "big")
        self._credentials = _credentials(user, password) if user else b""
        methods = (NO_AUTHENTICATION, USER_PASSWORD) if user else (NO_AUTHENTICATION,)
        self._out = bytes((5, len(methods), *methods))
        self._buffer, self._offset = b"", 0
        self._stage = Stage.METHOD

    def receive(self, data: bytes) -> list[Event]:
        """What the server's bytes mean; b"" is the end of them."""
        if self._stage is Stage.CLOSED:
            return []
        if not data:
            if self._stage is Stage.TUNNEL:
                return []
            at = self._offset + len(self._buffer)
            self._stage = Stage.CLOSED
            words = "the SOCKS server ended before there was a connection"
            return [Truncated(words, offset=at, rule="socks.truncated", section="RFC 1928 3")]
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
            return self._wrong(f"version {data[0]} is not SOCKS 5", "socks.version", "RFC 1928 3")
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
            return self._wrong(f"method {data[1]} was not offered", "socks.method", "RFC 1928 3")
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
            return self._wrong(f"version {data[0]} is not SOCKS 5", "socks.version", "RFC 1928 6")
        if data[1] != 0:
            self._stage = Stage.CLOSED
            return Refused(REPLIES.get(data[1], f"reply {data[1]}"), data[1] in BEYOND)
        sizes = {IPV4: 4, NAME: 1 + data[4], IPV6: 16}
        if data[3] not in sizes:
            return self._wrong(f"address type {data[3]} is not known", "socks.address_type", "RFC 1928 5")
        end = 4 + sizes[data[3]]
        if len(data) < end + 2:
            return None
        address, port = data[4:end], int.from_bytes(data[end : end + 2], "big")
        self._use(end + 2)
        self._stage = Stage.TUNNEL
        host = address[1:].decode("latin-1") if data[3] == NAME else str(ipaddress.ip_address(address))
        return Connected(host, port)

    # -- how it stands -------------------------------------------------------------------------------------------

    def outgoing(self) -> bytes:
        """What must be written now."""
        out, self._out = self._out, b""
        return out

    @property
    def closed(self) -> bool:
        return self._stage is Stage.CLOSED

    @property
    def switched(self) -> bool:
        return self._stage is Stage.TUNNEL

    def rest(self) -> bytes:
        """The tunnel's first bytes, where they came with the reply."""
        data, self._buffer = self._buffer, b""
        return data

    def _ask(self) -> None:
        self._out += self._request
        self._stage = Stage.REPLY

    def _use(self, count: int) -> None:
        self._buffer = self._buffer[count:]
        self._offset += count

    def _wrong(self, reason: str, rule: str, section: str) -> RemoteProtocolError:
        self._stage = Stage.CLOSED
        return RemoteProtocolError(
            reason, offset=self._offset, rule=rule, section=section, status=502, excerpt=self._buffer[:40]
        )

    def __repr__(self) -> str:
        return f"<SOCKS 5 client {self._stage.value}>"


READERS = {
    Stage.METHOD: ClientCore._read_method,
    Stage.CREDENTIALS: ClientCore._read_verdict,
    Stage.REPLY: ClientCore._read_reply,
}


def _address(host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode("idna" if not host.isascii() else "ascii")
        if not 0 < len(name) <= LONGEST:
            raise ValueError(f"a name for SOCKS has 1 to {LONGEST} bytes") from None
        return bytes((NAME, len(name))) + name
    return bytes((IPV4 if address.version == 4 else IPV6,)) + address.packed


def _credentials(user: str, password: str) -> bytes:
    """`01 ulen user plen password` (RFC 1929 2)."""
    parts = [part.encode() for part in (user, password)]
    if any(len(part) > LONGEST for part in parts):
        raise ValueError(f"user and password for SOCKS have at most {LONGEST} bytes each")
    return b"\x01" + b"".join(bytes((len(part),)) + part for part in parts)
