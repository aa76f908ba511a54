"""What a request to the shop can meet with, as problem details (RFC 9457); each kind has a page that explains it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from netlab.cores.http1 import phrase

PROBLEM = "application/problem+json"
PATH = "/api/problems/"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem: its status, its title, and what to do about it."""

    status: int
    title: str
    advice: str


KINDS = {
    "not-found": Kind(404, "Nothing is there", "Look at the OpenAPI document for the paths; ids come from lists."),
    "method": Kind(405, "Not with this method", "The Allow field names the methods of this path."),
    "not-acceptable": Kind(406, "Only JSON is here", "Accept application/json, or send no Accept field."),
    "version": Kind(
        406, "There is no such version", "Versions are 1 and 2, in the path, in Accept-Version or in ?version=."
    ),
    "sunset": Kind(
        410, "This version is over", "It was announced in Deprecation and Sunset; go on with the newest one."
    ),
    "syntax": Kind(400, "This is not JSON", "The detail says where the content stops being JSON (RFC 8259)."),
    "field": Kind(400, "A field is malformed", "The detail names the field and its grammar."),
    "media-type": Kind(
        415, "Content of another type", "Send application/json, or application/merge-patch+json with PATCH."
    ),
    "too-large": Kind(413, "Too much content", "The detail names the limit."),
    "invalid": Kind(422, "Not what the schema says", "Each error points at a member of the content or at a parameter."),
    "unauthenticated": Kind(401, "A token is needed", "POST /api/v2/login gives one, and so does netlab token."),
    "forbidden": Kind(403, "Not with these roles", "The detail names the role that may."),
    "transition": Kind(409, "The order cannot go there", "`allowed` lists where it can go from where it is."),
    "out-of-stock": Kind(409, "Not enough of it is left", "Order less, or have someone of the staff raise the stock."),
    "exists": Kind(409, "The name is taken", "PUT to its own path replaces what is there."),
    "in-progress": Kind(
        409, "The same key is at work", "The first request with this Idempotency-Key is not over; try again."
    ),
    "key-reused": Kind(
        422, "The key is another request's", "An Idempotency-Key goes with one request; take a new one."
    ),
    "precondition": Kind(412, "It has changed meanwhile", "GET it again, and decide anew with its new ETag."),
    "precondition-required": Kind(
        428, "Say what you have seen", "Send If-Match with the ETag of what you change, or *."
    ),
    "full": Kind(507, "The shop is full", "It lives in memory: delete something, or start it anew."),
}


class Problem(Exception):
    """A "no" on its way to the client."""

    def __init__(self, kind: str, detail: str, *, fields: Iterable[tuple[str, str]] = (), **more: Any) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.fields, self.more = KINDS[kind], detail, list(fields), more
        self.type = PATH + kind

    @property
    def status(self) -> int:
        return self.kind.status

    def content(self) -> dict[str, Any]:
        told = {"type": self.type, "title": self.kind.title, "status": self.status, "detail": self.detail}
        return {**told, **self.more}


def invalid(errors: list[dict[str, str]]) -> Problem:
    """All that is wrong at once, each with a JSON Pointer or the name of a parameter."""
    places = [error.get("pointer") or error.get("parameter") or "" for error in errors]
    return Problem("invalid", f"{len(errors)} wrong: {', '.join(places)}"[:300], errors=errors)


def explained(name: str) -> dict[str, Any]:
    """The page of a kind; Problem for a name that is none."""
    kind = KINDS.get(name)
    if kind is None:
        raise Problem("not-found", f"no problem here is called {name[:40]!r}")
    return {
        "type": PATH + name,
        "status": kind.status,
        "phrase": phrase(kind.status),
        "title": kind.title,
        "advice": kind.advice,
    }


SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["detail"],
                "properties": {
                    "detail": {"type": "string"},
                    "pointer": {"type": "string"},
                    "parameter": {"type": "string"},
                },
            },
        },
        "allowed": {"type": "array", "items": {"type": "string"}},
    },
}
