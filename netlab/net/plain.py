"""Transports that are nothing but a socket: what may be read and written past them."""

from __future__ import annotations

from typing import Any


def plain_socket(transport: Any) -> Any:
    """The socket under a transport; None where TLS or faults are between."""
    return transport.get_extra_info("socket") if transport.get_extra_info("ssl_object") is None else None
