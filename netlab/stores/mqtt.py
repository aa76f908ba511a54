"""What an MQTT broker must not forget: sessions, their messages under way, and what is retained, in one SQLite file."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from netlab.cores.mqtt_codes import WILL, Type
from netlab.cores.mqtt_message import Message
from netlab.cores.mqtt_packets import Will
from netlab.cores.mqtt_session import Delivery, Session, Subscription
from netlab.cores.mqtt_wire import Reader, write_properties
from netlab.errors import StoreFailed
from netlab.stores.database import Database
from netlab.stores.opening import Kind

SESSIONS = Kind(
    name="MQTT store",
    application=0x6E6C6D71,
    layout=(
        """
        CREATE TABLE session (client TEXT PRIMARY KEY, user TEXT, expiry REAL, ends REAL) WITHOUT ROWID;
        CREATE TABLE subscription (client TEXT, filter TEXT, qos INT, no_local INT, retain_as_published INT,
            identifier INT, PRIMARY KEY (client, filter)) WITHOUT ROWID;
        CREATE TABLE message (number INTEGER PRIMARY KEY, topic TEXT, payload BLOB, qos INT, retain INT,
            properties BLOB, expires REAL, publisher TEXT);
        CREATE TABLE delivery (client TEXT, message INT, shared TEXT, qos INT, first INT, identifiers TEXT,
            packet INT, PRIMARY KEY (client, message, shared)) WITHOUT ROWID;
        CREATE TABLE released (number INTEGER PRIMARY KEY, client TEXT, packet INT);
        CREATE UNIQUE INDEX released_packet ON released (client, packet);
        CREATE TABLE received (client TEXT, packet INT, reason INT, PRIMARY KEY (client, packet)) WITHOUT ROWID;
        CREATE TABLE retained (topic TEXT PRIMARY KEY, payload BLOB, qos INT, properties BLOB, expires REAL,
            publisher TEXT) WITHOUT ROWID
        """,
        """
        ALTER TABLE session ADD COLUMN listener TEXT DEFAULT 'tcp';
        CREATE TABLE will (client TEXT PRIMARY KEY, user TEXT, listener TEXT, due REAL, topic TEXT, payload BLOB,
            qos INT, retain INT, properties BLOB) WITHOUT ROWID
        """,
    ),
)
OF_A_SESSION = ("session", "subscription", "delivery", "released", "received")


@dataclass(slots=True)
class Kept:
    """One session as it was kept."""

    session: Session
    user: str  # whose it is
    expiry: float  # seconds; inf: for ever
    ends: float  # lab time; inf: it was connected, or never ends
    listener: str  # where its client came in


class KeptWill(NamedTuple):
    """A will that was not published, nor taken back."""

    client: str
    user: str
    listener: str
    due: float  # lab time; inf: its client was connected
    will: Will


@dataclass(slots=True)
class Everything:
    """What a store held when it was opened."""

    sessions: list[Kept] = field(default_factory=list)
    retained: list[Message] = field(default_factory=list)
    wills: list[KeptWill] = field(default_factory=list)


class MqttStore:
    """Notes changes; `commit` writes all that were noted since the last time, and tells when they are safe."""

    def __init__(self, path: Path, *, durable: bool = False) -> None:
        """StoreFailed, in one sentence, for a file that cannot be the store."""
        self.database = Database(path, SESSIONS, durable=durable)
        self._path = path
        self.pending: list[tuple[str, tuple[Any, ...]]] = []
        self._number = 0  # of the last message

    # -- what changes ----------------------------------------------------------------------------------------------

    def session(self, client: str, user: str, listener: str, expiry: float, ends: float) -> None:
        self._note("INSERT OR REPLACE INTO session VALUES (?, ?, ?, ?, ?)", client, user, expiry, ends, listener)

    def willed(self, kept: KeptWill) -> None:
        """A will is to be published when its client is gone; with `due` behind it, not before that time."""
        topic, payload, qos, retain, properties = kept.will
        self._note(
            "INSERT OR REPLACE INTO will VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *kept[:4], topic, payload, qos, retain, write_properties(properties),
        )  # fmt: skip

    def unwilled(self, client: str) -> None:
        """It is published, or taken back."""
        self._note("DELETE FROM will WHERE client = ?", client)

    def gone(self, session: Session) -> None:
        """Nothing of it is kept any more."""
        for delivery in (*session.unacknowledged.values(), *session.queue):
            if delivery.qos:
                self.settled(session.client_id, delivery)
        for table in OF_A_SESSION:
            self._note(f"DELETE FROM {table} WHERE client = ?", session.client_id)  # noqa: S608  our own names

    def subscribed(self, client: str, pattern: str, subscription: Subscription) -> None:
        self._note("INSERT OR REPLACE INTO subscription VALUES (?, ?, ?, ?, ?, ?)", client, pattern, *subscription)

    def unsubscribed(self, client: str, pattern: str) -> None:
        self._note("DELETE FROM subscription WHERE client = ? AND filter = ?", client, pattern)

    def delivered(self, client: str, delivery: Delivery, packet_id: int) -> None:
        """A message is this client's now; `packet_id` 0: it waits."""
        message = delivery.message
        if not message.holders:
            self._number += 1
            message.key = self._number
            self._note("INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?)", message.key, *_row(message))
        message.holders += 1
        identifiers = " ".join(map(str, delivery.identifiers))
        self._note(
            "INSERT OR REPLACE INTO delivery VALUES (?, ?, ?, ?, ?, ?, ?)",
            client, message.key, delivery.shared, delivery.qos, delivery.first, identifiers, packet_id,
        )  # fmt: skip

    def started(self, client: str, delivery: Delivery, packet_id: int) -> None:
        """What waited has got its packet identifier."""
        self._note(
            "UPDATE delivery SET packet = ? WHERE client = ? AND message = ? AND shared = ?",
            packet_id, client, delivery.message.key, delivery.shared,
        )  # fmt: skip

    def settled(self, client: str, delivery: Delivery) -> None:
        """It is acknowledged, or not to be delivered any more."""
        message = delivery.message
        self._note(
            "DELETE FROM delivery WHERE client = ? AND message = ? AND shared = ?",
            client, message.key, delivery.shared,
        )  # fmt: skip
        message.holders -= 1
        if not message.holders:
            self._note("DELETE FROM message WHERE number = ?", message.key)

    def released(self, client: str, packet_id: int) -> None:
        self._note("INSERT OR REPLACE INTO released (client, packet) VALUES (?, ?)", client, packet_id)

    def completed(self, client: str, packet_id: int) -> None:
        self._note("DELETE FROM released WHERE client = ? AND packet = ?", client, packet_id)

    def received(self, client: str, packet_id: int, reason: int) -> None:
        """A message of QoS 2 is ours."""
        self._note("INSERT OR REPLACE INTO received VALUES (?, ?, ?)", client, packet_id, reason)

    def forgotten(self, client: str, packet_id: int) -> None:
        """Its identifier may stand for another one."""
        self._note("DELETE FROM received WHERE client = ? AND packet = ?", client, packet_id)

    def retained(self, message: Message) -> None:
        topic, payload, qos, _, properties, expires, publisher = _row(message)
        self._note(
            "INSERT OR REPLACE INTO retained VALUES (?, ?, ?, ?, ?, ?)",
            topic, payload, qos, properties, expires, publisher,
        )  # fmt: skip

    def unretained(self, topic: str) -> None:
        self._note("DELETE FROM retained WHERE topic = ?", topic)

    def _note(self, statement: str, *values: Any) -> None:
        self.pending.append((statement, values))

    # -- writing and reading ---------------------------------------------------------------------------------------

    def commit(self, then: Callable[[StoreFailed | None], None]) -> None:
        """Write what was noted; `then` is called on the loop when it survives this process, or with why it does not."""
        changes, self.pending = self.pending, []

        def job(connection: sqlite3.Connection) -> None:
            for statement, values in changes:
                connection.execute(statement, values)

        self.database.write(job, lambda _, error: then(error), size=64 * len(changes))

    def close(self) -> None:
        if self.pending:
            self.commit(lambda error: None)
        self.database.close()

    def load(self) -> Everything:
        """All that was kept; called once, before anything is written."""
        reader = sqlite3.connect(self._path)
        try:
            everything = _Loading(reader).everything()
            self._number = reader.execute("SELECT coalesce(max(number), 0) FROM message").fetchone()[0]
        finally:
            reader.close()
        return everything


