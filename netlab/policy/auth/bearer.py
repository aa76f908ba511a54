"""Bearer: whoever has the token is in (RFC 6750). What the token says is the business of `policy/jwt`."""

from __future__ import annotations

from netlab.policy.auth.credentials import Credentials, Refusal, challenge, quoted

NO_TOKEN = Refusal("bearer.token", "there is no token behind Bearer", "RFC 6750 2.1", 400)


def bearer_token(given: Credentials) -> str | Refusal:
    """The token, whatever it is."""
    return given.token or NO_TOKEN


def bearer_challenge(realm: str, *, error: str = "", description: str = "", scope: str = "") -> str:
    """`error` is invalid_request, invalid_token or insufficient_scope; none where no token came (RFC 6750 3.1)."""
    named = (("error", error), ("error_description", description), ("scope", scope))
    clean = [(name, quoted(_plain(value))) for name, value in named if value]
    return challenge("Bearer", [("realm", quoted(realm)), *clean])


def _plain(text: str) -> str:
    """What RFC 6750 3 allows in an error's description: printable ASCII without quotes and backslashes."""
    return "".join(c if " " <= c <= "~" and c not in '"\\' else "'" for c in text)
