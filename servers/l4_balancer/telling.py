"""What an upstream is told of the client in front of its bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netlab.cores.proxy_protocol import Header, Tlv, serialize
from netlab.cores.proxy_protocol_header import ALPN, AUTHORITY, SSL, UNIQUE_ID, TlsFacts, wire, write_ssl
from servers.l4_balancer.config import Config


@dataclass(slots=True)
class Known:
    """What is known of a client: its ends of the connection, and facts about it.

    header  what a proxy before us has said, which goes before what we see
    """

    client: Any
    server: Any
    header: Header | None = None
    authority: str = ""
    alpn: str = ""
    tls: TlsFacts | None = None
    unique_id: str = ""

    @property
    def ends(self) -> tuple[Any, Any]:
        header = self.header
        if header is not None and header.source is not None:
            return header.source, header.destination
        return self.client[:2], self.server[:2]


class Herald:
    """Writes the headers of one balancer."""

    def __init__(self, config: Config) -> None:
        self.version = {"none": 0, "v1": 1, "v2": 2}[config.send_proxy_protocol]
        self._tell = frozenset(config.tell)
        self.names = "unique-id" in self._tell

    def header(self, known: Known, *, transport: str = "stream") -> bytes:
        """The header for one connection, or one datagram; empty where none is sent."""
        if not self.version:
            return b""
        source, destination = known.ends
        if self.version == 1:
            return serialize(1, source, destination)
        tlvs = self._facts(known) if self._tell else ()
        return serialize(2, source, destination, transport=transport, tlvs=tlvs, checked="crc32c" in self._tell)

    def _facts(self, known: Known) -> list[Tlv]:
        """What we know; and what a proxy before us knew, where we do not."""
        own = {
            "alpn": Tlv(ALPN, known.alpn.encode("latin-1")) if known.alpn else None,
            "authority": Tlv(AUTHORITY, wire(known.authority)) if known.authority else None,
            "unique-id": Tlv(UNIQUE_ID, known.unique_id.encode()) if known.unique_id else None,
            "tls": write_ssl(known.tls) if known.tls is not None else None,
        }
        kinds = {"alpn": ALPN, "authority": AUTHORITY, "unique-id": UNIQUE_ID, "tls": SSL}
        told = {name: tlv or _passed(known.header, kinds[name]) for name, tlv in own.items() if name in self._tell}
        return [tlv for tlv in told.values() if tlv is not None]


def _passed(header: Header | None, kind: int) -> Tlv | None:
    value = header.value(kind) if header is not None else None
    return None if value is None else Tlv(kind, value)
