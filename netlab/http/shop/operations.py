"""What can be asked of the shop: a table from which requests are routed and checked, and the documents are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from netlab.cores.fields import Fields
from netlab.http.shop.accounts import Accounts
from netlab.http.shop.model import Stock
from netlab.http.shop.problems import Problem
from netlab.http.shop.schema import Schema
from netlab.policy.conditional import Current, evaluate

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"

STAFF = ("staff",)
ANYONE: tuple[str, ...] = ()  # with a token


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered: a status, content that becomes JSON, and fields besides its own."""

    status: int
    content: Any = None
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Call:
    """One request, checked as far as its operation says: what a handler needs to know."""

    stock: Stock
    accounts: Accounts
    version: int
    method: str
    fields: Fields
    path: str  # of the resource, with its version: /api/v2/products
    now: float  # the lab's time, seconds since the epoch
    caught: dict[str, str] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)
    content: Any = None
    user: str = ""
    roles: tuple[str, ...] = ()
    expires: float = 0.0  # when the token does
    standing: list[tuple[str, str]] = field(default_factory=list)  # fields of whatever is answered

    @property
    def staff(self) -> bool:
        return "staff" in self.roles

    def check(self, current: Any, *, required: bool = False) -> None:
        """The preconditions of a change (RFC 9110 13.2.2) against what is there (None: nothing).

        With `required`, a change of something that is there wants If-Match: else two who have both read it would
        overwrite each other's changes unseen (RFC 6585 3).
        """
        if current is None:
            known = None
        else:
            known = Current(etags=(etag_of(current),))
            if required and "if-match" not in self.fields:
                raise Problem("precondition-required", f"send If-Match with the ETag of what {self.path} was, or *")
        verdict = evaluate(self.method, self.fields, known, now=self.now)
        if verdict is not None:
            raise Problem("precondition", f"{verdict.reason} ({verdict.section})")


def etag_of(content: Any) -> str:
    """A strong entity tag of what is represented: other content, another tag."""
    return f'"{blake2b(repr(content).encode(), digest_size=9).hexdigest()}"'


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """One method on one path.

    roles      None: open to all; else a token is needed, and where roles are named one of them
    query      parameters and their schemas
    content    the name of the schema of the request's content
    replies    status → name of the schema of its content ("" for none, `[Name]` for a list of them)
    problems   statuses besides those that follow from the rest
    takes      request fields that make a difference: If-Match, If-None-Match, Idempotency-Key
    links      what a client can do next: operation → parameter → expression (OpenAPI 4.8.20)
    """

    id: str
    method: str
    path: str
    summary: str
    handler: Callable[[Call], Reply]
    tag: str
    roles: tuple[str, ...] | None = None
    query: Mapping[str, Schema] = field(default_factory=dict)
    content: str = ""
    replies: Mapping[int, str]
    problems: tuple[int, ...] = ()
    takes: tuple[str, ...] = ()
    links: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def media_types(self) -> tuple[str, ...]:
        """What the request's content may be."""
        return () if not self.content else (MERGE_PATCH, JSON) if self.method == "PATCH" else (JSON,)

    def tagged(self, status: int) -> bool:
        """Whether an answer has an ETag: what represents a resource now. Not PUT's, for what came with it is not what
        is represented: the dates are added (RFC 9110 9.3.4).
        """
        return bool(self.replies.get(status)) and (
            self.method in ("GET", "PATCH") or (self.method == "POST" and status == 201)
        )
