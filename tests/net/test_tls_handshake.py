"""The TLS layer before its handshake is over: turned away, stalled, begun in the middle of a connection."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import pytest

from netlab.errors import DeadlineExceeded, PeerUnreachable
from netlab.net.certs import Authority
from netlab.net.tls import TlsLayer
from netlab.net.tls_context import ServerContexts, client_context
from tests.tls_apps import Recorder
from tests.tls_pair import Pair, Raw, every


async def test_one_who_is_turned_away(authority: Authority) -> None:
    class Full(Recorder):
        def attach(self, raw: Any) -> bool:
            return False

    app, raw = Full(), Raw()
    layer = TlsLayer(app, ServerContexts(authority), server_side=True)
    layer.connection_made(raw)  # type: ignore[arg-type]  # a transport as far as the layer asks
    assert raw.closing
    layer.data_received(b"\x16\x03\x01")
    layer.connection_lost(None)
    assert app.calls == ["lost"]


async def test_the_apps_deadline_ends_a_stalled_handshake(authority: Authority) -> None:
    pair = Pair(authority)
    pair.server_layer.data_received(pair.client_raw.take()[:50])
    pair.server.raw.abort()  # what a Connection does when its deadline has passed
    pair.close()
    assert (pair.server.calls, pair.server.error) == (["lost"], None)


async def test_a_stalled_handshake_has_a_deadline(authority: Authority) -> None:
    pair = Pair(authority, handshake_timeout=0.0)
    pair.server_layer.data_received(pair.client_raw.take()[:50])
    while not (pair.server_raw.closing and pair.client_raw.closing):
        await asyncio.sleep(0)
    pair.close()
    assert isinstance(pair.server.error, DeadlineExceeded)
    assert str(pair.server.error) == "no complete TLS handshake within 0 s"
    assert isinstance(pair.client.error, PeerUnreachable)
    assert pair.client.error.timed_out
    assert (pair.server.calls, pair.client.calls) == (["lost"], ["lost"])


@pytest.mark.parametrize("early", [0, 1, 60, 10_000])
async def test_early_bytes(authority: Authority, early: int) -> None:
    """STARTTLS, CONNECT: the reader of the plaintext has kept what came behind it."""
    client, server = Recorder(), Recorder()
    trusting = client_context(cafile=authority.certificate_path)
    pair = Pair(authority)
    pair.close()
    pair.client, pair.server, pair.client_raw, pair.server_raw = client, server, Raw(), Raw()
    client_layer = TlsLayer(client, trusting, server_side=False, server_hostname="localhost")
    client_layer.take_over(pair.client_raw)
    hello = pair.client_raw.take()
    server_layer = TlsLayer(server, ServerContexts(authority), server_side=True)
    server_layer.take_over(pair.server_raw, hello[:early])
    if hello[early:]:
        server_layer.data_received(hello[early:])
    pair.carry()
    client.transport.write(b"secured")
    pair.carry()
    assert bytes(server.received) == b"secured"
    assert server.raw is None  # it was attached long ago, to the plain transport
    pair.close()


async def test_the_farewell_of_a_failed_handshake_has_a_deadline(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netlab.net.tls.FAREWELL_SECONDS", 0.0)
    pair = Pair(authority)
    pair.server_layer.data_received(b"GET / HTTP/1.1\r\n\r\n")
    assert pair.server_raw.eof
    assert not pair.server_raw.closing
    while not pair.server_raw.closing:  # the timer, not a sleep, brings it about
        await asyncio.sleep(0)
    pair.close()


async def test_a_plain_ssl_context_serves_too(authority: Authority) -> None:
    context = ServerContexts(authority)(None)
    assert isinstance(context, ssl.SSLContext)
    pair = Pair(authority)
    pair.server_layer = pair.server_raw.protocol = TlsLayer(pair.server, context, server_side=True)
    pair.server_layer.connection_made(pair.server_raw)  # type: ignore[arg-type]  # a transport as far as it asks
    pair.carry(every(1))
    assert pair.server.transport.get_extra_info("server_name") == "localhost"
    pair.close()
