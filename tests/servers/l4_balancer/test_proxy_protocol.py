"""PROXY headers in and out, with HAProxy and nginx at the other end."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from netlab.config import Address
from netlab.cores.proxy_protocol import Header, HeaderReader, Tlv, serialize
from netlab.cores.proxy_protocol_header import AUTHORITY, UNIQUE_ID
from netlab.flow import FlowLog, Level, Outcome
from netlab.net import proxied
from netlab.net.certs import Authority
from netlab.service import Context, running
from servers import http
from tests.haproxy import haproxy
from tests.http.serving import SECONDS, connected
from tests.servers.l4_balancer.balanced import LINUX, balancing, is_reset, named, said, upstream, upstreams
from tests.servers.reverse_proxy.programs import free_ports

pytestmark = LINUX

TELLS = 'mode http\n{bind} accept-proxy\nhttp-request return status 200 content-type text/plain lf-string "%s"\n'
SEEN = "%[src]:%[src_port] %[dst]:%[dst_port]"
GET = b"GET / HTTP/1.0\r\n\r\n"


async def talk(port: int, data: bytes, source: str = "127.0.0.1") -> tuple[str, str]:
    """What is answered, and the client's own address."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    try:
        writer.write(data)
        async with asyncio.timeout(SECONDS):
            answer = await reader.read()
        host, number = writer.get_extra_info("sockname")
        return answer.rpartition(b"\r\n\r\n")[2].decode(), f"{host}:{number}"
    finally:
        writer.transport.abort()


class Keeps:
    """An upstream that reads a header, and answers with what came behind it."""

    def __init__(self) -> None:
        self.headers: list[Header] = []
        self.came = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        header = HeaderReader()
        while not isinstance(found := header.receive(await reader.read(1 << 16)), Header):
            assert found is None
        self.headers.append(found)
        self.came.set()
        writer.write(header.rest + await reader.read())


# -- out -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_haproxy_learns_who_the_client_is(version: Any, tmp_path: Path) -> None:
    with haproxy(tmp_path, TELLS % SEEN) as (port,):
        async with balancing(port, send_proxy_protocol=version) as balanced:
            answer, client = await talk(balanced.port, GET, "127.0.0.7")
            assert answer == f"{client} 127.0.0.1:{balanced.port}"
            await balanced.ended()
            [leg] = balanced.legs
            assert leg.wire is not None
            assert leg.wire.read("client").endswith(GET)
            assert len(leg.wire.read("client")) > len(GET)


async def test_haproxy_learns_more(tmp_path: Path) -> None:
    """It would refuse a header whose checksum does not hold."""
    told = f"{SEEN} %[fc_pp_unique_id] %[fc_pp_authority]"
    facts = ("crc32c", "unique-id", "authority")
    with haproxy(tmp_path, TELLS % told) as (port,):
        async with balancing(port, send_proxy_protocol="v2", tell=facts) as balanced:
            answer, client = await talk(balanced.port, GET)
            flow = await balanced.ended()
            assert flow.details is not None
            assert answer == f"{client} 127.0.0.1:{balanced.port} {flow.details['unique_id']} "


async def test_facts_of_tls(tmp_path: Path) -> None:
    keeps, authority = Keeps(), Authority.load(tmp_path)
    context = ssl.create_default_context(cadata=authority.certificate_pem)
    context.set_alpn_protocols(["h2", "imap"])
    options: dict[str, Any] = {"tls": True, "alpn": ("imap",), "state": tmp_path}
    facts = ("crc32c", "unique-id", "authority", "alpn", "tls")
    async with upstream(keeps) as port, balancing(port, send_proxy_protocol="v2", tell=facts, **options) as balanced:
        _, writer = await asyncio.open_connection(
            "127.0.0.1", balanced.port, ssl=context, server_hostname="mail.shop.test"
        )
        client = writer.get_extra_info("sockname")
        writer.write(b"hello")
        async with asyncio.timeout(SECONDS):
            await keeps.came.wait()
        writer.transport.abort()
        await balanced.ended()
        [header] = keeps.headers
        assert (header.authority, header.alpn) == ("mail.shop.test", "imap")
        assert header.tls is not None
        assert (header.tls.client, header.tls.verified, header.tls.version) == (1, False, "TLSv1.3")
        assert header.tls.cipher.startswith("TLS_")
        assert header.source == client
        assert len(header.unique_id) == 16


