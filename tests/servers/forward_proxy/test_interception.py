"""Interception: TLS opened for the hosts that were named, verified upstream, and every reason shown where it is met."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from netlab.flow import Flow, Level, Outcome
from netlab.net.certs import Authority
from netlab.net.tls_context import client_context, leaf_context
from tests.http.serving import SECONDS, Client, connected
from tests.servers.forward_proxy.proxying import Forward, proxying
from tests.servers.forward_proxy.test_tunnels import tunnel
from tests.servers.proxies import curl, listening

Answer = Callable[[bytes], bytes]


def ok(head: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(head), head)


@asynccontextmanager
async def secure_origin(context: ssl.SSLContext, answer: Answer = ok) -> AsyncIterator[tuple[int, list[bytes]]]:
    """An https server that answers each request's head; the heads it saw."""
    heads: list[bytes] = []
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                heads.append(head)
                writer.write(answer(head))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1], heads
    finally:
        server.close()
        for writer in writers:
            if not writer.is_closing():  # TLS that has ended by itself cannot be aborted (Python 3.11.2)
                writer.transport.abort()


def lab_context(state: Path, *names: str) -> ssl.SSLContext:
    return leaf_context(Authority.load(state).leaf(names or ("localhost", "127.0.0.1")))


def foreign_context(folder: Path) -> ssl.SSLContext:
    """A certificate that nobody vouches for."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is missing: install the package openssl")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "1",
            ),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def trusting(state: Path, proxy: Forward) -> tuple[str, ...]:
    return ("-x", f"http://{proxy.address}", "--cacert", str(state / "ca" / "ca.pem"))


def inner_flows(proxy: Forward) -> list[Flow]:
    return [flow for flow in proxy.of_kind("tcp") if flow.details is not None and "intercepted" in flow.details]


async def test_curl_is_answered_and_the_flows_join(tmp_path: Path) -> None:
    async with (
        secure_origin(lab_context(tmp_path, "localhost", "*.shop.test")) as (port, heads),
        proxying(state=tmp_path, intercept=("localhost",)) as proxy,
    ):
        url = f"https://localhost:{port}/a?b"
        out = await curl(*trusting(tmp_path, proxy), "-v", url, url)
        assert out.count(b"GET /a?b HTTP/1.1\r\n") == 2
        assert f"Via: 1.1 {proxy.server.hop.name}".encode() in heads[0]
        assert f"Host: localhost:{port}".encode() in heads[0]
        await proxy.until(lambda: bool(inner_flows(proxy)) and inner_flows(proxy)[0].ended > 0)
        (inner,) = inner_flows(proxy)
        asked = inner.parent
        assert asked is not None
        assert asked.label == f"CONNECT localhost:{port}"
        requests = [flow for flow in proxy.of_kind("http") if flow.parent is inner]
        assert [flow.label for flow in requests] == [f"GET https://localhost:{port}/a?b"] * 2
        assert inner.plain is not None
        assert inner.plain.read("client").startswith(b"GET /a?b HTTP/1.1\r\n")
        event = next(event for event in requests[1].events or () if event.name == "request.received")
        assert inner.plain.read("client", event.start, event.end).startswith(b"GET /a?b HTTP/1.1\r\n")
        assert inner.wire is not None
        assert inner.wire.read("client")[:3] == b"\x16\x03\x01"
        assert inner.details is not None
        assert inner.details["secrets"]
        legs = [flow for flow in proxy.of_kind("http") if flow.parent in requests]
        assert [leg.outcome for leg in legs] == [Outcome.OK, Outcome.OK]
        dialled = [flow for flow in proxy.of_kind("tcp") if flow.parent is asked and flow is not inner]
        assert len(dialled) == 1  # the connection that was made for the tunnel served both requests
        assert dialled[0].details is not None
        assert dialled[0].details["timings"]["tls"] > 0


async def test_the_certificate_has_the_upstreams_names(tmp_path: Path) -> None:
    async with (
        secure_origin(lab_context(tmp_path, "localhost", "*.shop.test", "127.0.0.1")) as (port, _),
        proxying(state=tmp_path, intercept=("*",), level=Level.SUMMARY) as proxy,
        connected(proxy.port) as client,
    ):
        await tunnel(client, port)
        client_side = client_context(authority=Authority.load(tmp_path))
        await asyncio.wait_for(client.writer.start_tls(client_side, server_hostname="x.shop.test"), SECONDS)
        certificate = client.writer.get_extra_info("peercert")
        names = {value for _, value in certificate["subjectAltName"]}
        assert names == {"x.shop.test", "localhost", "*.shop.test", "127.0.0.1"}
        assert client.writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"


@pytest.mark.parametrize("passed", [("localhost",), ("*host",)])
async def test_hosts_that_are_left_alone(tmp_path: Path, passed: tuple[str, ...]) -> None:
    async with (
        secure_origin(lab_context(tmp_path)) as (port, heads),
        proxying(state=tmp_path, intercept=("*",), pass_through=passed) as proxy,
    ):
        await curl(*trusting(tmp_path, proxy), f"https://localhost:{port}/")
        assert b"Via:" not in heads[0]
        assert not inner_flows(proxy)


async def test_a_name_in_sni_may_be_left_alone_too(tmp_path: Path) -> None:
    async with (
        secure_origin(lab_context(tmp_path)) as (port, heads),
        proxying(state=tmp_path, intercept=("*",), pass_through=("localhost",)) as proxy,
    ):
        to = ("--connect-to", f"localhost:{port}:127.0.0.1:{port}")
        await curl(*trusting(tmp_path, proxy), *to, f"https://localhost:{port}/")
        assert b"Via:" not in heads[0]


async def test_an_upstream_nobody_vouches_for_is_a_page_that_says_so(tmp_path: Path) -> None:
    async with (
        secure_origin(foreign_context(tmp_path)) as (port, heads),
        proxying(state=tmp_path, intercept=("localhost",)) as proxy,
    ):
        out = await curl(*trusting(tmp_path, proxy), "-i", f"https://localhost:{port}/")
        page = out.partition(b"\r\n\r\n")[2]  # behind the answer to CONNECT
        assert page.startswith(b"HTTP/1.1 502 ")
        assert b"error=tls_certificate_error; " in page
        assert b"signed by itself" in page
        assert not heads


async def test_anybody_is_taken_on_demand(tmp_path: Path) -> None:
    async with (
        secure_origin(foreign_context(tmp_path)) as (port, heads),
        proxying(state=tmp_path, intercept=("localhost",), upstream_insecure=True) as proxy,
    ):
        await curl(*trusting(tmp_path, proxy), f"https://localhost:{port}/")
        assert len(heads) == 1


async def test_a_certificate_for_somebody_else(tmp_path: Path) -> None:
    async with (
        secure_origin(lab_context(tmp_path, "other.test")) as (port, _),
        proxying(state=tmp_path, intercept=("localhost",)) as proxy,
    ):
        out = await curl(*trusting(tmp_path, proxy), f"https://localhost:{port}/")
        assert b"502 Bad Gateway" in out
        assert b"tls_certificate_error" in out


async def test_an_upstream_that_speaks_no_tls(tmp_path: Path) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with listening(plain) as port, proxying(state=tmp_path, intercept=("localhost",)) as proxy:
        out = await curl(*trusting(tmp_path, proxy), f"https://localhost:{port}/")
        assert b"502 Bad Gateway" in out
        assert b"tls_protocol_error" in out


async def test_a_client_that_refuses_our_authority_is_noted(tmp_path: Path) -> None:
    async with (
        secure_origin(lab_context(tmp_path)) as (port, _),
        proxying(state=tmp_path, intercept=("*",)) as proxy,
    ):
        through = ("-proxy", proxy.address, "-connect", f"localhost:{port}", "-verify_return_error")
        process = await asyncio.create_subprocess_exec(
            *("openssl", "s_client", *through),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        await process.wait()
        await proxy.until(lambda: bool(inner_flows(proxy)) and inner_flows(proxy)[0].ended > 0)
        (inner,) = inner_flows(proxy)
        assert inner.outcome == Outcome.REFUSED
        assert "refused our certificate" in inner.result
        assert "interception.refused" in [event.name for event in inner.events or ()]


async def not_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.readexactly(5))


async def speaks_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello")
    await reader.read()


@pytest.mark.parametrize(("talk", "said"), [(not_tls, b"HELO\n"), (speaks_first, b""), (not_tls, b"\x16BCDE")])
async def test_what_is_no_tls_stays_a_tunnel(tmp_path: Path, talk: Callable[..., Awaitable[None]], said: bytes) -> None:
    async with (
        listening(talk) as port,
        proxying(state=tmp_path, intercept=("*",)) as proxy,
        connected(proxy.port) as client,
    ):
        await tunnel(client, port, early=said)
        assert await client.exactly(5) == (said or b"hello")
        client.end()
        assert await client.all() == b""


async def test_a_tunnel_in_which_nobody_begins(tmp_path: Path) -> None:
    async def waits(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(2))

    async with (
        listening(waits) as port,
        proxying(state=tmp_path, intercept=("*",), header_timeout=0.05) as proxy,
        connected(proxy.port) as client,
    ):
        await tunnel(client, port)
        await proxy.until(lambda: bool(proxy.notes("interception.declined")))
        await client.send(b"hi")
        assert await client.exactly(2) == b"hi"


async def test_other_protocols_in_tls_are_left_alone(tmp_path: Path) -> None:
    """ALPN says what a client is about to speak; that of e-mail is not HTTP."""
    context = lab_context(tmp_path)
    async with (
        secure_origin(context) as (port, _),
        proxying(state=tmp_path, intercept=("*",)) as proxy,
        connected(proxy.port) as client,
    ):
        await tunnel(client, port)
        client_side = client_context(authority=Authority.load(tmp_path), alpn=("imap",))
        await asyncio.wait_for(client.writer.start_tls(client_side, server_hostname="localhost"), SECONDS)
        assert not inner_flows(proxy)


async def test_over_socks_and_over_tls_to_the_proxy(tmp_path: Path) -> None:
    async with (
        secure_origin(lab_context(tmp_path)) as (port, heads),
        proxying(state=tmp_path, intercept=("localhost",), tls=True) as proxy,
    ):
        ca = str(tmp_path / "ca" / "ca.pem")
        url = f"https://localhost:{port}/"
        await curl("--socks5-hostname", proxy.address, "--cacert", ca, url)
        await curl("-x", f"https://localhost:{proxy.port}", "--proxy-cacert", ca, "--cacert", ca, url)
        assert [head.count(b"Via: 1.1 netlab-") for head in heads] == [1, 1]


async def test_the_kept_connection_is_for_that_name_only(tmp_path: Path) -> None:
    """The same address by another name is another origin: its certificate has to be looked at again."""
    async with (
        secure_origin(lab_context(tmp_path, "localhost")) as (port, heads),
        proxying(state=tmp_path, intercept=("*",)) as proxy,
    ):
        trust = trusting(tmp_path, proxy)
        await curl(*trust, f"https://localhost:{port}/")
        out = await curl(*trust, "--connect-to", f"other.test:{port}:localhost:{port}", f"https://other.test:{port}/")
        assert b"tls_certificate_error" in out
        assert len(heads) == 1


@pytest.mark.parametrize("stage", ["hello", "upstream", "client"])
async def test_a_client_that_leaves_midway(tmp_path: Path, stage: str) -> None:
    """In its ClientHello, while the upstream's handshake is under way, in its own."""
    reached = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        reached.set()
        await reader.read()

    context = client_context(authority=Authority.load(tmp_path))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    hello = outgoing.read()
    origin = secure_origin(lab_context(tmp_path)) if stage == "client" else _with_nothing(listening(slow))
    async with origin as (port, _), proxying(state=tmp_path, intercept=("*",)) as proxy:
        async with connected(proxy.port) as client:
            await tunnel(client, port, early=hello[:50] if stage == "hello" else hello)
            if stage == "upstream":
                await reached.wait()
            elif stage == "client":
                await client.exactly(100)
            client.reset()
        if stage != "upstream":  # while a client is held back its going is not heard
            await asyncio.wait_for(proxy.server.proxy.gate.emptied(), SECONDS)


