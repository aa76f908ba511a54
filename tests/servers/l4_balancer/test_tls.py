"""TLS passed on by what its ClientHello asks for, and TLS that ends at the balancer."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from netlab.cores.proxy_protocol_header import CLIENT_CERT_CONN, CLIENT_SSL
from netlab.flow import Level, Outcome
from netlab.net.certs import Authority
from servers.l4_balancer.route import RouteRule
from tests.cores.test_tls_hello import in_records, made
from tests.http.serving import SECONDS, connected
from tests.servers.l4_balancer.balanced import LINUX, Talk, balancing, is_reset, named, said, upstream, upstreams
from tests.servers.l4_balancer.test_proxy_protocol import Keeps

pytestmark = LINUX


@asynccontextmanager
async def secure(authority: Authority, talk: Talk, *alpn: str) -> AsyncIterator[int]:
    """An upstream that speaks TLS itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.leaf(("*.shop.test", "localhost")).load_into(context)
    if alpn:
        context.set_alpn_protocols(list(alpn))

    async def called(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await talk(reader, writer)
        writer.close()

    server = await asyncio.start_server(called, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def first_line(port: int, authority: Authority, name: str | None, *alpn: str) -> bytes:
    """What an upstream says first over TLS, asked for by this name and protocol."""
    context = ssl.create_default_context(cadata=authority.certificate_pem)
    context.check_hostname = name is not None
    if alpn:
        context.set_alpn_protocols(list(alpn))
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name or "")
    try:
        async with asyncio.timeout(SECONDS):
            return await reader.readline()
    finally:
        writer.transport.abort()


# -- passed on -------------------------------------------------------------------------------------------------------


async def test_names_and_protocols_decide(authority: Authority) -> None:
    async with (
        secure(authority, named("one")) as one,
        secure(authority, named("any")) as any_,
        secure(authority, named("mail"), "imap") as mail,
        secure(authority, named("else")) as other,
    ):
        routes = (
            f"alpn=imap to=127.0.0.1:{mail}",
            f"sni=www.shop.test,shop.test to=127.0.0.1:{one}",
            f"sni=*.shop.test to=127.0.0.1:{any_}",
        )
        async with balancing(other, routes=routes) as balanced:
            asked = [("www.shop.test", ()), ("api.shop.test", ()), ("www.shop.test", ("h2", "imap")), ("localhost", ())]
            answers = [await first_line(balanced.port, authority, name, *alpn) for name, alpn in asked]
            assert answers == [b"one\n", b"any\n", b"mail\n", b"else\n"]
            assert await first_line(balanced.port, authority, None) == b"else\n"
            told = balanced.notes("client_hello.received")
            assert [(note["sni"], note["alpn"]) for note in told[1:3]] == [
                ("api.shop.test", []),
                ("www.shop.test", ["h2", "imap"]),
            ]
            assert balanced.sessions[0].label == f"127.0.0.1:{one}  (the only one)"


async def test_what_is_not_tls_has_no_name() -> None:
    async with upstreams(named("a"), named("b")) as (a, b):
        async with balancing(a, routes=(f"sni=www.shop.test to=127.0.0.1:{b}",)) as balanced:
            assert await said(balanced.port, b"SSH-2.0-x\r\n") == b"a\nSSH-2.0-X\r\n"
            assert await said(balanced.port, b"") == b"a\n"  # it ended without a word
            assert await said(balanced.port, b"\x16") == b"a\n\x16"  # it ended before it could be known
        async with balancing(routes=(f"sni=www.shop.test to=127.0.0.1:{b}",)) as balanced:
            async with connected(balanced.port) as client:
                await client.send(b"GET / HTTP/1.0\r\n\r\n")
                with pytest.raises(ConnectionResetError):
                    await client.all()
            flow = await balanced.ended()
            assert (flow.outcome, flow.result) == (
                Outcome.REFUSED,
                "no route takes SNI (none), ALPN (none)",
            )


@pytest.mark.parametrize("size", [1, 50, 300])
async def test_a_hello_in_any_segments_and_records(size: int) -> None:
    hello = in_records(made("www.shop.test", "h2"), size + 7)
    async with upstreams(named("a"), named("b")) as (a, b):
        options: dict[str, Any] = {"routes": (f"sni=www.shop.test to=127.0.0.1:{b}",), "level": Level.SUMMARY}
        async with balancing(a, **options) as balanced, connected(balanced.port) as client:
            for start in range(0, len(hello), size):
                client.writer.write(hello[start : start + size])
                await client.writer.drain()
            await client.send(b"and what is behind it")
            client.end()
            assert await client.all() == b"b\n" + (hello + b"and what is behind it").upper()
            assert (await balanced.ended()).received == len(hello) + 21


async def test_a_hello_that_does_not_come() -> None:
    async with balancing(1, routes=("sni=a.test to=:2",), first_timeout=0.1) as balanced:
        assert await is_reset(balanced.port)
        assert (await balanced.ended()).outcome == Outcome.TIMEOUT


async def test_a_header_goes_before_the_hello_and_knows_its_name() -> None:
    keeps, hello = Keeps(), made("www.shop.test")
    options: dict[str, Any] = {"send_proxy_protocol": "v2", "tell": ("authority", "crc32c")}
    async with upstream(keeps) as port, balancing(routes=(f"sni=*.test to=:{port}",), **options) as balanced:
        assert await said(balanced.port, hello) == hello
    assert keeps.headers[0].authority == "www.shop.test"


@pytest.mark.parametrize(
    "text", ["", "to=", "sni=a to=", "sni=a", "sni=a/b to=:1", "sni=a to=:0", "x=y to=:1", "sni='a to=:1"]
)
def test_what_is_no_route(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the kind says in words what is allowed
        RouteRule.parse(text)


# -- ended here ------------------------------------------------------------------------------------------------------


async def test_tls_ends_here(authority: Authority) -> None:
    state = authority.certificate_path.parent.parent
    async with upstream(named("plain")) as port, balancing(port, tls=True, state=state) as balanced:
        assert balanced.endpoints[0].url.startswith("tls://")
        assert await first_line(balanced.port, authority, "www.shop.test") == b"plain\n"
        flow = await balanced.ended()
        assert flow.label == f"127.0.0.1:{port}  (the only one)"
        assert flow.plain is not None
        assert flow.plain.read("server") == b"plain\n"
        [leg] = balanced.legs
        assert leg.wire is not None
        assert leg.wire.read("server") == b"plain\n"


async def test_routes_go_by_what_was_agreed_on(authority: Authority) -> None:
    state = authority.certificate_path.parent.parent
    async with upstreams(named("a"), named("b"), named("c")) as (a, b, c):
        routes = (f"alpn=imap to=127.0.0.1:{b}", f"sni=*.shop.test to=127.0.0.1:{c}")
        async with balancing(a, tls=True, alpn=("imap",), routes=routes, state=state) as balanced:
            assert await first_line(balanced.port, authority, "www.shop.test", "imap", "h2") == b"b\n"
            assert await first_line(balanced.port, authority, "www.shop.test") == b"c\n"
            assert await first_line(balanced.port, authority, "localhost") == b"a\n"


@pytest.mark.skipif(shutil.which("socat") is None, reason="socat is missing: apt-get install socat")
@pytest.mark.parametrize("level", [Level.SUMMARY, Level.FULL])
async def test_both_halves_and_bulk_through_tls(authority: Authority, level: Level) -> None:
    """socat sends what it has and the end of it; the answer comes whole, though it begins only then."""
    size = 2 << 20

    async def counts(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got = len(await reader.read())
        writer.write(b"%d\n" % got + bytes(size))

    state = authority.certificate_path.parent.parent
    async with upstream(counts) as port, balancing(port, tls=True, state=state, level=level) as balanced:
        where = f"OPENSSL:127.0.0.1:{balanced.port},commonname=localhost,cafile={authority.certificate_path}"
        process = await asyncio.create_subprocess_exec(
            "socat", "-t", "10", "-", where, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        async with asyncio.timeout(SECONDS):
            out, _ = await process.communicate(b"x" * size)
        assert out == b"%d\n" % size + bytes(size)
        flow = await balanced.ended()
        assert (flow.received, flow.sent, flow.outcome) == (size, size + 8, Outcome.OK)


async def test_a_refusing_upstream_and_a_client_that_leaves(authority: Authority) -> None:
    state = authority.certificate_path.parent.parent
    async with upstream(named("a")) as port, balancing(1, port, tls=True, state=state) as balanced:
        assert await first_line(balanced.port, authority, "localhost") == b"a\n"
        flow = await balanced.ended()
        assert flow.label == f"127.0.0.1:{port}  (round_robin of 2, after 127.0.0.1:1)"
    async with balancing(1, tls=True, state=state) as balanced:
        with pytest.raises(ConnectionError):
            assert await first_line(balanced.port, authority, "localhost") == b"x"
        flow = await balanced.ended()
        assert flow.outcome == Outcome.UNREACHABLE
        assert "nothing listens on 127.0.0.1 port 1" in flow.result


async def test_client_certificates_are_told(authority: Authority, tmp_path: Path) -> None:
    keeps = Keeps()
    leaf = authority.issue_client("ann@shop.test")
    (tmp_path / "ann.pem").write_text(leaf.key + leaf.chain)
    context = ssl.create_default_context(cadata=authority.certificate_pem)
    context.load_cert_chain(tmp_path / "ann.pem")
    options: dict[str, Any] = {"send_proxy_protocol": "v2", "tell": ("tls",), "tls": True}
    options |= {"client_certificates": "required", "state": authority.certificate_path.parent.parent}
    async with upstream(keeps) as port, balancing(port, **options) as balanced:
        _, writer = await asyncio.open_connection("127.0.0.1", balanced.port, ssl=context, server_hostname="localhost")
        async with asyncio.timeout(SECONDS):
            await keeps.came.wait()
        writer.transport.abort()
    told = keeps.headers[0].tls
    assert told is not None
    assert told.client == CLIENT_SSL | CLIENT_CERT_CONN
    assert told.verified
    assert told.common_name == "ann@shop.test"
