"""The API, spoken to by clients that were written for Mailpit."""

from __future__ import annotations

import asyncio
import re
import smtplib
import warnings
from email.message import EmailMessage

import httpx
import pytest

from netlab.errors import UsageError
from netlab.http.mail.composing import compose
from tests.servers.smtp.sinking import sinking

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its libraries use what Python is to leave behind
    API = pytest.importorskip(
        "mailpit.client.api",
        reason="mailpit-api-client is not installed; its libraries are not said to know Python 3.14",
    ).API


def order(number: int) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Cc"] = "Shop <shop@shop.test>", "Ada <ada@x.test>", "bob@x.test"
    message["Subject"], message["Delivered-To"] = f"Order {number}", "ada@x.test"
    message["Date"], message["Message-ID"] = "Mon, 23 Nov 2026 12:00:00 +0000", f"<{number}@shop.test>"
    message.set_content(f"Order {number} is on its way.\n")
    message.add_alternative(f"<p>Order <b>{number}</b></p><img src='cid:logo'>", subtype="html")
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="bill.pdf")
    return message


def send(port: int, *messages: EmailMessage) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        for message in messages:
            client.send_message(message)


def go_through(url: str) -> None:
    client = API(url, timeout=10)
    listed = client.get_messages(limit=2)
    assert (listed.total, listed.unread, listed.count, len(listed.messages)) == (3, 3, 2, 2)
    newest = listed.messages[0]
    assert (newest.subject, newest.attachments, newest.read) == ("Order 2", 1, False)
    assert newest.from_ is not None
    assert (newest.from_.name, newest.from_.address) == ("Shop", "shop@shop.test")
    whole = client.get_message(newest.id)
    assert whole.text == "Order 2 is on its way.\n"
    assert whole.html is not None
    assert "<b>2</b>" in whole.html
    assert whole.date.isoformat() == "2026-11-23T12:00:00+00:00"
    assert [each.address for each in whole.cc or []] == ["bob@x.test"]
    [bill] = whole.attachments
    assert (bill.file_name, bill.content_type, bill.size) == ("bill.pdf", "application/pdf", 4)
    assert client.get_message_attachment(newest.id, bill.part_id) == "%PDF"
    assert client.get_message_headers(newest.id).message_id == ["<2@shop.test>"]
    assert client.get_messages().unread == 2
    client.put_messages([newest.id], "Read", False)
    assert client.get_messages().unread == 3
    client.delete_messages([newest.id])
    assert [each.subject for each in client.get_messages(start=1).messages] == ["Order 0"]


@pytest.mark.one_loop
async def test_a_client_from_pypi_goes_through_the_api() -> None:
    async with sinking() as sink:
        await asyncio.to_thread(send, sink.port, *map(order, range(3)))
        await asyncio.to_thread(go_through, f"http://127.0.0.1:{sink.ports['http']}")


@pytest.mark.one_loop
async def test_waiting_searching_following_and_deleting() -> None:
    async with sinking() as sink, httpx.AsyncClient(base_url=f"http://127.0.0.1:{sink.ports['http']}") as client:
        events: list[str] = []

        async def follow() -> None:
            async with client.stream("GET", "/api/v1/events") as response:
                async for line in response.aiter_lines():
                    events.append(line)
                    if line == "event: deleted":
                        return

        following = asyncio.get_running_loop().create_task(follow())
        waiting = client.get("/api/v1/wait", params={"query": "subject:1", "timeout": "20"})
        found, _ = await asyncio.gather(waiting, asyncio.to_thread(send, sink.port, *map(order, range(3))))
        assert found.json()["Subject"] == "Order 1"
        assert (await client.get("/api/v1/wait", params={"query": "order", "timeout": "0"})).json()[
            "ID"
        ] > found.json()["ID"]
        late = await client.get("/api/v1/wait", params={"query": "nothing", "timeout": "0.05"})
        assert (late.status_code, late.text) == (404, "404 Not Found\nno message matched within 0.05 s\n")
        searched = (await client.get("/api/v1/search", params={"query": "from:shop 2"})).json()
        assert (searched["messages_count"], searched["total"]) == (1, 3)
        for told, unread in (({"Read": True, "Search": "subject:2"}, 2), ({"Read": True}, 0), ({}, 3)):
            assert (await client.put("/api/v1/messages", json=told)).text == "ok"
            assert (await client.get("/api/v1/messages")).json()["unread"] == unread
        raw = await client.get("/api/v1/message/latest/raw")
        assert raw.content == sink.messages[-1].content
        assert "sandbox" in raw.headers["content-security-policy"]
        assert (await client.get("/view/latest.txt")).text.endswith("is on its way.\n")
        explained = (await client.get("/api/v1/message/latest/explained")).json()
        assert explained["Transcript"][-1]["section"] == "" or explained["Transcript"][0]["text"].startswith("220 ")
        assert [part["ContentType"] for part in explained["Tree"]["Parts"]] == [
            "multipart/alternative",
            "application/pdf",
        ]
        assert (await client.delete("/api/v1/search", params={"query": "subject:0"})).text == "ok"
        assert (await client.request("DELETE", "/api/v1/messages")).text == "ok"
        assert (await client.get("/api/v1/messages")).json()["total"] == 0
        async with asyncio.timeout(20):
            await following
    assert events.count("event: stored") == 3


