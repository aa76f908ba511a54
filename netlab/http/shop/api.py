"""The shop's front: from a request to its operation, through every check that the operation's document promises."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from netlab.http.cors import Shared
from netlab.http.exchange import Exchange, Work
from netlab.http.routes import Route, Routes
from netlab.http.shop import openapi, orders, people, products, shapes, versions
from netlab.http.shop.accounts import Accounts
from netlab.http.shop.idempotency import FIELD, Entry, Keys
from netlab.http.shop.model import seeded, with_orders
from netlab.http.shop.operations import JSON, Call, Operation, Reply, etag_of
from netlab.http.shop.problems import PATH as PROBLEMS
from netlab.http.shop.problems import PROBLEM, Problem, explained, invalid
from netlab.http.shop.schema import Checker, from_text, parse_json
from netlab.http.shop.tokens import identify
from netlab.policy.conditional import Current, evaluate
from netlab.policy.cors import Sharing
from netlab.policy.media import choose_type
from netlab.service import Context
from netlab.stores.token_key import own_key

LIMIT = 64 << 10
"""Bytes of content that are taken."""
HELD = 1 << 20
"""Bytes of content of no declared length that are held to say that they are too many."""


class Api:
    """One shop, all its versions."""

    def __init__(self, context: Context, seed: int) -> None:
        self.clock, self._accounts = context.clock, Accounts(own_key(context.state))
        now = context.clock.now()
        self.stock = seeded(seed, now)
        self._accounts.settle(self.stock, now)
        with_orders(self.stock, seed, now)
        self._farewell = versions.Farewell(now)
        self._keys = Keys()
        self._operations = (*products.OPERATIONS, *orders.OPERATIONS, *people.OPERATIONS)
        self._routes = Routes()
        for operation in self._operations:
            self._routes.add(operation.method, operation.path, _handler(operation))
        components = {version: shapes.components(version) for version in versions.VERSIONS}
        self._schemas, self._checkers = components, {version: Checker(found) for version, found in components.items()}
        self.handle = Shared(Sharing(origins=("*",)), self._answer)

    # -- routing -------------------------------------------------------------------------------------------------

    def _answer(self, exchange: Exchange) -> Work:
        path, _, text = exchange.request.path.partition("?")
        request = exchange.request
        now, newest = self.clock.now(), versions.NEWEST
        call = Call(self.stock, self._accounts, newest, request.method, request.fields, path, now)
        try:
            query = _query(text)
            if path.rstrip("/") == versions.BASE:
                show(exchange, call, openapi.index())
            elif path.startswith(PROBLEMS):
                show(exchange, call, explained(path.removeprefix(PROBLEMS)))
            else:
                self._route(exchange, call, path, query)
        except Problem as problem:
            refuse(exchange, call, problem)
        return None

    def _route(self, exchange: Exchange, call: Call, path: str, query: dict[str, str]) -> None:
        call.version, rest, call.standing = versions.meant(path, call.fields, query)
        call.path = f"{versions.BASE}/v{call.version}{rest}"
        call.standing = [*call.standing, *self._farewell.fields(call.version, rest)]
        self._farewell.check(call.version, call.now)
        if rest == "/openapi.json":
            show(exchange, call, openapi.document(call.version, self._operations, self._schemas[call.version]))
            return
        found = self._routes.find(rest)
        if found is None:
            raise Problem("not-found", f"there is nothing at {path[:100]}")
        route, call.caught = found
        if call.method == "OPTIONS":
            respond(exchange, call, Reply(204, None, (("Allow", route.allow),)))
            return
        self._check_head(exchange, call, _operation(route, call.method, path), query)

    def _check_head(self, exchange: Exchange, call: Call, operation: Operation, query: dict[str, str]) -> None:
        """All that can be said before the content is there."""
        if operation.roles is not None:
            identify(call, (self._accounts.key,), operation.roles)
            exchange.user = call.user
        for name, value in call.caught.items():
            schema = shapes.PATH_PARAMETERS[name]
            if self._checkers[call.version].errors(from_text(value, schema), schema):
                raise Problem("not-found", f"{value[:40]!r} is no {name}")
        if any(operation.replies.values()) and choose_type(call.fields.get("accept"), (JSON,)) is None:
            raise Problem("not-acceptable", f"answers are {JSON}")
        call.query = self._checked(call, operation, query)
        entry = self._begin_once(exchange, call, operation)
        if not operation.content:
            self._perform(exchange, call, operation, b"", entry)
            return
        check_type(call, operation)
        check_length(exchange)
        exchange.collect(HELD, lambda data: self._content_came(exchange, call, operation, data, entry))

    def _checked(self, call: Call, operation: Operation, query: dict[str, str]) -> dict[str, Any]:
        """The parameters, each of its type, with the defaults of those that are not there."""
        values = {name: schema["default"] for name, schema in operation.query.items() if "default" in schema}
        errors = []
        for name, text in query.items():
            schema = operation.query.get(name)
            if schema is None:
                known = ", ".join(operation.query) or "none"
                errors.append(
                    {"detail": f"there is no such parameter here; there are: {known}", "parameter": name[:40]}
                )
                continue
            values[name] = from_text(text, schema)
            found = self._checkers[call.version].errors(values[name], schema)
            errors += [{"detail": error["detail"], "parameter": name} for error in found]
        if errors:
            raise invalid(errors)
        return values

    # -- content -------------------------------------------------------------------------------------------------

    def _content_came(
        self, exchange: Exchange, call: Call, operation: Operation, data: bytes, entry: Entry | None
    ) -> None:
        try:
            call.content = self._read(call, operation, data)
            self._perform(exchange, call, operation, data, entry)
        except Problem as problem:
            refuse(exchange, call, problem)

    def _read(self, call: Call, operation: Operation, data: bytes) -> Any:
        if len(data) > LIMIT:
            raise Problem("too-large", f"content may have {LIMIT} bytes here, not {len(data)}")
        try:
            content = parse_json(data)
        except ValueError as error:
            raise Problem("syntax", f"the content is not JSON: {error}"[:300]) from None
        schema = self._schemas[call.version][operation.content]
        errors = self._checkers[call.version].errors(content, schema)
        if errors:
            raise invalid(errors)
        return content

    def _perform(self, exchange: Exchange, call: Call, operation: Operation, data: bytes, entry: Entry | None) -> None:
        """Do it, or tell again what came of it the first time."""
        if entry is not None:
            stored = self._keys.replay(entry, call.path, data)
            if stored is not None:
                call.standing.append(("Idempotency-Replayed", "true"))
                self._reply(exchange, call, operation, stored)
                return
        reply = operation.handler(call)
        if entry is not None:
            self._keys.finish(entry, call.path, data, reply)
        self._reply(exchange, call, operation, reply)

    def _reply(self, exchange: Exchange, call: Call, operation: Operation, reply: Reply) -> None:
        """A list is tagged with its links and count, which are not in its content."""
        tagged = (reply.content, reply.fields) if isinstance(reply.content, list) else reply.content
        respond(exchange, call, reply, etag_of(tagged) if operation.tagged(reply.status) else "")

    def _begin_once(self, exchange: Exchange, call: Call, operation: Operation) -> Entry | None:
        key = call.fields.get(FIELD.lower())
        if key is None or FIELD not in operation.takes:
            return None
        entry = self._keys.begin(call.user, key, call.now)
        if entry.reply is None:
            exchange.when_over(lambda: self._keys.abandon(call.user, key, entry))
        return entry


# -- checks ------------------------------------------------------------------------------------------------------


def _handler(operation: Operation) -> Callable[..., Any]:
    """Routes hold functions; this one gives the operation back."""
    return lambda: operation


def _operation(route: Route, method: str, path: str) -> Operation:
    handler = route.handler(method)
    if handler is None:
        raise Problem("method", f"{path[:100]} answers {route.allow}", fields=[("Allow", route.allow)])
    operation: Any = handler()
    assert isinstance(operation, Operation)
    return operation


def _query(text: str) -> dict[str, str]:
    """Parameters by name; each may occur once."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=50)
    except ValueError:
        raise invalid([{"detail": "there are more than 50 parameters", "parameter": ""}]) from None
    query: dict[str, str] = {}
    for name, value in pairs:
        if name in query:
            raise invalid([{"detail": "is there twice", "parameter": name[:40]}])
        query[name] = value
    return query


