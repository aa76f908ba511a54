"""TLS spoken to programs nobody here wrote: openssl, curl, Python's ssl; and layer to layer over real sockets."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from netlab.errors import PeerUnreachable, RemoteProtocolError
from netlab.net.certs import DEFAULT_NAMES, Authority
from netlab.net.tls_context import ServerContexts, client_context
from tests.tls_apps import Recorder, descriptors, echo, run, serving

HTTP_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"


# -- other people's clients ------------------------------------------------------------------------------------


@asynccontextmanager
async def s_client(port: int, *options: Any) -> Any:
    """openssl s_client, spoken to as one would type."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *map(str, options)]
    process = await asyncio.create_subprocess_exec(*command, stdin=-1, stdout=-1, stderr=asyncio.subprocess.STDOUT)
    try:
        async with asyncio.timeout(20):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize("version", ["1.2", "1.3"])
async def test_openssl(authority: Authority, contexts: ServerContexts, version: str) -> None:
    flag = f"-tls{version.replace('.', '_')}"
    options = [flag, "-servername", "www.shop.test", "-alpn", "h2,http/1.1", "-verify_return_error"]
    options += ["-verify_hostname", "www.shop.test", "-CAfile", str(authority.certificate_path), "-showcerts"]
    async with serving(echo, contexts) as served, s_client(served.port, *options) as client:
        client.stdin.write(b"over and back\n")
        out = await client.stdout.readuntil(b"over and back\n")
        app = await served.app()
        client.stdin.close()
        await app.until("lost")
    assert b"Verification: OK" in out
    assert b"ALPN protocol: http/1.1" in out
    assert out.count(b"-----BEGIN CERTIFICATE-----") == 2  # the authority's is sent, too
    assert f"TLSv{version}".encode() in out
    assert (app.calls, app.error) == (["made", "data", "eof", "lost"], None)
    assert bytes(app.received) == b"over and back\n"


async def test_the_key_is_updated_on_the_way(contexts: ServerContexts) -> None:
    async with serving(echo, contexts) as served, s_client(served.port, "-tls1_3") as client:
        client.stdin.write(b"before\n")
        await client.stdout.readuntil(b"before\n")
        client.stdin.write(b"K\n")
        await client.stdout.readuntil(b"KEYUPDATE\n")
        client.stdin.write(b"after\n")
        await client.stdout.readuntil(b"after\n")


async def test_renegotiation_is_refused(contexts: ServerContexts) -> None:
    async with serving(echo, contexts) as served, s_client(served.port, "-tls1_2") as client:
        client.stdin.write(b"before\n")
        await client.stdout.readuntil(b"before\n")
        client.stdin.write(b"R\n")
        await client.stdout.readuntil(b"no renegotiation")
        app = await served.app()
        await app.until("lost")
    assert bytes(app.received) == b"before\n"


async def test_curl(authority: Authority, contexts: ServerContexts) -> None:
    async with serving(lambda: Recorder(lambda _: HTTP_ANSWER), contexts) as served:
        where = ("--connect-to", f"::127.0.0.1:{served.port}", "https://api.shop.test/")
        code, out, complaints = await run("curl", "-sS", "--cacert", authority.certificate_path, *where)
        assert (code, out, complaints) == (0, b"hello", b"")
        await run("openssl", "s_client", "-connect", f"127.0.0.1:{served.port}", "-verify_return_error")
        failed = await served.app(1)
        await failed.until("lost")
    assert isinstance(failed.error, RemoteProtocolError)
    assert failed.error.rule == "tls.alert_unknown_ca"
    assert str(failed.error).startswith("the client refused our certificate: it does not know the authority")


async def test_python(trusting: ssl.SSLContext, contexts: ServerContexts) -> None:
    async with serving(echo, contexts) as served:
        for name in ("localhost", "127.0.0.1", "www.shop.test"):
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port, ssl=trusting, server_hostname=name)
            writer.write(b"x" * 1_000_000)
            assert await reader.readexactly(1_000_000) == b"x" * 1_000_000
            writer.close()
            await writer.wait_closed()
        assert (await served.app(2)).transport.get_extra_info("server_name") == "www.shop.test"


async def test_what_the_transport_tells(trusting: ssl.SSLContext, contexts: ServerContexts) -> None:
    async with serving(echo, contexts) as served:
        client = await served.dial(Recorder(), trusting)
        await client.until("made")
        transport = client.transport
        assert isinstance(transport.get_extra_info("ssl_object"), ssl.SSLObject)
        assert transport.get_extra_info("sslcontext") is trusting
        assert transport.get_extra_info("cipher")[1] == "TLSv1.3"
        assert ("DNS", "localhost") in transport.get_extra_info("peercert")["subjectAltName"]
        assert len(transport.get_extra_info("peer_chain")) == 2
        assert transport.get_extra_info("peername") == ("127.0.0.1", served.port)
        assert transport.get_extra_info("sockname")[0] == "127.0.0.1"
        assert transport.get_extra_info("socket") is not None
        assert transport.get_extra_info("nothing", "default") == "default"
        assert transport.get_protocol() is client
        assert transport.is_reading()
        assert transport.get_write_buffer_size() == 0
        assert len(transport.get_write_buffer_limits()) == 2
        assert "open TLSv1.3" in repr(transport)
        transport.close()
        transport.close()
        assert transport.is_closing()
        await client.until("lost")