# -- in --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keyword", "version"), [("send-proxy", 1), ("send-proxy-v2", 2), ("send-proxy-v2 proxy-v2-options crc32c", 2)]
)
async def test_haproxy_says_who_the_client_is(keyword: str, version: int, tmp_path: Path) -> None:
    async with upstream(named("a")) as port, balancing(port, accept_proxy_protocol=True) as balanced:
        before = f"mode tcp\n{{bind}}\nserver one 127.0.0.1:{balanced.port} {keyword}\n"
        with haproxy(tmp_path, before) as (front,):
            reader, writer = await asyncio.open_connection("127.0.0.1", front, local_addr=("127.0.0.8", 0))
            writer.write(b"x")
            writer.write_eof()
            async with asyncio.timeout(SECONDS):
                assert await reader.read() == b"a\nX"
            writer.close()
            flow = await balanced.ended()
            client = writer.get_extra_info("sockname")
        assert (flow.client, flow.server) == (client, ("127.0.0.1", front))
        assert flow.details is not None
        assert flow.details["proxy"][0] == "127.0.0.1"
        assert (flow.received, flow.sent) == (1, 3)
        [told] = balanced.notes("proxy_header.received")
        assert (told["version"], told["source"]) == (version, client)


async def test_what_a_proxy_before_us_knows_is_passed_on() -> None:
    keeps = Keeps()
    options: dict[str, Any] = {"accept_proxy_protocol": True, "send_proxy_protocol": "v2"}
    ends = ("203.0.113.7", 5000), ("198.51.100.1", 443)
    tlvs = [Tlv(AUTHORITY, b"www.shop.test"), Tlv(UNIQUE_ID, b"theirs"), Tlv(0xE0, b"custom")]
    async with upstream(keeps) as port, balancing(port, **options, tell=("authority",)) as balanced:
        assert await said(balanced.port, serialize(2, *ends, tlvs=tlvs) + b"data") == b"data"
    assert (keeps.headers[0].source, keeps.headers[0].destination) == ends
    assert keeps.headers[0].tlvs == (Tlv(AUTHORITY, b"www.shop.test"),)


async def test_hashing_goes_by_the_client_that_is_told() -> None:
    options: dict[str, Any] = {"balance": "source_hash", "accept_proxy_protocol": True}
    async with upstreams(named("a"), named("b"), named("c")) as ports, balancing(*ports, **options) as balanced:
        found = set()
        for number in range(12):
            header = serialize(1, (f"203.0.113.{number}", 1), ("127.0.0.1", 2))
            answer = await said(balanced.port, header)
            assert await said(balanced.port, header) == answer
            found.add(answer)
        assert len(found) == 3


async def test_a_health_check_of_the_proxy_before_us_is_itself() -> None:
    async with upstream(named("a")) as port, balancing(port, accept_proxy_protocol=True) as balanced:
        assert await said(balanced.port, serialize(2, None, None)) == b"a\n"
        flow = await balanced.ended()
        assert flow.client is not None
        assert flow.client[0] == "127.0.0.1"
        assert balanced.notes("proxy_header.received")[0]["local"] is True


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0b"])
async def test_a_connection_without_a_header_is_reset(data: bytes) -> None:
    async with upstream(named("a")) as port, balancing(port, accept_proxy_protocol=True) as balanced:
        async with connected(balanced.port) as client:
            await client.send(data)
            with pytest.raises(ConnectionResetError):
                await client.all()
        flow = await balanced.ended()
        assert (flow.outcome, balanced.legs) == (Outcome.VIOLATION, [])


async def test_a_header_that_ends_or_does_not_come() -> None:
    async with balancing(1, accept_proxy_protocol=True, first_timeout=0.1) as balanced:
        async with connected(balanced.port) as client:
            await client.send(b"PROXY TCP4")
            client.end()
            with pytest.raises(ConnectionResetError):
                await client.all()
        assert (await balanced.ended()).outcome == Outcome.VIOLATION
        assert await is_reset(balanced.port)
        assert (await balanced.ended(2)).outcome == Outcome.TIMEOUT


