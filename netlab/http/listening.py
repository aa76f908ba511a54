"""What an HTTP server listens on: plain, and with TLS, whose certificate goes by the name that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from netlab.config.values import Address, Kind
from netlab.http.engine import HttpService
from netlab.net.gate import Gate
from netlab.net.listen import Listener, Prepare

if TYPE_CHECKING:
    from netlab.net.tls import ContextFor
    from netlab.net.tls_context import ClientCertificates


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """A certificate with its chain and key in PEM, the key perhaps in a file of its own. Written `FILE[,KEYFILE]`."""

    certificate: Path
    key: Path | None = None

    kind: ClassVar[Kind]

    @classmethod
    def parse(cls, text: str) -> CertificateFiles:
        certificate, comma, key = text.partition(",")
        if not certificate or (comma and not key):
            raise ValueError
        return cls(Path(certificate), Path(key) if key else None)

    def __str__(self) -> str:
        return f"{self.certificate},{self.key}" if self.key is not None else str(self.certificate)


CertificateFiles.kind = Kind(
    parse=CertificateFiles.parse,
    allowed="a file with certificate and key in PEM, such as shop.pem, or two: shop.crt,shop.key",
    metavar="FILE[,KEYFILE]",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Listening:
    """What the listeners of one server have in common."""

    http: HttpService
    gate: Gate
    reuse_port: bool
    accept_proxy_protocol: bool = False
    prepare: Prepare | None = None
    keep_hello: bool = False  # a client's first message, for who explains it
    schemes: tuple[str, str] = ("http", "https")

    def plain(self, address: Address) -> Listener:
        return Listener(
            name=self.http.name,
            scheme=self.schemes[0],
            host=address.host,
            port=address.port,
            factory=lambda: self.http.connection(self.gate),
            gate=self.gate,
            accept_proxy_protocol=self.accept_proxy_protocol,
            reuse_port=self.reuse_port,
            prepare=self.prepare,
        )

    def secure(self, address: Address, contexts: ContextFor) -> Listener:
        from netlab.net.tls import TlsLayer

        return Listener(
            name=self.http.name,
            scheme=self.schemes[1],
            host=address.host,
            port=address.port,
            factory=lambda: TlsLayer(
                self.http.connection(self.gate), contexts, server_side=True, keep_hello=self.keep_hello
            ),
            gate=self.gate,
            accept_proxy_protocol=self.accept_proxy_protocol,
            reuse_port=self.reuse_port,
            prepare=self.prepare,
        )


def contexts_of(
    state: Path | None,
    certificates: Sequence[CertificateFiles] = (),
    client_certificates: ClientCertificates = "none",
    client_ca: Path | None = None,
    alpn: Sequence[str] = ("http/1.1",),
) -> ContextFor:
    """By the names that clients ask for: these certificates, for all others those of the local CA."""
    from netlab.net.certs import Authority
    from netlab.net.tls_context import ServerContexts

    return ServerContexts(
        Authority.load(state),
        alpn=alpn,
        client_certificates=client_certificates,
        client_ca=client_ca,
        own=[(files.certificate, files.key) for files in certificates],
    )
