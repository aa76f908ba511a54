"""`netlab get --audit`: what origins say they saw, what strangers were sent, and a score that follows from it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clients.get import Config, run
from netlab.errors import NetlabError, UsageError
from netlab.lab.alone import alone
from netlab.policy.anonymity.score import ITEMS, Hello, Seen, judge, score
from tests.http.served import served
from tests.http.upstreams import Called, scripted
from tests.servers.anonymizing_proxy.anonymizing import anonymizing, origin
from tests.servers.forward_proxy.proxying import proxying
from tests.servers.forward_proxy.test_interception import lab_context, secure_origin

LOOPBACK = "127.0.118." if sys.platform == "linux" else "127.0.0.1"


async def audit(capsys: pytest.CaptureFixture[str], url: str, **options: Any) -> dict[str, Any]:
    assert await run(Config(url=url, audit=True, json=True, **options), services=alone) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def views(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {view["name"]: view for view in found["views"]}


def learnt(view: dict[str, Any]) -> set[str]:
    return {mark["name"] for mark in view["marks"] if mark["learnt"] is not False}


def names(view: dict[str, Any]) -> list[str]:
    return [name for name, _ in view["fields"]]


async def test_an_origin_that_tells_what_it_saw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with served(tmp_path) as site:
        found = await audit(capsys, f"http://127.0.0.1:{site.ports[0]}/hello")
    assert found["origin"] == "netlab"
    by_name = views(found)
    assert list(by_name) == ["directly", "transparent", "anonymous", "elite"]
    assert by_name["directly"]["address"] == "127.0.0.1"
    assert all(by_name[name]["address"].startswith(LOOPBACK) for name in ("transparent", "anonymous", "elite"))
    assert by_name["directly"]["inferred"] == ["resolver"]
    assert learnt(by_name["anonymous"]) - {"address"} == {"proxy", "order", "mask"}
    assert learnt(by_name["elite"]) - {"address"} == set()
    scores = [view["score"] for view in found["views"]]
    assert scores[1] <= scores[0] < scores[2] < scores[3]
    assert names(by_name["directly"])[:2] == ["Host", "User-Agent"]
    assert "Connection" in set(names(by_name["elite"])) - set(names(by_name["directly"]))
    assert "Cookie" in [name for name, _ in found["samples"]]
    for view in found["views"]:  # the formula, by hand
        assert view["score"] == 100 - sum(mark["weight"] for mark in view["marks"] if mark["learnt"] is not False)


async def test_over_tls_a_tunnel_stands_beside_the_levels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETLAB_STATE", str(tmp_path))
    async with served(tmp_path, tls=True) as site:
        found = await audit(capsys, f"https://127.0.0.1:{site.ports[1]}/hello")
    by_name = views(found)
    assert list(by_name) == ["directly", "tunnel", "transparent", "anonymous", "elite"]
    assert by_name["tunnel"]["fields"] == by_name["directly"]["fields"]
    assert by_name["tunnel"]["tls"] == by_name["directly"]["tls"]
    assert by_name["tunnel"]["address"].startswith(LOOPBACK)
    assert by_name["tunnel"]["tls"]["ja4"].startswith("t13")
    assert "mask" in learnt(by_name["elite"])  # its TLS is no browser's
    assert any("a tunnel (CONNECT, SOCKS) changes the address" in note for note in found["notes"])


async def test_a_stranger_got_what_is_inferred(capsys: pytest.CaptureFixture[str]) -> None:
    """Byte by byte, and in that order."""
    async with origin() as at:
        found = await audit(capsys, at.url, field=("Cookie: a=1",))
        assert [f"{view['address']}" for view in found["views"]] == at.peers
        for index, view in enumerate(found["views"]):
            assert [f"{name}: {value}" for name, value in view["fields"]] == at.lines(index)
    assert found["origin"] == "stranger"
    assert not found["samples"]  # a stranger is told nothing that was not asked for
    assert all(set(view["inferred"]) == {"address", "fields", "tls", "resolver"} for view in found["views"])
    assert any("inferred from what was sent" in note for note in found["notes"])


async def test_a_stranger_over_tls(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETLAB_STATE", str(tmp_path / "empty"))
    async with secure_origin(lab_context(tmp_path)) as (port, heads):
        found = await audit(capsys, f"https://localhost:{port}/", cacert=tmp_path / "ca" / "ca.pem")
        assert [view.get("error") for view in found["views"]] == [None] * 5
        for head, view in zip(heads, found["views"], strict=True):
            assert [f"{name}: {value}" for name, value in view["fields"]] == head.decode().split("\r\n")[1:-2]
            assert view["tls"]["ja3"]
    assert not (tmp_path / "empty").exists()  # an authority is not made by looking


async def test_a_proxy_that_runs_already(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with served(tmp_path) as site, anonymizing(level="transparent", exits=("direct",)) as proxy:
        url = f"http://127.0.0.1:{site.ports[0]}/"
        found = await audit(capsys, url, proxy=f"http://{proxy.address}")
        by_name = views(found)
        assert list(by_name) == ["directly", "transparent", "anonymous", "elite"]
        assert "address" in learnt(by_name["elite"])  # it runs on the same machine, and has no other exit
        assert "Anonymity-Level" not in names(by_name["elite"])
        stranger = await audit(capsys, f"http://127.0.0.1:{proxy.port}/", proxy=f"http://{proxy.address}")
        assert views(stranger)["elite"]["score"] == 10  # what cannot be known counts as learnt


async def test_another_kind_of_proxy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with served(tmp_path) as site, proxying() as proxy:
        found = await audit(capsys, f"http://127.0.0.1:{site.ports[0]}/", proxy=f"http://{proxy.address}")
    assert [view["name"] for view in found["views"]] == ["directly", "proxy"]
    assert "proxy" in learnt(found["views"][1])


async def test_a_proxy_that_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with served(tmp_path) as site:
        found = await audit(capsys, f"http://127.0.0.1:{site.ports[0]}/", proxy="http://127.0.0.1:1")
    assert "nothing listens on 127.0.0.1 port 1" in found["views"][1]["error"]


async def test_an_origin_that_does_not_answer() -> None:
    with pytest.raises(NetlabError, match=r"^connect: nothing listens"):
        await run(Config(url="http://127.0.0.1:1/", audit=True), services=alone)


async def test_an_origin_that_only_says_it_is_netlab(capsys: pytest.CaptureFixture[str]) -> None:
    async def script(called: Called) -> None:
        while True:
            await called.head()
            await called.say(b"HTTP/1.1 200 OK\r\nServer: netlab\r\nContent-Length: 4\r\n\r\nnull")

    async with scripted(script) as upstream:
        found = await audit(capsys, f"http://127.0.0.1:{upstream.port}/x")
    assert found["origin"] == "stranger"
    assert found["asked"].endswith("/x")


async def test_it_is_shown_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with served(tmp_path) as site:
        config = Config(url=f"http://127.0.0.1:{site.ports[0]}/", audit=True, field=("X-Odd: [red]",))
        assert await run(config, services=alone) == 0
    out = capsys.readouterr().out
    assert "directly" in out
    assert "[red]" in out
    assert "\x1b" not in out
    (line,) = [line for line in out.splitlines() if line.startswith(" score")]
    assert len(line.split()) == 6


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "POST"}, "plain GET requests"),
        ({"data": ("x",)}, "plain GET requests"),
        ({"output": "x"}, "leave out -o"),
        ({"location": True}, "leave out -L"),
    ],
)
async def test_what_cannot_be_audited(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        await run(Config(url="http://127.0.0.1:1/", audit=True, **options), services=alone)


async def test_without_anybody_who_runs_a_proxy() -> None:
    async with origin() as at:
        with pytest.raises(UsageError, match="--proxy"):
            await run(Config(url=at.url, audit=True))


async def test_fields_for_the_proxy_alone(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    async with origin() as at, anonymizing(level="anonymous") as proxy:
        config = Config(url=at.url, proxy=f"http://{proxy.address}", proxy_field=("Anonymity-Level: transparent",))
        assert await run(config) == 0
        assert at.fields()["X-Forwarded-For"] == "127.0.0.1"


def test_the_command_runs_a_proxy_of_its_own(python_server: str) -> None:
    command = (sys.executable, "-m", "netlab", "get", "--audit", python_server)
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert "a stranger" in ended.stdout
    assert "elite" in ended.stdout


# -- the score alone ---------------------------------------------------------------------------------------------

HELLO = Hello(ja3="a", ja4="b", alpn=("h2", "http/1.1"), grease=True)


def seen(address: str = "10.0.0.1", hello: Hello | None = None, resolver: Any = "client", **fields: str) -> Seen:
    pairs = tuple((name.replace("_", "-"), value) for name, value in fields.items())
    return Seen(origin="http://a.example", address=address, fields=pairs, hello=hello, resolver=resolver)


@pytest.mark.parametrize(
    ("item", "found", "expected"),
    [
        ("address", seen(), True),
        ("address", seen("10.9.9.9"), False),
        ("address", seen("10.9.9.9", X_Forwarded_For="1.2.3.4, 10.0.0.1"), True),
        ("address", seen("10.9.9.9", X_Forwarded_For="110.0.0.12"), False),
        ("address", seen("10.9.9.9", Forwarded='for="10.0.0.1";host="x"'), True),
        ("address", seen("10.9.9.9", Forwarded='for=unknown;host="10.0.0.1"', Host="10.0.0.1"), False),
        ("address", seen(""), None),
        ("proxy", seen(Via="1.1 x"), True),
        ("referer", seen(Referer="http://a.example/x"), False),
        ("referer", seen(Referer="http://b.example/x"), True),
        ("tls", seen(hello=HELLO), True),
        ("tls", seen(), None),
        ("lookup", seen(resolver="here"), True),
        ("lookup", seen(resolver="parent"), False),
        ("lookup", seen(resolver="unknown"), None),
    ],
)
def test_what_is_learnt(item: str, found: Seen, expected: bool | None) -> None:
    (mark,) = [mark for mark in judge(seen(hello=HELLO), found) if mark.item.name == item]
    assert mark.learnt is expected
    assert mark.words


FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"
FOX = {"Host": "a", "User_Agent": FIREFOX, "Accept": "*/*", "Accept_Language": "de", "Accept_Encoding": "gzip"}


@pytest.mark.parametrize(
    ("fields", "hello", "words"),
    [
        ({**FOX, "Connection": "keep-alive", "Referer": "http://a.example/x", "Priority": "u=2"}, None, "no"),
        ({**FOX, "Referer": "http://a.example/x", "Origin": "x", "Connection": "keep-alive"}, HELLO, "no"),
        (FOX, None, "it sends no Connection"),
        ({"Connection": "keep-alive", **FOX}, None, "its fields have another order"),
        ({**FOX, "connection": "keep-alive"}, None, "its fields are spelled otherwise; it sends no Connection"),
        (
            {**FOX, "Connection": "keep-alive"},
            Hello(ja3="", ja4="", alpn=(), grease=False),
            "browsers offer HTTP/2 in TLS",
        ),
        ({"Host": "a", "User_Agent": "curl/8"}, Hello(ja3="", ja4="", alpn=(), grease=False), "no"),
    ],
)
def test_what_gives_a_mask_away(fields: dict[str, str], hello: Hello | None, words: str) -> None:
    found = seen(hello=hello, **fields)
    (mark,) = [mark for mark in judge(found, found) if mark.item.name == "mask"]
    assert mark.words == words


def test_who_learns_everything_leaves_nothing() -> None:
    unknown = Seen(origin="http://a.example", address="", fields=None, hello=None, resolver="unknown")
    assert score(judge(seen(hello=HELLO), unknown)) == 0
    assert sum(item.weight for item in ITEMS) == 100
