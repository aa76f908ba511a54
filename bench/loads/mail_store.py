"""Messages kept in SQLite, by netlab's store and by a bare loop that does nothing else."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import uvloop

from bench.model import NotAnswering, Sample
from bench.stage import Target
from netlab.errors import NetlabError
from netlab.stores.mail import SqliteStore
from netlab.stores.mail_tables import MAILBOX, digest_some, insert
from netlab.stores.mailbox import Delivery, Envelope, Line, Recipient, new_id
from netlab.stores.opening import open_store

BODY = b"".join(b"%02d: this line is one of a message that is to be kept, and read later.\r\n" % n for n in range(13))
WORDS = ("invoice", "welcome", "password", "order", "newsletter", "shipping", "receipt", "reminder", "report", "alert")


def delivery(number: int) -> Delivery:
    """A message of 1 KiB with its envelope and conversation, another one for each number."""
    word, when = WORDS[number % len(WORDS)], 1.79e9 + number
    head = f"From: Shop <s{number % 100}@shop.test>\r\nTo: u{number}@x.test\r\nSubject: {word} {number}\r\n"
    said = (
        "MAIL FROM:<a@shop.test>",
        "250 2.1.0 Ok",
        "RCPT TO:<u@x.test>",
        "250 2.1.5 Ok",
        "DATA",
        "354 End",
        "(1 KiB)",
    )
    return Delivery(
        id=new_id(int(when * 1e6), number),
        received=when,
        mailboxes=("",),
        envelope=Envelope(sender="a@shop.test", recipients=(Recipient(address=f"u{number}@x.test"),)),
        content=f"{head}Message-ID: <{number}@shop.test>\r\n\r\n{word} ".encode() + BODY,
        transcript=[Line(when, "client", text, "RFC 5321 4.1.1.2") for text in said],
    )


def filled(path: Path, count: int) -> None:
    """A mailbox file with so many messages, as if they had come one by one."""
    opened = open_store(path, MAILBOX)
    connection = opened.writer
    for first in range(0, count, 1000):
        connection.execute("BEGIN")
        insert(connection, map(delivery, range(first, min(first + 1000, count))))
        digest_some(connection, 1000)
        connection.execute("COMMIT")
    opened.close()


async def kept_by_netlab(path: Path, seconds: float, at_once: int) -> int:
    """As many as are acknowledged, with so many under way at any time."""
    store = SqliteStore(path)
    until, ended = time.perf_counter() + seconds, asyncio.get_running_loop().create_future()
    begun = acknowledged = 0

    def done(error: NetlabError | None) -> None:
        nonlocal acknowledged
        acknowledged += error is None
        if time.perf_counter() < until:
            deliver()
        elif acknowledged == begun and not ended.done():
            ended.set_result(None)

    def deliver() -> None:
        nonlocal begun
        begun += 1
        store.deliver(delivery(begun), done)

    for _ in range(at_once):
        deliver()
    await ended
    await store.close()
    return acknowledged


def kept_by_a_loop(path: Path, seconds: float, at_once: int) -> int:
    """The same columns of the same messages, so many to a commit."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(
        "CREATE TABLE message (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, content BLOB NOT NULL)"
    )
    until, count = time.perf_counter() + seconds, 0
    while time.perf_counter() < until:
        connection.execute("BEGIN")
        for _ in range(at_once):
            count += 1
            each = delivery(count)
            connection.execute("INSERT INTO message (id, content) VALUES (?, ?)", (each.id, each.content))
        connection.execute("COMMIT")
    connection.close()
    return count


@dataclass(frozen=True, kw_only=True)
class Keep:
    """Messages of 1 KiB into a new file, `at_once` under way: kept and acknowledged."""

    by: Literal["netlab", "a loop"]
    at_once: int = 100

    def missing(self) -> str:
        return ""

    def check(self, target: Target) -> None:
        if self.run(target, 0).units < self.at_once:
            raise NotAnswering("messages were not kept")

    def run(self, target: Target, seconds: int) -> Sample:
        with tempfile.TemporaryDirectory(prefix="netlab-bench-") as folder:
            path = Path(folder) / "mail.db"
            began, before = time.perf_counter(), time.process_time()
            if self.by == "netlab":
                count = uvloop.run(kept_by_netlab(path, max(seconds, 0.1), self.at_once))
            else:
                count = kept_by_a_loop(path, max(seconds, 0.1), self.at_once)
            spent = time.perf_counter() - began
            return Sample(units=count, seconds=spent, load_cpu=time.process_time() - before)
