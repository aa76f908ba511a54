"""What a balancer serves about itself, on a port of its own: status page, numbers, and the API that steers it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from netlab.balancing.page import page
from netlab.balancing.steering import ACTIONS, Steering
from netlab.errors import UsageError
from netlab.flow import FlowLog
from netlab.http.engine import HttpService
from netlab.http.exchange import Exchange, Work
from netlab.http.own_origin import is_local_name, stranger
from netlab.http.settings import HttpSettings
from netlab.net.gate import Gate
from netlab.net.listen import Listener
from netlab.net.tasks import Tasks

LARGEST = 64 << 10
"""Bytes of a call's arguments."""
FRESH = ("Cache-Control", "no-store")


class Admin:
    """`GET /`, `/api/pools` and `/metrics`; `POST /api/ACTION` with the arguments of `Steering.act` as JSON."""

    def __init__(self, steering: Steering, flows: FlowLog, tasks: Tasks) -> None:
        self.steering = steering
        self.gate = Gate()
        self.http = HttpService(f"{steering.service}-status", self.handle, HttpSettings(), flows, tasks)

    def listener(self, host: str, port: int, *, reuse_port: bool) -> Listener:
        return Listener(
            name=self.http.name,
            scheme="http",
            host=host,
            port=port,
            factory=lambda: self.http.connection(self.gate),
            gate=self.gate,
            reuse_port=reuse_port,
        )

    def handle(self, exchange: Exchange) -> Work:
        request = exchange.request
        path = request.path.partition("?")[0]
        if not is_local_name(request.authority):
            exchange.refuse(421, f"this is not {request.authority[:100]}: ask for it by address or as localhost")
        elif path.startswith("/api/") and path != "/api/pools":
            self._act(exchange, path.removeprefix("/api/"))
        elif request.method not in ("GET", "HEAD"):
            exchange.refuse(405, "this can only be read", [("Allow", "GET, HEAD")])
        elif path == "/":
            exchange.respond(200, [HTML, FRESH], page(self.steering.service, self.steering.records()).encode())
        elif path == "/api/pools":
            self._tell(exchange)
        elif path == "/metrics":
            return self._metrics(exchange)
        else:
            exchange.refuse(404, f"there are /, /api/pools, /metrics, and POST /api/ACTION ({', '.join(ACTIONS)})")
        return None

    def _tell(self, exchange: Exchange) -> None:
        exchange.respond(200, [JSON, FRESH], json.dumps(self.steering.records()).encode() + b"\n")

    async def _metrics(self, exchange: Exchange) -> None:
        exposition = await asyncio.to_thread(_exposition)  # the library takes a tenth of a second to import
        exchange.respond(200, [PROMETHEUS, FRESH], exposition(self.steering))

    def _act(self, exchange: Exchange, action: str) -> None:
        request = exchange.request
        if action not in ACTIONS:
            there = f"there are {', '.join(ACTIONS)}, and /api/pools to read"
            exchange.refuse(404, f"no action is called {action[:40]!r}; {there}")
        elif request.method != "POST":
            exchange.refuse(405, "this changes something: POST it", [("Allow", "POST")])
        elif page_of := stranger(exchange):
            exchange.refuse(403, f"pages of {page_of} may not steer this balancer")
        elif (request.fields.get("content-type") or "").partition(";")[0].strip().lower() != "application/json":
            exchange.refuse(415, 'send JSON, such as {"upstream": "127.0.0.1:9101"}, as application/json')
        else:
            exchange.collect(LARGEST, lambda body: self._carry_out(exchange, action, body))

    def _carry_out(self, exchange: Exchange, action: str, body: bytes) -> None:
        try:
            asked = json.loads(body)
        except ValueError:
            asked = None
        if not isinstance(asked, dict) or not asked.keys() <= ARGUMENTS.keys():
            exchange.refuse(400, f"the content is to be an object of JSON with {', '.join(ARGUMENTS)}")
            return
        if not all(isinstance(value, ARGUMENTS[name]) for name, value in asked.items()):
            exchange.refuse(400, "upstream, pool and value are texts (value may be a number), backup is true or false")
            return
        try:
            texts = {name: str(value) for name, value in asked.items() if name != "backup"}
            self.steering.act(action, backup=asked.get("backup", False), **texts)
        except UsageError as error:
            exchange.refuse(400, str(error))
        else:
            self._tell(exchange)


ARGUMENTS: dict[str, Any] = {"upstream": str, "pool": str, "value": str | int | float, "backup": bool}
HTML = ("Content-Type", "text/html; charset=utf-8")
JSON = ("Content-Type", "application/json")
PROMETHEUS = ("Content-Type", "text/plain; version=0.0.4; charset=utf-8")


def _exposition() -> Any:
    from netlab.balancing.metrics import exposition

    return exposition
