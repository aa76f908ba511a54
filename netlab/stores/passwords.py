"""Checking passwords by a hash that is slow on purpose, so that only the first request of many waits for it."""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from base64 import b64encode
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor

from netlab.errors import NetlabError
from netlab.policy.auth.users import COST, check_scrypt


class TooManyChecks(NetlabError):
    """More passwords wait to be checked than is sane."""

    def __init__(self) -> None:
        super().__init__("too many passwords are being checked just now; try again in a second")


class Passwords:
    """What was found right is remembered for a while, under a keyed hash that is good in this process only.

    The slow hash runs in one thread: whoever guesses keeps that one busy, never the loop. At most `waiting` checks
    wait for it, and at most `each` of one client.
    """

    def __init__(
        self,
        *,
        lifetime: float = 600.0,
        remembered: int = 10_000,
        waiting: int = 64,
        each: int = 4,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lifetime, self.remembered, self.waiting, self.each = lifetime, remembered, waiting, each
        self._now = now
        self._secret = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, float] = OrderedDict()  # until when
        self._running: dict[bytes, asyncio.Future[bool]] = {}
        self._clients: Counter[Hashable] = Counter()
        self._thread: ThreadPoolExecutor | None = None
        ln, r, p = COST
        salt, never = (b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (16, 32))
        self._decoy = f"$scrypt$ln={ln},r={r},p={p}${salt}${never}"

    def known(self, verifier: str | None, password: str) -> bool:
        """Whether this password was found right by this verifier not long ago; at once."""
        if verifier is None or not self._right:
            return False
        until = self._right.get(self._key(verifier, password))
        return until is not None and self._now() < until

    async def check(self, verifier: str | None, password: str, client: Hashable = None) -> bool:
        """Whether it is right. Without a verifier (no such user) it never is, and that takes as long to find out.

        May raise TooManyChecks.
        """
        if self.known(verifier, password):
            return True
        key = self._key(verifier or self._decoy, password)
        running = self._running.get(key)
        if running is None:
            running = self._start(key, verifier or self._decoy, password, client)
        right = await asyncio.shield(running)  # others may wait for the same
        return right and verifier is not None

    def _start(self, key: bytes, verifier: str, password: str, client: Hashable) -> asyncio.Future[bool]:
        if len(self._running) >= self.waiting or self._clients[client] >= self.each:
            raise TooManyChecks
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "netlab passwords")
        running = asyncio.get_running_loop().run_in_executor(self._thread, check_scrypt, verifier, password)
        self._running[key] = running
        self._clients[client] += 1
        if running.done():  # from Python 3.14 on, what the thread had at once is here at once
            self._ended(key, client, running)
        else:
            running.add_done_callback(lambda done: self._ended(key, client, done))
        return running

    def _ended(self, key: bytes, client: Hashable, done: asyncio.Future[bool]) -> None:
        del self._running[key]
        self._clients[client] -= 1
        if not self._clients[client]:
            del self._clients[client]
        if not done.cancelled() and done.exception() is None and done.result():
            self._right[key] = self._now() + self.lifetime
            self._right.move_to_end(key)
            if len(self._right) > self.remembered:
                self._right.popitem(last=False)

    def _key(self, verifier: str, password: str) -> bytes:
        """The verifier is part of it: with a new password, the old one is forgotten at once."""
        text = f"{verifier}\0{password}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._secret, text, "sha256")

    def close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)
            self._thread = None

    def __repr__(self) -> str:
        return f"<Passwords {len(self._right)} remembered, {len(self._running)} being checked>"