class _Loading:
    """Rows to sessions and messages."""

    def __init__(self, reader: sqlite3.Connection) -> None:
        self._rows = reader.execute
        self._messages: dict[int, Message] = {}
        self._sessions: dict[str, Kept] = {}

    def everything(self) -> Everything:
        for client, user, expiry, ends, listener in self._rows("SELECT * FROM session"):
            self._sessions[client] = Kept(Session(client), user, _endless(expiry), _endless(ends), listener)
        for number, *row in self._rows("SELECT * FROM message"):
            message = self._messages[number] = _message(row)
            message.key = number
        for client, pattern, *wishes in self._rows("SELECT * FROM subscription"):
            qos, no_local, retain_as_published, identifier = wishes
            subscription = Subscription(qos, bool(no_local), bool(retain_as_published), identifier)
            self._session(client).subscriptions[pattern] = subscription
        for client, number, shared, qos, first, identifiers, packet in self._rows(
            "SELECT * FROM delivery ORDER BY client, message"
        ):
            self._deliver(client, number, shared, qos, first, identifiers, packet)
        for client, packet in self._rows("SELECT client, packet FROM released ORDER BY number"):
            self._session(client).released[packet] = None
        for client, packet, reason in self._rows("SELECT * FROM received"):
            self._session(client).received[packet] = reason
        rows = self._rows("SELECT topic, payload, qos, 1, properties, expires, publisher FROM retained")
        retained = [_message(row) for row in rows]
        return Everything(list(self._sessions.values()), retained, list(map(_will, self._rows("SELECT * FROM will"))))

    def _session(self, client: str) -> Session:
        return self._sessions[client].session

    def _deliver(
        self, client: str, number: int, shared: str, qos: int, first: int, identifiers: str, packet: int
    ) -> None:
        message = self._messages[number]
        message.holders += 1
        numbers = tuple(map(int, identifiers.split()))
        delivery = Delivery(message, qos, bool(first & 1), numbers, shared)
        if packet:
            self._session(client).unacknowledged[packet] = delivery
        else:
            self._session(client).wait(delivery)


def _row(message: Message) -> tuple[Any, ...]:
    return (
        message.topic, message.payload, message.qos, message.retain, message.property_field(), message.expires,
        message.publisher,
    )  # fmt: skip


def _will(row: Any) -> KeptWill:
    client, user, listener, due, topic, payload, qos, retain, properties = row
    read = Reader(properties, 0, len(properties)).properties(WILL)
    return KeptWill(client, user, listener, _endless(due), Will(topic, payload, qos, bool(retain), read))


def _message(row: Any) -> Message:
    topic, payload, qos, retain, properties, expires, publisher = row
    read = Reader(properties, 0, len(properties)).properties(Type.PUBLISH)
    message = Message(topic, payload, qos, bool(retain), read, publisher=publisher)
    message.expires = _endless(expires)
    return message


def _endless(seconds: float | None) -> float:
    """SQLite keeps infinity, and gives it back."""
    return math.inf if seconds is None else seconds
