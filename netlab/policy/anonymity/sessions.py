"""Sessions: for how long a client keeps the profile it was given, and which that is."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from netlab.policy.anonymity.profiles import Engine, Profile

REMEMBERED = 4096
"""Sessions; of more than so many clients at once, the one that was quiet longest begins anew."""


class Session(NamedTuple):
    """What one client looks like for a while. `name` is known to nobody outside of the proxy."""

    name: str
    profile: Profile
    until: float


class Sessions:
    """Gives each client a profile from a seed: the same seed, the same clients in whatever order, the same profiles.

    profiles  of them each client gets one of its own engine, as far as there are any
    lifetime  seconds from a session's first request
    """

    def __init__(self, seed: int, profiles: Sequence[Profile], lifetime: float) -> None:
        self.seed, self.lifetime = seed, lifetime
        self._profiles: dict[Engine | None, Sequence[Profile]] = {
            engine: [profile for profile in profiles if profile.engine == engine] or profiles
            for engine in ("chromium", "firefox", None)
        }
        self._running: OrderedDict[tuple[str, Engine | None], tuple[int, Session]] = OrderedDict()

    def of(self, client: str, engine: Engine | None, now: float) -> Session:
        """The session of a client's programs of one engine; a new one where the last is over."""
        key = (client, engine)
        count, known = self._running.get(key, (0, None))
        if known is not None and now < known.until:
            self._running.move_to_end(key)
            return known
        session = self._begin(client, engine, count, now)
        self._running[key] = (count + 1, session)
        self._running.move_to_end(key)
        if len(self._running) > REMEMBERED:
            self._running.popitem(last=False)
        return session

    def uniform(self, engine: Engine | None) -> Profile:
        """What all clients with this engine look like where they are to look alike."""
        return self._profiles[engine][0]

    def _begin(self, client: str, engine: Engine | None, count: int, now: float) -> Session:
        digest = sha256(f"{self.seed} {client} {engine} {count}".encode()).digest()
        candidates = self._profiles[engine]
        profile = candidates[int.from_bytes(digest[:8]) % len(candidates)]
        return Session(digest[8:16].hex(), profile, now + self.lifetime)

    def __len__(self) -> int:
        return len(self._running)