# -- client certificates ---------------------------------------------------------------------------------------


async def test_client_certificates(authority: Authority, tmp_path: Path) -> None:
    alice = authority.issue_client("alice")
    (tmp_path / "alice.pem").write_text(alice.key + alice.chain)
    known = client_context(cafile=authority.certificate_path, certificate=tmp_path / "alice.pem")
    contexts = ServerContexts(authority, client_certificates="required")
    async with serving(echo, contexts) as served:
        await served.dial(Recorder(), known)
        await (await served.app()).until("made")
        subject = served.apps[0].transport.get_extra_info("peercert")["subject"]
        assert (("commonName", "alice"),) in subject
        options = ["-quiet", "-no_ign_eof", "-cert", str(tmp_path / "alice.pem")]
        async with s_client(served.port, *options) as openssl:
            openssl.stdin.write(b"welcome\n")
            await openssl.stdout.readuntil(b"welcome\n")


@pytest.mark.parametrize("maximum", ["1.2", "1.3"])
async def test_a_client_without_the_certificate_wanted(authority: Authority, maximum: Any) -> None:
    contexts = ServerContexts(authority, client_certificates="required")
    async with serving(echo, contexts) as served:
        client = await served.dial(Recorder(), client_context(cafile=authority.certificate_path, maximum=maximum))
        await client.until("lost")
        app = await served.app()
        await app.until("lost")
    assert str(app.error) == "the client sent no certificate, and one is required"
    # in TLS 1.3 the client's handshake is over before its certificate has been looked at
    kind = PeerUnreachable if maximum == "1.2" else RemoteProtocolError
    assert isinstance(client.error, kind)
    assert "alert" in str(client.error)


async def test_a_client_certificate_from_elsewhere(authority: Authority, tmp_path: Path) -> None:
    stranger = Authority.load(tmp_path).issue_client("mallory")
    (tmp_path / "mallory.pem").write_text(stranger.key + stranger.chain)
    context = client_context(cafile=authority.certificate_path, certificate=tmp_path / "mallory.pem")
    async with serving(echo, ServerContexts(authority, client_certificates="optional")) as served:
        client = await served.dial(Recorder(), context)
        app = await served.app()
        await app.until("lost")
        await client.until("lost")
    assert str(app.error) == "the client's certificate comes from an authority we do not trust"


# -- sessions, names, leftovers --------------------------------------------------------------------------------


@pytest.mark.parametrize("maximum", ["1.2", "1.3"])
async def test_sessions_are_resumed(authority: Authority, contexts: ServerContexts, maximum: Any) -> None:
    context = client_context(cafile=authority.certificate_path, maximum=maximum)
    async with serving(echo, contexts) as served:
        session, resumed = None, []
        for _ in range(3):
            client = await served.dial(Recorder(), context, "www.shop.test", session=session)
            await client.until("made")
            client.transport.write(b"x")  # the ticket comes with the first answer at the latest
            await client.until("data")
            ssl_object = client.transport.get_extra_info("ssl_object")
            session = ssl_object.session
            resumed.append(ssl_object.session_reused)
            client.transport.close()
            await client.until("lost")
    assert resumed == [False, True, True]


async def test_every_name_its_certificate(
    trusting: ssl.SSLContext, contexts: ServerContexts, authority: Authority
) -> None:
    async with serving(echo, contexts) as served:
        for name, names in {"a.test": ["a.test"], "b.test": ["b.test"], "127.0.0.1": list(DEFAULT_NAMES)}.items():
            client = await served.dial(Recorder(), trusting, name)
            await client.until("made")
            found = [value for _, value in client.transport.get_extra_info("peercert")["subjectAltName"]]
            assert [value.lower() for value in found] in (names, ["localhost", "127.0.0.1", "0:0:0:0:0:0:0:1"])


async def test_nothing_is_left(trusting: ssl.SSLContext, contexts: ServerContexts) -> None:
    async def visit(name: str) -> None:
        client = await served.dial(Recorder(), trusting, name)
        await client.when(lambda: bool({"made", "lost"} & set(client.calls)))
        if client.transport is not None:
            client.transport.close()
            await client.until("lost")

    async with serving(echo, contexts) as served:
        await visit("localhost")
        before = descriptors()
        for _ in range(5):
            await visit("localhost")
            await visit("www.shop.test")
        for index in range(11):
            await (await served.app(index)).until("lost")
        await asyncio.sleep(0)
        assert descriptors() == before
        assert asyncio.all_tasks() == {asyncio.current_task()}
