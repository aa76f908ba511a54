"""The OpenAPI 3.1 document of a version, made from the table of operations that its requests are checked by."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from netlab.cores.http1 import phrase
from netlab.http.shop import shapes, versions
from netlab.http.shop.idempotency import PATTERN
from netlab.http.shop.operations import JSON, Operation
from netlab.http.shop.problems import PROBLEM
from netlab.http.shop.schema import Schema

ABOUT = """A shop that lives in netlab's memory, for people who write clients.

`POST /login` with the user `ada` (staff), `bob` or `carol` (customers) and the password `secret` gives a bearer token;
so does `netlab token NAME --roles staff`. What is refused is a problem (RFC 9457), whose type is a page about it.
Version 1 is deprecated: its money is a number."""

FIELDS: Mapping[str, tuple[str, Schema]] = {
    "If-Match": ("Only if it still is what this ETag says", {"type": "string"}),
    "If-None-Match": ("Only if it is none of these, or with * not there", {"type": "string"}),
    "Idempotency-Key": ("Done once, however often it is sent", {"type": "string", "pattern": PATTERN}),
}


def index() -> dict[str, Any]:
    """What /api answers: the versions and where their documents are."""
    return {
        "versions": [
            {
                "version": version,
                "url": f"{versions.BASE}/v{version}",
                "openapi": f"{versions.BASE}/v{version}/openapi.json",
                "deprecated": version != versions.NEWEST,
            }
            for version in versions.VERSIONS
        ]
    }


def document(version: int, operations: Sequence[Operation], components: Mapping[str, Schema]) -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = described(version, operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "netlab shop", "version": f"{version}.0.0", "description": ABOUT, "license": LICENSE},
        "servers": [{"url": f"{versions.BASE}/v{version}"}],
        "tags": [{"name": name} for name in ("products", "orders", "users")],
        "paths": paths,
        "components": {
            "schemas": dict(components),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


LICENSE = {"name": "Apache 2.0", "identifier": "Apache-2.0"}


def described(version: int, operation: Operation) -> dict[str, Any]:
    """The operation object (OpenAPI 4.8.10)."""
    found: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": parameters(operation),
        "responses": responses(version, operation),
        "security": [{"token": []}] if operation.roles is not None else [],
    }
    if version != versions.NEWEST:
        found["deprecated"] = True
    if operation.content:
        content = {media_type: reference(operation.content) for media_type in operation.media_types}
        found["requestBody"] = {"required": True, "content": content}
    return found


def parameters(operation: Operation) -> list[dict[str, Any]]:
    names = re.findall(r"\{(\w+)\}", operation.path)
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": shapes.PATH_PARAMETERS[name]} for name in names
    ]
    found += [{"name": name, "in": "query", "schema": schema} for name, schema in operation.query.items()]
    for name in operation.takes:
        about, schema = FIELDS[name]
        found.append({"name": name, "in": "header", "description": about, "schema": schema})
    return found


def responses(version: int, operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, name in operation.replies.items():
        reply: dict[str, Any] = {"description": phrase(status)}
        if name:
            reply["content"] = {JSON: reference(name)}
        headers = reply_fields(version, operation, status)
        if headers:
            reply["headers"] = headers
        if operation.links and status == 201:
            reply["links"] = {
                f"{following}Of{operation.id[0].upper()}{operation.id[1:]}": {
                    "operationId": following,
                    "parameters": dict(how),
                }
                for following, how in operation.links.items()
            }
        found[str(status)] = reply
    for status in sorted(refusals(version, operation)):
        problem = {"description": phrase(status), "content": {PROBLEM: reference("Problem")}}
        if status == 401:
            problem["headers"] = {"WWW-Authenticate": field({"type": "string"})}
        found[str(status)] = problem
    return found


def reply_fields(version: int, operation: Operation, status: int) -> dict[str, Any]:
    """Response header objects; what stands here is there in each such answer."""
    found: dict[str, Any] = {}
    text = field({"type": "string"})
    if status == 201:
        found["Location"] = text
    if operation.tagged(status):
        found["ETag"] = text
    if operation.replies[status].startswith("["):
        found |= {"X-Total-Count": field({"type": "integer"}), "Link": text}
    if version != versions.NEWEST:
        found |= {"Deprecation": text, "Sunset": text}
    return found


def refusals(version: int, operation: Operation) -> set[int]:
    """Every status that an operation's checks can end with."""
    found = set(operation.problems)
    if operation.replies.get(200) or operation.replies.get(201):
        found.add(406)
    if operation.roles is not None:
        found |= {400, 401} | ({403} if operation.roles else set())
    found.add(422)  # a parameter that is not known
    if operation.content:
        found |= {400, 413, 415}
    if "If-Match" in operation.takes:
        found.add(412)
        if version > 1 and operation.id in ("replaceProduct", "changeProduct"):
            found.add(428)
    if "Idempotency-Key" in operation.takes:
        found |= {400, 409}
    if "{" in operation.path:
        found.add(404)  # what is no id, or no name
    if version != versions.NEWEST:
        found.add(410)
    return found


def field(schema: Schema) -> dict[str, Any]:
    return {"schema": schema, "required": True}


def reference(name: str) -> dict[str, Any]:
    """A media type object for a schema by its name, or `[Name]` for a list."""
    schema = {"$ref": f"#/components/schemas/{name.strip('[]')}"}
    return {"schema": {"type": "array", "items": schema} if name.startswith("[") else schema}
