"""What goes wrong on purpose: each action at its stage, by recipient and by lot, and told by the flow."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from netlab.policy.mail_chaos import Chaos, parse_chaos
from tests.servers.smtp.sinking import sinking, talk

pytestmark = pytest.mark.one_loop

SESSION = (
    "EHLO me\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<bob@busy.test>\r\nRCPT TO:<eve@x.test>\r\nDATA\r\nhi\r\n.\r\nQUIT\r\n"
)


@pytest.mark.parametrize(
    ("rule", "codes"),
    [
        ("rcpt refuse=450 to=*@busy.test", [220, 250, 250, 450, 250, 354, 250, 221]),
        ("rcpt greylist=60s to=*@busy.test", [220, 250, 250, 451, 250, 354, 250, 221]),
        ("helo refuse=502", [220, 502, 503, 503, 503, 503, 500, 500, 221]),
        ("mail refuse from=*@x.test", [220, 250, 550, 503, 503, 503, 500, 500, 221]),
        ("message refuse=452", [220, 250, 250, 250, 250, 354, 452, 221]),
        ("data 421", [220, 250, 250, 250, 250, 421]),
        ("data delay=10ms", [220, 250, 250, 250, 250, 354, 250, 221]),
        ("helo tarpit=5ms", [220, 250, 250, 250, 250, 354, 250, 221]),
        ("connect refuse", [554, 503, 503, 503, 503, 503, 503, 503, 221]),
        ("connect delay=5ms", [220, 250, 250, 250, 250, 354, 250, 221]),
        ("rcpt drop to=eve@*", None),
    ],
)
async def test_it_goes_wrong_where_it_should(rule: str, codes: list[int] | None) -> None:
    async with sinking(chaos=(parse_chaos(rule),)) as sink:
        if codes is None:
            with pytest.raises(ConnectionResetError):
                await talk(sink.port, SESSION)
        else:
            assert await talk(sink.port, SESSION) == codes
        told = [flow.details["faults"] for flow in sink.server.context.flows if flow.details]
        assert rule in {fault for faults in told for fault in faults}
        assert len(sink.messages) == (codes is not None and codes[-2:] == [250, 221])


async def test_a_greylisted_one_gets_in_when_it_comes_again() -> None:
    chaos = Chaos([parse_chaos("rcpt greylist=60s")], Random(1).random)
    assert chaos.strike("rcpt", "127.0.0.1", "a@x", "b@y", 0.0) is not None
    assert chaos.strike("rcpt", "127.0.0.1", "a@x", "b@y", 59.0) is not None
    assert chaos.strike("rcpt", "127.0.0.1", "a@x", "B@y", 60.0) is None
    assert chaos.strike("rcpt", "127.0.0.1", "a@x", "c@y", 60.0) is not None


def test_the_same_seed_strikes_the_same() -> None:
    def struck(seed: int) -> list[bool]:
        chaos = Chaos([parse_chaos("rcpt refuse probability=30%")], Random(seed).random)
        return [chaos.strike("rcpt", "c", "a@x", "b@y", 0.0) is not None for _ in range(200)]

    assert struck(7) == struck(7) != struck(8)
    assert 30 < sum(struck(7)) < 90


async def test_broken_tls_is_what_openssl_calls_broken() -> None:
    async with sinking(chaos=(parse_chaos("starttls broken-tls"),), starttls=True) as sink:
        reader, writer = await asyncio.open_connection("127.0.0.1", sink.port)
        writer.write(b"EHLO me\r\nSTARTTLS\r\n")
        await reader.readuntil(b"220 2.0.0 Ready to start TLS\r\n")
        writer.write(b"\x16\x03\x01\x00\x05hello")
        assert (await reader.read())[:5] == b"\x16\x03\x03\xff\xff"
        writer.close()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rcpt", "needs a stage and what goes wrong"),
        ("lunch drop", "has the stage 'lunch'"),
        ("rcpt explode", "has 'explode'"),
        ("rcpt refuse=250", "has refuse=250"),
        ("rcpt drop=1", "drop takes no value"),
        ("rcpt drop when=now", "has 'when=now'"),
        ("rcpt drop probability=2", "has probability=2"),
        ("mail greylist", "has greylist at the stage mail"),
        ("data broken-tls", "has broken-tls at the stage data"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_named(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_chaos(text)
