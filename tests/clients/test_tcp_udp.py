"""`netlab tcp` and `netlab udp`: what passes, the states on the way, and how they end."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from clients import tcp, udp
from netlab.config import Address
from netlab.errors import PeerUnreachable, UsageError
from netlab.net.standard_input import StandardInput
from netlab.service import Context, running
from servers.echo import Config as EchoConfig
from servers.echo import Server

SECONDS = 20.0
Streams = pytest.CaptureFixture[bytes]
linux = pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO is Linux's")


def may_see_packets() -> bool:
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0).close()
    except (OSError, AttributeError):
        return False
    return True


@asynccontextmanager
async def echo(**settings: Any) -> AsyncIterator[int]:
    server = Server(EchoConfig(listen=Address("127.0.0.1", 0), **settings), Context())
    async with running(server, grace=0.2) as endpoints:
        yield endpoints[0].port


@asynccontextmanager
async def peer(talk: Any) -> AsyncIterator[int]:
    """A TCP server that does with each connection what `talk(reader, writer)` says."""
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Standard input is a pipe; its writing end."""
    reading, writing = os.pipe()
    for module in ("clients.tcp.session", "clients.udp"):
        monkeypatch.setattr(f"{module}.StandardInput", lambda: StandardInput(reading))
    ends = [reading, writing]
    yield writing
    for end in ends:
        try:
            os.close(end)
        except OSError:  # the test has closed it
            pass


def piped(typed: int, data: bytes) -> None:
    os.write(typed, data)
    os.close(typed)


async def speak(port: int, **options: Any) -> int:
    async with asyncio.timeout(SECONDS):
        return await tcp.run(tcp.Config(target=Address("127.0.0.1", port), **options))


async def send(port: int, **options: Any) -> int:
    async with asyncio.timeout(SECONDS):
        return await udp.run(udp.Config(target=Address("127.0.0.1", port), **options))


