"""The mail store in SQLite: kept before it is acknowledged, read behind that, and then listed, searched and watched."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from netlab.errors import StoreFailed
from netlab.stores.database import Database
from netlab.stores.mail_digesting import Digesting, Work
from netlab.stores.mail_search import Search
from netlab.stores.mail_tables import (
    MAILBOX,
    SUMMARY,
    Retention,
    Row,
    envelope_of,
    forget,
    forget_all,
    insert,
    numbers_of,
    transcript_of,
)
from netlab.stores.mailbox import Delivery, Done, Entry

Summary = dict[str, Any]
"""A message in a list, by Mailpit's names: ID, MessageID, Read, From, To, Subject, Created, Size, Snippet …"""
Heard = Callable[[Literal["stored", "deleted", "changed"], Any], None]
EVERYTHING = Search()


class Listing(NamedTuple):
    """A page of a list, newest first."""

    total: int  # in the mailbox
    unread: int
    matching: int  # of the search
    matching_unread: int
    summaries: list[Summary]
    tags: dict[str, int]  # of the mailbox: how many messages have each


class Kept(NamedTuple):
    """One message, whole."""

    delivery: Delivery
    read: bool
    tags: list[str]


class SqliteStore:
    """A `MailStore`, and all that is read from one. With path None it is in memory."""

    keeps = True

    def __init__(
        self,
        path: Path | None,
        *,
        durable: bool = False,
        retention: Retention = Retention(),  # noqa: B008 - frozen
        now: Callable[[], float] = time.time,
    ) -> None:
        """StoreFailed, in one sentence, for a file that cannot be the store."""
        self.database = Database(path, MAILBOX, durable=durable)
        self.digesting = Digesting(self.database, retention, now, self._digested)
        self.accepted = self.accepted_bytes = self.deleted = 0  # since the start
        self._turn: list[tuple[Delivery, Done]] = []  # what was delivered in this turn of the loop
        self._listeners: list[Heard] = []

    # -- what the SMTP and POP3 servers call ---------------------------------------------------------------------

    def deliver(self, delivery: Delivery, done: Done) -> bool:
        self._turn.append((delivery, done))
        if len(self._turn) == 1:
            asyncio.get_running_loop().call_soon(self._hand_over)
        return False

    def _hand_over(self) -> None:
        """What was delivered in this turn of the loop goes to the writer in one piece."""
        turn, self._turn = self._turn, []
        if turn:
            self._keep(turn)

    def _keep(self, turn: list[tuple[Delivery, Done]]) -> None:
        several = [delivery for delivery, _ in turn]
        size = sum(len(delivery.content) for delivery in several)

        def then(nothing: None, error: StoreFailed | None) -> None:
            if error is not None and len(turn) > 1 and not error.full:
                for one in turn:  # one of them is at fault, and only that one is to fail
                    self._keep([one])
                return
            if error is None:
                self.accepted += len(turn)
                self.accepted_bytes += size
                self.digesting.came(len(turn))
            for _, done in turn:
                done(error)

        try:
            self.database.write(partial(insert, deliveries=several), then, size=size)
            self.database.hand_over()
        except StoreFailed as error:
            for _, done in turn:
                done(error)

    async def entries(self, mailbox: str) -> Sequence[Entry]:
        await self.digesting.caught_up()
        query = (
            "SELECT id, size FROM holding JOIN summary USING (number) WHERE mailbox = ? ORDER BY number LIMIT 100000"
        )
        rows = await self.database.read(lambda connection: connection.execute(query, (mailbox,)).fetchall())
        return [Entry(*row) for row in rows]

    async def content(self, id: str) -> bytes | None:  # noqa: A002 - the contract's
        query = "SELECT content FROM message WHERE id = ?"
        row = await self.database.read(lambda connection: connection.execute(query, (id,)).fetchone())
        return None if row is None else row[0]

    async def delete(self, ids: Iterable[str]) -> None:
        several = list(ids)

        def job(connection: sqlite3.Connection) -> None:
            forget(connection, numbers_of(connection, several))

        await self.database.written(job)
        self._gone(several)

    async def close(self) -> None:
        self.digesting.stop()
        self._hand_over()
        await asyncio.to_thread(self.database.close)  # what waits is written meanwhile, and its senders told

    # -- what readers call ---------------------------------------------------------------------------------------

    def follow(self, heard: Heard) -> Callable[[], None]:
        """Call `heard` on the loop for every change; what comes back ends that."""
        self._listeners.append(heard)
        return partial(self._listeners.remove, heard)

    async def list(self, search: Search = EVERYTHING, *, start: int = 0, limit: int = 50) -> Listing:
        """Messages that match, newest first. StoreFailed where the search takes too long."""
        await self.digesting.caught_up()
        return await self.database.read(partial(_list, search=search, start=start, limit=limit))

    async def get(self, id: str) -> Kept | None:  # noqa: A002 - the contract's
        """One message; `latest` is an id, too."""
        await self.digesting.caught_up()
        return await self.database.read(partial(get_message, id=id))

    async def mark(self, ids: Sequence[str] | None, *, read: bool, search: Search = EVERYTHING) -> None:
        """Note that these, or, for None, all that match, were read, or not."""
        await self.digesting.caught_up()

        def job(connection: sqlite3.Connection) -> None:
            if ids is None:
                source, values = search.sql()
                matching = f"number IN (SELECT summary.number FROM {source})"
                connection.execute(f"UPDATE summary SET read = ? WHERE read <> ? AND {matching}", (read, read, *values))
            else:
                numbers = numbers_of(connection, ids)
                connection.executemany("UPDATE summary SET read = ? WHERE number = ?", [(read, n) for n in numbers])

        await self.database.written(job)
        self._tell("changed", {"IDs": ids, "Read": read})

    async def tag(self, ids: Sequence[str], tags: Sequence[str]) -> None:
        """Give these the tags, and take away those they had."""
        text = json.dumps(sorted(set(tags)))
        await self.digesting.caught_up()

        def job(connection: sqlite3.Connection) -> None:
            numbers = numbers_of(connection, ids)
            connection.executemany("UPDATE summary SET tags = ? WHERE number = ?", [(text, n) for n in numbers])

        await self.database.written(job)
        self._tell("changed", {"IDs": ids, "Tags": sorted(set(tags))})

    async def rename_tag(self, tag: str, name: str | None) -> None:
        """Wherever a message has it, whatever its case; with None it is taken away."""

        def job(connection: sqlite3.Connection) -> None:
            having = "SELECT number, tags FROM summary WHERE tags <> '[]'"
            for number, text in connection.execute(having).fetchall():
                tags = json.loads(text)
                others = {each for each in tags if each.lower() != tag.lower()}
                if len(others) < len(tags):
                    renamed = json.dumps(sorted(others if name is None else others | {name}))
                    connection.execute("UPDATE summary SET tags = ? WHERE number = ?", (renamed, number))

        await self.digesting.caught_up()
        await self.database.written(job)
        self._tell("changed", {"IDs": None, "Tags": None})

    async def delete_all(self) -> None:
        count = (await self.list(limit=0)).total
        await self.database.written(forget_all)
        self.deleted += count
        self._tell("deleted", {"IDs": None})

    async def delete_matching(self, search: Search) -> None:
        """What a search finds, in steps that let others write meanwhile."""
        while gone := await self.database.written(partial(_delete_some, search=search)):
            self._gone(gone)

    # -- what the writer tells -----------------------------------------------------------------------------------

    def _digested(self, work: Work) -> None:
        rows, gone = work
        if gone:
            self._gone(gone)
        if self._listeners:
            for row in rows:
                self._tell("stored", summary_of(row))

    def _gone(self, ids: Sequence[str]) -> None:
        self.deleted += len(ids)
        self._tell("deleted", {"IDs": ids})

    def _tell(self, what: Literal["stored", "deleted", "changed"], about: Any) -> None:
        for heard in tuple(self._listeners):
            heard(what, about)

    def __repr__(self) -> str:
        return f"<SqliteStore {self.database}>"


