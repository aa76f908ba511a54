"""A mailbox with very many messages, listed and searched over the API."""

from __future__ import annotations

import http.client
import json
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

from bench.loads.mail_store import filled
from bench.model import NotAnswering, Sample
from bench.peers.netlab import Netlab
from bench.stage import Stage, Target, free_port

SEARCHES = (
    "invoice",
    "from:s7",
    "subject:order",
    '"welcome 51"',
    "shop.test -password",
    "larger:1000 alert",
    "to:u4242",
)
PATHS = (
    "/api/v1/messages",
    "/api/v1/messages?start=90000",
    *(f"/api/v1/search?query={quote(query)}" for query in SEARCHES),
)


@cache
def mailbox(messages: int) -> Path:
    """A file with so many messages, made once."""
    path = Path(tempfile.mkdtemp(prefix="netlab-bench-")) / "mail.db"
    filled(path, messages)
    return path


@dataclass(frozen=True, kw_only=True)
class FullMailbox:
    """`netlab serve smtp` on a file with so many messages; the target is its API."""

    messages: int = 100_000

    def missing(self) -> str:
        return ""

    def version(self) -> str:
        return Netlab().version()

    def start(self, stage: Stage) -> Target:
        port = free_port()
        flags = ("--store", str(mailbox(self.messages)), "--web-listen", f"127.0.0.1:{port}", "--no-pop3")
        started = Netlab(service="smtp", flags=flags).start(stage)
        return Target(port=port, scheme="http", processes=started.processes)


@dataclass(frozen=True, kw_only=True)
class Read:
    """One request after the other: lists, and searches for words, fields, phrases and sizes."""

    def missing(self) -> str:
        return ""

    def check(self, target: Target) -> None:
        for path, (found, _) in zip(PATHS, self._ask(target, 0), strict=True):
            if not found:
                raise NotAnswering(f"{path} found nothing")

    def run(self, target: Target, seconds: int) -> Sample:
        began = time.perf_counter()
        taken = sorted(took for _, took in self._ask(target, seconds))
        values = {"p50": taken[len(taken) // 2] * 1000, "p99": taken[int(len(taken) * 0.99)] * 1000}
        return Sample(units=len(taken), seconds=time.perf_counter() - began, values=values)

    def _ask(self, target: Target, seconds: int) -> list[tuple[int, float]]:
        """Messages in each answer, and how long it took; every path at least once."""
        asked: list[tuple[int, float]] = []
        connection = http.client.HTTPConnection(target.host, target.port, timeout=30)
        until = time.perf_counter() + seconds
        while not asked or time.perf_counter() < until:
            for path in PATHS:
                began = time.perf_counter()
                connection.request("GET", path)
                body = connection.getresponse().read()
                asked.append((len(json.loads(body)["messages"]), time.perf_counter() - began))
        connection.close()
        return asked
