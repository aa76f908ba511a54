"""SOCKS 4, 4a and 5 without I/O, the server's side (RFC 1928, RFC 1929; SOCKS 4 and 4a as their authors wrote them).

The server is told `Credentials` (answer with `admit`) and `Connect` (answer with `grant` or `refuse`); after `grant`
the connection is a tunnel and `rest` gives what came behind the request.
"""

from __future__ import annotations

import ipaddress
from enum import Enum
from typing import NamedTuple

from netlab.cores.socks_wire import (
    CONNECT,
    NO_ACCEPTABLE,
    NO_AUTHENTICATION,
    USER_PASSWORD,
    Reply,
    Side,
    address_end,
    host_name,
    read_address,
    write_address,
)
from netlab.errors import LocalProtocolError, RemoteProtocolError

__all__ = ["Connect", "Credentials", "Event", "Reply", "ServerCore"]


class Credentials(NamedTuple):
    """Who the client says it is (RFC 1929)."""

    user: str
    password: str


class Connect(NamedTuple):
    """Where the client wants to be connected to: an address, or a name that is ours to resolve."""

    host: str
    port: int
    version: int  # 4 or 5
    user: str = ""  # SOCKS 4's unproven user id


Event = Credentials | Connect | RemoteProtocolError


class Stage(Enum):
    METHODS = "methods"
    CREDENTIALS = "credentials"
    REQUEST = "request"
    HELD = "held"  # the server must answer first
    TUNNEL = "tunnel"
    CLOSED = "closed"


