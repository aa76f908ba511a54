"""Two TLS layers joined by hand: transports without a network, whose bytes a test carries over as it likes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netlab.net.certs import Authority
from netlab.net.tls import TlsLayer
from netlab.net.tls_context import ServerContexts, client_context
from tests.tls_apps import Recorder


class Raw:
    """A transport without a network: what is written stays here until somebody carries it over."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.writes = 0
        self.eof = self.closing = self.lost = False
        self.reading = True
        self.protocol: Any = None

    def write(self, data: bytes) -> None:
        self.writes += 1
        self.written.append(data)

    def writelines(self, pieces: list[bytes]) -> None:
        self.writes += 1
        self.written += pieces

    def take(self) -> bytes:
        data = b"".join(self.written)
        self.written.clear()
        return data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.eof = True

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = True
        self.written.clear()

    def is_closing(self) -> bool:
        return self.closing

    def is_reading(self) -> bool:
        return self.reading

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self.written))


Cut = Callable[[bytes], list[bytes]]


def whole(data: bytes) -> list[bytes]:
    return [data]


def every(size: int) -> Cut:
    return lambda data: [data[start : start + size] for start in range(0, len(data), size)]


class Pair:
    """A client's layer and a server's, joined by hand."""

    def __init__(self, authority: Authority, *, answer: Callable[[bytes], bytes] | None = None, **options: Any) -> None:
        self.client, self.server = Recorder(half_close=True), Recorder(answer, half_close=True)
        maximum = options.pop("maximum", "1.3")
        trusting = client_context(cafile=authority.certificate_path, maximum=maximum)
        self.client_layer = TlsLayer(self.client, trusting, server_side=False, server_hostname="localhost", **options)
        self.server_layer = TlsLayer(self.server, ServerContexts(authority), server_side=True, **options)
        self.client_raw, self.server_raw = Raw(), Raw()
        for raw, layer in ((self.client_raw, self.client_layer), (self.server_raw, self.server_layer)):
            raw.protocol = layer
            layer.connection_made(raw)  # type: ignore[arg-type]  # a transport as far as the layer asks

    def carry(self, cut: Cut = whole) -> None:
        """Carry bytes over, both ways, until nothing moves."""
        moved = True
        while moved:
            moved = self._carry(self.client_raw, self.server_raw, cut) | self._carry(
                self.server_raw, self.client_raw, cut
            )

    @staticmethod
    def _carry(source: Raw, target: Raw, cut: Cut) -> bool:
        if target.closing or not target.reading:
            return False
        data = source.take()
        for piece in cut(data) if data else ():
            if not target.closing:
                target.protocol.data_received(piece)
        return bool(data)

    def end(self, source: Raw, target: Raw) -> None:
        """The source's end arrives: FIN."""
        self.carry()
        if not target.protocol.eof_received():
            target.close()

    def close(self) -> None:
        for raw in (self.client_raw, self.server_raw):
            if not raw.lost:
                raw.lost = True
                raw.protocol.connection_lost(None)
