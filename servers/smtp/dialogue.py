"""What SMTP's and POP3's connections have in common: who does not read is not read from, and TLS in the middle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netlab.flow import Flow, Outcome
from netlab.net.connection import Connection

if TYPE_CHECKING:
    from servers.smtp.server import Server


class Dialogue(Connection):
    """A connection on which commands and replies take turns. A subclass says how it goes on (`go_on`)."""

    __slots__ = ("_carrier", "_waiting", "server")

    def __init__(self, server: Server, service: str) -> None:
        super().__init__(server.gate, server.context.flows, service)
        self.server = server
        self._carrier: Flow | None = None  # the connection's own flow, once there is TLS in it
        self._waiting = False  # for a store, a password, a time: nothing is answered meanwhile

    def go_on(self) -> None:
        """Answer what has been read already."""
        raise NotImplementedError

    def pause_writing(self) -> None:
        super().pause_writing()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self._waiting and not self.lingering:
            self.transport.resume_reading()
            self.go_on()

    def begin_tls(self, label: str) -> None:
        """TLS on the same connection, on a flow of its own: its bytes are other ones (RFC 3207, RFC 2595)."""
        from netlab.net.tls import TlsLayer

        flow = self._descend(label)
        TlsLayer(self, self.server.contexts, server_side=True, flow=flow).take_over(self.transport)

    def _descend(self, label: str) -> Flow:
        carrier = self._carrier = self.flow
        assert carrier is not None
        flow = self.flow = self.flows.open("tcp", self.service, carrier)
        flow.client, flow.server, flow.label = carrier.client, carrier.server, label
        carrier.sent, self.tape, self.written = self.written, None, 0
        if flow.full:
            flow.wire = self.flows.tape()
        return flow

    def ended(self, error: Exception | None) -> None:
        carrier, self._carrier = self._carrier, None
        if carrier is not None:
            carrier.end(Outcome.OK if error is None else Outcome.CUT)
