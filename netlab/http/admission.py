"""What stands before a handler, in this order: CORS, limits by client, authentication, limits by user."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from netlab.config import about
from netlab.errors import UsageError
from netlab.http.rules import Guard, KeysUrl, LimitRule, Origin, Realm

if TYPE_CHECKING:
    from netlab.http.authentication import Authenticator
    from netlab.http.exchange import Handler
    from netlab.http.key_set import KeySet
    from netlab.policy.jwt import Key
    from netlab.service import Context


@dataclass(frozen=True, kw_only=True)
class AdmissionSettings:
    """Who may ask for what, and how often."""

    auth: tuple[Guard, ...] = ()
    """Whom to let in below PATH: by basic, digest, bearer (several with commas; none: all), and only with a ROLE."""
    users: Path | None = None
    """The file of users for basic and digest (see `netlab passwd`)."""
    realm: Realm = "netlab"
    """What the protected part is called; verifiers for Digest are made for one realm."""
    digest_algorithm: tuple[
        Literal["MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess"], ...
    ] = ("SHA-256", "MD5")
    """Algorithms that Digest offers, the favourite first."""
    digest_qop: tuple[Literal["auth", "auth-int"], ...] = ("auth",)
    """What Digest protects: the request's head, or its content too; some clients know only the first, and alone."""
    token_key: Path | None = None
    """Keys that sign the tokens for bearer (PEM or a JSON Web Key Set); else this machine's (see `netlab token`)."""
    jwks: KeysUrl | None = None
    """Where the issuer of tokens for bearer publishes its keys (a JSON Web Key Set); fetched when one is needed."""
    audience: str | None = None
    """Take only tokens that are for this audience."""
    issuer: str | None = None
    """Take only tokens that this issuer made."""
    limit: tuple[LimitRule, ...] = ()
    """Allow so many requests: 100/s, /api=10/s:user, 20:client:concurrency, 60/m:api-key:sliding-window …; else 429."""
    cors: tuple[Origin, ...] = ()
    """Let pages of this origin read answers; * for all."""
    cors_credentials: bool = False
    """Let browsers send cookies and credentials along from those origins; not with *."""


def admitting(
    inner: Handler, settings: AdmissionSettings, context: Context, *, within: Set[str] = frozenset()
) -> Handler:
    """The handler behind all that is set up, and itself where nothing is; what is not asked for is not imported.

    `within` are the mechanisms by which the handler itself asks.
    """
    behind = [rule for rule in settings.limit if rule.key == "user"]
    before = [rule for rule in settings.limit if rule.key != "user"]
    handler = limited(inner, behind, context)
    asked = {mechanism for guard in settings.auth for mechanism in guard.mechanisms}
    refuse_unasked(settings, asked | within)
    if settings.auth:
        from netlab.http.authentication import Guarded

        refuse_twice("--auth", (guard.path for guard in settings.auth))
        handler = Guarded(settings.auth, authenticator(settings, context, asked), handler)
    handler = limited(handler, before, context)
    return shared(handler, settings) if settings.cors else handler


def refuse_unasked(settings: AdmissionSettings, asked: Set[str]) -> None:
    """Who names those who may come in believes that the others may not."""
    if settings.users is not None and not asked & {"basic", "digest"}:
        raise UsageError("--users keeps nobody out by itself: say what is for them, with --auth or a route's auth=")
    if settings.jwks is not None and "bearer" not in asked:
        raise UsageError(
            "--jwks keeps nobody out by itself: say what is for its tokens, with --auth or a route's auth="
        )


def limited(handler: Handler, rules: list[LimitRule], context: Context) -> Handler:
    if not rules:
        return handler
    from netlab.http.limits import Limited

    return Limited(rules, context.clock, handler)


def authenticator(settings: AdmissionSettings, context: Context, asked: Set[str]) -> Authenticator:
    """Set up for the mechanisms that are asked for, and no more."""
    import secrets

    from netlab.http.authentication import Authenticator
    from netlab.policy.auth.digest import Digest
    from netlab.policy.jwt import Rules
    from netlab.stores.users import Users

    wants_users = asked & {"basic", "digest"}
    if wants_users and settings.users is None:
        raise UsageError(f"--auth with {' and '.join(sorted(wants_users))} needs --users FILE (see netlab passwd)")
    make: Callable[..., Authenticator] = Authenticator
    if "bearer" in asked and settings.jwks is not None:
        from netlab.http.key_set import WithKeySet

        make = partial(WithKeySet, key_set(settings, settings.jwks, context))
    with about("--users"):
        users = Users(settings.users) if settings.users is not None and wants_users else None
    return make(
        settings.realm,
        context.clock,
        users=users,
        # not of the lab's Random: what a request can make it print would let others foresee nonces
        digest=Digest(
            settings.realm, secrets.token_bytes(32), algorithms=settings.digest_algorithm, qualities=settings.digest_qop
        )
        if "digest" in asked
        else None,
        keys=own_keys(settings, context) if "bearer" in asked and settings.jwks is None else (),
        rules=Rules(audience=settings.audience, issuer=settings.issuer),
    )


def own_keys(settings: AdmissionSettings, context: Context) -> tuple[Key, ...]:
    """Keys at hand: from the file that was named, else this machine's."""
    from netlab.stores.token_key import own_key, read_keys

    if settings.token_key is None:
        return (own_key(context.state),)
    with about("--token-key"):
        return read_keys(settings.token_key)


def key_set(settings: AdmissionSettings, where: str, context: Context) -> KeySet:
    """The issuer's keys, fetched through the lab's Dialer."""
    from netlab.http.key_set import KeySet
    from netlab.http.trust import tls_options
    from netlab.http.url import Url

    if settings.token_key is not None:
        raise UsageError("--jwks and --token-key both say whose tokens are good: give one of them")
    url = Url.parse(where)
    tls = tls_options(context.state) if url.scheme == "https" else None
    return KeySet(url, context.dialer("jwks"), context.clock, tls=tls)


def shared(handler: Handler, settings: AdmissionSettings) -> Handler:
    from netlab.http.cors import Shared
    from netlab.policy.cors import Sharing

    if settings.cors_credentials and "*" in settings.cors:
        raise UsageError(
            "--cors-credentials cannot go with --cors '*': browsers refuse it, name the origins (Fetch 3.2.5)"
        )
    return Shared(Sharing(origins=settings.cors, credentials=settings.cors_credentials), handler)


def refuse_twice(flag: str, paths: Iterable[str]) -> None:
    repeated = [path for path, count in Counter(re.sub(r"(?<=.)/+$", "", path) for path in paths).items() if count > 1]
    if repeated:
        raise UsageError(f"{flag} says two things of {repeated[0]}")