def summary_of(row: Row) -> Summary:
    _, id_, received, size, read, attachments, tags, line = row
    told: Summary = json.loads(line)
    told |= {"ID": id_, "Created": rfc3339(received), "Size": size, "Read": bool(read)}
    told |= {"Attachments": attachments, "Tags": json.loads(tags)}
    return told


def rfc3339(seconds: float) -> str:
    """To the millisecond, in UTC."""
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{milliseconds:03d}Z"


def _list(connection: sqlite3.Connection, search: Search, start: int, limit: int) -> Listing:
    total, unread = connection.execute("SELECT messages, unread FROM total").fetchone()
    matching, matching_unread = total, unread
    if search != EVERYTHING:
        known = {total: "count(*)", 0: "0"}.get(unread, "")
        matching, matching_unread = connection.execute(*search.count_sql(known)).fetchone()
    source, values = search.sql()
    order = "search.rowid" if search.match else "number"
    columns = ", ".join(f"summary.{column}" for column in SUMMARY.split(", "))
    rows = connection.execute(
        f"SELECT {columns} FROM {source} ORDER BY {order} DESC LIMIT ? OFFSET ?", (*values, limit, start)
    )
    summaries = [summary_of(row) for row in rows]
    tags = "SELECT value, count(*) FROM summary, json_each(tags) WHERE tags <> '[]' GROUP BY 1 ORDER BY 1 LIMIT 1000"
    return Listing(total, unread, matching, matching_unread, summaries, dict(connection.execute(tags)))


def get_message(connection: sqlite3.Connection, id: str) -> Kept | None:  # noqa: A002 - the contract's
    columns = "m.id, m.received, m.mailboxes, m.envelope, m.transcript, m.content, s.read, s.tags"
    query = f"SELECT {columns} FROM message m LEFT JOIN summary s USING (number)"
    if id == "latest":
        row = connection.execute(f"{query} ORDER BY m.number DESC LIMIT 1").fetchone()
    else:
        row = connection.execute(f"{query} WHERE m.id = ?", (id,)).fetchone()
    if row is None:
        return None
    id_, received, mailboxes, envelope, transcript, content, read, tags = row
    delivery = Delivery(
        id=id_,
        received=received,
        mailboxes=tuple(json.loads(mailboxes)),
        envelope=envelope_of(envelope),
        content=content,
        transcript=transcript_of(transcript),
    )
    return Kept(delivery, bool(read), json.loads(tags or "[]"))


def _delete_some(connection: sqlite3.Connection, search: Search) -> list[str]:
    source, values = search.sql()
    found = connection.execute(f"SELECT summary.number, summary.id FROM {source} LIMIT 1000", values).fetchall()
    forget(connection, [number for number, _ in found])
    return [each for _, each in found]
