"""Rate limits: token bucket, fixed window, sliding window, and concurrency. Time is passed in, in seconds."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one more is admitted, and what its sender may be told.

    limit      the quota: how many in `window` seconds (for a bucket, its burst and the time to fill it)
    remaining  how many more would be admitted now
    reset      seconds until the quota is whole again, or, for a window, until the window ends
    retry      seconds after which one more would be admitted; 0 if this one is
    """

    admitted: bool
    limit: int
    remaining: int
    reset: float
    retry: float
    window: float

    def fields(self, name: str) -> list[tuple[str, str]]:
        """RateLimit-Policy and RateLimit as draft-ietf-httpapi-ratelimit-headers-10 has them; Retry-After with a "no"
        (RFC 9110 10.2.3). A quota without a window counts what runs at the same time.
        """
        quota = f"w={math.ceil(self.window)}" if self.window else 'qu="concurrent-requests"'
        until = f";t={math.ceil(self.reset)}" if self.window else ""
        fields = [
            ("RateLimit-Policy", f'"{name}";q={self.limit};{quota}'),
            ("RateLimit", f'"{name}";r={self.remaining}{until}'),
        ]
        if not self.admitted:
            fields.append(("Retry-After", str(max(math.ceil(self.retry), 1))))
        return fields


class Limit(Protocol):
    """The verb of every limit: may one more happen now?"""

    def admit(self, now: float) -> Verdict: ...


class TokenBucket:
    """`burst` at once, then `rate` a second: in any t seconds never more than burst + rate · t."""

    __slots__ = ("_at", "_tokens", "burst", "rate")

    def __init__(self, rate: float, burst: int, now: float = 0.0) -> None:
        if rate <= 0 or burst < 1:
            raise ValueError(f"a bucket needs a rate above 0 and a burst of 1 or more, not {rate} and {burst}")
        self.rate, self.burst = rate, burst
        self._tokens, self._at = float(burst), now

    def admit(self, now: float, count: float = 1.0) -> Verdict:
        """Take `count` tokens if they are there (a request is 1, bandwidth counts bytes)."""
        elapsed = max(now - self._at, 0.0)  # a clock that was set back gives no tokens, and takes none
        tokens = min(self._tokens + elapsed * self.rate, self.burst)
        admitted = tokens >= count
        if admitted:
            tokens -= count
        self._tokens, self._at = tokens, now
        retry = 0.0 if admitted else (count - tokens) / self.rate
        full = (self.burst - tokens) / self.rate
        return Verdict(admitted, self.burst, int(tokens), full, retry, self.burst / self.rate)


class FixedWindow:
    """`limit` in each window of `window` seconds; simple, and up to twice the limit across a boundary."""

    __slots__ = ("_began", "_count", "limit", "window")

    def __init__(self, limit: int, window: float, now: float = 0.0) -> None:
        if limit < 1 or window <= 0:
            raise ValueError(f"a window needs a limit of 1 or more and a length above 0, not {limit} and {window}")
        self.limit, self.window = limit, window
        self._began, self._count = now // window * window, 0

    def admit(self, now: float) -> Verdict:
        began = now // self.window * self.window
        if began > self._began:
            self._began, self._count = began, 0
        admitted = self._count < self.limit
        self._count += admitted
        left = max(self._began + self.window - now, 0.0)
        return Verdict(admitted, self.limit, self.limit - self._count, left, 0.0 if admitted else left, self.window)


class SlidingWindow:
    """`limit` in any `window` seconds, estimated from two counters: this window's, and the part of the last one's that
    the sliding window still covers. Never over the limit by more than the last window was uneven; constant memory.
    """

    __slots__ = ("_before", "_began", "_count", "limit", "window")

    def __init__(self, limit: int, window: float, now: float = 0.0) -> None:
        if limit < 1 or window <= 0:
            raise ValueError(f"a window needs a limit of 1 or more and a length above 0, not {limit} and {window}")
        self.limit, self.window = limit, window
        self._began, self._before, self._count = now // window * window, 0, 0

    def admit(self, now: float) -> Verdict:
        began = now // self.window * self.window
        if began > self._began:
            self._before = self._count if began - self._began < self.window * 1.5 else 0
            self._began, self._count = began, 0
        passed = min(max(now - self._began, 0.0) / self.window, 1.0)
        used = self._before * (1 - passed) + self._count
        admitted = used + 1 <= self.limit
        if admitted:
            self._count += 1
            used += 1
        left = (1 - passed) * self.window
        retry = 0.0 if admitted else self._retry(passed, left)
        return Verdict(admitted, self.limit, max(int(self.limit - used), 0), left, retry, self.window)

    def _retry(self, passed: float, left: float) -> float:
        """When the last window's share will have shrunk enough, or this window is the last one and has."""
        room = self.limit - 1 - self._count
        if room >= 0 and self._before:
            return max((1 - room / self._before - passed) * self.window, 0.0)
        return left + max(1 - (self.limit - 1) / self._count, 0.0) * self.window if self._count else left


class Concurrency:
    """At most `limit` at the same time; every `admit` that said yes is followed by one `release`."""

    __slots__ = ("limit", "running")

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"at least 1 at the same time, not {limit}")
        self.limit, self.running = limit, 0

    def admit(self, now: float) -> Verdict:
        admitted = self.running < self.limit
        self.running += admitted
        return Verdict(admitted, self.limit, self.limit - self.running, 0.0, 0.0 if admitted else 1.0, 0.0)

    def release(self) -> None:
        assert self.running > 0, "released more often than admitted"
        self.running -= 1


class PerKey:
    """One limit for each key (a client's address, a token, a path), at most `keys` of them: the one unused longest is
    forgotten first, so that an attacker with many addresses costs bounded memory.
    """

    def __init__(self, make: Callable[[float], Limit], *, keys: int = 10_000) -> None:
        self._make, self._keys = make, keys
        self._limits: OrderedDict[Hashable, Limit] = OrderedDict()

    def admit(self, key: Hashable, now: float) -> Verdict:
        return self.limit(key, now).admit(now)

    def limit(self, key: Hashable, now: float) -> Limit:
        """The limit of a key, made at its first use."""
        found = self._limits.get(key)
        if found is None:
            if len(self._limits) >= self._keys:
                self._limits.popitem(last=False)
            found = self._limits[key] = self._make(now)
        else:
            self._limits.move_to_end(key)
        return found

    def __len__(self) -> int:
        return len(self._limits)


SECONDS = {
    "s": 1,
    "sec": 1,
    "second": 1,
    "m": 60,
    "min": 60,
    "minute": 60,
    "h": 3600,
    "hour": 3600,
    "d": 86400,
    "day": 86400,
}


def parse_rate(text: str) -> tuple[int, float]:
    """`100/s`, `60/minute`, `5/10s` as (how many, in how many seconds); ValueError says what is allowed."""
    count, slash, unit = text.strip().partition("/")
    digits = unit[: len(unit) - len(unit.lstrip("0123456789"))]
    name = unit[len(digits) :].strip().lower()
    if not slash or not count.strip().isdecimal() or name not in SECONDS or int(count) < 1 or digits == "0":
        raise ValueError(f"{text!r} is no rate: write 100/s, 60/minute or 5/10s")
    return int(count), float(int(digits or 1) * SECONDS[name])
