"""`netlab get` as people and scripts use it: what it shows, where content goes, and how it ends."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from clients.get import Config, run
from netlab.errors import NetlabError, UsageError
from netlab.net.certs import Authority
from tests.clients.raw_servers import OK, OK_LINE, Talk, answering, keeping, proxy, raw_server, server_context

Streams = pytest.CaptureFixture[bytes]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory without an authority, so that none of this machine's has a say."""
    monkeypatch.setenv("NETLAB_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


async def get(url: str, **options: Any) -> int:
    return await run(Config(url=url, **options))


async def refused(url: str, **options: Any) -> str:
    with pytest.raises(NetlabError) as caught:
        await get(url, **options)
    return str(caught.value)


def netlab(*arguments: str, stdin: bytes | None = None) -> tuple[int, bytes, bytes]:
    done = subprocess.run(
        [sys.executable, "-m", "netlab", "get", *arguments], input=stdin, capture_output=True, timeout=30, check=False
    )
    return done.returncode, done.stdout, done.stderr


# -- content and heads ------------------------------------------------------------------------------------------------


async def test_content_goes_to_standard_output_and_nothing_else(capfdbinary: Streams) -> None:
    async with raw_server(answering(OK)) as server:
        assert await get(server.url) == 0
    assert capfdbinary.readouterr() == (b"hello", b"")


async def test_the_head_of_the_answer_and_the_head_alone(capfdbinary: Streams) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    async with raw_server(answering(early + OK)) as server:
        await get(server.url, include=True)
        assert capfdbinary.readouterr().out == early + OK
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"
    async with raw_server(answering(head)) as server:
        await get(server.url, head=True)
        assert capfdbinary.readouterr().out == head
    assert server.requests[0].startswith(b"HEAD / ")


async def test_verbose_tells_the_whole_story_on_standard_error(capfdbinary: Streams) -> None:
    chunked = b"Transfer-Encoding: chunked\r\nX-Evil: \x9b31m\r\n\r\n5\r\nhello\r\n0\r\nX-Trailer: t\r\n\r\n"
    async with raw_server(answering(b"HTTP/1.1 100 Continue\r\n\r\n", OK_LINE + chunked)) as server:
        await get(server.url, verbose=True, data=("x=1",), field=("X-Mine: 1", "User-Agent:"))
    out, error = capfdbinary.readouterr()
    lines = error.decode().splitlines()
    assert out == b"hello"
    assert lines[0].startswith(f"* connected to 127.0.0.1:{server.port} from 127.0.0.1:")
    assert lines[1] == "> POST / HTTP/1.1"
    assert {"> X-Mine: 1", "> Content-Length: 3", "> Content-Type: application/x-www-form-urlencoded"} <= set(lines)
    assert not any("User-Agent" in line for line in lines)
    assert [line for line in lines if line.startswith("<")] == [
        "< HTTP/1.1 100 Continue",
        "< ",
        "< HTTP/1.1 200 OK",
        "< Transfer-Encoding: chunked",
        "< X-Evil: \\x9b31m",
        "< ",
        "< X-Trailer: t",
    ]
    assert "* 3 B of content sent, 5 B received" in lines
    bars = [line.split("|")[0].strip("* ") for line in lines if "|" in line]
    assert bars[:2] == ["connect", "request"]
    assert bars[-1] == "receive"


@pytest.mark.one_loop
async def test_what_is_told_does_not_stand_behind_the_content() -> None:
    async with raw_server(answering(OK)) as server:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "netlab", "get", "-v", server.url),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await asyncio.wait_for(process.communicate(), 30)
    assert b"< \nhello\n* 5 B received\n" in out


