"""The HTTP client against servers of others: Python's, nginx, openssl; curl gets the same."""

from __future__ import annotations

import asyncio
import gzip
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from clients.get.client import Answer, Client, fetch
from clients.get.request import Request
from netlab.errors import ConnectionLost, NetlabError, PeerUnreachable
from netlab.flow import FlowLog
from netlab.http.url import Url
from netlab.net.addresses import Overrides
from netlab.net.certs import Authority
from netlab.net.dial import Dialer
from netlab.net.tls_context import client_context
from tests.clients.raw_servers import OK_LINE, Talk, raw_server, server_context
from tests.netlab_process import place


def curl(*arguments: str) -> bytes:
    if shutil.which("curl") is None:
        pytest.skip("curl is missing: apt-get install curl")
    return subprocess.run(["curl", "-sS", *arguments], check=True, capture_output=True).stdout


@pytest.mark.parametrize("path", ["/small.txt", "/large.bin", "/text.txt", "/"])
async def test_the_same_content_as_curl_gets_from_python(python_server: str, path: str) -> None:
    answer = await fetch(python_server + path)
    assert answer.status == 200
    assert answer.body == await asyncio.to_thread(curl, python_server + path)


@pytest.mark.parametrize("path", ["/small.txt", "/large.bin", "/text.txt", "/missing", "/old"])
async def test_the_same_content_as_curl_gets_from_nginx(nginx: tuple[str, str], path: str) -> None:
    answer = await fetch(nginx[0] + path, follow=True)
    assert answer.body == await asyncio.to_thread(curl, "-L", nginx[0] + path)


async def test_nginx_by_other_methods_and_without_content(nginx: tuple[str, str]) -> None:
    answer = await fetch(nginx[0] + "/text.txt", method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    answer = await fetch(nginx[0] + "/empty")
    assert (answer.status, answer.body) == (204, b"")
    answer = await fetch(nginx[0] + "/small.txt", method="POST", body=b"x")
    assert answer.status == 405
    answer = await fetch(nginx[0] + "/text.txt", raw=True, fields=[("Accept-Encoding", "gzip")])
    assert answer.fields.get("content-encoding") == "gzip"
    assert gzip.decompress(answer.body).startswith(b"all work")


async def test_nginx_over_tls_by_the_authoritys_certificate(nginx: tuple[str, str], authority: Authority) -> None:
    port = int(nginx[1].rsplit(":", 1)[1])
    dialer = Dialer(FlowLog(), overrides=Overrides([f"origin.test:{port}:127.0.0.1"]))
    answer = await fetch(
        nginx[1] + "/large.bin", dialer=dialer, tls=lambda: client_context(cafile=authority.certificate_path)
    )
    plain = await fetch(nginx[0] + "/large.bin")
    assert answer.body == plain.body
    timings = answer.hop.timings()
    assert all(timings[stage] > 0 for stage in ("connect", "tls", "request", "wait", "receive"))
    with pytest.raises(PeerUnreachable, match="authority") as caught:
        await fetch(nginx[1], dialer=dialer)
    assert caught.value.stage == "tls"


async def test_connections_are_used_again_with_nginx(nginx: tuple[str, str]) -> None:
    async with Client(Dialer(flows := FlowLog())) as client:
        for path in ("/small.txt", "/text.txt", "/missing", "/empty", "/small.txt"):
            hop = await client.send(Request(url=Url.parse(nginx[0] + path)))
            async for _ in hop.content():
                pass
            client.done(hop)
    kinds = [flow.kind for flow in flows]
    assert kinds == ["tcp"] + ["http"] * 5


async def test_content_cut_without_tlss_own_end_is_not_taken_for_whole(authority: Authority) -> None:
    async def cut(talk: Talk) -> None:
        await talk.head()
        await talk.say(OK_LINE + (b"Content-Length: 4\r\n\r\n0123" if talk.number == 1 else b"\r\n0123"))
        talk.cut()

    context = server_context(authority)
    async with raw_server(cut, context) as server:
        url = server.url.replace("http", "https")

        async def get() -> Answer:
            return await fetch(url, tls=lambda: client_context(cafile=authority.certificate_path))

        assert (await get()).body == b"0123"  # its length says that it is whole
        with pytest.raises(ConnectionLost, match="without closure alert"):
            await get()


@asynccontextmanager
async def s_server(authority: Authority, folder: Path, *options: str) -> AsyncIterator[str]:
    """openssl's own server, at its URL."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is missing: apt-get install openssl")
    leaf = authority.leaf(("localhost", "127.0.0.1"))
    (folder / "leaf.pem").write_text(leaf.key + leaf.chain)
    process = await asyncio.create_subprocess_exec(
        *["openssl", "s_server", "-www", "-accept", "127.0.0.1:0", "-cert", str(folder / "leaf.pem"), *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        line = b""
        while not line.startswith(b"ACCEPT"):
            line = await process.stdout.readline()
        yield f"https://127.0.0.1:{line.strip().rsplit(b':', 1)[1].decode()}/"
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
async def test_openssl_s_server(authority: Authority, tmp_path: Path, version: str) -> None:
    async with s_server(authority, tmp_path, version) as url:
        answer = await fetch(url, tls=lambda: client_context(cafile=authority.certificate_path))
    assert answer.status == 200
    assert version[4:].replace("_", ".").encode() in answer.body


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
async def test_our_own_certificate_for_servers_that_ask(authority: Authority, tmp_path: Path, version: str) -> None:
    mine = authority.issue_client("me@lab.test")
    (tmp_path / "me.pem").write_text(mine.key + mine.chain)

    def contexts(certificate: Path | None) -> Callable[[], ssl.SSLContext]:
        return lambda: client_context(cafile=authority.certificate_path, certificate=certificate)

    asking = ("-Verify", "2", "-verify_return_error", "-CAfile", str(authority.certificate_path))
    async with s_server(authority, tmp_path, version, *asking) as url:
        answer = await fetch(url, tls=contexts(tmp_path / "me.pem"))
        assert b"lab.test" in answer.body
        words = {"-tls1_2": "alert handshake_failure", "-tls1_3": "wants a certificate of ours, and we sent none"}
        with pytest.raises(NetlabError, match=words[version]):
            await fetch(url, tls=contexts(None))


async def test_netlabs_own_server() -> None:
    with place() as here, here.serve("-q") as server:
        ours = ("User-Agent", "same"), ("Accept-Encoding", "gzip, deflate, br")
        theirs = [word for name, value in ours for word in ("-H", f"{name}: {value}")]
        for path in ("/hello", "/headers", "/nowhere"):
            answer = await fetch(server.url + path, fields=ours)
            assert answer.body == await asyncio.to_thread(curl, "--compressed", *theirs, server.url + path)
        answer = await fetch(server.url + "/anything", method="PUT", body=b"x" * 300_000)
        assert answer.status == 200
