"""Digest's nonces: each is good for a while, and each count with it once (RFC 7616 3.3 and 5.12)."""

from __future__ import annotations

import binascii
import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from typing import Literal

STAMP = struct.Struct(">dQ")  # when it was made, and its serial number
SEAL_BYTES = 14
SPELLED = (STAMP.size + SEAL_BYTES) // 3 * 4  # characters in base64
WINDOW = 128
"""How far counts may come out of order: as many requests as a client has under way at once, and some."""

State = Literal["fresh", "foreign", "stale", "replayed"]


class Nonces:
    """Makes nonces that carry their own time under a seal, so that only used ones have to be remembered.

    At most `tracked` of them are: with the one first used longest ago, all that were made before it are given up.
    """

    def __init__(self, secret: bytes, *, lifetime: float = 300.0, tracked: int = 10_000) -> None:
        self._secret, self.lifetime, self._tracked = secret, lifetime, tracked
        self._serial = 0
        self._given_up = 0  # up to this serial number a nonce that is not remembered may have been used
        self._used: OrderedDict[int, Counts] = OrderedDict()

    def make(self, now: float) -> str:
        """A new nonce; `now` is in seconds since the epoch."""
        self._serial += 1
        stamp = STAMP.pack(now, self._serial)
        return urlsafe_b64encode(stamp + self._seal(stamp)).decode("ascii")

    def use(self, nonce: str, count: int, now: float) -> State:
        """Whether a nonce and its count may be used now; if so, this count never again."""
        number = self._read(nonce, now)
        if not isinstance(number, int):
            return number
        counts = self._used.get(number)
        if counts is None:
            if number <= self._given_up:
                return "stale"
            counts = self._used[number] = Counts()
            self._forget()
        return "fresh" if counts.use(count) else "replayed"

    def _read(self, nonce: str, now: float) -> int | Literal["foreign", "stale"]:
        """The serial number of a nonce that was made here and is not too old."""
        try:
            data = urlsafe_b64decode(nonce) if len(nonce) == SPELLED else b""
        except (binascii.Error, ValueError):  # ValueError: not ASCII
            return "foreign"
        stamp, seal = data[: STAMP.size], data[STAMP.size :]
        if not data or not hmac.compare_digest(self._seal(stamp), seal):
            return "foreign"
        made, number = STAMP.unpack(stamp)
        # a clock that was set back makes nonces of the future: they are let go too
        return int(number) if -1.0 <= now - made < self.lifetime else "stale"

    def _forget(self) -> None:
        if len(self._used) > self._tracked:
            number, _ = self._used.popitem(last=False)
            self._given_up = max(self._given_up, number)

    def _seal(self, stamp: bytes) -> bytes:
        return hmac.digest(self._secret, stamp, "sha256")[:SEAL_BYTES]


class Counts:
    """Which counts came with one nonce: the highest, and those shortly below it as bits."""

    __slots__ = ("_highest", "_seen")

    def __init__(self) -> None:
        self._highest, self._seen = 0, 0

    def use(self, count: int) -> bool:
        """Whether a count is new; one too far below the highest is taken for used."""
        if count > self._highest:
            self._seen = (self._seen << min(count - self._highest, WINDOW) | 1) & ((1 << WINDOW) - 1)
            self._highest = count
            return True
        bit = 1 << (self._highest - count)
        if count < 1 or self._highest - count >= WINDOW or self._seen & bit:
            return False
        self._seen |= bit
        return True
