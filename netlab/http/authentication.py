"""Authentication for parts of a server: who may pass, and what everyone else is told (RFC 9110 11)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from netlab.clock import Clock
from netlab.http.exchange import Exchange, Handler, Work
from netlab.http.prefixes import Prefixes
from netlab.http.rules import Guard
from netlab.policy.auth.basic import basic_challenge, basic_credentials
from netlab.policy.auth.bearer import bearer_challenge, bearer_token
from netlab.policy.auth.credentials import Credentials, Refusal, parse_credentials
from netlab.policy.auth.digest import Asked, Digest
from netlab.policy.auth.users import User
from netlab.policy.jwt import Key, Rejected, Rules, verify
from netlab.stores.passwords import Passwords, TooManyChecks
from netlab.stores.users import Users

CONTENT = 16 << 20
"""Bytes of content that are held to check Digest's auth-int; more is a 413."""


@dataclass(frozen=True, slots=True)
class Side:
    """An origin server's words, or a proxy's (RFC 9110 11.6 and 11.7)."""

    status: int
    asks: str
    presents: str
    info: str


ORIGIN = Side(401, "WWW-Authenticate", "authorization", "Authentication-Info")
PROXY = Side(407, "Proxy-Authenticate", "proxy-authorization", "Proxy-Authentication-Info")


class Authenticator:
    """Knows who is asking, by all mechanisms that are set up. `exchange.user` is left with the name.

    users    where Basic and Digest look passwords up
    digest   the realm's challenges and nonces
    keys     whose tokens are good for Bearer
    side     ORIGIN, or PROXY for a proxy's own credentials
    """

    def __init__(
        self,
        realm: str,
        clock: Clock,
        *,
        users: Users | None = None,
        passwords: Passwords | None = None,
        digest: Digest | None = None,
        keys: Sequence[Key] = (),
        rules: Rules | None = None,
        side: Side = ORIGIN,
    ) -> None:
        self.realm, self.clock, self.users, self.digest, self.keys = realm, clock, users, digest, keys
        self.passwords = passwords or Passwords()
        self.rules, self.side = rules or Rules(), side

    def admit(self, exchange: Exchange, guard: Guard, inner: Handler) -> Work:
        """Let the request through to `inner`, or refuse it; a coroutine comes back only where it has to wait."""
        value = exchange.request.fields.get(self.side.presents)
        if value is None:
            return self.refuse(exchange, guard, UNKNOWN)
        given = parse_credentials(value)
        if isinstance(given, Refusal):
            return self.refuse(exchange, guard, given)
        if given.scheme not in guard.mechanisms:
            return self.refuse(exchange, guard, OTHER_SCHEME)
        attempt = Attempt(self, exchange, guard, inner)
        if given.scheme == "basic":
            return attempt.basic(given)
        return attempt.bearer(given) if given.scheme == "bearer" else attempt.digest(given)

    def refuse(self, exchange: Exchange, guard: Guard, refusal: Refusal, **bearer: str) -> Work:
        """401 (or 407) with a challenge for each mechanism; 400 and 403 where new credentials would not help."""
        status = self.side.status if refusal.status == 401 else refusal.status
        exchange.flow.note("authentication.refused", rule=refusal.rule, reason=refusal.reason, section=refusal.section)
        fields = []
        if status == self.side.status:
            challenges = self.challenges(guard, stale=refusal.stale, **bearer)
            fields = [(self.side.asks, challenge) for challenge in challenges]
        elif bearer:
            fields = [(self.side.asks, bearer_challenge(self.realm, **bearer))]  # RFC 6750 3.1: with 403 too
        exchange.refuse(status, f"{refusal.reason} ({refusal.section})", fields)
        return None

    def challenges(self, guard: Guard, *, stale: bool = False, **bearer: str) -> list[str]:
        """In the order of the guard's mechanisms: clients take the first they can, or the strongest."""
        found: list[str] = []
        for mechanism in guard.mechanisms:
            if mechanism == "basic":
                found.append(basic_challenge(self.realm))
            elif mechanism == "bearer":
                found.append(bearer_challenge(self.realm, **bearer))
            elif self.digest is not None:
                found += self.digest.challenges(self.clock.now(), stale=stale)
        return found


