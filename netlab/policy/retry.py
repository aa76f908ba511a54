"""Whether a request that failed is tried again, and how much of that there may be in all."""

from __future__ import annotations

IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))
"""Methods whose repetition does no harm (RFC 9110 9.2.2)."""


class RetryBudget:
    """Retries are a share of what is asked for: a storm of failures must not become a storm of retries.

    Each request adds `share` to the account, each retry takes 1; `reserve` is there from the start and is the least
    that is always possible again after a quiet time, `most` bounds what can be saved up.
    """

    __slots__ = ("_account", "most", "share")

    def __init__(self, share: float = 0.2, *, reserve: float = 3.0, most: float = 100.0) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"a budget is a share of the requests, 0 to 1, not {share}")
        self.share, self.most = share, most
        self._account = reserve

    def count(self) -> None:
        """A request came."""
        if self._account < self.most:
            self._account += self.share

    def spend(self) -> bool:
        """Take one retry from the account, if it is there."""
        if self._account < 1:
            return False
        self._account -= 1
        return True


def may_retry(method: str, *, content_sent: bool, response_begun: bool) -> bool:
    """Whether repeating is safe: idempotent, nothing of the content gone, nothing of an answer passed on."""
    return method in IDEMPOTENT and not content_sent and not response_begun
