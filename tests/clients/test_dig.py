"""`netlab dig` against the world: as dig shows it, short, as JSON, and step by step from the root."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from clients.dig import Config, run
from clients.dig.command import read_words
from netlab.config import Address
from netlab.cores.dns_codes import TYPES
from netlab.cores.dns_names import to_text
from netlab.errors import PeerUnreachable, UsageError
from netlab.inspect.record import FlowRecord, to_record
from netlab.inspect.show import page
from tests.servers.dns.small_internet import dig, free_port, internet


@pytest.mark.parametrize(
    ("words", "name", "kind", "host", "port"),
    [
        (("www.shop.test",), "www.shop.test.", "A", "127.0.0.1", 5300),
        (("mx", "shop.test", "@127.0.53.3"), "shop.test.", "MX", "127.0.53.3", 5300),
        (("@ns.test:53", "TYPE65", "shop.test"), "shop.test.", "HTTPS", "ns.test", 53),
        (("a", "A", "@::1"), "A.", "A", "::1", 5300),
        (("txt",), "txt.", "A", "127.0.0.1", 5300),
    ],
)
def test_words_in_any_order(words: tuple[str, ...], name: str, kind: str, host: str, port: int) -> None:
    wish = read_words(Config(words=words))
    assert (to_text(wish.question.name), wish.question.type, wish.host, wish.port) == (name, TYPES[kind], host, port)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (Config(), "which name"),
        (Config(words=("a.test", "b.test")), "neither a type nor"),
        (Config(words=("a.test", "@x:y")), "is no port"),
        (Config(reverse="1.2.3"), "is no address"),
        (Config(words=("a..test",)), "empty label"),
    ],
)
def test_what_cannot_be_meant(config: Config, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        read_words(config)


def plain(text: str) -> list[str]:
    """What both programs print, without what differs from call to call and without blanks."""
    lines = (re.sub(r"[ \t]+", " ", line).strip() for line in text.splitlines())
    skipped = (";; Q", ";; W", ";; S", ";; G", ";; g", "; <", "; (", "; EDE")
    return [re.sub(r"id: \d+", "id", line) for line in lines if line and not line.startswith(skipped)]


@pytest.mark.skipif(shutil.which("dig") is None, reason="dig is missing: apt install bind9-dnsutils")
async def test_it_prints_what_dig_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with internet(tmp_path) as here:
        port = here.endpoints["dns"]
        for question in ("shop.shop.test A", "shop.test MX", "nope.test A", "x.lame.broken.test A"):
            name, kind = question.split()
            await run(Config(words=(name, kind), port=port))
            ours = plain(capsys.readouterr().out)
            theirs = plain(await dig("@127.0.0.1", "-p", str(port), name, kind, "+nocookie"))
            assert ours[:-1] == theirs[:-1]
            assert ours[-1] == theirs[-1] or "SERVFAIL" in ours[0]  # the second time its reason is another


async def test_short_reverse_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with internet(tmp_path) as here:
        port = here.endpoints["dns"]
        assert await run(Config(reverse="127.0.80.1", port=port, short=True)) == 0
        assert capsys.readouterr().out == "www.shop.test.\n"
        assert await run(Config(words=("www.lame.broken.test",), port=port, json=True)) == 1
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert (answer["rcode"], answer["extended_error"]["code"]) == ("SERVFAIL", 22)
        assert await run(Config(words=("www.big.broken.test", "TXT"), port=port, short=True, tcp=True)) == 0
        assert len(capsys.readouterr().out.splitlines()) == 7


async def test_from_the_root_down(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with internet(tmp_path) as here:
        root = Address("127.0.53.1", here.port)
        page = tmp_path / "trace.html"
        assert await run(Config(words=("www.shop.test",), root=root, explain=True, html=page)) == 0
        text = capsys.readouterr().out
        assert "referral to shop.test." in text
        assert "RFC 1034" in text
        assert text.rstrip().endswith("127.0.80.1")
        assert "<script" not in page.read_text()
        assert "referral to shop.test." in page.read_text()
        assert await run(Config(words=("www.noglue.broken.test",), root=root, trace=True, json=True)) == 1
        answer = json.loads(capsys.readouterr().out)
        assert "circle of glue" in answer["error"][1]


async def test_where_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(PeerUnreachable, match="nothing listens"):
        await run(Config(words=("www.shop.test", "@127.0.53.1"), port=free_port(), tries=1))


async def test_how_the_resolver_came_to_an_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From the resolver's own record of a real question: a tree, explained, JSON, a page, and on the flow's."""
    async with internet(tmp_path) as here:
        await here.ask("www.lame.broken.test")
        asked = next(flow for flow in here.resolver.context.flows if flow.label == "www.lame.broken.test. A")
        told = to_record(asked, whole=True)

        async def recorded(flow_id: str, lab: str | None, part: str) -> dict[str, Any]:
            return json.loads(json.dumps(told)) if flow_id == "17" else {"kind": "tcp", "level": "summary"}

        assert await run(Config(recorded="17"), flow=recorded) == 1
        tree = capsys.readouterr().out
        assert re.search(
            r"^  127\.0\.53\.3, for lame\.broken\.test\.: .*  refused: REFUSED \(it says: .*\) in [\d.]+ ms$",
            tree,
            re.MULTILINE,
        )
        assert "(extended error 22)" in tree
        assert tree.splitlines()[1].strip() in page(FlowRecord.from_json(told), None, [])
        assert await run(Config(recorded="17", explain=True, html=tmp_path / "page"), flow=recorded) == 1
        assert "the server will not or cannot answer" in capsys.readouterr().out
        assert "127.0.53.3, for lame.broken.test." in (tmp_path / "page").read_text()
        await run(Config(recorded="17", json=True), flow=recorded)
        assert json.loads(capsys.readouterr().out)["trace"]["steps"][-1]["what"] == "failed"
        with pytest.raises(UsageError, match="flow 18 has no steps"):
            await run(Config(recorded="18"), flow=recorded)
