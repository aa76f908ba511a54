"""A file as the rest of a response: the kernel sends it, and the exchange is finished behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netlab.net.sendfile import FileSender

if TYPE_CHECKING:
    from netlab.http.exchange import Exchange


def send_file(exchange: Exchange, descriptor: int, offset: int, count: int) -> None:
    """So many bytes of a file behind what the core has ready; the descriptor is closed in any case."""
    connection = exchange.connection

    def sent(size: int) -> None:
        exchange.sent += size
        connection.core.sent_elsewhere(size)
        connection.set_deadline("write", connection.write_timeout)

    def done(error: Exception | None) -> None:
        connection.source = None
        if error is not None:
            connection.abort()
        elif connection.exchange is exchange:
            connection.set_deadline("", 0)
            exchange.finish()

    connection.source = sender = FileSender(connection, descriptor, offset, count, sent=sent, done=done)
    sender.begin(connection.core.outgoing())
