"""The dashboard's server: its page, its API over the calls of the control socket, and who may ask for what."""

from __future__ import annotations

import json
import secrets
from collections.abc import Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from netlab.config import Address
from netlab.control.calls import LabCalls
from netlab.dashboard.bytemap import byte_map
from netlab.dashboard.watching import stream
from netlab.errors import NetlabError, UsageError
from netlab.flow import FlowLog, Level
from netlab.http.assets import Assets
from netlab.http.engine import HttpService
from netlab.http.exchange import Exchange, Work
from netlab.http.field_table import meanings
from netlab.http.own_origin import is_local_name, stranger
from netlab.http.routes import Routes
from netlab.http.settings import HttpSettings
from netlab.inspect.redact import redacted
from netlab.net.gate import Gate
from netlab.net.listen import Listener
from netlab.net.tasks import Tasks

if TYPE_CHECKING:
    from netlab.lab.process import Lab

JSON = [("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]
LARGEST = 64 << 10
"""Bytes of a change's arguments."""
MOST_FLOWS, PIECE = 20_000, 100
"""Flows of one answer, and of what is written of it at once."""
READ = ("status", "balancer", "resolver", "cache", "faults", "clock", "mqtt", "mail")
"""Calls that the page makes to look, each as `GET /api/NAME`."""
CHANGE = ("balancer", "faults", "clock", "level", "cache", "resolver")
"""Calls that it makes to change something, each as `POST /api/NAME` with the lab's token."""
LOOKING = {"balancer": "list", "resolver": "status", "cache": "list", "clock": "show"}
"""What of a call with actions only looks."""
MORE = {"resolver": ("dump",), "mqtt": ("clients", "retained")}
"""And what looks besides, by `?action=`."""


class Dashboard:
    """The service at 127.0.0.1:8800. Its own requests are no flows: watching must not be seen in what is watched."""

    def __init__(self, lab: Lab, listen: Address) -> None:
        self.lab, self.place = lab, listen
        self.calls = LabCalls(lab)
        self.token = secrets.token_urlsafe(18)
        self.tasks, self.gate = Tasks("dashboard"), Gate()
        self.http = HttpService("dashboard", self.handle, HttpSettings(), FlowLog(Level.OFF), self.tasks)
        self.routes = Routes()
        Assets("netlab.dashboard").register(self.routes)
        self.routes.add("GET", "/api/flows", self.flows)
        self.routes.add("GET", "/api/flow/{id}", self.flow)
        self.routes.add("GET", "/api/bytes/{id}", self.byte_map)
        self.routes.add("GET", "/api/watch", self.watch)
        self.routes.add("GET", "/api/{call}", self.look)
        self.routes.add("POST", "/api/{call}", self.change)

    def listeners(self) -> Sequence[Listener]:
        return [
            Listener(
                name="dashboard",
                scheme="http",
                host=self.place.host,
                port=self.place.port,
                path=f"/#{self.token}",  # behind #: the page has it, no request and no log ever does
                factory=lambda: self.http.connection(self.gate),
                gate=self.gate,
            )
        ]

    # -- who may ask ---------------------------------------------------------------------------------------------

    def handle(self, exchange: Exchange) -> Work:
        """Asked for by a name that is nobody else's, from no other page."""
        request = exchange.request
        if not is_local_name(request.authority):
            exchange.refuse(421, f"this is not {request.authority[:100]}: ask for it by address or as localhost")
            return None
        if page_of := stranger(exchange):
            exchange.refuse(403, f"pages of {page_of} may not look at this lab")
            return None
        path = request.path.partition("?")[0]
        try:
            known, work = self.routes.answer(exchange, path)
        except NetlabError as error:
            refuse(exchange, error)
            return None
        if not known:
            exchange.refuse(404, f"nothing is at {path[:200]}", see="/")
        return self.minding(exchange, work) if work is not None else None

    async def minding(self, exchange: Exchange, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except NetlabError as error:
            if exchange.started:
                raise
            refuse(exchange, error)

    # -- looking -------------------------------------------------------------------------------------------------

    async def flows(self, exchange: Exchange) -> None:
        """`?filter=` and `?last=`: flows in short, oldest first; piece by piece, for the lab has more to do."""
        asked = arguments(exchange)
        last = count_of(asked.get("last", "2000"))
        records = self.calls.flows(filter=asked.get("filter", ""), last=min(last or MOST_FLOWS, MOST_FLOWS))
        piece: list[str] = []
        async for flow in records:
            if len(piece) == PIECE:
                if not exchange.started:
                    exchange.start(200, JSON)
                exchange.send(f"{',' if exchange.sent else '['}{','.join(piece)}".encode())
                piece = []
                await exchange.ready()
            piece.append(json.dumps(redacted(without_events(flow)), default=str))
        if not exchange.started:
            exchange.respond(200, JSON, f"[{','.join(piece)}]".encode())
        else:
            exchange.send(f",{','.join(piece)}]".encode())
            exchange.finish()

    async def flow(self, exchange: Exchange, id: str) -> None:  # noqa: A002  the name in the path
        """One flow whole, with what belongs to it, and what the fields in it mean."""
        found = await self.calls.flow(id=id)
        told = {
            "flow": redacted(found["flow"]),
            "parent": redacted(found["parent"]) if found["parent"] else None,
            "children": [redacted(child) for child in found["children"]],
            "more_children": found["more_children"],
            "meanings": meanings_of(found["flow"]),
        }
        answer(exchange, told)

    async def byte_map(self, exchange: Exchange, id: str) -> None:  # noqa: A002  the name in the path
        """The raw bytes of a flow as messages, each with the tree of its fields."""
        found = await self.calls.flow(id=id)
        answer(exchange, byte_map(redacted(found["flow"]), redacted(found["parent"]) if found["parent"] else None))

    async def watch(self, exchange: Exchange) -> None:
        """Flows as they end, as server-sent events, many at a time."""
        await stream(exchange, self.lab.flows, arguments(exchange).get("filter", ""))

    async def look(self, exchange: Exchange, call: str) -> None:
        if call not in READ or not hasattr(self.calls, call):
            raise UsageError(f"there is nothing to look at by the name {call[:50]!r}")
        asked = {"action": LOOKING[call]} if call in LOOKING else {}
        if (more := arguments(exchange).get("action")) in MORE.get(call, ()):
            asked = {"action": more}
        answer(exchange, await getattr(self.calls, call)(**asked))

    # -- changing ------------------------------------------------------------------------------------------------

    def change(self, exchange: Exchange, call: str) -> None:
        """A call with its arguments as JSON, by who has the token."""
        given = exchange.request.fields.get("x-netlab-token") or ""
        if not secrets.compare_digest(given.encode(), self.token.encode()):
            exchange.refuse(403, "changes want the lab's token: open the page by the address that `netlab up` prints")
        elif call not in CHANGE:
            exchange.refuse(404, f"there is no change by the name {call[:50]!r}")
        else:
            exchange.collect(LARGEST, lambda body: self.carry_out(exchange, call, body))

    def carry_out(self, exchange: Exchange, call: str, body: bytes) -> None:
        try:
            asked = json.loads(body or b"{}")
        except ValueError:
            asked = None
        if not isinstance(asked, dict):
            exchange.refuse(400, "a change is a JSON object of arguments")
            return
        self.tasks.start(self.minding(exchange, self.carried_out(exchange, call, asked)), f"change {call}")

    async def carried_out(self, exchange: Exchange, call: str, asked: Mapping[str, Any]) -> None:
        try:
            found = await getattr(self.calls, call)(**asked)
        except TypeError as error:
            raise UsageError(f"{call}: {error}") from None
        answer(exchange, found)


def arguments(exchange: Exchange) -> dict[str, str]:
    return dict(parse_qsl(exchange.request.path.partition("?")[2]))


def count_of(words: str) -> int:
    if words and not (words.isdecimal() and len(words) < 10):
        raise UsageError(f"last={words[:50]!r} is no number of flows")
    return int(words or 0)


def answer(exchange: Exchange, value: Any) -> None:
    exchange.respond(200, JSON, json.dumps(value, default=str).encode())


def refuse(exchange: Exchange, error: NetlabError) -> None:
    """What was asked for cannot be: the sentence that says why."""
    status = 400 if isinstance(error, UsageError) else 404
    exchange.respond(status, JSON, json.dumps({"error": str(error)}).encode())


def without_events(flow: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in flow.items() if name not in ("events", "wire", "plain")}


def meanings_of(flow: Mapping[str, Any]) -> dict[str, Any]:
    """Of every field in a flow's heads: what it means, and where that stands."""
    pairs = (event["fields"].get("fields") for event in flow.get("events") or ())
    return meanings(name for found in pairs if isinstance(found, list) for name, _ in found)
