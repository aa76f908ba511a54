"""Opening a SQLite file as a store of ours: its lock, its layout, its settings, and its errors in words."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from netlab.errors import StoreFailed

LOG_BYTES = 16 << 20
"""How long the write-ahead log may be before it is brought into the file: the writer waits for the disk meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a store is for. `layout` has a script for each version of its tables; the file knows how many it has had."""

    name: str  # "mailbox", in sentences
    application: int  # SQLite's application_id: 32 bits that tell this kind of file from any other
    layout: tuple[str, ...]
    page_size: int = 4096  # bytes, of a new file; larger ones suit rows that are nearly as large as a page


class Opened:
    """The connections to one store, and the lock that keeps other processes away from it."""

    def __init__(self, path: Path | None, writer: sqlite3.Connection, lock: IO[str] | None) -> None:
        self.path, self.writer, self._lock = path, writer, lock
        self._reader: sqlite3.Connection | None = None

    def reader(self) -> sqlite3.Connection:
        """A connection that only reads, for one other thread."""
        if self._reader is None:
            assert self.path is not None  # what is in memory has one connection
            self._reader = _connect(self.path)
            self._reader.execute("PRAGMA query_only = 1")
        return self._reader

    def close(self) -> None:
        """The last one to close also brings the write-ahead log back into the file."""
        if self._reader is not None:
            self._reader.close()
        with contextlib.suppress(sqlite3.Error):  # all is committed; the log is read at the next opening
            self.writer.close()
        if self._lock is not None:
            self._lock.close()


def open_store(path: Path | None, kind: Kind, *, durable: bool = False) -> Opened:
    """Open or make a store; None is one in memory. StoreFailed names the file and what is wrong with it."""
    lock = None if path is None else _locked(path, kind)
    writer = None
    try:
        writer = _connect(":memory:" if path is None else path)
        writer.execute(f"PRAGMA page_size = {kind.page_size}")
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute(f"PRAGMA wal_autocheckpoint = {LOG_BYTES // kind.page_size}")
        writer.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        _lay_out(writer, kind, path)
    except (sqlite3.Error, StoreFailed) as error:
        for opened in (writer, lock):
            if opened is not None:
                opened.close()
        raise error if isinstance(error, StoreFailed) else in_words(path, error) from None
    return Opened(path, writer, lock)


def _connect(path: Path | str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA foreign_keys = 1")
        connection.execute("PRAGMA cache_size = -16384")
    except BaseException:
        connection.close()
        raise
    return connection


def _locked(path: Path, kind: Kind) -> IO[str]:
    """A lock beside the file: on the file itself it would get among SQLite's own."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}-lock")
        lock = os.fdopen(os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+", encoding="ascii")
        path.touch(mode=0o600)
    except FileExistsError:
        raise StoreFailed(f"the {kind.name} {path} cannot be opened: {path.parent} is no folder") from None
    except OSError as error:
        raise StoreFailed(f"the {kind.name} {path} cannot be opened: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = lock.read(20).strip()
        lock.close()
        raise StoreFailed(f"the {kind.name} {path} is in use by process {holder or 'unknown'}") from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def _lay_out(connection: sqlite3.Connection, kind: Kind, path: Path | None) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if application != kind.application and (application or tables):
        raise StoreFailed(f"{path} is a SQLite file, but no {kind.name} of netlab")
    if version > len(kind.layout):
        raise StoreFailed(
            f"the {kind.name} {path} has layout {version}, and this netlab knows up to {len(kind.layout)}: "
            "a newer one wrote it"
        )
    for number, script in enumerate(kind.layout[version:], version + 1):
        connection.executescript(
            f"BEGIN IMMEDIATE; {script}; PRAGMA application_id = {kind.application}; "
            f"PRAGMA user_version = {number}; COMMIT"
        )


def in_words(path: Path | None, error: Exception) -> StoreFailed:
    """What SQLite says, as one sentence that says what to do."""
    store = "the store in memory" if path is None else f"the store {path}"
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_FULL":
        return StoreFailed(f"{store} cannot grow: the disk is full", full=True)
    if name == "SQLITE_NOTADB":
        return StoreFailed(f"{store} is no SQLite file: name another place, or move it away")
    if name.startswith("SQLITE_CORRUPT"):
        return StoreFailed(f"{store} is damaged ({error}): move it away, and a new one is made")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreFailed(f"{store} is held by another program, which has had it for more than 5 s")
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_PERM")):
        return StoreFailed(f"{store} cannot be read or written ({error})")
    if isinstance(error, sqlite3.Error):
        return StoreFailed(f"{store} failed: {error}")
    return StoreFailed(f"{store} failed: {type(error).__name__}: {error}")