@asynccontextmanager
async def _with_nothing(port: object) -> AsyncIterator[tuple[int, list[bytes]]]:
    async with port as number:  # type: ignore[attr-defined]  # a context manager, as `listening` gives it
        yield number, []


async def test_an_upgrade_inside(tmp_path: Path) -> None:
    """WebSocket over intercepted TLS: a tunnel in the end, between two TLS connections."""

    def switch(head: bytes) -> bytes:
        assert b"\r\nUpgrade: echo\r\n" in head
        return b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\nhello"

    async with (
        secure_origin(lab_context(tmp_path), switch) as (port, _),
        proxying(state=tmp_path, intercept=("*",)) as proxy,
        connected(proxy.port) as client,
    ):
        await tunnel(client, port)
        context = client_context(authority=Authority.load(tmp_path))
        await asyncio.wait_for(client.writer.start_tls(context, server_hostname="localhost"), SECONDS)
        inside = Client(client.reader, client.writer)
        await inside.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
        assert (await inside.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        assert await inside.exactly(5) == b"hello"


async def test_the_page_offers_the_certificate(tmp_path: Path) -> None:
    async with proxying(state=tmp_path, intercept=("*",)) as proxy:
        assert b'href="/ca.pem"' in await curl(f"http://{proxy.address}/")
        assert await curl(f"http://{proxy.address}/ca.pem") == (tmp_path / "ca" / "ca.pem").read_bytes()
    async with proxying(state=tmp_path) as proxy:
        assert b" 404 " in await curl("-i", f"http://{proxy.address}/ca.pem")


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET https://localhost/x HTTP/1.1", b"200"),  # RFC 9112 3.2.2: to be accepted by every server
        (b"OPTIONS * HTTP/1.1", b"200"),
        (b"GET http://localhost/x HTTP/1.1", b"400"),
        (b"CONNECT localhost:443 HTTP/1.1", b"400"),
    ],
)
async def test_targets_inside(tmp_path: Path, line: bytes, status: bytes) -> None:
    async with (
        secure_origin(lab_context(tmp_path)) as (port, heads),
        proxying(state=tmp_path, intercept=("*",)) as proxy,
        connected(proxy.port) as client,
    ):
        await tunnel(client, port)
        context = client_context(authority=Authority.load(tmp_path))
        await asyncio.wait_for(client.writer.start_tls(context, server_hostname="localhost"), SECONDS)
        inside = Client(client.reader, client.writer)
        await inside.send(line + b"\r\nHost: localhost\r\n\r\n")
        head, body = await inside.response()
        assert head.startswith(b"HTTP/1.1 %b " % status)
        if status == b"200":
            assert body.startswith(line.replace(b"https://localhost", b""))
        assert len(heads) == (status == b"200")


async def test_a_handshake_that_does_not_go_on_is_no_refusal(tmp_path: Path) -> None:
    """Too slow is not the same as unwilling."""
    context = client_context(authority=Authority.load(tmp_path))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    async with (
        secure_origin(lab_context(tmp_path)) as (port, _),
        proxying(state=tmp_path, intercept=("*",), header_timeout=0.2) as proxy,
        connected(proxy.port) as client,
    ):
        await tunnel(client, port, early=outgoing.read())
        await client.all()
        await proxy.until(lambda: bool(inner_flows(proxy)) and inner_flows(proxy)[0].ended > 0)
        assert inner_flows(proxy)[0].outcome == Outcome.TIMEOUT
