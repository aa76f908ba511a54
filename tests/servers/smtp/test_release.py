"""Messages sent on to a real server: only where one is named, to whom it may be, with what the server says to it."""

from __future__ import annotations

import asyncio
import smtplib
from typing import Any

import httpx
import pytest

from netlab.config import Address
from netlab.errors import UsageError
from netlab.policy.mail_chaos import parse_chaos
from servers.smtp.config import Config, Login
from tests.servers.smtp.sinking import Sink, sinking

pytestmark = pytest.mark.one_loop


async def send(sink: Sink, to: str) -> None:
    def work() -> None:
        with smtplib.SMTP("127.0.0.1", sink.port, timeout=5) as client:
            client.sendmail("ada@shop.test", to, b"Subject: x\r\n\r\n.dot\r\n")

    await asyncio.to_thread(work)


async def release(sink: Sink, to: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{sink.ports['http']}") as client:
        return await client.post(f"/api/v1/message/{sink.messages[0].id}/release", json={"To": [to]})


def onward(real: Sink, **settings: Any) -> dict[str, Any]:
    return {"release_to": Address("127.0.0.1", real.port), **settings}


async def test_nothing_goes_anywhere_unless_a_server_is_named() -> None:
    async with sinking() as sink:
        await send(sink, "bob@shop.test")
        response = await release(sink, "bob@real.test")
        assert response.status_code == 400
        assert "no server is configured" in response.text
    with pytest.raises(UsageError, match="need --release-to"):
        Config(forward=("*",))


async def test_a_message_is_released_with_a_login_to_whom_it_may_be() -> None:
    async with sinking(user=(Login("netlab", "geheim"),)) as real:
        login = Login("netlab", "geheim")
        async with sinking(**onward(real, release_login=login, release_allow=("*@real.test",))) as sink:
            await send(sink, "bob@shop.test")
            assert (await release(sink, "bob@real.test")).status_code == 200
            refused = await release(sink, "bob@else.test")
            assert refused.status_code >= 400
            assert "may get nothing from here" in refused.text
        [kept] = real.messages
        assert (kept.envelope.sender, kept.envelope.addresses) == ("ada@shop.test", ["bob@real.test"])
        assert kept.content == b"Subject: x\r\n\r\n.dot\r\n"


async def test_some_are_forwarded_by_themselves_and_failures_are_told() -> None:
    async with sinking(chaos=(parse_chaos("rcpt refuse to=eve@*"),)) as real:
        async with sinking(**onward(real, forward=("*@real.test",))) as sink:
            for to in ("bob@real.test", "bob@shop.test", "eve@real.test"):
                await send(sink, to)
            while len(told := [flow for flow in sink.flows() if "forwarded" in flow.label and flow.ended]) < 2:
                await asyncio.sleep(0)
            assert sorted(flow.outcome for flow in told) == ["ok", "refused"]
        assert [kept.envelope.addresses for kept in real.messages] == [["bob@real.test"]]
