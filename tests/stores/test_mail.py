"""The mail store: what was delivered is listed, found, kept within bounds, and there again after a restart."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from netlab.errors import NetlabError, UsageError
from netlab.stores.mail import SqliteStore
from netlab.stores.mail_search import parse_search
from netlab.stores.mail_tables import Retention
from netlab.stores.mailbox import Delivery, Envelope, Line, Recipient, new_id


def delivery(number: int, content: bytes, *, mailboxes: tuple[str, ...] = ("",), received: float = 0.0) -> Delivery:
    return Delivery(
        id=new_id(int(time.time() * 1e6) + number, number),
        received=received or time.time(),
        mailboxes=mailboxes,
        envelope=Envelope(sender="shop@shop.test", recipients=(Recipient(address="hidden@x.test"),), user="app"),
        content=content,
        transcript=(Line(1.5, "client", "EHLO app", "RFC 5321 4.1.1.1"),),
    )


def message(subject: str, body: str = "hello", **fields: str) -> bytes:
    head = {"From": '"Shop" <shop@shop.test>', "To": "ada@x.test", "Subject": subject, **fields}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in head.items()]
    return ("\r\n".join([*lines, "", body]) + "\r\n").encode()


async def deliver(store: SqliteStore, *several: Delivery) -> None:
    errors: asyncio.Queue[NetlabError | None] = asyncio.Queue()
    for each in several:
        assert store.deliver(each, errors.put_nowait) is False
    async with asyncio.timeout(10):
        assert [await errors.get() for _ in several] == [None] * len(several)


async def found(store: SqliteStore, query: str) -> list[str]:
    return [summary["Subject"] for summary in (await store.list(parse_search(query))).summaries]


@pytest.mark.parametrize("kept_in", ["file", "memory"])
async def test_what_is_delivered_is_listed_and_there_whole(kept_in: str, tmp_path: Path) -> None:
    path = tmp_path / "mail.db" if kept_in == "file" else None
    store = SqliteStore(path)
    one, two = delivery(1, message("one")), delivery(2, message("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "second\r\n message"))
    await deliver(store, one, two)
    listing = await store.list(limit=1)
    assert (listing.total, listing.unread, listing.matching, len(listing.summaries)) == (2, 2, 2, 1)
    summary = listing.summaries[0]
    assert summary["Subject"] == "Grüße"
    assert summary["Snippet"] == "second message"
    assert summary["From"] == {"Name": "Shop", "Address": "shop@shop.test"}
    assert summary["Bcc"] == [{"Name": "", "Address": "hidden@x.test"}]
    assert (summary["Username"], summary["ID"], summary["Size"]) == ("app", two.id, len(two.content))
    kept = await store.get("latest")
    assert kept is not None
    assert kept.delivery == two._replace(transcript=[*two.transcript])
    assert [entry.id for entry in await store.entries("")] == [one.id, two.id]
    await store.mark([one.id], read=True)
    assert (await store.list()).unread == 1
    await store.delete([two.id, "no such id"])
    assert await store.content(two.id) is None
    assert await store.content(one.id) == one.content
    await store.close()
    if path is not None:
        again = SqliteStore(path, durable=True)
        assert [each["Read"] for each in (await again.list()).summaries] == [True]
        await again.delete_all()
        assert (await again.list()).total == 0
        await again.close()


async def test_what_was_kept_and_not_read_before_the_end_is_read_after_it(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "mail.db")
    store.digesting._running = True  # as if there had been no time
    await deliver(store, *(delivery(number, message(f"n{number}")) for number in range(120)))
    await store.close()
    store = SqliteStore(tmp_path / "mail.db")
    assert (await store.list()).total == 120
    assert await found(store, "n7") == ["n79", "n78", "n77", "n76", "n75", "n74", "n73", "n72", "n71", "n70", "n7"]
    await store.close()


@pytest.mark.one_loop
async def test_searches() -> None:
    store = SqliteStore(None)
    attached = (
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nsee\r\n--b\r\n"
        'Content-Disposition: attachment; filename="bill.pdf"\r\n'
        "Content-Type: application/pdf\r\n\r\nxx\r\n--b--\r\n"
    )
    await deliver(
        store,
        delivery(
            1, message("Reset your password", "Click the link at once", Message_ID="<1@shop.test>"), received=86400.0
        ),
        delivery(
            2, message("Your invoice", "x" * 5000, To="Bob <bob@y.test>, carol@z.test"), mailboxes=("bob", "carol")
        ),
        delivery(3, (message("The bill").partition(b"\r\n\r\n")[0] + b"\r\n" + attached.encode()), mailboxes=("bob",)),
        delivery(4, message("Café crème", "password of yours", From="Eve <eve@evil.test>")),
    )
    for query, subjects in {
        "password": ["Café crème", "Reset your password"],
        "pass -eve": ["Reset your password"],
        "-password": ["The bill", "Your invoice"],
        '"your password"': ["Reset your password"],
        "from:eve@evil.test": ["Café crème"],
        "!from:shop": ["Café crème"],
        "to:bob": ["Your invoice"],
        "addressed:carol@z.test": ["Your invoice"],
        "subject:cafe": ["Café crème"],
        "has:attachment": ["The bill"],
        "bill.pdf": ["The bill"],
        "message-id:1@shop.test": ["Reset your password"],
        "larger:4KiB": ["Your invoice"],
        "before:1970-01-03": ["Reset your password"],
        "after:1970-01-03 password": ["Café crème"],
        "is:read": [],
        '") OR 1=1 --': [],
        "nothing:like": [],
        "*": [],
        'subject:"-"': [],
        "bill *": ["The bill"],
    }.items():
        assert await found(store, query) == subjects, query
    assert (await store.list(parse_search("").within("bob"))).matching == 2
    assert (await store.list(parse_search("your").within("carol"))).matching == 1
    kept = (await store.list(parse_search("cafe"))).summaries[0]["ID"]
    await store.tag([kept], ["b", "a"])
    assert (await store.list()).tags == {"a": 1, "b": 1}
    assert await found(store, "tag:A") == ["Café crème"]
    await store.delete_matching(parse_search("password"))
    assert await found(store, "") == ["The bill", "Your invoice"]
    for wrong in ("is:green", "before:yesterday", "larger:much", "x" * 3000):
        with pytest.raises(UsageError):
            parse_search(wrong)
    await store.close()


@pytest.mark.one_loop
@pytest.mark.parametrize(
    ("retention", "left"),
    [(Retention(messages=3), 3), (Retention(bytes=700), 2), (Retention(seconds=1000.0), 5), (Retention(), 10)],
)
async def test_retention_lets_the_oldest_go(retention: Retention, left: int) -> None:
    store = SqliteStore(None, retention=retention, now=lambda: 100_000.0)
    heard: list[str] = []
    store.follow(lambda what, about: heard.append(what))
    several = [delivery(n, message(f"n{n}", "y" * 170), received=98_500.0 + n * 100) for n in range(10)]
    await deliver(store, *several)
    listing = await store.list()
    assert [each["Subject"] for each in listing.summaries] == [f"n{n}" for n in range(9, 9 - left, -1)]
    assert await store.content(several[0].id) == (several[0].content if left == 10 else None)
    assert ("deleted" in heard) is (left < 10)
    await store.close()


async def test_what_cannot_be_kept_is_told_and_nothing_else_suffers(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "mail.db")
    errors: asyncio.Queue[NetlabError | None] = asyncio.Queue()
    twice = delivery(2, b"b")
    for each in (delivery(1, b"a"), twice, twice, delivery(3, b"c")):
        store.deliver(each, errors.put_nowait)
    async with asyncio.timeout(5):
        told = [str(await errors.get()) for _ in range(4)]
    assert told.count("None") == 3
    assert "UNIQUE" in max(told)
    assert (await store.list()).total == 3
    store.database.waiting = 0
    store.deliver(delivery(4, b"d"), errors.put_nowait)
    async with asyncio.timeout(5):
        assert "takes no more for now" in str(await errors.get())
    await store.close()