# -- before TLS, and before other servers -----------------------------------------------------------------------------


async def test_a_header_before_tls(tmp_path: Path) -> None:
    context = ssl.create_default_context(cadata=Authority.load(tmp_path).certificate_pem)
    options: dict[str, Any] = {"tls": True, "accept_proxy_protocol": True, "state": tmp_path}
    async with upstream(named("a")) as port, balancing(port, **options) as balanced:
        before = f"mode tcp\n{{bind}}\nserver one 127.0.0.1:{balanced.port} send-proxy-v2\n"
        with haproxy(tmp_path, before) as (front,):
            reader, writer = await asyncio.open_connection("127.0.0.1", front, ssl=context, server_hostname="localhost")
            async with asyncio.timeout(SECONDS):
                assert await reader.readuntil(b"\n") == b"a\n"
            client = writer.get_extra_info("sockname")
            writer.transport.abort()
            flow = await balanced.ended()
        assert flow.client == client
        assert await is_reset_after(balanced.port, b"\x16\x03\x01")


async def is_reset_after(port: int, data: bytes) -> bool:
    async with connected(port) as client:
        await client.send(data)
        try:
            await client.all()
        except ConnectionResetError:
            return True
    return False


async def test_the_http_server_behind_haproxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxied, "SECONDS", 0.2)
    context = Context(flows=FlowLog(Level.FULL))
    server = http.Server(http.Config(listen=Address("127.0.0.1", 0), accept_proxy_protocol=True), context)
    server.gate._sweep.interval = 0.01
    async with running(server, grace=1.0) as endpoints:
        port = endpoints[0].port
        before = f"mode tcp\n{{bind}}\nserver one 127.0.0.1:{port} send-proxy-v2\n"
        with haproxy(tmp_path, before) as (front,):
            answer, client = await talk(front, b"GET /ip HTTP/1.0\r\n\r\n", "127.0.0.9")
        assert '"127.0.0.9"' in answer
        assert [flow.client for flow in context.flows if flow.kind == "http"] == [tuple_of(client)]
        assert await is_reset_after(port, b"GET /ip HTTP/1.0\r\n\r\n")
        async with connected(port) as silent:  # one that says nothing is not waited for for ever
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await silent.exactly(1)
    assert not server.gate.connections
    outcomes = [flow.outcome for flow in context.flows if flow.kind == "tcp"]
    assert outcomes == [Outcome.OK, Outcome.VIOLATION, Outcome.TIMEOUT]


def tuple_of(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


# -- nginx -----------------------------------------------------------------------------------------------------------

NGINX = """
daemon off; worker_processes 1; pid {base}/pid; error_log stderr notice; {user}
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {base}/b; proxy_temp_path {base}/p; fastcgi_temp_path {base}/f;
  uwsgi_temp_path {base}/u; scgi_temp_path {base}/s; default_type text/plain;
  server {{
    listen 127.0.0.1:{port} proxy_protocol;
    return 200 "$proxy_protocol_addr:$proxy_protocol_port $proxy_protocol_server_addr:$proxy_protocol_server_port";
  }}
}}
"""


@contextmanager
def nginx(base: Path) -> Iterator[int]:
    """nginx that wants a PROXY header, and tells what it says."""
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        pytest.skip("nginx is missing: install the package nginx-light")
    user = "user root;" if os.geteuid() == 0 else ""
    for port in free_ports(5):  # one that is free now may be taken when nginx comes
        (base / "nginx.conf").write_text(NGINX.format(base=base, port=port, user=user))
        command = [program, "-p", str(base), "-c", "nginx.conf", "-e", "stderr"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert process.stderr is not None
        if any(b"start worker process " in line for line in process.stderr):
            break
        process.wait()
    try:
        yield port
    finally:
        process.terminate()
        process.communicate(timeout=10)


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_nginx_learns_who_the_client_is(version: Any, tmp_path: Path) -> None:
    with nginx(tmp_path) as port:
        async with balancing(port, send_proxy_protocol=version) as balanced:
            answer, client = await talk(balanced.port, GET, "127.0.0.6")
            assert answer == f"{client} 127.0.0.1:{balanced.port}"
