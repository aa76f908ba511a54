"""Who calls: the bearer token of a request to the shop, and whether its roles suffice (RFC 6750)."""

from __future__ import annotations

from collections.abc import Sequence

from netlab.http.shop.operations import Call
from netlab.http.shop.problems import Problem
from netlab.policy.auth.bearer import bearer_challenge
from netlab.policy.auth.credentials import Refusal, parse_credentials
from netlab.policy.jwt import Key, Rejected, verify

REALM = "shop"


def identify(call: Call, keys: Sequence[Key], roles: Sequence[str]) -> None:
    """Fill in who calls; Problem without a token (401), with a bad one (401), and without any of the roles (403)."""
    value = call.fields.get("authorization")
    if value is None:
        raise Problem("unauthenticated", "there is no token", fields=[_asks()])
    given = parse_credentials(value)
    if isinstance(given, Refusal):
        # RFC 6750 3.1: a token that is malformed is an invalid one (401)
        raise Problem("unauthenticated", given.reason, fields=[_asks("invalid_token", given.reason)])
    if given.scheme != "bearer" or not given.token:
        raise Problem("unauthenticated", "the credentials are no bearer token", fields=[_asks()])
    found = verify(given.token, keys, call.now)
    if isinstance(found, Rejected):
        detail = f"{found.reason} ({found.rule}, {found.section})"
        raise Problem("unauthenticated", detail, fields=[_asks("invalid_token", found.reason)])
    call.user, call.roles = found.subject or "", found.words("roles")
    call.expires = float(found.claims["exp"])
    if roles and not set(roles) & set(call.roles):
        needed = " or ".join(roles)
        raise Problem(
            "forbidden", f"this is for {needed}", fields=[_asks("insufficient_scope", f"this is for {needed}")]
        )


def _asks(error: str = "", description: str = "") -> tuple[str, str]:
    return "WWW-Authenticate", bearer_challenge(REALM, error=error, description=description)
