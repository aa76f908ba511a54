"""The first message of a TLS connection, read without taking part: which name is asked for, and by which random."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from netlab.errors import RemoteProtocolError

HANDSHAKE, CLIENT_HELLO = 22, 1
SERVER_NAME, ALPN = 0, 16  # extension types, RFC 6066 3 and RFC 7301 3.1
RECORD_LIMIT = 1 << 14  # RFC 8446 5.1
METHODS = tuple(
    f"{name} ".encode()
    for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PRI")
)
PLAIN_HTTP = "tls.plain_http"
"""The rule that is broken when the first bytes are an HTTP request."""
EXTENSION = struct.Struct(">HH")  # type and length, RFC 8446 4.2
PAST_THE_END = "a length in the ClientHello runs past its end"
HELLO_LIMIT = 1 << 16  # real ones are 200 bytes to 2 KiB, with post-quantum key shares and tickets


@dataclass(frozen=True, slots=True)
class ClientHello:
    """What a ClientHello says about whom it is meant for; `server_name` is in lower case, None when absent."""

    random: bytes
    server_name: str | None
    alpn: tuple[str, ...]


class HelloReader:
    """Reads a stream until its ClientHello is complete, however it was split into segments and records."""

    def __init__(self) -> None:
        self._records = bytearray()
        self._message = bytearray()

    def receive(self, data: bytes) -> ClientHello | RemoteProtocolError | None:
        """The hello once it is complete, a violation when this cannot be one, None while bytes are missing."""
        self._records += data
        try:
            while self._take_record():
                if len(self._message) >= 4 and (hello := self._read_message()) is not None:
                    return hello
        except MalformedHello as error:
            return RemoteProtocolError(str(error), offset=0, rule="tls.hello", section="RFC 8446 4.1.2")
        if self._records.startswith(METHODS):
            words = "plain HTTP was sent to the TLS port"
            return RemoteProtocolError(words, offset=0, rule=PLAIN_HTTP, section="RFC 9110 4.2.2")
        return None

    @property
    def message(self) -> bytes:
        """The handshake message read so far, records taken off: the whole ClientHello once it is complete."""
        return bytes(self._message)

    def _take_record(self) -> bool:
        """Move a whole record's content to the message; False while it is not whole, or may yet be plain HTTP."""
        records = self._records
        if not records:
            return False
        if records[0] != HANDSHAKE:
            if any(records.startswith(method[: len(records)]) for method in METHODS):
                return False
            raise MalformedHello("these bytes are not TLS: a connection begins with a handshake record")
        if len(records) < 5:
            return False
        length = int.from_bytes(records[3:5], "big")
        if records[1] != 3 or not 0 < length <= RECORD_LIMIT:
            raise MalformedHello("these bytes are not TLS: the first record's version or length cannot be")
        if len(records) < 5 + length:
            return False
        self._message += records[5 : 5 + length]
        del records[: 5 + length]
        return True

    def _read_message(self) -> ClientHello | None:
        message = self._message
        length = int.from_bytes(message[1:4], "big")
        if message[0] != CLIENT_HELLO or length > HELLO_LIMIT:
            raise MalformedHello("the first handshake message is not a ClientHello of reasonable size")
        if len(message) < 4 + length:
            return None
        return parse(bytes(message[4 : 4 + length]))


def parse(body: bytes) -> ClientHello:
    """The body of a ClientHello message, RFC 8446 4.1.2."""
    cursor = Cursor(body)
    cursor.take(2)  # legacy_version
    random = cursor.take(32)
    cursor.vector(1)  # legacy_session_id
    cursor.vector(2)  # cipher_suites
    cursor.vector(1)  # legacy_compression_methods
    name: str | None = None
    alpn: tuple[str, ...] = ()
    if cursor.left:
        for kind, value in _extensions(cursor.vector(2)):
            if kind == SERVER_NAME:
                name = server_name(value)
            elif kind == ALPN:
                alpn = tuple(name.decode("latin-1") for name in protocols(value))
    return ClientHello(random, name, alpn)


def _extensions(block: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(block):  # a dozen in every hello, so without a Cursor's calls: it halves the reading of one
        start = at + 4
        if start > len(block):
            raise MalformedHello(PAST_THE_END)
        kind, length = EXTENSION.unpack_from(block, at)
        at = start + length
        if at > len(block):
            raise MalformedHello(PAST_THE_END)
        yield kind, block[start:at]


def server_name(value: bytes) -> str | None:
    """The name in a server_name extension, in lower case."""
    names = Cursor(Cursor(value).vector(2))
    while names.left:
        kind, name = names.take(1), names.vector(2)
        if kind == b"\0":  # host_name; ASCII without a trailing dot, RFC 6066 3
            if not name.isascii():
                raise MalformedHello("the server name in the ClientHello is not ASCII")
            return name.decode("ascii").lower()
    return None


def protocols(value: bytes) -> tuple[bytes, ...]:
    """The names in an ALPN extension; RFC 7301 3.1 has them be bytes, not text."""
    names, found = Cursor(Cursor(value).vector(2)), []
    while names.left:
        found.append(names.vector(1))
    return tuple(found)


class MalformedHello(Exception):
    """The bytes are not a ClientHello; becomes the RemoteProtocolError that a reader returns."""


class Cursor:
    """Takes bytes off the front, and vectors: a length of so many bytes, then that many (RFC 8446 3.4)."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, size: int) -> bytes:
        if size > self.left:
            raise MalformedHello(PAST_THE_END)
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")

    def vector(self, width: int) -> bytes:
        return self.take(self.number(width))