class ServerCore(Side):
    """One client's way to its tunnel. `authenticate` asks for user and password, which SOCKS 4 cannot give."""

    __slots__ = ("_authenticate", "_next", "_stage", "_version")

    def __init__(self, *, authenticate: bool = False) -> None:
        super().__init__()
        self._authenticate = authenticate
        self._stage, self._next = Stage.METHODS, Stage.METHODS
        self._version = 0

    def receive(self, data: bytes) -> list[Event]:
        """What the client's bytes mean; b"" is the end of them."""
        if not data:
            if self._stage in (Stage.TUNNEL, Stage.CLOSED) or self._next is Stage.TUNNEL:
                return []  # a half-close: all that it has to say to the far end came ahead
            self._stage = Stage.CLOSED
            return [self._cut("the client ended before it was connected")]
        if self._stage is not Stage.CLOSED:
            self._buffer += data
        return self._read()

    def _read(self) -> list[Event]:
        events: list[Event] = []
        while self._stage in READERS:
            before = self._stage, len(self._buffer)
            event = READERS[self._stage](self)
            if event is not None:
                events.append(event)
            if event is not None or before == (self._stage, len(self._buffer)):
                break
        return events

    # -- what the client says ------------------------------------------------------------------------------------

    def _methods(self) -> Event | None:
        """`05 nmethods methods…`, or a whole SOCKS 4 request."""
        data = self._buffer
        if data[:1] == b"\x04":
            return self._request4(data)
        if data[:1] not in (b"\x05", b""):
            return self._refuse_bytes(f"version {data[0]} is neither SOCKS 4 nor 5", 0, "socks.version", "RFC 1928 3")
        if len(data) < 2 or len(data) < 2 + data[1]:
            return None
        methods = data[2 : 2 + data[1]]
        self._version = 5
        self._use(2 + data[1])
        wanted = USER_PASSWORD if self._authenticate else NO_AUTHENTICATION
        if wanted not in methods:
            self._out += bytes((5, NO_ACCEPTABLE))
            need = "user and password" if self._authenticate else "no authentication"
            return self._refuse_bytes(
                f"the client offers no method that is accepted here: {need}", 0, "socks.method", "RFC 1928 3"
            )
        self._out += bytes((5, wanted))
        self._stage = Stage.CREDENTIALS if self._authenticate else Stage.REQUEST
        return None

    def _credentials(self) -> Event | None:
        """`01 ulen user plen password` (RFC 1929 2)."""
        data = self._buffer
        if data[:1] not in (b"\x01", b""):
            return self._refuse_bytes(
                f"version {data[0]} of the user and password message", 0, "socks.credentials", "RFC 1929 2"
            )
        if len(data) < 2 or len(data) < 3 + data[1]:
            return None
        user_end = 2 + data[1]
        end = user_end + 1 + data[user_end]
        if len(data) < end:
            return None
        user, password = data[2:user_end], data[user_end + 1 : end]
        self._use(end)
        self._hold(Stage.REQUEST)
        return Credentials(user.decode("utf-8", "replace"), password.decode("utf-8", "replace"))

    def _request(self) -> Event | None:
        """`05 command 00 type address port` (RFC 1928 4)."""
        data = self._buffer
        if len(data) < 5:
            return None
        if data[0] != 5 or data[2] != 0:
            return self._refuse_bytes("not a SOCKS 5 request", 0, "socks.request", "RFC 1928 4")
        try:
            end = address_end(data)
        except KeyError:
            self._reply5(Reply.ADDRESS_TYPE_NOT_SUPPORTED)
            return self._refuse_bytes(f"address type {data[3]} is not known", 3, "socks.address_type", "RFC 1928 5")
        if end is None or len(data) < end + 2:
            return None
        if data[1] != CONNECT:
            self._reply5(Reply.COMMAND_NOT_SUPPORTED)
            return self._refuse_bytes(
                f"command {data[1]} is not served, only CONNECT", 1, "socks.command", "RFC 1928 4"
            )
        host, port = read_address(data, end)
        self._use(end + 2)
        self._hold(Stage.TUNNEL)
        return Connect(host, port, 5)

    def _request4(self, data: bytes) -> Event | None:
        """`04 command port address user 00`, and with 0.0.0.x a name and 00 behind it (4a)."""
        if len(data) < 9:
            return None
        user_end = data.find(b"\0", 8)
        if user_end < 0 or user_end > 8 + 255:
            return (
                None
                if len(data) <= 8 + 255
                else self._refuse_bytes("a user id of more than 255 bytes", 8, "socks.user", "SOCKS 4")
            )
        end, host = user_end + 1, str(ipaddress.IPv4Address(data[4:8]))
        if data[4:7] == b"\0\0\0" and data[7]:
            name_end = data.find(b"\0", end)
            if name_end < 0 or name_end > end + 255:
                return (
                    None
                    if len(data) <= end + 255
                    else self._refuse_bytes("a name of more than 255 bytes", end, "socks.name", "SOCKS 4a")
                )
            host, end = host_name(data[user_end + 1 : name_end]), name_end + 1
        self._version = 4
        if data[1] != CONNECT:
            self._reply4(granted=False)
            return self._refuse_bytes(f"command {data[1]} is not served, only CONNECT", 1, "socks.command", "SOCKS 4")
        if self._authenticate:
            self._reply4(granted=False)
            return self._refuse_bytes("SOCKS 4 has no password, and one is wanted here", 0, "socks.method", "SOCKS 4")
        port, user = int.from_bytes(data[2:4], "big"), data[8:user_end].decode("latin-1")
        self._use(end)
        self._hold(Stage.TUNNEL)
        return Connect(host, port, 4, user)

    # -- what the server says ------------------------------------------------------------------------------------

    def admit(self, yes: bool) -> list[Event]:
        """The credentials are right, or not; returns what was held back behind them."""
        if self._stage is not Stage.HELD or self._next is not Stage.REQUEST:
            raise LocalProtocolError("no credentials to admit")
        self._out += bytes((1, 0 if yes else 1))
        self._stage = Stage.REQUEST if yes else Stage.CLOSED
        return self._read()

    def grant(self, host: str = "0.0.0.0", port: int = 0) -> None:  # noqa: S104  "no address" in a reply, not a bind
        """The connection stands; `host` and `port` are our end of it (RFC 1928 6)."""
        self._want_connect()
        if self._version == 4:
            self._reply4(granted=True)
        else:
            self._out += b"\x05\x00\x00" + write_address(host, port)
        self._stage = Stage.TUNNEL

    def refuse(self, reason: Reply) -> None:
        """There will be no connection."""
        self._want_connect()
        if self._version == 4:
            self._reply4(granted=False)
        else:
            self._reply5(reason)
        self._stage = Stage.CLOSED

    @property
    def closed(self) -> bool:
        return self._stage is Stage.CLOSED

    @property
    def switched(self) -> bool:
        return self._stage is Stage.TUNNEL

    def _want_connect(self) -> None:
        if self._stage is not Stage.HELD or self._next is not Stage.TUNNEL:
            raise LocalProtocolError("nobody asked to be connected")

    def _reply5(self, reason: Reply) -> None:
        self._out += bytes((5, reason.value, 0)) + write_address("0.0.0.0", 0)  # noqa: S104  "no address"

    def _reply4(self, *, granted: bool) -> None:
        self._out += bytes((0, 0x5A if granted else 0x5B)) + bytes(6)

    def _hold(self, then: Stage) -> None:
        self._stage, self._next = Stage.HELD, then

    def _refuse_bytes(self, reason: str, at: int, rule: str, section: str) -> RemoteProtocolError:
        self._stage = Stage.CLOSED
        return self._wrong(reason, at, rule, section)

    def __repr__(self) -> str:
        return f"<SOCKS {self._version or '?'} {self._stage.value}>"


READERS = {
    Stage.METHODS: ServerCore._methods,
    Stage.CREDENTIALS: ServerCore._credentials,
    Stage.REQUEST: ServerCore._request,
}
