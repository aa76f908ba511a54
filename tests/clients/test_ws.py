"""`netlab ws` and its library: against websockets' server, and as a process against our own."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import websockets
from websockets.asyncio.server import ServerConnection, serve

from clients.ws import Config, connect, run
from clients.ws.handshake import HandshakeRefused
from netlab.config import Address
from netlab.cores.websocket import Close, Frame, WebSocketCore, encode_frame
from netlab.cores.websocket_handshake import Compression, accept_key
from netlab.errors import ConnectionLost, DeadlineExceeded, PeerUnreachable, RemoteProtocolError, UsageError
from netlab.flow import FlowLog, Level, Outcome
from netlab.net.dial import Dialer
from netlab.service import Context, running
from servers.forward_proxy import Config as ProxyConfig
from servers.forward_proxy import Server as Proxy
from tests.servers.websocket.serving import SECONDS, serving


@asynccontextmanager
async def theirs(**more: object) -> AsyncIterator[str]:
    """websockets' server: an echo, with a word for whoever wants something else."""

    async def handle(connection: ServerConnection) -> None:
        async for message in connection:
            if message == "close":
                await connection.close(4001, "as told")
            elif message == "fragments":
                await connection.send(["a", "b", "c"])
            elif message == "drop":
                connection.transport.abort()
            else:
                await connection.send(message)

    async with serve(handle, "127.0.0.1", 0, **more) as server:  # type: ignore[arg-type]
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def test_talk() -> None:
    log, frames = FlowLog(Level.FULL), list[Frame]()
    async with theirs(subprotocols=["v2", "v1"]) as url:
        socket = await connect(url, subprotocols=["v1", "v2"], dialer=Dialer(log), on_frame=frames.append)
        async with socket:
            assert socket.subprotocol == "v2"
            for message in ("hello", "long " * 1000, b"\x00\xff", ""):
                await socket.send(message)
                assert await socket.receive(SECONDS) == message
            await socket.send("fragments")
            assert await socket.receive(SECONDS) == "abc"
            assert await socket.ping() >= 0
        assert socket.closing is not None
        assert (socket.closing.code, socket.is_open) == (1000, False)
        with pytest.raises(ConnectionLost):
            await socket.send("too late")
    (talk,) = [flow for flow in log if flow.kind == "websocket"]
    assert (talk.outcome, talk.result) == (Outcome.OK, "1000")
    assert talk.events is not None
    assert talk.events[0].name == "message.received"  # by the server, whoever looks on
    assert all(frame.mask for frame in frames if frame.sent)
    assert not any(frame.mask for frame in frames if not frame.sent)
    assert {frame.name for frame in frames} == {"text", "binary", "continuation", "ping", "pong", "close"}


async def test_the_server_closes_or_vanishes() -> None:
    async with theirs() as url:
        for said, code in (("close", 4001), ("drop", 1006)):
            async with await connect(url) as socket:
                await socket.send(said)
                assert await socket.receive(SECONDS) is None
                assert socket.closing is not None
                assert socket.closing.code == code


@pytest.mark.one_loop
async def test_what_comes_in_no_time_and_what_is_too_much() -> None:
    async with serving() as served:
        async with await connect(f"{served.url}/") as socket:
            with pytest.raises(DeadlineExceeded):
                await socket.receive(0.01)
        async with await connect(f"{served.url}/flood?size=2000", max_message=1000, compression=None) as socket:
            assert await socket.receive(SECONDS) is None
            assert isinstance(socket.error, RemoteProtocolError)
            assert socket.error.status == 1009


@pytest.mark.one_loop
@pytest.mark.parametrize(("path", "code"), [("badutf8", 1007), ("badmask", 1002), ("garbage", 1002)])
async def test_what_a_server_does_wrong(path: str, code: int) -> None:
    async with serving() as served, await connect(f"{served.url}/{path}") as socket:
        await socket.send("x")
        assert await socket.receive(SECONDS) is None
        assert isinstance(socket.error, RemoteProtocolError)
        assert socket.error.status == code
        assert socket.core.close_sent is not None
        assert socket.core.close_sent.code == code


@pytest.mark.one_loop
async def test_no_websocket() -> None:
    async with serving() as served:
        with pytest.raises(HandshakeRefused, match=r"404 Not Found.*no WebSocket is at /nothing"):
            await connect(f"{served.url}/nothing")
    with pytest.raises(PeerUnreachable):
        await connect("ws://127.0.0.1:1/")
    with pytest.raises(UsageError, match="ws:// or wss://"):
        await connect("ftp://x/")