def check_type(call: Call, operation: Operation) -> None:
    """The content's own type: 415 names those that are taken (RFC 5789 2.2, RFC 9110 15.5.16)."""
    media_type, _, _ = (call.fields.get("content-type") or "").partition(";")
    if media_type.strip().lower() not in operation.media_types:
        named = media_type.strip()[:60] or "of no type"
        names = ", ".join(operation.media_types)
        fields = [("Accept-Patch" if call.method == "PATCH" else "Accept", names)]
        raise Problem("media-type", f"the content is {named}; here it has to be {names}", fields=fields)


def check_length(exchange: Exchange) -> None:
    length = exchange.request.frame.length
    if length is not None and length > LIMIT:
        raise Problem("too-large", f"content may have {LIMIT} bytes here, not {length}")


# -- answers -----------------------------------------------------------------------------------------------------


def show(exchange: Exchange, call: Call, content: Any) -> None:
    """What is only to be read."""
    allow = [("Allow", "GET, HEAD, OPTIONS")]
    if call.method == "OPTIONS":
        exchange.respond(204, [*call.standing, *allow])
    elif call.method in ("GET", "HEAD"):
        respond(exchange, call, Reply(200, content), etag_of(content))
    else:
        raise Problem("method", f"{call.path[:100]} answers {allow[0][1]}", fields=allow)


def respond(exchange: Exchange, call: Call, reply: Reply, etag: str = "") -> None:
    """JSON, with its tag where it has one; 304 where the client has it already (RFC 9110 13.2.2)."""
    fields = [*call.standing, *reply.fields]
    if etag:
        fields.append(("ETag", etag))
    if not any(name == "Cache-Control" for name, _ in reply.fields):
        fields.append(("Cache-Control", "private, no-cache" if call.user else "no-cache"))
    if etag and call.method in ("GET", "HEAD"):
        verdict = evaluate(call.method, call.fields, Current(etags=(etag,)), now=call.now)
        if verdict is not None and verdict.status == 304:
            exchange.respond(304, fields)
            return
        if verdict is not None:
            raise Problem("precondition", f"{verdict.reason} ({verdict.section})")
    if reply.content is None:
        exchange.respond(reply.status, fields)
        return
    body = json.dumps(reply.content, ensure_ascii=False, indent=2).encode() + b"\n"
    exchange.respond(reply.status, [("Content-Type", JSON), *fields], body)


def refuse(exchange: Exchange, call: Call, problem: Problem) -> None:
    body = json.dumps(problem.content(), ensure_ascii=False, indent=2).encode("utf-8", "replace") + b"\n"
    exchange.flow.note("shop.refused", problem=problem.type, detail=problem.detail)
    exchange.respond(problem.status, [("Content-Type", PROBLEM), *call.standing, *problem.fields], body)
