"""The tables of a mailbox file, and the work done on them in the writer's thread."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from netlab.cores.mail_addresses import Address
from netlab.cores.mail_digest import Digest, digest
from netlab.stores.mailbox import Delivery, Envelope, Line, Recipient
from netlab.stores.opening import Kind

# What must be there before a message is acknowledged goes in by one insert. What is worked out from it (the line of
# the list, the words of the search, the mailboxes) follows when there is time; what has no summary is behind the last.
LAYOUT = """
CREATE TABLE message (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, received REAL NOT NULL, size INTEGER NOT NULL,
    mailboxes TEXT NOT NULL, envelope TEXT NOT NULL, transcript TEXT NOT NULL, content BLOB NOT NULL);
CREATE TABLE summary (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL, received REAL NOT NULL, size INTEGER NOT NULL,
    read INTEGER NOT NULL DEFAULT 0, attachments INTEGER NOT NULL, inline INTEGER NOT NULL, message_id TEXT NOT NULL,
    tags TEXT NOT NULL DEFAULT '[]', line TEXT NOT NULL);
CREATE TABLE total (messages INTEGER NOT NULL, unread INTEGER NOT NULL, bytes INTEGER NOT NULL);
INSERT INTO total VALUES (0, 0, 0);
CREATE TRIGGER summary_made AFTER INSERT ON summary BEGIN
    UPDATE total SET messages = messages + 1, unread = unread + (new.read = 0), bytes = bytes + new.size; END;
CREATE TRIGGER summary_gone AFTER DELETE ON summary BEGIN
    UPDATE total SET messages = messages - 1, unread = unread - (old.read = 0), bytes = bytes - old.size; END;
CREATE TRIGGER summary_read AFTER UPDATE OF read ON summary BEGIN
    UPDATE total SET unread = unread + (new.read = 0) - (old.read = 0); END;
CREATE INDEX unread ON summary (number) WHERE read = 0;
CREATE INDEX tagged ON summary (tags) WHERE tags <> '[]';
CREATE INDEX by_message_id ON summary (message_id);
CREATE INDEX by_size ON summary (size);
CREATE INDEX by_time ON summary (received);
CREATE TABLE holding (mailbox TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (mailbox, number)) WITHOUT ROWID;
CREATE INDEX held ON holding (number)
"""
SEARCH = """
CREATE VIRTUAL TABLE search USING fts5 (
    subject, sender, recipient, cc, bcc, reply_to, text, tokenize = "unicode61 remove_diacritics 2")
"""
MAILBOX = Kind(name="mailbox", application=0x6E6C6D62, layout=(f"{LAYOUT}; {SEARCH}",), page_size=8192)

RECIPIENTS = Envelope._fields.index("recipients")
_encode = json.JSONEncoder(check_circular=False, separators=(",", ":")).encode  # half the time of json.dumps
Row = tuple[Any, ...]
SUMMARY = "number, id, received, size, read, attachments, tags, line"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How much is kept; the oldest goes first. 0 is no limit."""

    messages: int = 0
    seconds: float = 0.0
    bytes: int = 0


def insert(connection: sqlite3.Connection, deliveries: Iterable[Delivery]) -> None:
    """All that a 250 promises, of several messages.

    As many to a statement as can be: for each step of one the interpreter's lock is let go, and fought for again.
    """
    rows = list(map(_row, deliveries))
    at = 0
    for several in AT_ONCE:
        while len(rows) - at >= several:
            connection.execute(INSERTS[several], list(chain.from_iterable(rows[at : at + several])))
            at += several


AT_ONCE = (64, 16, 4, 1)
INSERTS = {
    count: "INSERT INTO message (id, received, size, mailboxes, envelope, transcript, content) VALUES "
    + ", ".join(["(?, ?, ?, ?, ?, ?, ?)"] * count)
    for count in AT_ONCE
}


def _row(delivery: Delivery) -> Row:
    return (
        delivery.id,
        delivery.received,
        len(delivery.content),
        _names(delivery.mailboxes),
        _encode(delivery.envelope),  # the fields in their order, each recipient as a list of its own
        _transcript(delivery.transcript),
        delivery.content,
    )


_names = lru_cache(_encode)


def _transcript(lines: Sequence[Line]) -> str:
    """What `_encode` makes of it, in half the time."""
    told = [f'[{time!r},"{side}",{quoted(text)},"{section}"]' for time, side, text, section in lines]
    return f"[{','.join(told)}]"