def records(out: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


# -- TCP ----------------------------------------------------------------------------------------------------------


async def test_what_comes_goes_to_standard_output(typed: int, capfdbinary: Streams) -> None:
    data = bytes(range(256)) * 300
    async with echo() as port:
        os.set_blocking(typed, True)
        writing = asyncio.get_running_loop().run_in_executor(None, piped, typed, data)
        assert await speak(port) == 0
        await writing
    out, _ = capfdbinary.readouterr()
    assert out == data


@linux
async def test_states_as_they_happen(typed: int, capfdbinary: Streams) -> None:
    piped(typed, b"hello")
    async with echo() as port:
        assert await speak(port, packets="none") == 0
    out, err = capfdbinary.readouterr()
    assert out == b"hello"
    states = re.findall(r"^ *\+\S+ \S+  ([A-Z0-9-]+)", err.decode(), re.MULTILINE)
    assert states[:2] == ["SYN-SENT", "ESTABLISHED"]
    assert set(states[2:]) <= {"FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT"}  # the first two last some microseconds here
    assert states[-1] == "TIME-WAIT"
    assert f"127.0.0.1:{port}" in err.decode()
    assert "agreed on" in err.decode()


@linux
async def test_the_other_side_ends_first(typed: int, capfdbinary: Streams) -> None:
    async with echo(mode="daytime") as port:
        assert await speak(port, json=True, packets="none") == 0
    told = records(capfdbinary.readouterr().out)
    states = [record["state"] for record in told if record["event"] == "state"]
    assert states[:2] == ["SYN-SENT", "ESTABLISHED"]
    assert "CLOSE-WAIT" in states
    assert states[-1] in ("CLOSED", "LAST-ACK")
    [received] = [record for record in told if record["event"] == "received"]
    assert received["text"].endswith("UTC\r\n")
    assert told[-1]["event"] == "end"
    assert told[-1]["received"] == received["size"]


async def test_half_close_lets_the_other_side_speak_on(typed: int, capfdbinary: Streams) -> None:
    async def answer_at_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        question = await reader.read()
        writer.write(b"you said " + question)
        writer.close()

    piped(typed, b"hello")
    async with peer(answer_at_the_end) as port:
        assert await speak(port, quiet=True) == 0
    assert capfdbinary.readouterr() == (b"you said hello", b"")


async def test_a_reset_is_a_failure(typed: int, capfdbinary: Streams) -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    os.write(typed, b"x")
    async with peer(reset) as port:
        assert await speak(port, packets="none") == 1
    err = capfdbinary.readouterr().err.decode()
    assert "CLOSED       over (reset by the other side)" in err
    assert "netlab: the connection was cut: connection reset by peer" in err.lower()


async def test_silence_has_its_bound(typed: int, capfdbinary: Streams) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        await gone.wait()
        writer.transport.abort()

    gone = asyncio.Event()
    piped(typed, b"")
    async with peer(say_nothing) as port:
        assert await speak(port, wait=0.1) == 1
        gone.set()
    assert "said nothing for 100 ms" in capfdbinary.readouterr().err.decode()


async def test_nothing_listens(typed: int, capfdbinary: Streams) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(PeerUnreachable, match="nothing listens on"):
            await speak(bound.getsockname()[1])
    err = capfdbinary.readouterr().err.decode()
    assert "SYN-SENT" in err
    assert "CLOSED" in err


async def test_hexadecimal_of_both_sides(typed: int, capfdbinary: Streams) -> None:
    piped(typed, b"0123456789abcdefXYZ\n")
    async with echo() as port:
        assert await speak(port, hex=True) == 0
    out = capfdbinary.readouterr().out.decode()
    lines = [line for line in out.splitlines() if line.startswith(">")]
    assert lines == [
        "> 00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  0123456789abcdef",
        "> 00000010  58 59 5a 0a                                       XYZ.",
    ]
    assert "< 00000010" in out


@linux
async def test_the_kernels_view_over_time(typed: int, capfdbinary: Streams) -> None:
    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with peer(keep) as port:
        asyncio.get_running_loop().call_later(0.2, os.close, typed)
        assert await speak(port, json=True, every=0.02) == 0
    infos = [record for record in records(capfdbinary.readouterr().out) if record["event"] == "info"]
    assert len(infos) >= 2
    assert all(info["snd_cwnd"] > 0 and info["rtt"] >= 0 for info in infos)


@pytest.mark.skipif(not may_see_packets(), reason="packets can be seen by root, on Linux")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_packets_of_this_connection_alone(host: str, typed: int, capfdbinary: Streams) -> None:
    piped(typed, b"hello")
    server = Server(EchoConfig(listen=Address(host, 0)), Context())
    async with running(server, grace=0.2) as endpoints, asyncio.timeout(SECONDS):
        port = endpoints[0].port
        _, other = await asyncio.open_connection(host, port)  # another connection to the same port
        config = tcp.Config(target=Address(host, port), json=True, packets="all")
        assert await tcp.run(config) == 0
        other.write(b"not ours")
        other.close()
    packets = [record for record in records(capfdbinary.readouterr().out) if record["event"] == "packet"]
    first = [(packet["side"], packet["flags"], packet["sequence"]) for packet in packets[:3]]
    assert first == [("client", ["SYN"], 0), ("server", ["SYN", "ACK"], 0), ("client", ["ACK"], 1)]
    assert any(option.startswith("MSS ") for option in packets[0]["options"])
    payload = {side: sum(p["payload"] for p in packets if p["side"] == side) for side in ("client", "server")}
    assert payload == {"client": 5, "server": 5}
    assert len([packet for packet in packets if "FIN" in packet["flags"]]) == 2
    assert bytes.fromhex(packets[0]["headers"])[0] >> 4 == (6 if ":" in host else 4)


async def test_packets_are_refused_in_words(typed: int, monkeypatch: pytest.MonkeyPatch, capfdbinary: Streams) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("clients.tcp.session.PacketWatch", forbidden)
    with pytest.raises(UsageError, match="CAP_NET_RAW"):
        await speak(1, packets="all")
    piped(typed, b"x")
    async with echo() as port:
        assert await speak(port) == 0  # unasked, they are left out


@contextmanager
def terminal(*arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A command on a terminal of its own."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-m", "netlab", *arguments], stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait()
        os.close(ours)


async def until(ours: int, mark: bytes) -> bytes:
    """What stands on the terminal once the mark does."""
    seen = b""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(SECONDS):
        while mark not in seen:
            try:
                seen += await loop.run_in_executor(None, os.read, ours, 4096)
            except OSError:  # the command has ended
                break
    return seen


async def test_on_a_terminal(typed: int) -> None:
    async def hostile(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"\x1b]0;owned\x07fine\n")
        await reader.read()
        writer.close()

    async with peer(hostile) as port:
        with terminal("tcp", f"127.0.0.1:{port}", "--packets", "none") as (process, ours):
            await until(ours, b"ESTABLISHED")
            os.write(ours, b"typed\n")
            seen = await until(ours, b"fine")
            assert b"\x1b]0;" not in seen
            assert b"\\x1b]0;owned" in seen
            os.write(ours, b"\x04")  # Ctrl-D
            await until(ours, b"received")
            async with asyncio.timeout(SECONDS):
                assert await asyncio.to_thread(process.wait) == 0


# -- UDP ----------------------------------------------------------------------------------------------------------


async def test_lines_are_datagrams(typed: int, capfdbinary: Streams) -> None:
    piped(typed, b"one\ntwo\r\n\nlast")
    async with echo() as port:
        assert await send(port) == 0
    out = capfdbinary.readouterr().out.decode()
    assert re.findall(r"^> (\d): (\d) bytes?  (\w*)$", out, re.MULTILINE) == [
        ("1", "3", "one"),
        ("2", "3", "two"),
        ("3", "0", ""),
        ("4", "4", "last"),
    ]
    assert len(re.findall(r"^< \d: .*round trip", out, re.MULTILINE)) == 4
    assert "4 sent, 4 answered; round trip" in out


async def test_datagrams_of_a_size(typed: int, capfdbinary: Streams) -> None:
    async with echo() as port:
        assert await send(port, size=1472, count=3, every=0.01, json=True) == 0
    told = records(capfdbinary.readouterr().out)
    received = [record for record in told if record["event"] == "received"]
    assert [record["number"] for record in received] == [1, 2, 3]
    assert all(record["size"] == 1472 and 0 < record["round_trip"] < SECONDS for record in received)
    assert told[-1] == {**told[-1], "event": "end", "sent": 3, "answered": 3, "refused": ""}


async def test_the_network_says_that_nothing_listens(typed: int, capfdbinary: Streams) -> None:
    piped(typed, b"x\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    assert await send(port) == 1
    out, err = capfdbinary.readouterr()
    sentence = f"nothing listens on 127.0.0.1 port {port} (port unreachable)"
    assert f"! {sentence}" in out.decode()
    assert err.decode() == f"netlab: {sentence}: its host said so in an ICMP message\n"


async def test_no_answer_is_a_failure_unless_none_is_expected(typed: int, capfdbinary: Streams) -> None:
    async with echo(mode="discard") as port:
        assert await send(port, size=10, wait=0.05) == 1
        assert "UDP does not say whether anything arrived" in capfdbinary.readouterr().err.decode()
        assert await send(port, size=10, wait=0) == 0


async def test_answers_of_other_content_belong_to_the_oldest(typed: int, capfdbinary: Streams) -> None:
    async with echo(mode="daytime") as port:
        assert await send(port, size=5, count=2, every=0.01, json=True) == 0
    received = [record for record in records(capfdbinary.readouterr().out) if record["event"] == "received"]
    assert [record["number"] for record in received] == [1, 2]


async def test_what_no_datagram_holds(typed: int) -> None:
    with pytest.raises(UsageError, match="at most 65507 bytes"):
        await send(9, size=65_508)
    writing = asyncio.get_running_loop().run_in_executor(None, piped, typed, b"x" * 70_000)
    with pytest.raises(UsageError, match="fits into no datagram"):
        await send(9)
    await writing


async def test_answers_alone(typed: int, capfdbinary: Streams) -> None:
    piped(typed, b"hello\n")
    async with echo() as port:
        assert await send(port, quiet=True) == 0
    assert capfdbinary.readouterr() == (b"hello\n", b"")


def test_the_commands_by_their_names() -> None:
    for name in ("tcp", "udp"):
        done = subprocess.run([sys.executable, "-m", "netlab", name, "--help"], capture_output=True, timeout=30)
        assert done.returncode == 0
        assert b"TARGET" in done.stdout
        done = subprocess.run([sys.executable, "-m", "netlab", name, "nowhere"], capture_output=True, timeout=30)
        assert (done.returncode, done.stdout) == (2, b"")
