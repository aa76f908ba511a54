"""What a PROXY header says: the endpoints of the original connection, and facts about it as TLVs."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from netlab.errors import LocalProtocolError

ALPN, AUTHORITY, CRC32C, NOOP, UNIQUE_ID, SSL, NETNS = 0x01, 0x02, 0x03, 0x04, 0x05, 0x20, 0x30  # 2.2
SSL_VERSION, SSL_CN, SSL_CIPHER, SSL_SIG_ALG, SSL_KEY_ALG = 0x21, 0x22, 0x23, 0x24, 0x25  # inside an SSL TLV, 2.2.6
CLIENT_SSL, CLIENT_CERT_CONN, CLIENT_CERT_SESS = 0x01, 0x02, 0x04  # bits of an SSL TLV's `client`, 2.2.6
LONGEST_UNIQUE_ID = 128  # 2.2.5
SSL_FIXED = struct.Struct(">BI")  # client, verify

Peer = tuple[str, int] | str
"""An address and a port, or the path of a Unix socket (with a NUL in front where it is abstract)."""


class Malformed(Exception):
    """The bytes break the specification; becomes the RemoteProtocolError that the reader returns."""

    def __init__(self, reason: str, offset: int, rule: str, section: str) -> None:
        super().__init__(reason)
        self.offset, self.rule, self.section = offset, rule, section


class Tlv(NamedTuple):
    """One fact: its type and its value as it was on the wire."""

    kind: int
    value: bytes


class TlsFacts(NamedTuple):
    """What an SSL TLV says of the client's TLS (2.2.6)."""

    client: int  # CLIENT_SSL, CLIENT_CERT_CONN, CLIENT_CERT_SESS
    verify: int  # 0: the client showed a certificate, and it was good
    version: str = ""  # "TLSv1.3"
    cipher: str = ""
    common_name: str = ""  # of the client's certificate
    signature: str = ""  # the algorithm that signed the proxy's certificate, "RSA-SHA256"
    key: str = ""  # the proxy's key, "RSA2048"

    @property
    def verified(self) -> bool:
        return bool(self.client & (CLIENT_CERT_CONN | CLIENT_CERT_SESS)) and self.verify == 0


SSL_PARTS = {
    SSL_VERSION: "version",
    SSL_CIPHER: "cipher",
    SSL_CN: "common_name",
    SSL_SIG_ALG: "signature",
    SSL_KEY_ALG: "key",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """One header. Without endpoints those of the connection itself are meant: LOCAL, UNKNOWN, UNSPEC.

    transport  "stream" or "datagram"; empty where there are no endpoints
    local      the proxy's own connection, a health check
    size       bytes it took on the wire
    """

    version: int
    source: Peer | None = None
    destination: Peer | None = None
    transport: str = ""
    local: bool = False
    tlvs: tuple[Tlv, ...] = ()
    size: int = 0

    def value(self, kind: int) -> bytes | None:
        """The value of the first TLV of this type."""
        return next((tlv.value for tlv in self.tlvs if tlv.kind == kind), None)

    @property
    def alpn(self) -> str:
        return (self.value(ALPN) or b"").decode("latin-1")

    @property
    def authority(self) -> str:
        """The name that the client asked for (2.2.2)."""
        return text(self.value(AUTHORITY) or b"")

    @property
    def unique_id(self) -> bytes:
        return self.value(UNIQUE_ID) or b""

    @property
    def tls(self) -> TlsFacts | None:
        value = self.value(SSL)
        return None if value is None else read_ssl(value, 0)


def text(value: bytes) -> str:
    """UTF-8, and what is none as surrogates, so that it can be told onward as it came."""
    return value.decode("utf-8", "surrogateescape")


def wire(value: str) -> bytes:
    return value.encode("utf-8", "surrogateescape")


def read_tlvs(block: bytes, at: int) -> Iterator[tuple[int, Tlv]]:
    """Each TLV and where its value begins; `at` is the block's own offset in the stream."""
    index = 0
    while index < len(block):
        if index + 3 > len(block):
            raise Malformed("a TLV is cut off in its type or length", at + index, "proxy.tlv", "2.2")
        start = index + 3
        stop = start + int.from_bytes(block[index + 1 : start], "big")
        if stop > len(block):
            raise Malformed("a TLV's length runs past the header", at + index, "proxy.tlv", "2.2")
        yield at + start, Tlv(block[index], block[start:stop])
        index = stop


def write_tlvs(tlvs: Sequence[Tlv]) -> bytes:
    for tlv in tlvs:
        if len(tlv.value) > 0xFFFF or (tlv.kind == UNIQUE_ID and len(tlv.value) > LONGEST_UNIQUE_ID):
            raise LocalProtocolError(f"the value of TLV {tlv.kind:#04x} is too long")
    return b"".join(struct.pack(">BH", tlv.kind, len(tlv.value)) + tlv.value for tlv in tlvs)


def read_ssl(value: bytes, at: int) -> TlsFacts:
    """The value of an SSL TLV, which begins at this offset."""
    if len(value) < SSL_FIXED.size:
        raise Malformed(f"an SSL TLV has at least {SSL_FIXED.size} bytes", at, "proxy.tlv", "2.2.6")
    client, verify = SSL_FIXED.unpack_from(value)
    parts: dict[str, str] = {}
    for _, tlv in read_tlvs(value[SSL_FIXED.size :], at + SSL_FIXED.size):
        if tlv.kind in SSL_PARTS:
            parts.setdefault(SSL_PARTS[tlv.kind], text(tlv.value))
    return TlsFacts(client, verify, **parts)


def write_ssl(facts: TlsFacts) -> Tlv:
    """The SSL TLV that says this; what is empty is left out."""
    values = facts._asdict()
    parts = [Tlv(kind, wire(values[name])) for kind, name in SSL_PARTS.items() if values[name]]
    return Tlv(SSL, SSL_FIXED.pack(facts.client, facts.verify) + write_tlvs(parts))
