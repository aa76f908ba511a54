"""A client's connection to a proxy: it may turn, behind a CONNECT, into TLS with the client's origin as it seems."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from netlab.cores.fields import Fields
from netlab.errors import RemoteProtocolError
from netlab.flow import Flow, Outcome
from netlab.http.connection import HttpConnection
from netlab.http.destination import Destination
from netlab.http.engine import HttpService
from netlab.net.gate import Gate
from netlab.net.secure import TlsOptions
from netlab.net.tls import TlsLayer

OURS = frozenset((Outcome.TIMEOUT, Outcome.CANCELLED))
"""Ends of a handshake that are not the client's doing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Within:
    """The tunnel that an intercepted connection is in: to whom, how that one is called, the fields of its CONNECT."""

    to: Destination
    tls: TlsOptions
    asked: Fields


class ProxyConnection(HttpConnection):
    """After `descend` everything begins anew, on a flow of its own: the client speaks TLS and HTTP inside of it.

    The bytes in the tunnel are on that flow's tapes; the flow of the connection itself ends with it.
    """

    __slots__ = ("_carrier", "_settled", "within")

    def __init__(self, gate: Gate, http: HttpService) -> None:
        super().__init__(gate, http)
        self.within: Within | None = None
        self._carrier: Flow | None = None  # the connection's own flow
        self._settled = True  # TLS inside of the tunnel stands, where there is one

    def descend(self, within: Within, context: ssl.SSLContext, flow: Flow, early: bytes) -> None:
        """Answer the client's TLS as if we were its origin; `early` is what it has said already."""
        settings = self.http.settings
        self.within, self._carrier, self._settled = within, self.flow, False
        self.flow, self.tape, self.delegate = flow, None, None
        self.core = settings.core(settings.limits)
        if flow.full:
            flow.wire = self.flows.tape()
            flow.wire.write(self.flows.now(), "client", early)
        self.release()
        self.set_deadline("header", settings.header_timeout)
        TlsLayer(self, context, server_side=True, flow=flow).take_over(self.transport, early)

    def opened(self) -> None:
        self._settled = True
        super().opened()

    def connection_lost(self, error: Exception | None) -> None:
        carrier, self._carrier = self._carrier, None
        if carrier is not None and self.flow is not None:
            if not self._settled and self.flow.outcome not in OURS:
                self._not_believed(self.flow, error)
            carrier.end(Outcome.OK if error is None else Outcome.CUT)
        super().connection_lost(error)

    @staticmethod
    def _not_believed(flow: Flow, error: Exception | None) -> None:
        """The client did not go on when it saw our certificate: it says why, or just leaves."""
        flow.outcome = Outcome.REFUSED
        if isinstance(error, RemoteProtocolError) and error.rule.startswith("tls.alert"):
            reason = error.reason
        else:
            reason = "the client left when it saw our certificate; it may not trust the authority that issued it"
        flow.note("interception.refused", "client", reason=reason)
        flow.end(Outcome.REFUSED, reason)
