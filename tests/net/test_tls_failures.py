"""What goes wrong with TLS, in plain words: certificates, versions, junk, peers that vanish."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
import struct
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from netlab.errors import ConnectionLost, PeerUnreachable, RemoteProtocolError
from netlab.net.certs import Authority
from netlab.net.tls_context import ServerContexts, client_context
from tests.tls_apps import Recorder, Served, echo, run, serving


async def test_plain_http_to_the_tls_port(contexts: ServerContexts, tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(bytes(2_000_000))
    async with serving(echo, contexts) as served:
        url = f"http://127.0.0.1:{served.port}/"
        code, out, _ = await run("curl", "-sS", "-w", "%{http_code}", url)
        assert (code, out) == (0, b"Plain HTTP was sent to a TLS port: use https:// for this address.\n400")
        code, out, _ = await run("curl", "-sS", "-H", "Expect:", "--data-binary", f"@{body}", url)
        assert b"use https://" in out
        app = await served.app()
        await app.until("lost")
    assert app.calls == ["lost"]
    assert (app.error.rule, str(app.error)) == ("tls.plain_http", "plain HTTP was sent to the TLS port")


def expired(authority: Authority) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    signer = serialization.load_pem_private_key((authority.directory / "ca.key").read_bytes(), None)
    issuer = x509.load_pem_x509_certificate(authority.certificate_pem.encode())
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    made = x509.CertificateBuilder(issuer.subject, subject, key.public_key(), 7)
    made = made.not_valid_before(now - datetime.timedelta(days=3)).not_valid_after(now - datetime.timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    path = authority.directory.parent / "expired.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


async def test_certificates_that_do_not_hold(
    authority: Authority, contexts: ServerContexts, trusting: ssl.SSLContext
) -> None:
    strange = client_context(authority=None)
    cases = [
        (expired(authority), trusting, "localhost", "the server's certificate has expired"),
        (contexts(None), trusting, "other.test", "the server's certificate does not hold: hostname mismatch"),
        (contexts, strange, "localhost", "the server's certificate comes from an authority we do not"),
    ]
    for offered, trusted, name, words in cases:
        async with serving(echo, offered) as served:
            client = await served.dial(Recorder(), trusted, name)
            await client.until("lost")
            app = await served.app()
            await app.until("lost")
        assert (client.calls, app.calls) == (["lost"], ["lost"])
        assert isinstance(client.error, PeerUnreachable)
        assert client.error.stage == "tls"
        assert str(client.error).startswith(words)
        assert str(app.error).startswith("the client refused our certificate")


async def test_no_shared_version(authority: Authority) -> None:
    async with serving(echo, ServerContexts(authority, minimum="1.3")) as served:
        client = await served.dial(Recorder(), client_context(cafile=authority.certificate_path, maximum="1.2"))
        await client.until("lost")
        app = await served.app()
        await app.until("lost")
    assert str(app.error) == "no shared TLS version"
    assert str(client.error) == "no shared TLS version: the server refused ours (alert protocol_version)"


async def test_a_server_that_speaks_no_tls(trusting: ssl.SSLContext) -> None:
    class Rude(Recorder):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            transport.write(b"220 mail.test ESMTP, and nothing of the kind\r\n")

    rude, served = Rude(), Served()
    server = await asyncio.get_running_loop().create_server(lambda: rude, "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    client = await served.dial(Recorder(), trusting)
    await client.until("lost")
    await rude.until("lost")
    server.close()
    assert str(client.error) == "the server does not speak TLS here"


async def test_a_name_that_cannot_be_asked_for(trusting: ssl.SSLContext, contexts: ServerContexts) -> None:
    async with serving(echo, contexts) as served:
        client = await served.dial(Recorder(), trusting, ".shop.test")
        await client.until("lost")
    assert "'.shop.test' cannot be asked for as a server name" in str(client.error)


@pytest.mark.parametrize(
    "first", [b"EHLO here\r\n", b"\x00" * 64, b"\x16\x03\x01\x00\x05hello", b"\x80\x2e\x01\x03\x01"]
)
async def test_junk(contexts: ServerContexts, first: bytes) -> None:
    async with serving(echo, contexts) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(first)
        writer.write_eof()
        await reader.read()
        app = await served.app()
        await app.until("lost")
        writer.close()
    assert app.calls == ["lost"]
    assert isinstance(app.error, RemoteProtocolError | ConnectionLost)


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("sent", [0, 3, 100, -1])
async def test_a_client_that_vanishes(contexts: ServerContexts, sent: int, reset: bool) -> None:
    hello = client_hello()
    async with serving(echo, contexts) as served:
        with socket.create_connection(("127.0.0.1", served.port)) as client:
            client.sendall(hello if sent < 0 else hello[:sent])
            app = await served.app()
            if reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await app.until("lost")
    assert app.calls == ["lost"]
    assert isinstance(app.error, ConnectionLost)
    assert str(app.error).endswith("the connection during the TLS handshake")


def client_hello(name: str = "localhost") -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    outgoing = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


async def test_a_server_name_that_is_not_ascii(contexts: ServerContexts) -> None:
    hello = client_hello("strange.test").replace(b"strange.test", b"\xff\xfe\x80ange.test")
    async with serving(echo, contexts) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(hello)
        assert (await reader.readexactly(1)) == b"\x16"  # it is answered, for localhost
        writer.close()
        app = await served.app()
        await app.until("lost")
    assert app.calls == ["lost"]


async def test_a_context_that_cannot_be_made(authority: Authority, tmp_path: Path) -> None:
    own = Authority.load(tmp_path)
    contexts = ServerContexts(own)
    (own.directory / "ca.key").write_text((authority.directory / "ca.key").read_text())
    broken = ServerContexts(Authority.load(tmp_path))
    assert broken(None).get_ciphers() == contexts(None).get_ciphers()  # that of localhost is still on disk
    async with serving(echo, broken) as served:
        client = await served.dial(Recorder(), client_context(cafile=own.certificate_path), "www.shop.test")
        await client.until("lost")
        app = await served.app()
        await app.until("lost")
    assert "do not belong together" in str(app.error)
    assert str(client.error) == "the server closed the connection during the TLS handshake"
