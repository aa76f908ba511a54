"""Active checks, each against what it asks: which answers are good, and in which words the others are told."""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from netlab.balancing.check_rule import CheckRule
from netlab.balancing.checks import Ask, Checked
from netlab.balancing.probe import Result
from netlab.flow import FlowLog, Level
from netlab.http.trust import tls_options
from netlab.net.certs import Authority
from netlab.net.dial import Dialer
from netlab.net.secure import TlsOptions
from tests.servers.proxies import listening

HEALTHY = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nall good"


async def healthy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    good = head.startswith((b"GET /health HTTP/1.1\r\nHost: ", b"HEAD / HTTP/1.1\r\nHost: db.test\r\n"))
    writer.write(HEALTHY if good else b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def agent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"up 50% maxconn:7 # half of it\n")


async def down(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"down # disk full\n")


@asynccontextmanager
async def secure(authority: Authority, *names: str) -> AsyncIterator[int]:
    """An upstream that speaks HTTP over TLS only, with a certificate for these names, and insists on no ALPN."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.leaf(names).load_into(context)

    async def called(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await healthy(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(called, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def found(text: str, port: int, *, timeout: float = 5.0, state: Path | None = None, own: bool = False) -> Result:
    """What a check says of an upstream; `own`: connections to it are by TLS themselves."""

    def trust() -> TlsOptions:
        return tls_options(state)

    where = Checked(host="127.0.0.1", port=port, tls=trust() if own else None, trust=trust)
    return await Ask(Dialer(FlowLog(Level.OFF)), CheckRule.parse(text), where, timeout)()


@pytest.mark.parametrize(
    ("check", "ok", "words"),
    [
        ("tcp", True, "connected in "),
        ("http:/health", True, "answered 200 in "),
        ("http:/health,body=all good", True, "answered 200 in "),
        ("http:/health,body=bad", False, "answered 200, without 'bad' in its content"),
        ("http:/", False, "answered 404, where 200-399 is good"),
        ("http:/,status=200+404", True, "answered 404 in "),
        ("http:/,method=HEAD,host=db.test", True, "answered 200 in "),
        ("tls", False, "TLS"),
        ("agent", False, "its agent said '', which means nothing"),
    ],
)
async def test_what_an_upstream_of_http_is_found_to_be(check: str, ok: bool, words: str) -> None:
    async with listening(healthy) as port:
        result = await found(check, port, timeout=0.1 if check in ("agent", "tls") else 5.0)
        assert (result.ok, words in result.words or "no answer within" in result.words) == (ok, True), result


async def test_nothing_there_and_nothing_said() -> None:
    result = await found("tcp", 1)
    assert not result.ok
    assert "nothing listens on 127.0.0.1 port 1" in result.words
    async with listening(silent) as port:
        for check in ("http:/", "tls", "agent"):
            assert await found(check, port, timeout=0.05) == Result(False, "no answer within 0.05 s")


async def test_an_agent_says_how_much_it_wants() -> None:
    async with listening(agent) as port, listening(down) as other:
        result = await found(f"agent,port={port}", 1)
        assert result.agent is not None
        assert (result.ok, result.agent.share, result.agent.limit) == (True, 0.5, 7)
        assert result.words == "its agent says 'up 50% maxconn:7 # half of it'"
        assert not (await found("agent", other)).ok


@pytest.mark.parametrize("scheme", ["tls", "https:/health"])
async def test_certificates_are_verified_unless_it_is_said_otherwise(scheme: str, tmp_path: Path) -> None:
    """Whether the upstream is called by TLS itself or not: the check is."""
    authority = Authority.load(tmp_path)
    async with secure(authority, "db.test") as port:
        for own in (False, True):
            refused = await found(scheme, port, state=tmp_path, own=own)
            assert not refused.ok
            assert "certificate" in refused.words
            for more in (",host=db.test", ",verify=none"):
                result = await found(f"{scheme}{more}", port, state=tmp_path, own=own)
                assert result.ok, result.words
        assert not (await found(f"{scheme},host=db.test", port, state=tmp_path / "other")).ok
        assert not (await found("http:/health", port, timeout=0.5)).ok
    async with secure(authority, "127.0.0.1") as port:
        assert (await found(scheme, port, state=tmp_path)).ok
        assert (await found("http:/health", port, state=tmp_path, own=True)).ok
        assert not (await found(f"http:/health,port={port}", port, timeout=0.5, own=True, state=tmp_path)).ok


async def test_a_command_is_told_which_upstream_and_ends_in_time() -> None:
    says = f"{sys.executable} -I -S -c"
    code = "import os; print(os.environ['NETLAB_HOST'], os.environ['NETLAB_PORT']); raise SystemExit({})"
    for number in (0, 3):
        result = await found(f'command:{says} "{code.format(number)}"', 1234)
        assert result == Result(number == 0, f"{sys.executable} ended with {number}: 127.0.0.1 1234")
    assert "/no/such cannot be run: No such file" in (await found("command:/no/such", 1)).words
    assert await found("command:sleep 60", 1, timeout=0.05) == Result(False, "no answer within 0.05 s")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("tcp,host=a", "has 'host=a', where port= may stand"),
        ("tls,path=/", "has 'path=/', where port=, host=, verify= may stand"),
        ("http:/,verify=none", "has 'verify=none', where"),
        ("https:/,verify=no", "has verify=no; certificates are verified unless"),
    ],
)
def test_what_is_no_check(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        CheckRule.parse(text)
