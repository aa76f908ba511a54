"""What a TLS connection leaves on its flow: facts, ciphertext, secrets, and why it failed."""

from __future__ import annotations

import ssl
from typing import Any

from netlab.cores.tls_hello import ClientHello, HelloReader
from netlab.errors import NetlabError
from netlab.flow import Flow
from netlab.net.tls_errors import outcome
from netlab.net.tls_secrets import KeyLog
from netlab.tape import Side, Tape


class Recording:
    """One connection's recording; at level full it has a `wire` tape, keeps secrets, and makes the plaintext's tape."""

    def __init__(self, flow: Flow | None) -> None:
        self.flow = flow
        self.wire: Tape | None = None
        self.random: bytes | None = None  # the ClientHello's, by which secrets are told apart
        self._key_log: KeyLog | None = None
        if flow is not None and flow.full:
            self.wire = flow.wire = flow.wire or flow.log.tape()
            flow.plain = flow.plain or flow.log.tape()  # the protocol above writes it

    def ciphertext(self, side: Side, data: bytes) -> None:
        if self.wire is not None and self.flow is not None:
            self.wire.write(self.flow.log.now(), side, data)

    def handshake_begins(self, context: ssl.SSLContext) -> None:
        if self.wire is not None:
            self._key_log = KeyLog.join(context)

    def own_flight(self, data: bytes) -> None:
        """What a client sends in the handshake; its first is the ClientHello."""
        if self.random is None and self._key_log is not None:
            hello = HelloReader().receive(data)
            self.random = hello.random if isinstance(hello, ClientHello) else b""

    def handshake_ends(self) -> None:
        """One way or the other; its secrets go to the flow."""
        log, self._key_log = self._key_log, None
        if log is not None:
            if self.flow is not None and self.random and (lines := log.take(self.random)):
                self.flow.detail(secrets=lines)
            log.leave()

    def established(self, ssl_object: ssl.SSLObject, server_name: str | None) -> None:
        self.handshake_ends()
        if self.flow is None:
            return
        cipher = ssl_object.cipher()
        facts: dict[str, Any] = {
            "version": ssl_object.version(),
            "cipher": cipher[0] if cipher else None,
            "alpn": ssl_object.selected_alpn_protocol(),
            "sni": server_name,
            "resumed": ssl_object.session_reused,
        }
        self.flow.detail(tls=facts)
        self.flow.note("tls.established", **facts)

    def failed(self, error: NetlabError, side: Side) -> None:
        self.handshake_ends()
        if self.flow is not None:
            self.flow.outcome = self.flow.outcome or outcome(error)
            self.flow.note("tls.failed", side, reason=str(error))
