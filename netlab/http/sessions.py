"""Sticky sessions: requests that belong together go to the upstream that had the first of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from netlab.clock import Clock
from netlab.http.request_key import KeyOf
from netlab.http.roles import Asker
from netlab.policy.sticky import StickyTable, cookie, set_cookie, token

if TYPE_CHECKING:
    from netlab.http.upstreams import Member


class Sessions(Protocol):
    """How a group knows whose session a request belongs to.

    faithful  a session never moves: while its upstream takes nothing, it is refused
    """

    faithful: bool

    def meet(self, members: Sequence[Member]) -> None:
        """These are the group's members from now on."""

    def member_of(self, exchange: Asker) -> Member | None:
        """Whose session the request shows, if it shows any."""

    def bind(self, exchange: Asker, member: Member) -> bytes:
        """From now on it is this member's; the result is a block of fields for the answer."""


class CookieSessions:
    """By a cookie of our own: a keyed hash of the upstream's name, so that nobody can make one up or read it."""

    def __init__(self, name: str, key: bytes, pool: str, *, lasts: float = 0.0, faithful: bool = False) -> None:
        self.name, self.faithful = name, faithful
        self._key, self._pool, self._lasts = key, pool, lasts
        self._members: dict[str, Member] = {}

    def meet(self, members: Sequence[Member]) -> None:
        self._members = {token(self._key, self._pool, member.name): member for member in members}

    def member_of(self, exchange: Asker) -> Member | None:
        shown = cookie(exchange.request.fields.get("cookie"), self.name)
        return self._members.get(shown) if shown else None

    def bind(self, exchange: Asker, member: Member) -> bytes:
        value = token(self._key, self._pool, member.name)
        told = set_cookie(self.name, value, secure=exchange.connection.secure, lasts=self._lasts)
        return b"Set-Cookie: %b\r\n" % told.encode("latin-1")

    def __str__(self) -> str:
        return f"cookie {self.name}"


class KeySessions:
    """By what a client shows anyway, its address or a field: whom it had last is remembered here."""

    def __init__(self, key: KeyOf, words: str, clock: Clock, *, lasts: float = 1800.0, faithful: bool = False) -> None:
        self.faithful = faithful
        self._key, self._words, self._clock = key, words, clock
        self._table = StickyTable(lasts=lasts)
        self._members: dict[str, Member] = {}

    def meet(self, members: Sequence[Member]) -> None:
        self._members = {member.name: member for member in members}

    def member_of(self, exchange: Asker) -> Member | None:
        shown = self._key(exchange)
        return self._members.get(self._table.upstream_of(shown, self._clock.now())) if shown else None

    def bind(self, exchange: Asker, member: Member) -> bytes:
        if shown := self._key(exchange):
            self._table.remember(shown, member.name, self._clock.now())
        return b""

    def __str__(self) -> str:
        return self._words
