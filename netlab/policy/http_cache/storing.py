"""Whether a response may be kept by a shared cache, and which of its fields (RFC 9111 3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netlab.policy.http_cache.directives import Lookup, RequestDirectives, ResponseDirectives
from netlab.policy.http_cache.freshness import HEURISTIC_STATUS, Freshness
from netlab.policy.http_cache.verdict import Verdict

Pair = tuple[str, str]

UNDERSTOOD = frozenset(range(200, 207)) | {300, 301, 302, 303, 307, 308, 413, 414, 415, 417, 421, 422, 426}
UNDERSTOOD |= {*range(400, 407), *range(408, 412), *range(500, 506)}
"""Final statuses whose meaning for caches is known here (RFC 9110 15); of others `must-understand` keeps hands off."""
ABOUT_THE_REQUEST = frozenset((304, 412, 416))
"""Statuses that answer a condition or a range of one request: no other request is answered by them."""
PROXY_ONLY = frozenset(("proxy-authenticate", "proxy-authentication-info", "proxy-authorization"))
"""Fields that are for one hop though they are not hop-by-hop (RFC 9111 3.1)."""


def may_store(
    method: str,
    request: Lookup,
    asked: RequestDirectives,
    status: int,
    response: Lookup,
    said: ResponseDirectives,
    fresh: Freshness,
) -> Verdict:
    """The conditions of RFC 9111 3, in their order, and that keeping it can be of any use."""
    refused = (
        _method(method, response, fresh)
        or _status(status, said)
        or _directives(asked, status, said)
        or _authorization(request, said)
        or _vary(response)
    )
    if refused is not None:
        return refused
    if not (fresh.because or said.public or status in HEURISTIC_STATUS):
        reason = f"nothing says that a {status} may be kept: no Expires, max-age, s-maxage or public"
        return Verdict(False, "not-cacheable", reason, "RFC 9111 3")
    return _useful(response, said, fresh)


def _method(method: str, response: Lookup, fresh: Freshness) -> Verdict | None:
    """GET; and POST, where the answer is what a GET of the same URI would get, and says for how long."""
    if method == "GET":
        return None
    if method != "POST":
        return Verdict(False, "method", f"answers to {method} are not kept", "RFC 9111 3")
    if not fresh.explicit or response.get("content-location") is None:
        reason = "an answer to POST is kept only with explicit freshness and a Content-Location"
        return Verdict(False, "method", reason, "RFC 9110 9.3.3")
    return None


def _status(status: int, said: ResponseDirectives) -> Verdict | None:
    if status < 200 or status in ABOUT_THE_REQUEST:
        return Verdict(False, "status", f"a {status} is about one request only", "RFC 9111 3")
    if said.must_understand and status not in UNDERSTOOD:
        reason = f"what a {status} means for caches is not known here"
        return Verdict(False, "must-understand", reason, "RFC 9111 5.2.2.3", "must-understand")
    return None


def _directives(asked: RequestDirectives, status: int, said: ResponseDirectives) -> Verdict | None:
    if asked.no_store:
        return Verdict(False, "no-store", "the client wants nothing of it kept", "RFC 9111 5.2.1.5", "no-store")
    if said.no_store and not said.must_understand:  # which overrides it, where the status is understood
        return Verdict(False, "no-store", f"{said.field} says no-store", "RFC 9111 5.2.2.5", "no-store")
    if said.private:
        return Verdict(
            False, "private", f"{said.field} says private: it is for one user", "RFC 9111 5.2.2.7", "private"
        )
    return None


def _authorization(request: Lookup, said: ResponseDirectives) -> Verdict | None:
    """RFC 9111 3.5: what was asked for with credentials is kept only where the origin allows for that."""
    if request.get("authorization") is None:
        return None
    if said.public or said.must_revalidate or said.s_maxage is not None:
        return None
    reason = "the request had Authorization, and the answer neither public nor must-revalidate nor s-maxage"
    return Verdict(False, "authorization", reason, "RFC 9111 3.5")


def _vary(response: Lookup) -> Verdict | None:
    vary = response.get("vary")
    if vary is not None and any(name.strip(" \t") == "*" for name in vary.split(",")):
        return Verdict(False, "vary", "Vary is *: no other request can be known to match", "RFC 9111 4.1", "Vary: *")
    return None


def _useful(response: Lookup, said: ResponseDirectives, fresh: Freshness) -> Verdict:
    """What is never fresh, cannot be validated and may not be used stale, would only take room."""
    validated = response.get("etag") is not None or response.get("last-modified") is not None
    lasting = fresh.lifetime > 0 and not said.no_cache
    later = said.stale_if_error or said.stale_while_revalidate
    if not (lasting or validated or later):
        why = "no-cache" if said.no_cache else fresh.because or "nothing says how long it is fresh"
        return Verdict(False, "useless", f"never fresh ({why}) and without a validator", "RFC 9111 4.2")
    if lasting:
        reason = f"fresh for {fresh.lifetime:.0f} s by {fresh.because}"
        return Verdict(True, "fresh", reason, fresh.section, fresh.because)
    if validated:
        return Verdict(True, "validator", "it has to be validated before each use", "RFC 9111 4.3")
    return Verdict(True, "stale", "it may be used stale", "RFC 5861 3")


def stored_fields(pairs: Iterable[Pair], connection: Sequence[str], said: ResponseDirectives) -> list[Pair]:
    """The fields that are kept: all but those of one hop, those that `no-cache="…"` and `private="…"` name, and what
    is reckoned anew each time (RFC 9111 3.1). `connection` are the members of the Connection field, lower case.
    """
    dropped = PROXY_ONLY | said.private_fields | said.no_cache_fields | REWRITTEN | frozenset(connection)
    return [pair for pair in pairs if pair[0].lower() not in dropped]


REWRITTEN = frozenset(("age", "content-length", "connection", "transfer-encoding", "keep-alive", "te", "upgrade"))