@pytest.mark.one_loop
async def test_through_a_proxy() -> None:
    proxy = Proxy(ProxyConfig(listen=Address("127.0.0.1", 0)), Context())
    async with theirs() as url, running(proxy) as endpoints:
        through = f"http://127.0.0.1:{endpoints[0].port}"
        async with await connect(url, proxy=through) as socket:
            await socket.send("through")
            assert await socket.receive(SECONDS) == "through"


# -- the command -----------------------------------------------------------------------------------------------------


async def netlab(*arguments: str, said: str = "") -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "netlab", "ws", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, error = await process.communicate(said.encode())
    assert process.returncode is not None
    return process.returncode, out.decode(), error.decode()


@pytest.mark.one_loop
async def test_a_pipe() -> None:
    async with serving() as served:
        piped = await netlab(f"{served.url}/reverse", "--wait", "0.2", said="abc\ndef\n")
    assert piped[:2] == (0, "cba\nfed\n")


@pytest.mark.one_loop
async def test_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    async with serving() as served:
        assert await run(Config(url=served.url, json=True, binary=("00ff",), count=1)) == 0
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [line["type"] for line in lines] == ["handshake", "open", "message", "close"]
        message = {"type": "message", "opcode": "binary", "base64": "AP8=", "size": 2, "payload": 2, "frames": 1}
        assert lines[2] == message
        assert await run(Config(url=f"{served.url}/fragment/2", verbose=True, text=("hello",), count=1)) == 0
        told = capsys.readouterr()
        assert told.out == "hello\n"
        assert "< continuation FIN      no mask       2 + 3 bytes" in told.err
        assert "closed with 1000 normal closure, begun by us" in told.err
        assert await run(Config(url=served.url, ping=1, wait=0.0)) == 0
        assert capsys.readouterr().out.startswith("pong 1: ")


@pytest.mark.one_loop
async def test_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    async with serving() as served:
        with pytest.raises(HandshakeRefused, match="404"):
            await run(Config(url=f"{served.url}/nothing", text=("x",)))
        for code, expected in ((1001, 0), (4000, 0), (1005, 0), (1011, 1), (1006, 1)):
            assert await run(Config(url=f"{served.url}/close/{code}", text=("x",))) == expected
        assert "1011 internal error: as asked, begun by the server" in capsys.readouterr().err
    with pytest.raises(UsageError, match="not hexadecimal"):
        await run(Config(url="ws://x", binary=("zz",)))


@pytest.mark.one_loop
async def test_it_connects_again(capsys: pytest.CaptureFixture[str]) -> None:
    """The first server goes away, another comes at its port: --reconnect finds it."""

    async def handle(connection: ServerConnection) -> None:
        await connection.send("here")
        if len(came) == 1:
            await connection.close(1001)
        came.append(connection)

    came: list[ServerConnection] = [None]  # type: ignore[list-item]
    async with websockets.serve(handle, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        assert await run(Config(url=url, reconnect=True, count=2, text=("x",))) == 0
    told = capsys.readouterr()
    assert "once more in 500 ms" in told.err
    assert told.out == "here\nhere\n"


@pytest.mark.parametrize("compression", [None, Compression()])
async def test_who_closes_hears_no_more(compression: Compression | None) -> None:
    """What waits, and what still comes, is in nobody's way; nor is it in the server's, who hears that we close."""
    async with serving(Level.SUMMARY) as served:
        async with await connect(f"{served.url}/flood?size=100000", compression=compression) as socket:
            while socket.wire.transport.is_reading():
                await asyncio.sleep(0)
        assert socket.closing is not None
        assert (socket.closing.code, socket.core.peer_began) == (1000, False)
        assert await socket.receive() is None


async def test_a_server_that_breaks_a_rule_is_told_so() -> None:
    """With bytes behind it that nobody reads any more, too."""
    told = asyncio.get_running_loop().create_future()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(line for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key")).split()[1]
        fields = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept"
        writer.write(f"HTTP/1.1 101 Switching Protocols\r\n{fields}: {accept_key(key)}\r\n\r\n".encode())
        writer.write(encode_frame(3, b"no such opcode") + bytes(500_000))
        told.set_result(await reader.read())
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        async with await connect(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/") as socket:
            assert await socket.receive(SECONDS) is None
        (close,) = WebSocketCore().receive(await told)
        assert isinstance(close, Close)
        assert close.code == 1002
