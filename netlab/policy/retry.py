"""Whether a request that failed is tried again, and how much of that there may be in all."""

from __future__ import annotations

IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))
"""Methods whose repetition does no harm (RFC 9110 9.2.2)."""


class RetryBudget:
    """Retries under way are a share of the requests under way: a storm of failures must not become a storm of retries.

    `least` are always allowed, unless the share is 0. Who uses it counts the retries.
    """

    __slots__ = ("least", "retrying", "share")

    def __init__(self, share: float = 0.2, *, least: int = 10) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"a budget is a share of the requests, 0 to 1, not {share}")
        self.share, self.least = share, least
        self.retrying = 0

    def allows(self, live: int) -> bool:
        """Whether one more may be tried again now that so many requests are under way, retries included."""
        return self.share > 0 and self.retrying < max(self.least, self.share * live)

    def __repr__(self) -> str:
        return f"<RetryBudget {self.retrying} retries>"


def may_retry(method: str, *, content_sent: bool, response_begun: bool) -> bool:
    """Whether repeating is safe: idempotent, nothing of the content gone, nothing of an answer passed on."""
    return method in IDEMPOTENT and not content_sent and not response_begun
