"""Everything a ClientHello says: versions, suites, groups, signatures, key shares, extensions in their order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from netlab.cores.tls_hello import ALPN, CLIENT_HELLO, SERVER_NAME, Cursor, MalformedHello, protocols, server_name
from netlab.errors import RemoteProtocolError

SUPPORTED_GROUPS, POINT_FORMATS, SIGNATURE_ALGORITHMS = 10, 11, 13
COMPRESS_CERTIFICATE, PRE_SHARED_KEY, SUPPORTED_VERSIONS, PSK_MODES, KEY_SHARE = 27, 41, 43, 45, 51


@dataclass(frozen=True, slots=True)
class Extension:
    """One extension: its number, its content, and where its four-byte head begins in the message."""

    kind: int
    data: bytes
    start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HelloDetails:
    """A ClientHello, numbers as they stand in it, GREASE and all; lists in the client's order.

    key_shares  group and length of each key
    alpn        as bytes: a protocol's name need not be text
    malformed   extensions whose content is not what their RFC says; what they would have told is empty
    """

    size: int
    legacy_version: int
    random: bytes
    session_id: bytes
    cipher_suites: tuple[int, ...]
    compression_methods: tuple[int, ...]
    extensions: tuple[Extension, ...]
    server_name: str | None = None
    alpn: tuple[bytes, ...] = ()
    versions: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()
    signature_algorithms: tuple[int, ...] = ()
    key_shares: tuple[tuple[int, int], ...] = ()
    point_formats: tuple[int, ...] = ()
    psk_modes: tuple[int, ...] = ()
    certificate_compressions: tuple[int, ...] = ()
    malformed: tuple[int, ...] = field(default=())

    @property
    def kinds(self) -> tuple[int, ...]:
        """The numbers of the extensions."""
        return tuple(extension.kind for extension in self.extensions)


def read(message: bytes) -> HelloDetails | RemoteProtocolError:
    """A whole ClientHello message, its four-byte head included (`HelloReader.message`); RFC 8446 4.1.2."""
    try:
        return _read(message)
    except MalformedHello as error:
        return RemoteProtocolError(str(error), offset=0, rule="tls.hello", section="RFC 8446 4.1.2")


def _read(message: bytes) -> HelloDetails:
    cursor = Cursor(message)
    if cursor.take(1)[0] != CLIENT_HELLO:
        raise MalformedHello("this is not a ClientHello")
    body = Cursor(cursor.vector(3))
    version, random, session = body.number(2), body.take(32), body.vector(1)
    suites, compressions = _numbers(body.vector(2), 2), tuple(body.vector(1))
    extensions: list[Extension] = []
    if body.left:
        start = len(message) - cursor.left - body.left + 2
        listed = Cursor(body.vector(2))
        total = listed.left
        while listed.left:
            at = start + total - listed.left
            extensions.append(Extension(listed.number(2), listed.vector(2), at))
    return HelloDetails(
        size=len(message),
        legacy_version=version,
        random=random,
        session_id=session,
        cipher_suites=suites,
        compression_methods=compressions,
        extensions=tuple(extensions),
        **_contents(extensions),
    )


def _contents(extensions: list[Extension]) -> dict[str, Any]:
    """What the extensions that are known say."""
    found: dict[str, Any] = {}
    malformed = []
    for extension in extensions:
        known = CONTENTS.get(extension.kind)
        if known is not None:
            name, reading = known
            try:
                found[name] = reading(extension.data)
            except MalformedHello:
                malformed.append(extension.kind)
    return {**found, "malformed": tuple(malformed)}


def _numbers(data: bytes, width: int) -> tuple[int, ...]:
    if len(data) % width:
        raise MalformedHello("a list in the ClientHello ends inside one of its numbers")
    return tuple(int.from_bytes(data[at : at + width], "big") for at in range(0, len(data), width))


def _listed(outer: int, width: int) -> Callable[[bytes], tuple[int, ...]]:
    """Reads a vector, its length in so many bytes, of numbers of so many bytes."""
    return lambda data: _numbers(Cursor(data).vector(outer), width)


def _key_shares(data: bytes) -> tuple[tuple[int, int], ...]:
    shares, found = Cursor(Cursor(data).vector(2)), []
    while shares.left:
        found.append((shares.number(2), len(shares.vector(2))))
    return tuple(found)


CONTENTS: dict[int, tuple[str, Callable[[bytes], Any]]] = {
    SERVER_NAME: ("server_name", server_name),
    ALPN: ("alpn", protocols),
    SUPPORTED_GROUPS: ("groups", _listed(2, 2)),
    POINT_FORMATS: ("point_formats", _listed(1, 1)),
    SIGNATURE_ALGORITHMS: ("signature_algorithms", _listed(2, 2)),
    SUPPORTED_VERSIONS: ("versions", _listed(1, 2)),
    PSK_MODES: ("psk_modes", _listed(1, 1)),
    KEY_SHARE: ("key_shares", _key_shares),
    COMPRESS_CERTIFICATE: ("certificate_compressions", _listed(1, 2)),
}
