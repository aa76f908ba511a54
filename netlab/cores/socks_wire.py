"""What both sides of SOCKS share: its numbers, how addresses are written, and a buffer with an offset."""

from __future__ import annotations

import ipaddress
from enum import Enum

from netlab.errors import RemoteProtocolError, Truncated

NO_AUTHENTICATION, USER_PASSWORD, NO_ACCEPTABLE = 0x00, 0x02, 0xFF  # methods, RFC 1928 3
CONNECT = 1
IPV4, NAME, IPV6 = 1, 3, 4  # address types, RFC 1928 5
LONGEST = 255
"""Bytes of a name, a user or a password."""


class Reply(Enum):
    """Why a request is refused: the codes of SOCKS 5 (RFC 1928 6); SOCKS 4 knows only "rejected or failed"."""

    GENERAL_FAILURE = 1
    NOT_ALLOWED = 2
    NETWORK_UNREACHABLE = 3
    HOST_UNREACHABLE = 4
    CONNECTION_REFUSED = 5
    TTL_EXPIRED = 6
    COMMAND_NOT_SUPPORTED = 7
    ADDRESS_TYPE_NOT_SUPPORTED = 8

    @classmethod
    def words(cls, code: int) -> str:
        """A code in words, whether it is known or not."""
        return cls(code).name.lower().replace("_", " ") if code in cls._value2member_map_ else f"reply {code}"


class Side:
    """One side of a SOCKS conversation, up to the tunnel: what has come, from which byte on, and what is to be said."""

    __slots__ = ("_buffer", "_offset", "_out")

    def __init__(self) -> None:
        self._buffer, self._offset, self._out = b"", 0, b""

    def outgoing(self) -> bytes:
        """What must be written now."""
        out, self._out = self._out, b""
        return out

    def rest(self) -> bytes:
        """The tunnel's first bytes, where they came with the message before."""
        data, self._buffer = self._buffer, b""
        return data

    def _use(self, count: int) -> None:
        self._buffer = self._buffer[count:]
        self._offset += count

    def _wrong(self, reason: str, at: int, rule: str, section: str, *, status: int = 400) -> RemoteProtocolError:
        excerpt = self._buffer[:40]
        return RemoteProtocolError(
            reason, offset=self._offset + at, rule=rule, section=section, status=status, excerpt=excerpt, caret=at
        )

    def _cut(self, reason: str) -> Truncated:
        return Truncated(reason, offset=self._offset + len(self._buffer), rule="socks.truncated", section="RFC 1928 3")


def address_end(data: bytes) -> int | None:
    """Where the address ends that stands behind the third byte of a request or reply: the port follows (RFC 1928 4).
    KeyError for a type that is not known; None while too little is there to tell.
    """
    if len(data) < 5:
        return None
    return 4 + {IPV4: 4, NAME: 1 + data[4], IPV6: 16}[data[3]]


def read_address(data: bytes, end: int) -> tuple[str, int]:
    """Host and port of a request or reply whose address ends there."""
    address = data[4:end]
    host = host_name(address[1:]) if data[3] == NAME else str(ipaddress.ip_address(address))
    return host, int.from_bytes(data[end : end + 2], "big")


def write_address(host: str, port: int) -> bytes:
    """Type, address and port; ValueError for a name of no byte, or of more than 255."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode("idna" if not host.isascii() else "ascii")
        if not 0 < len(name) <= LONGEST:
            raise ValueError(f"a name for SOCKS has 1 to {LONGEST} bytes") from None
        kind, packed = NAME, bytes((len(name),)) + name
    else:
        kind, packed = (IPV4 if address.version == 4 else IPV6), address.packed
    return bytes((kind,)) + packed + port.to_bytes(2, "big")


def host_name(data: bytes) -> str:
    """A name as it was sent; what is no ASCII cannot be resolved, and says so by its escapes."""
    return data.decode("ascii", "backslashreplace")
