"""What a resolver counts: who asked how, what was known, what was looked for, and what that took."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from netlab.cores.dns_codes import rcode_name
from netlab.cores.resolution import Resolved
from netlab.cores.resolution_asking import STALE_ANSWER, STALE_NXDOMAIN, Result


@dataclass(slots=True)
class Statistics:
    """Counters since the start; what is answered from ready answers costs one of them."""

    ready_udp: int = 0  # answered from what stands ready in wire form
    ready_stream: int = 0
    udp: int = 0  # questions read, by the way they came
    stream: int = 0  # TCP and TLS
    https: int = 0
    local: int = 0  # answered by a name of one's own, a block list, a special use
    cached: int = 0  # answered without asking anyone
    recursive: int = 0
    joined: int = 0  # waited for what was looked for already
    stale: int = 0
    dropped: int = 0  # not answered: too much was looked for
    limited: int = 0  # not answered: over --limit
    malformed: int = 0
    rcodes: Counter[str] = field(default_factory=Counter)  # of answers that did not stand ready
    queries: int = 0  # sent to servers
    timeouts: int = 0
    rtt: float = 0.0  # seconds waited for those that were answered

    def replied(self, result: Result) -> None:
        """A query to a server came to an end."""
        if result.reply is None:
            self.timeouts += 1
        else:
            self.rtt += result.rtt

    def searched(self, resolved: Resolved) -> None:
        """A question was looked for."""
        if resolved.queries:
            self.recursive += 1
        else:
            self.cached += 1

    def answered(self, resolved: Resolved) -> None:
        """A client was answered."""
        self.rcodes[rcode_name(resolved.rcode)] += 1
        if resolved.error is not None and resolved.error[0] in (STALE_ANSWER, STALE_NXDOMAIN):
            self.stale += 1

    def as_json(self) -> dict[str, Any]:
        """For people and programs; `hits` is the share of questions answered without asking a server."""
        ready = self.ready_udp + self.ready_stream
        questions = {"udp": self.udp + self.ready_udp, "stream": self.stream + self.ready_stream, "https": self.https}
        known, sought = ready + self.local + self.cached, self.recursive + self.joined
        answered = self.queries - self.timeouts
        return {
            "questions": questions,
            "answers": {"ready": ready, "cached": self.cached, "recursive": self.recursive}
            | {"local": self.local, "joined": self.joined, "stale": self.stale},
            "hits": round(known / (known + sought), 4) if known + sought else None,
            "unanswered": {"dropped": self.dropped, "limited": self.limited, "malformed": self.malformed},
            "rcodes": dict(self.rcodes),
            "servers": {"queries": self.queries, "timeouts": self.timeouts}
            | {"mean_rtt": round(self.rtt / answered, 6) if answered else None},
        }