UNKNOWN = Refusal("credentials.missing", "this is only for those who are known here", "RFC 9110 11.6")
OTHER_SCHEME = Refusal("credentials.scheme", "credentials of this scheme are not taken here", "RFC 9110 11.4")
WRONG = Refusal("basic.wrong", "user or password are wrong", "RFC 7617 2")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request that presents credentials."""

    by: Authenticator
    exchange: Exchange
    guard: Guard
    inner: Handler

    def basic(self, given: Credentials) -> Work:
        pair = basic_credentials(given)
        if isinstance(pair, Refusal):
            return self._no(pair)
        name, password = pair
        user = self.by.users.get(name) if self.by.users is not None else None
        if user is not None and self.by.passwords.known(user.scrypt, password):
            return self._yes("basic", user.name, user.roles)
        return self._basic_slowly(user, password)

    async def _basic_slowly(self, user: User | None, password: str) -> None:
        """The slow hash, in its thread; a name that is not known takes as long as one that is."""
        client = self.exchange.flow.client
        try:
            address = client[0] if isinstance(client, tuple) else client
            right = await self.by.passwords.check(user.scrypt if user is not None else None, password, address)
        except TooManyChecks as error:
            self.exchange.refuse(503, str(error), [("Retry-After", "1")])
            return
        work = self._yes("basic", user.name, user.roles) if right and user is not None else self._no(WRONG)
        if work is not None:
            await work

    def digest(self, given: Credentials) -> Work:
        digest = self.by.digest
        if digest is None:
            return self._no(OTHER_SCHEME)
        if digest.wants_content(given):
            return self._digest_with_content(digest, given)
        return self._judge(digest, given, None)

    async def _digest_with_content(self, digest: Digest, given: Credentials) -> None:
        """auth-int: the content is part of the proof. The handler takes it afterwards as if no one had looked."""
        content = await self.exchange.body(CONTENT)
        self.exchange.give_back(content)
        work = self._judge(digest, given, content)
        if work is not None:
            await work

    def _judge(self, digest: Digest, given: Credentials, content: bytes | None) -> Work:
        request, users = self.exchange.request, self.by.users
        asked = Asked(request.method, (request.target, request.path), content)
        ha1 = partial(users.ha1, self.by.realm) if users is not None else _nobody
        found = digest.check(given, asked, self.by.clock.now(), ha1)
        if isinstance(found, Refusal):
            return self._no(found)
        if found.info:
            line = f"{self.by.side.info}: {found.info}\r\n".encode("latin-1")
            self.exchange.amend(lambda block: block + line)
        user = users.get(found.user) if users is not None else None
        return self._yes("digest", found.user, user.roles if user is not None else ())

    def bearer(self, given: Credentials) -> Work:
        token = bearer_token(given)
        if isinstance(token, Refusal):
            return self._no(token)
        found = verify(token, self.by.keys, self.by.clock.now(), self.by.rules)
        if isinstance(found, Rejected):
            refusal = Refusal(found.rule, found.reason, found.section)
            return self._no(refusal, error="invalid_token", description=found.reason)
        return self._yes("bearer", found.subject or "", found.words("roles"))

    def _yes(self, mechanism: str, user: str, roles: Sequence[str]) -> Work:
        """Known; whether that suffices is a question of roles."""
        needed = self.guard.roles
        if needed and not set(needed) & set(roles):
            refusal = Refusal("role.missing", f"this is only for {' or '.join(needed)}", "RFC 9110 15.5.4", 403)
            scope = {"error": "insufficient_scope"} if mechanism == "bearer" else {}
            return self._no(refusal, **scope)
        exchange = self.exchange
        exchange.user = user
        exchange.flow.note("authentication.accepted", mechanism=mechanism, user=user, roles=list(roles))
        return self.inner(exchange)

    def _no(self, refusal: Refusal, **bearer: str) -> Work:
        return self.by.refuse(self.exchange, self.guard, refusal, **bearer)


def _nobody(_algorithm: str, _name: str, _hashed: bool) -> None:
    return None


class Guarded:
    """A handler behind guards: requests below a guarded path pass once it is known who is asking."""

    def __init__(self, guards: Sequence[Guard], authenticator: Authenticator, inner: Handler) -> None:
        self._guards = Prefixes([(guard.path, guard) for guard in guards])
        self._authenticator, self._inner = authenticator, inner

    def __call__(self, exchange: Exchange) -> Work:
        """A path with escapes or dots may be read in two ways, by routes and by files: either reading's guard holds."""
        path = exchange.request.path.partition("?")[0]
        guards = [guard for guard in self._guards.readings(path) if guard.mechanisms]
        if not guards:
            return self._inner(exchange)
        if len(guards) > 1:
            exchange.refuse(400, "this path can be read in two ways, and others may pass by one than by the other")
            return None
        return self._authenticator.admit(exchange, guards[0], self._inner)
