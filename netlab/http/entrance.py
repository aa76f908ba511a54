"""A proxy's one port: HTTP, SOCKS and TLS are told apart by the first byte a client sends."""

from __future__ import annotations

from collections.abc import Callable

from netlab.http.connection import HttpConnection
from netlab.http.roles import Delegate
from netlab.net.tls import ContextFor, TlsLayer

SOCKS_VERSIONS = (4, 5)
TLS_HANDSHAKE = 22  # RFC 8446 5.1: the type of a ClientHello's record


class Entrance:
    """Has a connection until its first byte, and then gives it to whom that concerns.

    contexts   for TLS to the proxy; inside it the first byte counts again
    socks      makes the delegate for a SOCKS client
    """

    __slots__ = ("_connection", "_contexts", "_socks")

    def __init__(
        self, connection: HttpConnection, socks: Callable[[], Delegate], contexts: ContextFor | None = None
    ) -> None:
        self._connection, self._socks, self._contexts = connection, socks, contexts
        connection.delegate = self

    def begin(self, connection: HttpConnection) -> None:
        """Nothing to do before the first byte."""

    def feed(self, data: bytes) -> None:
        connection = self._connection
        if not data:
            connection.close()
        elif data[0] == TLS_HANDSHAKE and self._contexts is not None:
            contexts, self._contexts = self._contexts, None
            TlsLayer(connection, contexts, server_side=True).take_over(connection.transport, data)
        elif data[0] in SOCKS_VERSIONS:
            delegate = connection.delegate = self._socks()
            delegate.begin(connection)
            delegate.feed(data)
        else:
            connection.delegate = None
            connection.feed(data)

    def writable(self) -> None:
        """Nothing has been written."""

    def timed_out(self, stage: str) -> None:
        self._connection.close()

    def drain(self) -> None:
        self._connection.close()

    def ended(self, error: Exception | None) -> None:
        """Nothing was begun."""
