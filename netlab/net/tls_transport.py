"""The writing half of a TLS connection: what the protocol above it takes for its transport."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netlab.net.tls import TlsLayer

SLICE = 1 << 16
"""Plaintext is encrypted in pieces of this size, so that no buffer of OpenSSL's ever holds much more."""


class TlsTransport(asyncio.Transport):
    """Encrypts what is written and hands it to the raw transport below.

    While the protocol above is in a callback (`gathering`), what it writes is only encrypted; it leaves in one raw
    write when the callback returns. Buffers are the raw transport's, and so are limits and pauses.
    """

    __slots__ = ("_closing", "_eof_sent", "_layer", "_outgoing", "_raw", "_ssl", "gathering")

    def __init__(
        self,
        layer: TlsLayer,
        raw: asyncio.Transport,
        ssl_object: ssl.SSLObject,
        outgoing: ssl.MemoryBIO,
    ) -> None:
        super().__init__()
        self._layer, self._raw, self._ssl, self._outgoing = layer, raw, ssl_object, outgoing
        self._closing = self._eof_sent = False
        self.gathering = False

    # -- writing -----------------------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not data or self._eof_sent:
            return
        if len(data) <= SLICE:
            self._ssl.write(data)
        else:
            self._write_sliced(memoryview(data).cast("B"))
        if not self.gathering or self._outgoing.pending > SLICE:
            self.flush()

    def _write_sliced(self, view: memoryview) -> None:
        encrypt, encrypted = self._ssl.write, self._outgoing.read
        pieces = []
        for start in range(0, len(view), SLICE):
            encrypt(view[start : start + SLICE])
            pieces.append(encrypted())
        self._layer.write_raw(pieces)

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.write(b"".join(list_of_data))

    def flush(self) -> None:
        """Hand to the raw transport what is encrypted and has not left."""
        if self._outgoing.pending:
            self._layer.write_raw([self._outgoing.read()])

    # -- ending ------------------------------------------------------------------------------------------------

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Send close_notify and FIN, and go on reading.

        TLS 1.3 lets the peer go on sending (RFC 8446 6.1); a TLS 1.2 peer answers by closing (RFC 5246 7.2.1).
        """
        if not self._eof_sent and not self._raw.is_closing():
            self._layer.decrypt_ahead()
            self._notify_close()
            if self._raw.can_write_eof():
                self._raw.write_eof()

    def close(self) -> None:
        """Send what is buffered and close_notify, then close."""
        if self._closing:
            return
        self._closing = True
        if not self._eof_sent:
            self._notify_close()
        self._raw.close()

    def _notify_close(self) -> None:
        self._eof_sent = True
        try:
            self._ssl.unwrap()
        except ssl.SSLError:
            pass  # close_notify is in the buffer; that the peer's has not come, or other bytes have, is no matter here
        self.flush()

    def stop(self) -> None:
        """Nothing more is written: the connection has failed, or is gone."""
        self._closing = self._eof_sent = True

    def abort(self) -> None:
        self.stop()
        self._outgoing.read()
        self._raw.abort()

    def is_closing(self) -> bool:
        return self._closing or self._raw.is_closing()

    # -- reading and back-pressure -----------------------------------------------------------------------------

    def pause_reading(self) -> None:
        self._layer.pause_reading()

    def resume_reading(self) -> None:
        self._layer.resume_reading()

    def is_reading(self) -> bool:
        return self._raw.is_reading()

    def get_write_buffer_size(self) -> int:
        return self._raw.get_write_buffer_size() + self._outgoing.pending

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._raw.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._raw.set_write_buffer_limits(high, low)

    # -- facts -------------------------------------------------------------------------------------------------

    @property
    def truncated(self) -> bool:
        """Whether the peer's bytes ended without close_notify: somebody may have cut them (RFC 8446 6.1)."""
        return self._layer.truncated

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`ssl_object sslcontext cipher peercert peer_chain server_name client_hello`, else what the raw one knows."""
        fact = FACTS.get(name)
        if fact is not None:
            return fact(self._ssl)
        if name in ("server_name", "client_hello"):
            return getattr(self._layer, name)
        return self._raw.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._layer.set_app(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        app: asyncio.BaseProtocol = self._layer.app
        return app

    def __repr__(self) -> str:
        state = "closing" if self.is_closing() else "open"
        return f"<TlsTransport {state} {self._ssl.version()} over {self._raw!r}>"


def peer_chain(ssl_object: ssl.SSLObject) -> list[bytes]:
    """The certificates the peer sent, in DER, leaf first, whether or not they hold."""
    if hasattr(ssl_object, "get_unverified_chain"):  # Python 3.13
        chain = ssl_object.get_unverified_chain()
        return list(chain)
    inner = ssl_object._sslobj  # type: ignore[attr-defined]  # the method is there since 3.10, one layer below
    return [ssl.PEM_cert_to_DER_cert(certificate.public_bytes()) for certificate in inner.get_unverified_chain() or ()]


FACTS: dict[str, Callable[[ssl.SSLObject], Any]] = {
    "ssl_object": lambda ssl_object: ssl_object,
    "sslcontext": lambda ssl_object: ssl_object.context,
    "cipher": lambda ssl_object: ssl_object.cipher(),
    "peercert": lambda ssl_object: ssl_object.getpeercert(),
    "peer_chain": peer_chain,
}
