"""Mail sessions to look at: the conversation with its sections, passwords starred out."""

from __future__ import annotations

import asyncio
import base64
import poplib
import smtplib

import pytest

from netlab.inspect.record import FlowRecord, to_record
from netlab.inspect.redact import redacted
from netlab.inspect.show import page
from servers.smtp.config import Login
from tests.servers.smtp.sinking import sinking

pytestmark = pytest.mark.one_loop
SECRET = "very-secret"


async def test_a_message_is_shown_as_the_conversation_that_brought_it() -> None:
    def work(port: int, pop3: int) -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
            client.user, client.password = "ada", SECRET
            client.ehlo("me")
            client.auth("LOGIN", client.auth_login)
            client.sendmail("ada@shop.test", "bob@shop.test", b"Subject: x\r\n\r\nhi\r\n")
        box = poplib.POP3("127.0.0.1", pop3, timeout=5)
        box.user("ada")
        box.pass_(SECRET)
        box.quit()

    async with sinking(user=(Login("ada", SECRET),)) as sink:
        await asyncio.to_thread(work, sink.port, sink.ports["pop3"])
        [flow] = sink.flows()
        connections = sink.flows("tcp")
    assert flow.parent is not None
    told, parent = (FlowRecord.from_json(redacted(to_record(each, whole=True))) for each in (flow, flow.parent))
    text = page(told, parent, [])
    assert "> mail from:<ada@shop.test> size=18   (rfc 5321 4.1.1.2)" in text.lower()  # smtplib's own case, by version
    assert text.index("> ehlo me   (RFC 5321 4.1.1.1)") < text.index("> AUTH LOGIN ...   (RFC 4954 4)")
    assert "> (21 octets)   (RFC 5321 4.5.2)" in text
    for connection in connections:
        shown = FlowRecord.from_json(redacted(to_record(connection, whole=True)))
        said = shown.read("client", 0, 1 << 20)
        for secret in (SECRET.encode(), base64.b64encode(SECRET.encode()), base64.b64encode(b"ada")):
            assert secret not in said
        assert b"QUIT\r\n" in said.upper()
        assert SECRET not in page(shown, None, [])
