"""An issuer's keys by URL (RFC 7517): fetched when a token needs them, kept for a while, asked for again in bounds."""

from __future__ import annotations

import asyncio
import re
from typing import Any, NamedTuple

from netlab.clock import Clock
from netlab.errors import DeadlineExceeded, NetlabError
from netlab.http.authentication import Authenticator
from netlab.http.client import ClientConnection, ClientSettings
from netlab.http.exchange import Exchange, Handler, Work
from netlab.http.rules import Guard
from netlab.http.url import Url
from netlab.net.dial import Dialer
from netlab.net.secure import TlsOptions
from netlab.policy.auth.credentials import Credentials, parse_credentials
from netlab.policy.jwt import Key, jwks_keys
from netlab.policy.jwt.encoding import decode, json_object

LARGEST = 256 << 10
"""Bytes of a key set."""
SECONDS = 10.0
"""How long fetching it may take in all."""
LIFETIME = 600.0
"""Seconds for which keys are kept where Cache-Control does not say; what it says is bounded by the next two."""
SHORTEST, LONGEST = 60.0, 86400.0
PAUSE = 10.0
"""Seconds between two attempts, whoever asks: tokens with made-up keys must not become requests to the issuer."""
MAX_AGE = re.compile(r"(?:^|,)\s*max-age=\"?(\d{1,9})", re.IGNORECASE)


class Unavailable(NetlabError):
    """The keys cannot be had."""


class Answer(NamedTuple):
    """Keys, and for how many seconds they may be kept."""

    keys: tuple[Key, ...]
    lifetime: float


class KeySet:
    """The keys of one issuer. `suffices` says whether they have to be fetched before a token is judged."""

    def __init__(self, url: Url, dialer: Dialer, clock: Clock, *, tls: TlsOptions | None = None) -> None:
        self.url, self._dialer, self._clock, self._tls = url, dialer, clock, tls
        self.keys: tuple[Key, ...] = ()
        self._until = self._tried = float("-inf")  # lab time
        self._fetching = asyncio.Lock()

    def suffices(self, kid: str | None) -> bool:
        """Whether a token with this key id can be judged by the keys at hand, or has to be for now."""
        now = self._clock.now()
        fresh = now < self._until and (kid is None or any(key.kid in (None, kid) for key in self.keys))
        return fresh or (bool(self.keys) and 0 <= now - self._tried < PAUSE)

    async def fetch(self, kid: str | None) -> None:
        """Have the keys, or older ones where new ones cannot be had; raises Unavailable where there are none at all."""
        async with self._fetching:
            if self.suffices(kid):
                return  # someone else has fetched them meanwhile
            now = self._clock.now()
            if 0 <= now - self._tried < PAUSE:
                raise Unavailable(f"the keys at {self.url} could not be had a moment ago")
            self._tried = now
            try:
                async with asyncio.timeout(SECONDS):
                    answer = await self._ask()
            except TimeoutError:
                self._failed(DeadlineExceeded("key set", SECONDS))
            except NetlabError as error:
                self._failed(error)
            else:
                self.keys, self._until = answer.keys, now + answer.lifetime

    def _failed(self, error: NetlabError) -> None:
        if not self.keys:
            raise Unavailable(f"the keys at {self.url} cannot be had: {error}") from error

    async def _ask(self) -> Answer:
        url = self.url
        _, connection, _ = await self._dialer.dial(
            url.host, url.port, lambda flow: ClientConnection(flow, ClientSettings(patience=SECONDS)), tls=self._tls
        )
        try:
            fields = [("Host", url.authority), ("Accept", "application/jwk-set+json, application/json")]
            exchange = connection.begin("GET", url.target, fields, close=True, url=str(url))
            try:
                response = await exchange.answer()
                content = b""
                while piece := await exchange.read():
                    content += piece
                    if len(content) > LARGEST:
                        raise Unavailable(f"it has more than {LARGEST} bytes")
            finally:
                exchange.close()
        finally:
            connection.close()
        if response.status != 200:
            raise Unavailable(f"it was answered with {response.status}")
        return Answer(public_keys(content), lifetime(response.fields.get("cache-control")))


class WithKeySet(Authenticator):
    """An authenticator that judges tokens by a key set: what has to be fetched is waited for."""

    def __init__(self, key_set: KeySet, realm: str, clock: Clock, **options: Any) -> None:
        super().__init__(realm, clock, **options)
        self.key_set = key_set

    def admit(self, exchange: Exchange, guard: Guard, inner: Handler) -> Work:
        value = exchange.request.fields.get(self.side.presents)
        given = parse_credentials(value) if value is not None else None
        if "bearer" not in guard.mechanisms or not isinstance(given, Credentials) or given.scheme != "bearer":
            return super().admit(exchange, guard, inner)
        kid = key_id(given.token)
        if self.key_set.suffices(kid):
            return super().admit(exchange, guard, inner)
        return self._admit_later(exchange, guard, inner, kid)

    async def _admit_later(self, exchange: Exchange, guard: Guard, inner: Handler, kid: str | None) -> None:
        key_set, flow = self.key_set, exchange.flow
        try:
            await key_set.fetch(kid)
        except Unavailable as error:
            flow.note("keys.unavailable", url=str(key_set.url), why=str(error))
            exchange.refuse(503, f"nobody can be known now: {error}", [("Retry-After", "10")])
            return
        self.keys = key_set.keys
        flow.note("keys.fetched", url=str(key_set.url), keys=[key.kid for key in self.keys])
        work = super().admit(exchange, guard, inner)
        if work is not None:
            await work


def public_keys(content: bytes) -> tuple[Key, ...]:
    """The keys of a set that everyone may read: a secret among them is none. Raises Unavailable."""
    try:
        keys = jwks_keys(content)
    except ValueError as error:
        raise Unavailable(str(error)) from None
    public = tuple(key for key in keys if not key.secret)
    if not public:
        raise Unavailable("it holds no key for RS256, ES256 or EdDSA")
    return public


def lifetime(cache_control: str | None) -> float:
    found = MAX_AGE.search(cache_control or "")
    return LIFETIME if found is None else min(max(float(found[1]), SHORTEST), LONGEST)


def key_id(token: str) -> str | None:
    """What a token's header says of its key; nothing of it is believed here."""
    try:
        kid = json_object(decode(token.partition(".")[0][:4096]) or b"").get("kid")
    except ValueError:
        return None
    return kid if isinstance(kid, str) else None