def envelope_of(text: str) -> Envelope:
    told = json.loads(text)
    told[RECIPIENTS] = tuple(Recipient(*each) for each in told[RECIPIENTS])
    return Envelope(*told)


def transcript_of(text: str) -> list[Line]:
    return [Line(*line) for line in json.loads(text)]


def digest_some(connection: sqlite3.Connection, most: int) -> list[Row]:
    """Work out what follows from the next undigested messages; their summaries."""
    undigested = connection.execute(
        "SELECT number, id, received, size, mailboxes, envelope, content FROM message"
        " WHERE number > (SELECT ifnull(max(number), 0) FROM summary) ORDER BY number LIMIT ?",
        (most,),
    ).fetchall()
    return [_digest_one(connection, *row) for row in undigested]


def _digest_one(
    connection: sqlite3.Connection,
    number: int,
    id: str,  # noqa: A002 - the word of the whole contract
    received: float,
    size: int,
    mailboxes: str,
    envelope: str,
    content: bytes,
) -> Row:
    told = envelope_of(envelope)
    found = digest(content, [recipient.address for recipient in told.recipients])
    line, tags = json.dumps(_line(found, told), ensure_ascii=False), json.dumps(found.tags)
    connection.execute(
        f"INSERT INTO summary ({SUMMARY}, inline, message_id) VALUES (?, ?, ?, ?, 0, ?, ?, ?, ?, ?)",
        (number, id, received, size, found.attachments, tags, line, found.inline, found.message_id),
    )
    groups = ((found.sender,) if found.sender else (), found.to, found.cc, found.bcc, found.reply_to)
    connection.execute(
        "INSERT INTO search (rowid, subject, sender, recipient, cc, bcc, reply_to, text)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (number, found.subject, *map(_words, groups), found.text),
    )
    connection.executemany(
        "INSERT OR IGNORE INTO holding (mailbox, number) VALUES (?, ?)",
        [(mailbox, number) for mailbox in json.loads(mailboxes)],
    )
    return number, id, received, size, 0, found.attachments, tags, line


def _words(addresses: Iterable[Address]) -> str:
    return " ".join(f"{name} {address}" for name, address in addresses)


def _line(found: Digest, envelope: Envelope) -> dict[str, Any]:
    """The fields of a message in a list, by the names that Mailpit gave them."""
    return {
        "MessageID": found.message_id,
        "From": contact(found.sender) if found.sender else None,
        "To": list(map(contact, found.to)),
        "Cc": list(map(contact, found.cc)),
        "Bcc": list(map(contact, found.bcc)),
        "ReplyTo": list(map(contact, found.reply_to)),
        "Subject": found.subject,
        "Snippet": found.snippet,
        "Username": envelope.user,
    }


def contact(address: Address) -> dict[str, str]:
    return {"Name": address[0], "Address": address[1]}


def forget(connection: sqlite3.Connection, numbers: Sequence[int]) -> None:
    """Messages that are gone are gone from everywhere."""
    several = [(number,) for number in numbers]
    for table, column in (("message", "number"), ("summary", "number"), ("holding", "number"), ("search", "rowid")):
        connection.executemany(f"DELETE FROM {table} WHERE {column} = ?", several)


def forget_all(connection: sqlite3.Connection) -> None:
    for table in ("message", "summary", "holding"):
        connection.execute(f"DELETE FROM {table}")
    connection.execute("DROP TABLE search")  # emptying it row by row takes as long as filling it did
    connection.execute(SEARCH)


def numbers_of(connection: sqlite3.Connection, ids: Iterable[str]) -> list[int]:
    found = (connection.execute("SELECT number FROM message WHERE id = ?", (each,)).fetchone() for each in ids)
    return [row[0] for row in found if row is not None]


def over(connection: sqlite3.Connection, retention: Retention, now: float, most: int = 1000) -> list[tuple[int, str]]:
    """The (number, id) of messages that are to go: the oldest first, so many at most at a time."""
    messages, size = connection.execute("SELECT messages, bytes FROM total").fetchone()
    oldest = connection.execute("SELECT number, id, received, size FROM summary ORDER BY number LIMIT ?", (most,))
    going: list[tuple[int, str]] = []
    for number, id_, received, its_size in oldest:
        too_many = retention.messages and messages > retention.messages
        too_large = retention.bytes and size > retention.bytes and messages > 1
        too_old = retention.seconds and received < now - retention.seconds
        if not (too_many or too_large or too_old):
            break
        messages, size = messages - 1, size - its_size
        going.append((number, id_))
    return going
