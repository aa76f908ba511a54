"""The store's file: what is acknowledged is there, what fails fails alone, and every trouble is one sentence."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from netlab.errors import StoreFailed
from netlab.stores.database import Database
from netlab.stores.opening import Kind, open_store

WORDS = Kind(name="word list", application=0x776F7264, layout=("CREATE TABLE word (text TEXT PRIMARY KEY)",))


def add(text: str):  # type: ignore[no-untyped-def]
    return lambda connection: connection.execute("INSERT INTO word VALUES (?)", (text,)).lastrowid


def words(connection: sqlite3.Connection) -> list[str]:
    return [text for (text,) in connection.execute("SELECT text FROM word ORDER BY rowid")]


@pytest.fixture(params=["file", "memory"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "words.db" if request.param == "file" else None


async def test_a_turn_of_writes_shares_a_commit_and_calls_back_in_order(path: Path | None) -> None:
    database = Database(path, WORDS)
    seen: list[int] = []
    for number in range(50):
        database.write(add(f"w{number}"), lambda result, error: seen.append(result))
    assert not database.idle
    assert await database.written(add("last")) == 51
    assert seen == list(range(1, 51))
    assert database.idle
    assert len(await database.read(words)) == 51
    database.close()


async def test_only_the_write_that_fails_fails(path: Path | None) -> None:
    database = Database(path, WORDS)
    outcomes = await asyncio.gather(*(database.written(add(text)) for text in "abac"), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [int, int, StoreFailed, int]
    assert "UNIQUE" in str(outcomes[2])
    assert await database.read(words) == ["a", "b", "c"]
    database.close()


async def test_closing_writes_what_waits(tmp_path: Path) -> None:
    database = Database(tmp_path / "words.db", WORDS)
    database.write(add("waits"))
    database.close()
    again = Database(tmp_path / "words.db", WORDS, durable=True)
    assert await again.read(words) == ["waits"]
    again.close()
    with pytest.raises(StoreFailed, match="is closed"):
        again.write(add("late"))


async def test_what_waits_is_bounded() -> None:
    database = Database(None, WORDS, waiting=2, waiting_bytes=100)
    database.write(add("a"), size=80)
    with pytest.raises(StoreFailed, match="takes no more for now") as refused:
        database.write(add("b"), size=80)
    assert refused.value.full
    database.write(add("c"))
    with pytest.raises(StoreFailed, match="2 writes waiting"):
        database.write(add("d"))
    assert await asyncio.wait_for(_until_idle(database), 5) is None
    assert await database.written(words) == ["a", "c"]
    database.close()


async def _until_idle(database: Database) -> None:
    while not database.idle:
        await asyncio.sleep(0)


async def test_a_read_that_takes_for_ever_is_interrupted(tmp_path: Path) -> None:
    database = Database(tmp_path / "words.db", WORDS)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    with pytest.raises(StoreFailed, match=r"did not answer within 0\.05 s"):
        await database.read(lambda connection: connection.execute(endless).fetchone(), within=0.05)
    assert await database.read(words) == []
    database.close()


@pytest.mark.one_loop
async def test_a_full_disk_is_told_and_what_was_acknowledged_stays(tmp_path: Path) -> None:
    database = Database(tmp_path / "words.db", WORDS)
    await database.written(add("kept"))
    await database.written(lambda connection: connection.execute("PRAGMA max_page_count = 10"))
    with pytest.raises(StoreFailed, match="the disk is full") as refused:
        await database.written(add("x" * 100_000))
    assert refused.value.full
    assert await database.written(add("more")) == 2
    database.close()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    held = open_store(tmp_path / "words.db", WORDS)
    with pytest.raises(StoreFailed, match=r"the word list .*words\.db is in use by process \d+"):
        open_store(tmp_path / "words.db", WORDS)
    held.close()
    open_store(tmp_path / "words.db", WORDS).close()


def test_files_that_are_no_store(tmp_path: Path) -> None:
    path = tmp_path / "words.db"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreFailed, match="is no SQLite file"):
        open_store(path, WORDS)
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE other (x)")
    with pytest.raises(StoreFailed, match="no word list of netlab"):
        open_store(path, WORDS)
    with pytest.raises(StoreFailed, match="is no folder"):
        open_store(path / "below", WORDS)


def test_a_layout_is_brought_up_to_date_and_a_newer_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "words.db"
    open_store(path, WORDS).close()
    more = Kind(name="word list", application=WORDS.application, layout=(*WORDS.layout, "ALTER TABLE word ADD n"))
    newer = open_store(path, more)
    newer.writer.execute("INSERT INTO word VALUES ('a', 1)")
    newer.close()
    with pytest.raises(StoreFailed, match="has layout 2, and this netlab knows up to 1"):
        open_store(path, WORDS)
