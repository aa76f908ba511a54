"""The HTTP server engine: what the connections of one server share, and how its handler is put before them."""

from __future__ import annotations

from netlab.flow import FlowLog
from netlab.http.connection import HttpConnection
from netlab.http.exchange import Handler
from netlab.http.express import Express
from netlab.http.settings import HttpSettings, StandingFields
from netlab.net.connection import NEVER
from netlab.net.gate import Gate
from netlab.net.gathering import Gathering
from netlab.net.tasks import Tasks
from netlab.policy.faults import Faults


class HttpService:
    """What the connections of one HTTP server share."""

    def __init__(
        self,
        name: str,
        handler: Handler,
        settings: HttpSettings,
        flows: FlowLog,
        tasks: Tasks,
        faults: Faults | None = None,
    ) -> None:
        self.name, self.handler, self.settings, self.flows, self.tasks = name, handler, settings, flows, tasks
        self.standing = StandingFields(settings.server)
        self.patience = settings.idle_timeout or NEVER
        self.express: Express | None = None
        self.gathering: Gathering | None = None  # where answers that come from elsewhere are written together
        self._own, self._faults, self._struck = handler, faults, False
        if faults is not None:
            faults.follow(self._strike)

    def answer_by(self, handler: Handler) -> None:
        """Another handler from the next request on."""
        self._own = handler
        self._strike(self._struck)

    def _strike(self, there_are: bool) -> None:
        """Have requests struck before the handler sees them; without faults nothing stands there."""
        self._struck, self.handler = there_are, self._own
        if there_are and self._faults is not None:
            from netlab.http.faults import Struck

            self.handler = Struck(self._faults, self._own)
        if self.express is not None:
            self.express.bar("faults", there_are)

    def take_express(self, express: Express) -> None:
        """From the next connection on, it is asked before a request is read."""
        self.express = express
        express.bar("faults", self._struck)

    def connection(self, gate: Gate) -> HttpConnection:
        return HttpConnection(gate, self)
