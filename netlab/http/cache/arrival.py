"""A response as it arrives: what its head says of keeping it, and what is made of it when it is whole."""

from __future__ import annotations

import re
from email.utils import formatdate

from netlab.cores.fields import Fields
from netlab.cores.http1 import Request
from netlab.cores.http1_grammar import parse_fields
from netlab.http.cache.body import Body
from netlab.http.cache.rules import CacheRules
from netlab.http.cache.stored import Key, Stored
from netlab.policy.http_cache.directives import RequestDirectives, response_directives
from netlab.policy.http_cache.freshness import Exchanged, freshness
from netlab.policy.http_cache.invalidation import resolved
from netlab.policy.http_cache.partial import Part, combined, extent, strong_validator
from netlab.policy.http_cache.selection import matches, nominated
from netlab.policy.http_cache.storing import may_store, stored_fields
from netlab.policy.http_cache.validation import updated
from netlab.policy.http_cache.verdict import Verdict

DATE = re.compile(rb"(?:\A|\n)date:", re.IGNORECASE)


class Arrival:
    """A final response to one of our requests.

    block    its fields as they go to the client, Date included; and `fields`, what is in them
    verdict  whether it may be kept
    extent   of a 206: the part that it is
    """

    __slots__ = ("_named", "_stored", "block", "extent", "fields", "fresh", "key", "said", "status", "verdict")

    def __init__(
        self,
        key: Key,
        request: Request,
        asked: RequestDirectives,
        status: int,
        block: bytes,
        length: int | None,
        when: Exchanged,
        rules: CacheRules,
    ) -> None:
        self.key, self.status, self.block = key, status, block
        fields = self.fields = parse_fields(block)
        said = self.said = response_directives(fields, rules.targets)
        fresh = self.fresh = freshness(status, fields, said, when, rules.heuristic)
        self.extent = extent(fields.get("content-range")) if status == 206 else None
        verdict = may_store(request.method, request.fields, asked, status, fields, said, fresh)
        named = self._named = nominated(fields.get("vary"), request.fields) if "vary" in fields else ()
        against = self._against(request, length, rules, varies_on_ours=named is None) if verdict.allowed else None
        self.verdict = against or verdict
        self._stored: Stored | None = None

    @property
    def stored(self) -> Stored:
        """What is kept of it, or would be; without content until `completed`."""
        if self._stored is None:
            pairs = stored_fields(self.fields, (), self.said)
            if self.status == 206:
                pairs = [pair for pair in pairs if pair[0].lower() != "content-range"]
            self._stored = Stored(self.key, self._named or (), 200 if self.status == 206 else self.status)
            self._stored.describe(pairs, self.said, self.fresh)
        return self._stored

    def _against(
        self, request: Request, length: int | None, rules: CacheRules, *, varies_on_ours: bool
    ) -> Verdict | None:
        """What speaks against keeping it besides the rules for all caches."""
        if varies_on_ours:
            reason = "it depends on a field that this gateway writes itself"
            return Verdict(False, "vary", reason, "RFC 9111 4.1", f"Vary: {self.fields.get('vary')}")
        size = self.extent.size if self.extent is not None else length
        if size is not None and size > rules.largest:
            return too_large(rules)
        if (
            request.method == "POST"
            and resolved(self.key.uri, self.fields.get("content-location") or "") != self.key.uri
        ):
            reason = "Content-Location of this answer to POST is not its own URI"
            return Verdict(False, "method", reason, "RFC 9110 9.3.3")
        if self.status != 206:
            return None
        part = self.extent
        if part is None or length != part.last - part.first + 1:
            return Verdict(False, "partial", "Content-Range does not tell which part it is", "RFC 9111 3.3")
        return None

    @property
    def shareable(self) -> bool:
        """Whether others who asked for the same may be answered with it."""
        fresh = self.fresh.staleness(self.fresh.answered) < 0
        return self.verdict.allowed and fresh and not self.said.no_cache and self.status != 206

    def suits(self, request: Request) -> bool:
        """Whether such a request selects it."""
        return matches(self.stored.nominated, request.fields, self.stored.language)

    def completed(self, body: Body, before: Stored | None) -> Stored:
        """What is to be kept, now that all of it is here; `before` is what such a request selected until now."""
        content, part, stored = body.whole(), self.extent, self.stored
        if part is None:
            stored.parts, stored.size = (Part(0, content),), len(content)
        else:
            stored.parts, stored.size = (Part(part.first, content),), part.size
            if before is not None and combinable(before, stored, self.fresh.answered):
                stored.parts = combined(before.parts, stored.parts[0])
        return stored.describe(tuple(stored.fields), self.said, self.fresh)


def combinable(before: Stored, new: Stored, now: float) -> bool:
    """Whether both are of one representation: the same strong validator (RFC 9111 3.4)."""
    validator = strong_validator(new.fields, now)
    return validator is not None and validator == strong_validator(before.fields, now) and before.size == new.size


def dated(block: bytes, now: float) -> bytes:
    """With the Date of its arrival, where it came without (RFC 9110 6.6.1)."""
    return block if DATE.search(block) else block + f"Date: {formatdate(now, usegmt=True)}\r\n".encode()


def too_large(rules: CacheRules) -> Verdict:
    return Verdict(False, "size", f"its content is larger than {rules.largest} bytes", "RFC 9111 3")


def renew(stored: Stored, fields: Fields, when: Exchanged, rules: CacheRules) -> None:
    """Give what is stored the fields of a 304, or of an answer to HEAD, and the life that follows from them."""
    pairs = updated(tuple(stored.fields), stored_fields(fields, (), response_directives(fields, rules.targets)))
    said = response_directives(Fields(pairs), rules.targets)
    aged = Fields([*pairs, *(pair for pair in fields if pair[0].lower() == "age")])
    stored.describe(pairs, said, freshness(stored.status, aged, said, when, rules.heuristic))