async def test_the_whole_exchange_as_json(capfdbinary: Streams) -> None:
    answers = {b"/": b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n", b"/b": OK}
    async with raw_server(keeping(answers)) as server:
        assert await get(server.url, json=True, location=True, field=("X-Mine: 1",)) == 0
    out, error = capfdbinary.readouterr()
    told = json.loads(out)
    assert error == b""
    assert told["url"] == server.url + "/b"
    assert told["request"] | {"fields": None} == {
        "method": "GET",
        "target": "/b",
        "version": "1.1",
        "fields": None,
        "size": 0,
    }
    assert ["X-Mine", "1"] in told["request"]["fields"]
    assert told["response"] == {
        "version": "1.1",
        "status": 200,
        "reason": "OK",
        "fields": [["Content-Length", "5"]],
        "interim": [],
        "trailers": [],
        "size": 5,
        "body": {"text": "hello"},
    }
    assert list(told["timings"]) == ["resolve", "connect", "proxy", "tls", "request", "wait", "receive"]
    assert told["connection"]["server"] == ["127.0.0.1", server.port]
    assert told["connection"]["reused"]
    assert told["tls"] is None
    assert [hop["response"]["status"] for hop in told["redirects"]] == [302]


async def test_json_holds_any_content_and_tells_of_failures(capfdbinary: Streams) -> None:
    async with raw_server(answering(OK_LINE + b"Content-Length: 2\r\n\r\n\xff\x00")) as server:
        await get(server.url, json=True)
        assert json.loads(capfdbinary.readouterr().out)["response"]["body"] == {"base64": "/wA="}
    async with raw_server(answering(OK_LINE + b"Content-Length: 9\r\n\r\nhel")) as server:
        await refused(server.url, json=True)
    told = json.loads(capfdbinary.readouterr().out)
    assert told["error"]["rule"] == "message.truncated"
    assert told["response"]["body"] == {"text": "hel"}
    await refused("http://127.0.0.1:1/", json=True)
    assert json.loads(capfdbinary.readouterr().out)["error"]["stage"] == "connect"


async def test_content_to_a_file_decoded_or_raw(capfdbinary: Streams, tmp_path: Path) -> None:
    packed = gzip.compress(b"hello" * 100)
    head = OK_LINE + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    async with raw_server(answering(head + packed)) as server:
        await get(server.url, output=str(tmp_path / "plain"))
        await get(server.url, output=str(tmp_path / "packed"), raw=True)
        with pytest.raises(UsageError, match="-o /nowhere/x: No such file"):
            await get(server.url, output="/nowhere/x")
    assert (tmp_path / "plain").read_bytes() == b"hello" * 100
    assert (tmp_path / "packed").read_bytes() == packed
    assert capfdbinary.readouterr().out == b""


async def test_fail_is_for_scripts(capfdbinary: Streams) -> None:
    missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone"
    async with raw_server(answering(missing)) as server:
        assert await get(server.url) == 0
        assert capfdbinary.readouterr().out == b"none"
        assert await refused(server.url, fail=True) == f"answer: 404 Not Found from {server.url}/"
        assert capfdbinary.readouterr().out == b""


# -- what is asked ----------------------------------------------------------------------------------------------------


async def test_http_1_0_a_method_and_a_host_of_ones_own(capfdbinary: Streams) -> None:
    async with raw_server(answering(b"HTTP/1.0 200 OK\r\n\r\nhello")) as server:
        await get(server.url, http1_0=True, method="DELETE", field=("Host: www.test",))
        await get(f"http://www.shop.test:{server.port}/x", resolve=(f"www.shop.test:{server.port}:127.0.0.1",))
    assert server.requests[0].startswith(b"DELETE / HTTP/1.0\r\nHost: www.test\r\n")
    assert server.requests[1].startswith(b"GET /x HTTP/1.1\r\nHost: www.shop.test:")


async def test_hosts_a_running_lab_knows_are_asked_of_it_and_no_others(capfdbinary: Streams) -> None:
    asked = []

    async with raw_server(answering(OK)) as server:

        async def addresses() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
            asked.append(True)
            return {"www.shop.test": {"127.0.60.1": {"80": f"127.0.0.1:{server.port}"}}}

        for url in ("http://www.shop.test/", server.url, server.url.replace("127.0.0.1", "localhost")):
            assert await run(Config(url=url), addresses=addresses) == 0
    assert len(asked) == 1
    assert capfdbinary.readouterr().out == b"hello" * 3


async def echo(talk: Talk) -> None:
    head = await talk.head()
    if b"chunked" in head:
        await talk.say(OK_LINE + b"\r\n" + await talk.reader.readuntil(b"0\r\n\r\n"))
    else:
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await talk.say(OK_LINE + b"\r\n" + await talk.reader.readexactly(length))


@pytest.mark.one_loop
async def test_content_from_text_files_and_standard_input(capfdbinary: Streams, tmp_path: Path) -> None:
    (tmp_path / "content").write_bytes(b"\0\xff\n" * 100_000)
    async with raw_server(echo) as server:
        await get(server.url, data=("a=1", "b=ü"))
        assert capfdbinary.readouterr().out == "a=1&b=ü".encode()
        await get(server.url, data=(f"@{tmp_path}/content",))
        assert capfdbinary.readouterr().out == b"\0\xff\n" * 100_000
        code, out, _ = await asyncio.to_thread(netlab, "-d", "@-", server.url, stdin=b"typed")
        assert (code, out) == (0, b"5\r\ntyped\r\n0\r\n\r\n")
        code, out, error = await asyncio.to_thread(netlab, "--http1.0", "-d", "@-", server.url, stdin=b"typed")
        assert (code, out) == (2, b"")
        assert b"HTTP/1.0 needs the length" in error
    with pytest.raises(UsageError, match="No such file"):
        await get(server.url, data=("@/nowhere",))
    with pytest.raises(UsageError, match="cannot be joined"):
        await get(server.url, data=("@/dev/null", "x"))


@pytest.mark.parametrize("field", ["no colon", "Bad Name: x", ": x", "X: a\nb"])
async def test_fields_that_are_none(field: str) -> None:
    with pytest.raises(UsageError, match="-H"):
        await get("http://127.0.0.1:1/", field=(field,))


# -- TLS --------------------------------------------------------------------------------------------------------------


async def test_the_labs_own_authority_is_trusted_where_there_is_one(capfdbinary: Streams, state: Path) -> None:
    authority = Authority.load(state)
    async with raw_server(answering(OK), server_context(authority)) as server:
        await get(server.url.replace("http", "https"), verbose=True)
    out, error = capfdbinary.readouterr()
    lines = error.decode().splitlines()
    assert out == b"hello"
    assert any(line.startswith("* TLSv1.3, TLS_") for line in lines)
    assert "*   names 127.0.0.1" in lines
    assert any(line.startswith("*   key ECDSA P-256, signed with ecdsa-with-SHA256") for line in lines)
    assert lines[lines.index("> GET / HTTP/1.1") - 1] == (
        f"* verified: valid for 127.0.0.1, vouched for by {subject(authority)}, "
        f"which this machine's lab ({state}/ca/ca.pem) trusts"
    )
    assert any(line.startswith("* TLS ") and "|" in line for line in lines)


def subject(authority: Authority) -> str:
    from netlab.net import chain

    return chain.read(authority_der(authority)).subject


def authority_der(authority: Authority) -> bytes:
    import ssl

    return ssl.PEM_cert_to_DER_cert(authority.certificate_pem)


async def test_a_certificate_that_does_not_hold_is_shown_with_the_reason(
    capfdbinary: Streams, tmp_path: Path, state: Path
) -> None:
    stranger = Authority.load(tmp_path / "stranger")
    async with raw_server(answering(OK), server_context(stranger)) as server:
        url = server.url.replace("http", "https")
        words = await refused(url, verbose=True)
        assert words.startswith("tls: the server's certificate")
        shown = capfdbinary.readouterr().err.decode()
        assert f"* certificate 1: {leaf_subject()}" in shown
        assert f"issued by {subject(stranger)}" in shown
        assert "NOT verified" in shown
        await refused(url, json=True)
        told = json.loads(capfdbinary.readouterr().out)
        assert told["error"]["stage"] == "tls"
        assert len(told["tls"]["chain"]) == 2
        assert await get(url, insecure=True) == 0
        assert await get(url, cacert=stranger.certificate_path, json=True) == 0
        told = json.loads(capfdbinary.readouterr().out.removeprefix(b"hello"))
        assert told["tls"]["verified"]
        assert str(stranger.certificate_path) in told["tls"]["why"]
        with pytest.raises(UsageError, match="No such file"):
            await get(url, cacert=Path("/nowhere.pem"))
    assert not state.exists()


def leaf_subject() -> str:
    return "CN=127.0.0.1,O=netlab"


async def test_through_a_proxy_with_tls_of_its_own(capfdbinary: Streams, state: Path) -> None:
    context = server_context(Authority.load(state))
    async with raw_server(answering(OK), context) as server, proxy(context) as between:
        url = server.url.replace("http", "https")
        await get(url, proxy=between.url.replace("http", "https"), verbose=True)
    out, error = capfdbinary.readouterr()
    assert out == b"hello"
    assert f"* the proxy opened a tunnel to 127.0.0.1:{server.port} in ".encode() in error


# -- endings ----------------------------------------------------------------------------------------------------------


async def test_failures_are_one_sentence_with_the_stage() -> None:
    assert await refused("http://127.0.0.1:1/") == ("connect: nothing listens on 127.0.0.1 port 1 (connection refused)")
    assert (await refused("http://nobody.test/")).startswith("resolve: no host nobody.test in this lab")

    async def plain(talk: Talk) -> None:
        await talk.say(b"220 mail.test ESMTP\r\n")

    async with raw_server(plain) as server:
        words = "tls: the server does not speak TLS here"
        assert await refused(server.url.replace("http", "https")) == words
    async with raw_server(answering(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nhello")) as server:
        assert (await refused(server.url)).startswith("content: the content is not gzip")

    async def silent(talk: Talk) -> None:
        await talk.reader.read()

    async with raw_server(silent) as server:
        assert await refused(server.url, timeout=0.05) == "answer: no answer within 0.05 s"


@pytest.mark.one_loop
async def test_exit_codes_and_no_traceback() -> None:
    async with raw_server(answering(OK)) as server:
        assert await asyncio.to_thread(netlab, server.url) == (0, b"hello", b"")
    for arguments, code in (
        (("http://127.0.0.1:1/",), 1),
        (("ftp://127.0.0.1/",), 2),
        (("--resolve", "x", "http://127.0.0.1:1/"), 2),
        ((), 2),
    ):
        found, out, error = await asyncio.to_thread(netlab, *arguments)
        assert (found, out) == (code, b"")
        assert error.startswith(b"netlab: ")
        assert error.count(b"\n") == 1


@pytest.mark.skipif(not hasattr(pty, "openpty"), reason="this system has no pseudo-terminals")
@pytest.mark.one_loop
async def test_binary_content_does_not_go_to_a_terminal_unasked() -> None:
    def on_terminal(*arguments: str) -> tuple[int, bytes, bytes]:
        ours, theirs = pty.openpty()
        try:
            done = subprocess.run(
                [sys.executable, "-m", "netlab", "get", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=theirs,
                stderr=subprocess.PIPE,
                timeout=30,
                check=False,
            )
            os.write(theirs, b".")  # something to read, whatever came before it
            shown = b""
            while not shown.endswith(b"."):
                shown += os.read(ours, 1000)
            return done.returncode, shown, done.stderr
        finally:
            os.close(ours)
            os.close(theirs)

    async with raw_server(answering(OK_LINE + b"X: \x9bm\r\nContent-Length: 2\r\n\r\n\0x")) as server:
        code, out, error = await asyncio.to_thread(on_terminal, server.url)
        assert (code, out) == (1, b".")
        assert b"use -o FILE" in error
        code, out, _ = await asyncio.to_thread(on_terminal, "-o", "-", server.url)
        assert (code, out) == (0, b"\0x.")
        _, out, _ = await asyncio.to_thread(on_terminal, "-I", server.url)
        assert b"X: \\x9bm" in out
