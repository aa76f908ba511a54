"""Hits found by the request's own bytes: what was answered from the cache before is written at once while it holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from netlab.cores.http1_output import status_line
from netlab.flow import Brief, Flow, Outcome
from netlab.http.cache.stored import Stored
from netlab.http.express import LONGEST, Express

if TYPE_CHECKING:
    from netlab.http.connection import HttpConnection

LARGEST = 256 << 10
"""Bytes of content that are written in one piece."""
WITHOUT_CONTENT = frozenset((204, 205, 304))
"""Statuses behind whose heads nothing stands, not even a length."""
MOST = 8
"""Requests by which one stored response is known; more clients than that differ in their fields all the time."""


class Known:
    """All requests that get the same: the answer, byte for byte, for as long as its Age is right."""

    __slots__ = ("about", "block", "made", "stored", "until", "wire")

    def __init__(self, stored: Stored, flow: Flow) -> None:
        outcome = Outcome.OK if stored.status < 400 else Outcome.REFUSED
        self.about = Brief("http", flow.service, flow.label, str(stored.status), outcome, stored.size, cache="hit")
        self.stored = stored
        self.block = self.wire = b""
        self.made = self.until = 0.0

    def make(self, member: str, now: float) -> None:
        """Anew, at this moment; `member` is what Cache-Status says."""
        stored = self.stored
        age = stored.fresh.age(now)
        self.made, self.until = now, min(now + 1 - age % 1, stored.fresh.until)
        head = b"%b%bAge: %d\r\nCache-Status: %b\r\nContent-Length: %d\r\n\r\n"
        line = status_line(stored.status)
        self.wire = head % (line, stored.block, age, member.encode(), stored.size) + stored.content
        self.block = stored.block


class Hits(Express):
    """Requests that were hits, by their bytes."""

    def __init__(
        self, now: Callable[[], float], member: Callable[[Stored, float], str], hit: Callable[[], None]
    ) -> None:
        super().__init__()
        self._now, self._member, self._hit = now, member, hit
        self._known: dict[bytes, Known] = {}

    def learn(self, request: bytes, stored: Stored, flow: Flow) -> int:
        """The bytes of a request that was answered from what is stored, and would be again; says how many bytes that
        takes.
        """
        asked_by = stored.asked_by
        if self.barred or len(request) > LONGEST or len(asked_by) >= MOST or request in self._known:
            return 0
        if stored.size > LARGEST or stored.status in WITHOUT_CONTENT:
            return 0
        taken = len(request) if asked_by else len(request) + stored.size
        self._known[request] = self._known[asked_by[0]] if asked_by else Known(stored, flow)
        asked_by.append(request)
        return taken

    def forget(self, stored: Stored) -> None:
        for request in stored.asked_by:
            del self._known[request]
        stored.asked_by.clear()

    def forget_all(self) -> None:
        """The same bytes may lead elsewhere from now on."""
        for known in set(self._known.values()):
            known.stored.asked_by.clear()
        self._known.clear()

    def answers(self, connection: HttpConnection, data: bytes) -> bool:
        known = self._known.get(data)
        if known is None or self.barred:
            return False
        now = self._now()
        stored = known.stored
        if not known.made <= now < known.until or known.block is not stored.block:
            if now >= stored.fresh.until or now < stored.fresh.answered or stored.said.no_cache:
                return False
            known.make(self._member(stored, now), now)
        if not connection.answered(data, known.wire, known.about, connection.flows.now()):
            return False
        stored.uses += 1
        self._hit()
        return True

    def __len__(self) -> int:
        return len(self._known)