@pytest.mark.one_loop
async def test_clients_of_mailhog_read_search_and_delete() -> None:
    async with sinking() as sink, httpx.AsyncClient(base_url=f"http://127.0.0.1:{sink.ports['http']}") as client:
        await asyncio.to_thread(send, sink.port, *map(order, range(3)))
        listed = (await client.get("/api/v2/messages", params={"start": 1, "limit": 1})).json()
        assert (listed["total"], listed["count"], listed["start"]) == (3, 1, 1)
        [item] = listed["items"]
        assert (item["From"]["Mailbox"], item["From"]["Domain"]) == ("shop", "shop.test")
        assert item["Content"]["Headers"]["Subject"] == ["Order 1"]
        assert item["Raw"]["To"] == ["ada@x.test", "bob@x.test"]
        text, bill = item["MIME"]["Parts"]
        assert text["MIME"]["Parts"][0]["Body"] == "Order 1 is on its way.\r\n"
        assert bill["Headers"]["Content-Disposition"] == ['attachment; filename="bill.pdf"']
        for kind, query, found in (("to", "bob@x.test", 3), ("from", "bob", 0), ("containing", "order 2", 1)):
            told = (await client.get("/api/v2/search", params={"kind": kind, "query": query})).json()
            assert (kind, told["total"], len(told["items"])) == (kind, found, found)
        assert (await client.get("/api/v2/search?kind=size&query=1")).status_code == 400
        gone = await client.delete(f"/api/v1/messages/{item['ID']}")
        assert (gone.status_code, gone.content) == (200, b"")
        assert (await client.get(f"/api/v1/messages/{item['ID']}")).status_code == 404
        del client.headers["Accept"]
        assert (await client.delete("/api/v1/messages")).content == b""
        assert (await client.get("/api/v2/messages")).json()["total"] == 0


SENT = {
    "From": {"Email": "shop@shop.test", "Name": "Shöp"},
    "To": [{"Email": "ada@x.test"}],
    "Bcc": ["hidden@x.test"],
    "Subject": "Größe",
    "Text": "text",
    "HTML": "<img src='cid:logo'>",
    "Tags": ["One", "two"],
    "Headers": {"X-IP": "1.2.3.4"},
    "Attachments": [
        {"Filename": "logo.png", "Content": "iVBORw0KGgo=", "ContentID": "logo"},
        {"Filename": "bill.pdf", "Content": "JVBERg=="},
    ],
}


