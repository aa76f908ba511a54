"""Passwords and tokens of the shop's users."""

from __future__ import annotations

import hmac
import secrets

from netlab.http.shop.model import Person, Stock
from netlab.policy.jwt import Key, sign

LIFETIME = 3600
"""Seconds that a token is good for."""
SEEDED = (("ada", "staff"), ("bob", "customer"), ("carol", "customer"))
PASSWORD = "secret"  # noqa: S105  of the users that every shop begins with; it is in the documentation


class Accounts:
    """Tokens are signed with `key`. Passwords live in this process' memory alone: a keyed hash does, and is quick."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self._pepper = secrets.token_bytes(32)

    def settle(self, stock: Stock, now: float) -> None:
        """The users that are there from the beginning."""
        for name, role in SEEDED:
            stock.people[name] = Person(name, f"{name}@shop.test", role, self.hashed(PASSWORD), now, now)

    def hashed(self, password: str) -> bytes:
        return hmac.digest(self._pepper, password.encode(), "sha256")

    def right(self, person: Person | None, password: str) -> bool:
        return hmac.compare_digest(self.hashed(password), person.secret if person is not None else b"")

    def token(self, person: Person, now: float) -> str:
        claims = {"sub": person.name, "roles": [person.role], "iat": int(now), "exp": int(now) + LIFETIME}
        return sign(claims, self.key)
