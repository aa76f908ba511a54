"""A ClientHello of our own: what is offered is said, and nothing else; to find out what a server takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from netlab.cores.tls_hello import ALPN, CLIENT_HELLO, HANDSHAKE, SERVER_NAME

TLS_1_0, TLS_1_2, TLS_1_3 = 0x0301, 0x0303, 0x0304
STATUS_REQUEST, GROUPS, POINT_FORMATS, SIGNATURES = 5, 10, 11, 13
EXTENDED_MASTER_SECRET, SUPPORTED_VERSIONS, PSK_MODES, KEY_SHARE, RENEGOTIATION = 23, 43, 45, 51, 65281
EVERY_SIGNATURE = (
    *(0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0809, 0x080A, 0x080B, 0x0804, 0x0805, 0x0806),
    *(0x0401, 0x0501, 0x0601, 0x0402, 0x0203, 0x0201, 0x0202),
)
"""What certificates and key exchanges may be signed with; the weak ones too, for their servers are to be seen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """What a hello offers, best first; `versions` and the others by their numbers.

    share   our half of a key by the first of the groups; with TLS 1.3 and without one, the server names the group that
            it would like (RFC 8446 4.2.8)
    staple  the server's OCSP response is asked for
    """

    versions: Sequence[int]
    suites: Sequence[int]
    groups: Sequence[int] = ()
    server_name: str = ""
    alpn: Sequence[str] = ()
    staple: bool = False
    share: bytes = b""


def client_hello(offer: Offer, random: bytes) -> bytes:
    """The record with the message (RFC 8446 4.1.2); `random` are 32 bytes."""
    newest = max(offer.versions)
    suites = b"".join(map(_two, offer.suites))
    content = _two(min(newest, TLS_1_2)) + random + b"\0" + _sized(suites, 2) + b"\1\0"
    if newest >= TLS_1_0:
        content += _sized(b"".join(_extension(kind, data) for kind, data in _extensions(offer, newest)), 2)
    message = bytes((CLIENT_HELLO,)) + _sized(content, 3)
    return bytes((HANDSHAKE,)) + _two(min(newest, TLS_1_0)) + _sized(message, 2)


def _extensions(offer: Offer, newest: int) -> Iterable[tuple[int, bytes]]:
    if offer.server_name:
        yield SERVER_NAME, _sized(b"\0" + _sized(offer.server_name.encode("ascii"), 2), 2)
    if offer.staple:
        yield STATUS_REQUEST, b"\1\0\0\0\0"  # OCSP, of no responder in particular (RFC 6066 8)
    if offer.groups:
        yield GROUPS, _sized(b"".join(map(_two, offer.groups)), 2)
        yield POINT_FORMATS, b"\1\0"
    if offer.alpn:
        yield ALPN, _sized(b"".join(_sized(protocol.encode("latin-1"), 1) for protocol in offer.alpn), 2)
    yield SIGNATURES, _sized(b"".join(map(_two, EVERY_SIGNATURE)), 2)
    yield EXTENDED_MASTER_SECRET, b""
    yield RENEGOTIATION, b"\0"
    if newest >= TLS_1_3:
        yield SUPPORTED_VERSIONS, _sized(b"".join(map(_two, offer.versions)), 1)
        yield PSK_MODES, b"\1\1"
        yield KEY_SHARE, _sized(_two(offer.groups[0]) + _sized(offer.share, 2) if offer.share else b"", 2)


def _extension(kind: int, data: bytes) -> bytes:
    return _two(kind) + _sized(data, 2)


def _two(number: int) -> bytes:
    return number.to_bytes(2, "big")


def _sized(data: bytes, width: int) -> bytes:
    """With its length in so many bytes before it."""
    return len(data).to_bytes(width, "big") + data