@pytest.mark.one_loop
async def test_what_is_sent_by_http_is_a_message_with_tags() -> None:
    async with sinking() as sink, httpx.AsyncClient(base_url=f"http://127.0.0.1:{sink.ports['http']}") as client:
        sent = (await client.post("/api/v1/send", json=SENT)).json()
        whole = (await client.get("/api/v1/message/latest")).json()
        assert (whole["ID"], whole["Subject"], whole["Tags"]) == (sent["ID"], "Größe", ["One", "two"])
        assert (whole["From"], whole["Bcc"][0]["Address"]) == (
            {"Name": "Shöp", "Address": "shop@shop.test"},
            "hidden@x.test",
        )
        assert [(part["FileName"], part["Size"]) for part in whole["Inline"] + whole["Attachments"]] == [
            ("logo.png", 8),
            ("bill.pdf", 4),
        ]
        assert (await client.get("/api/v1/message/latest/headers")).json()["X-Ip"] == ["1.2.3.4"]
        thumb = await client.get(f"/api/v1/message/latest/part/{whole['Inline'][0]['PartID']}/thumb")
        assert (thumb.headers["content-type"], thumb.content) == ("image/png", b"\x89PNG\r\n\x1a\n")
        await client.post("/api/v1/send", json={"From": {"Email": "x@y.test"}, "Subject": "plain"})
        for query, found, unread in (("tag:ONE", 1, 0), ("plain", 1, 1), ("is:unread", 1, 1), ("from:test", 2, 1)):
            listed = (await client.get("/api/v1/search", params={"query": query})).json()
            assert (listed["messages_count"], listed["messages_unread"], listed["unread"]) == (found, unread, 1)
        assert (await client.put("/api/v1/tags/TWO", json={"Name": "a/b"})).text == "ok"
        assert (await client.get("/api/v1/tags")).json() == ["One", "a/b"]
        assert (await client.delete("/api/v1/tags/a%2Fb")).text == "ok"
        assert (await client.get("/api/v1/info")).json()["Tags"] == {"One": 1}


@pytest.mark.one_loop
@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({}, "From is to be"),
        ({"From": {"Email": "no address"}}, "From: 'no address' is no address"),
        ({"From": {"Email": "a@b.test", "Name": "x\r\nBcc: y"}}, "From is to be one line"),
        ({"To": "a@b.test"}, "To is to be a list of objects"),
        ({"Subject": "a\nb"}, "Subject is to be one line"),
        ({"Headers": {"X: y": "z"}}, "'X: y' cannot be set so"),
        ({"Headers": {"Content-Type": "text/evil"}}, "'Content-Type' cannot be set so"),
        ({"Attachments": [{"Filename": "a", "Content": "%%%"}]}, "the Content of a is to be base64"),
        ({"Attachments": [{"Filename": "a", "Content": "", "ContentType": "x"}]}, "is no ContentType"),
    ],
)
def test_what_makes_no_message_is_told(told: dict[str, object], words: str) -> None:
    asked = ({"From": {"Email": "a@b.test"}} if told else {}) | told
    with pytest.raises(UsageError, match=re.escape(words)):
        compose({name.lower(): value for name, value in asked.items()})


@pytest.mark.one_loop
async def test_what_cannot_be_answered_says_why() -> None:
    async with sinking() as sink, httpx.AsyncClient(base_url=f"http://127.0.0.1:{sink.ports['http']}") as client:
        for method, path, status, words in (
            ("GET", "/api/v1/search", 400, "needs ?query="),
            ("GET", "/api/v1/search?query=is:blue", 400, "is:blue is no state"),
            ("GET", "/api/v1/messages?limit=x", 400, "limit=x is no whole number"),
            ("GET", "/api/v1/message/none", 404, "no message has the id none"),
            ("GET", "/api/v1/nothing", 404, "nothing at this path"),
            ("POST", "/api/v1/message/latest/release", 400, "no server is configured"),
            ("DELETE", "/api/v1/search?query=", 400, "what is to be deleted?"),
            ("PUT", "/api/v1/tags/one", 400, "which name"),
            ("PUT", "/api/v1/chaos", 400, "--chaos"),
            ("POST", "/api/v1/send", 400, '{"Error": "From is to be'),
        ):
            answer = await client.request(method, path)
            assert (answer.status_code, words in answer.text) == (status, True), answer.text
        for fields, status in (({"Origin": "http://evil.test"}, 403), ({"Host": "rebound.evil.com"}, 421)):
            assert (await client.request("DELETE", "/api/v1/messages", headers=fields)).status_code == status
        answer = await client.request("DELETE", "/api/v1/messages", content=b'{"IDs": [')
        assert (answer.status_code, "is to be JSON" in answer.text) == (400, True)
        imported = await client.post("/api/v1/import?to=ada@x.test&received=86400", content=bytes(order(9)))
        summary = (await client.get("/api/v1/messages")).json()["messages"][0]
        assert (summary["ID"], summary["Created"]) == (imported.json()["ID"], "1970-01-02T00:00:00.000Z")
