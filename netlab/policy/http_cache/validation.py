"""Validation: the conditional request, and what its answer does to what is stored (RFC 9111 4.3, 3.2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netlab.policy.http_cache.directives import Lookup

Pair = tuple[str, str]

CONDITIONS = frozenset(("if-none-match", "if-modified-since"))
"""Preconditions that a cache evaluates (RFC 9111 4.3.2)."""
FOR_THE_ORIGIN = frozenset(("if-match", "if-unmodified-since"))
"""Those that it must leave to the origin."""
FIXED = frozenset(
    ("content-encoding", "content-length", "content-range", "content-md5", "content-digest", "repr-digest")
)
"""Fields that are about the stored content itself: those of a 304 do not replace them (RFC 9111 3.2)."""


def conditional(pairs: Iterable[Pair], stored: Lookup) -> list[Pair]:
    """A request's fields with our conditions in place of the client's, for whole content (RFC 9111 4.3.1)."""
    kept = without_conditions(pairs)
    if (tag := stored.get("etag")) is not None:
        kept.append(("If-None-Match", tag))
    if (modified := stored.get("last-modified")) is not None:
        kept.append(("If-Modified-Since", modified))
    return kept


def without_conditions(pairs: Iterable[Pair]) -> list[Pair]:
    """A request's fields, asking for all of it whatever the client has."""
    gone = CONDITIONS | {"range", "if-range"}
    return [pair for pair in pairs if pair[0].lower() not in gone]


def is_validated(stored: Lookup, answer: Lookup) -> bool:
    """Whether a 304 is about this stored response: the validators that it names are those that are stored.

    A strong one that is not stored must not update anything (RFC 9111 4.3.4).
    """
    tag = answer.get("etag")
    if tag is not None:
        known = stored.get("etag")
        if known is None:
            return False
        weak = tag.startswith("W/") or known.startswith("W/")
        return tag.removeprefix("W/") == known.removeprefix("W/") if weak else tag == known
    modified = answer.get("last-modified")
    return modified is None or stored.get("etag") is not None or modified == stored.get("last-modified")


def head_agrees(stored: Lookup, length: int, answer: Lookup) -> bool:
    """Whether the answer to HEAD is about what is stored: every validator and length it names is the stored one's
    (RFC 9111 4.3.5).
    """
    for name in ("etag", "last-modified"):
        value = answer.get(name)
        if value is not None and value != stored.get(name):
            return False
    declared = answer.get("content-length")
    return declared is None or declared == str(length)


def updated(stored: Sequence[Pair], answer: Iterable[Pair]) -> list[Pair]:
    """The stored fields, each replaced by those of the answer that have its name; the others stay (RFC 9111 3.2).

    `answer` has been through `stored_fields` already.
    """
    new = [pair for pair in answer if pair[0].lower() not in FIXED]
    names = {name.lower() for name, _ in new}
    return [pair for pair in stored if pair[0].lower() not in names] + new
