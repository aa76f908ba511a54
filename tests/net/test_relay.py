"""The raw relay: every byte, every half-close, every reset from one side to the other, and nothing left afterwards."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from netlab.net import poller as polling
from netlab.net import relay as relaying
from netlab.net.addresses import SocketAddress
from netlab.net.gate import Gate
from netlab.net.listen import Listener, listen
from netlab.net.poller import Acceptor, Poller
from netlab.net.relay import Relay
from netlab.net.splice import Pipes
from netlab.tape import Tape
from tests.http.serving import SECONDS, Client, connected

pytestmark = pytest.mark.skipif(not polling.AVAILABLE, reason="epoll is Linux's")

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
PIECE = bytes(range(256)) * 1024


class Joint(Relay):
    """A relay to one address that remembers what it was told."""

    __slots__ = ("error", "said", "told")

    def __init__(self, balancer: Balancer, near: socket.socket) -> None:
        super().__init__(balancer.poller, near, idle=balancer.idle, pipes=balancer.pipes)
        self.told = balancer
        self.error: OSError | None = None
        self.said = b""
        balancer.gate.enter(self, "client")
        balancer.relays.append(self)
        if balancer.first:
            self.set_deadline("first", balancer.idle)
        else:
            self.begin()

    def begin(self, first: bytes = b"") -> None:
        self.connect(SocketAddress("127.0.0.1", self.told.port), seconds=self.told.connect, first=first)

    def first(self, data: bytes) -> None:
        self.said += data
        if b"\n" in self.said:
            self.begin(b"[" + self.said + b"]")

    def joined(self) -> None:
        if self.told.tape is not None:
            self.up.tapes = self.down.tapes = (self.told.tape,)

    def unreachable(self, error: OSError) -> None:
        self.told.failures.append(error)
        if len(self.told.ports) > 1:
            self.told.ports.pop(0)
            self.begin()
        else:
            self.reset()

    def over(self, error: OSError | None) -> None:
        self.error = error
        self.told.gate.leave(self, "client")
        self.told.over.set()


class Balancer:
    """Listens, and relays each connection to a port."""

    def __init__(
        self,
        *ports: int,
        first: bool = False,
        kernel: bool = True,
        tape: Tape | None = None,
        idle: float = 10.0,
        connect: float = 5.0,
    ) -> None:
        self.ports, self.first, self.idle, self.connect = list(ports), first, idle, connect
        self.poller = Poller()
        self.pipes = Pipes() if kernel else None
        self.gate = Gate(interval=0.01)
        self.relays: list[Joint] = []
        self.failures: list[OSError] = []
        self.over = asyncio.Event()
        self.tape = tape

    @property
    def port(self) -> int:
        return self.ports[0]

    def listener(self) -> Listener:
        def accepted(sock: socket.socket, address: Any) -> None:
            Joint(self, sock)

        return Listener(
            name="relay",
            scheme="tcp",
            host="127.0.0.1",
            port=0,
            accept=lambda sock: Acceptor(self.poller, sock, accepted),
            gate=self.gate,
        )

    async def ended(self) -> Joint:
        async with asyncio.timeout(SECONDS):
            while self.gate.connections:
                self.over.clear()
                await self.over.wait()
        return self.relays[-1]


@asynccontextmanager
async def upstream(talk: Talk) -> AsyncIterator[int]:
    async def called(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(called, "127.0.0.1", 0, backlog=1024)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def relayed(*ports: int, **options: Any) -> AsyncIterator[tuple[Balancer, int]]:
    """A balancer and its port; afterwards no connection, watch, pipe or descriptor of it is left."""
    before = len(os.listdir("/proc/self/fd"))
    balancer = Balancer(*ports, **options)
    bound = await listen([balancer.listener()])
    try:
        yield balancer, bound.endpoints[0].port
    finally:
        await bound.drain(1.0)
        assert len(balancer.poller) == 0
        balancer.poller.close()
        if balancer.pipes is not None:
            assert balancer.pipes.leased == 0
            balancer.pipes.close()
    assert not balancer.gate.connections
    async with asyncio.timeout(SECONDS):
        while len(os.listdir("/proc/self/fd")) > before + 2:  # uvloop keeps one or two once it has served
            await asyncio.sleep(0)


async def upper(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data.upper())
        await writer.drain()


async def test_bytes_and_both_half_closes() -> None:
    async def counts(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello ")
        writer.write(b"%d" % len(await reader.read()))

    async with upstream(counts) as port, relayed(port) as (balancer, here), connected(here) as client:
        assert await client.exactly(6) == b"hello "
        await client.send(b"12345")
        client.end()
        assert await client.all() == b"5"
        joint = await balancer.ended()
        assert (joint.up.moved, joint.down.moved, joint.error) == (5, 7, None)


async def test_the_upstream_may_end_first() -> None:
    got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def says(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"that is all")
        writer.write_eof()
        got.set_result(await reader.read())

    async with upstream(says) as port, relayed(port) as (_, here), connected(here) as client:
        assert await client.all() == b"that is all"
        await client.send(b"still here")
        client.end()
        assert await got == b"still here"


async def test_the_first_bytes_may_decide() -> None:
    async with upstream(upper) as port, relayed(port, first=True) as (balancer, here), connected(here) as client:
        await client.send(b"one")
        await client.send(b" two\nthree")
        client.end()
        assert (await client.all()).replace(b"]", b"").replace(b"[", b"") == b"ONE TWO\nTHREE"
        assert (await balancer.ended()).error is None


@pytest.mark.parametrize("kernel", [True, False])
async def test_bulk_both_ways_at_once(kernel: bool) -> None:
    size = 24 << 20

    async def echoes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 18):
            writer.write(data)
            await writer.drain()

    async def pour(writer: asyncio.StreamWriter) -> None:
        for _ in range(size // len(PIECE)):
            writer.write(PIECE)
            await writer.drain()
        writer.write_eof()

    async with upstream(echoes) as port, relayed(port, kernel=kernel) as (balancer, here), connected(here) as client:
        digest, left = hashlib.sha256(), size
        async with asyncio.timeout(6 * SECONDS), asyncio.TaskGroup() as tasks:
            tasks.create_task(pour(client.writer))
            while data := await client.reader.read(1 << 18):
                digest.update(data)
                left -= len(data)
        assert (left, digest.hexdigest()) == (0, hashlib.sha256(PIECE * (size // len(PIECE))).hexdigest())
        joint = await balancer.ended()
        assert (joint.up.moved, joint.down.moved) == (size, size)
        assert kernel == (joint._splice is not None)


async def test_a_reader_that_stops_stops_the_sender() -> None:
    sent = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        try:
            while True:
                writer.write(PIECE)
                await writer.drain()
                sent += len(PIECE)
        except ConnectionError:
            pass  # its reader has left

    async with upstream(endless) as port, relayed(port, kernel=False) as (balancer, here), connected(here) as client:
        await client.exactly(1 << 20)
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]  # the stream API has no word for it
        before = -1
        while sent != before:  # until nothing moves any more
            before = sent
            await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.05)
        assert sent < 48 << 20
        assert 0 < len(balancer.relays[0].down.pending) <= relaying.CHUNK
        client.reader._transport.resume_reading()  # type: ignore[attr-defined]  # likewise
        await client.exactly(32 << 20)
        client.reset()
        assert (await balancer.ended()).broken == "client"


@pytest.mark.parametrize("bulk", [False, True])
async def test_a_reset_of_the_client_reaches_the_upstream(bulk: bool) -> None:
    got: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def waits(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(PIECE * 16 if bulk else b"x")
        try:
            got.set_result(await reader.read())
        except OSError as error:
            got.set_result(error)

    async with upstream(waits) as port, relayed(port) as (balancer, here), connected(here) as client:
        await client.exactly(len(PIECE) * 16 if bulk else 1)
        client.reset()
        assert isinstance(await got, ConnectionResetError)
        assert isinstance((await balancer.ended()).error, ConnectionResetError)


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 413 Too large\r\n\r\n", PIECE * 16])
async def test_a_reset_of_the_upstream_reaches_the_client_behind_what_it_said(said: bytes) -> None:
    async def refuses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.write(said)
        await writer.drain()
        await reader.readexactly(1)
        Client(reader, writer).reset()

    async with upstream(refuses) as port, relayed(port) as (balancer, here), connected(here) as client:
        await client.send(b"x")
        assert await client.exactly(len(said)) == said
        await client.send(b"x")
        with pytest.raises(ConnectionResetError):
            await client.all()
        joint = await balancer.ended()
        assert isinstance(joint.error, ConnectionResetError)


async def test_what_an_upstream_said_before_it_closed_on_unread_bytes_arrives() -> None:
    """A server that refuses an upload: answer, then RST, for bytes of ours are unread (RFC 9112 9.6)."""

    async def refuses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        reader._transport.pause_reading()  # type: ignore[attr-defined]  # the stream API has no word for it
        writer.write(b"no")
        await writer.drain()
        while not int.from_bytes(fionread(sock), "little"):
            await asyncio.sleep(0)
        writer.transport.abort()

    async with upstream(refuses) as port, relayed(port) as (balancer, here), connected(here) as client:
        assert await client.exactly(2) == b"no"
        client.writer.write(b"y" * 100_000)
        with pytest.raises(ConnectionError):
            await client.all()
        assert isinstance((await balancer.ended()).error, OSError)


def fionread(sock: Any) -> bytes:
    import fcntl
    import termios

    return fcntl.ioctl(sock.fileno(), termios.FIONREAD, bytes(4))


async def test_another_upstream_for_one_that_refuses_and_a_reset_for_the_client_of_none() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        closed = nobody.getsockname()[1]
        async with upstream(upper) as port, relayed(closed, port) as (balancer, here), connected(here) as client:
            await client.send(b"x")
            assert await client.exactly(1) == b"X"
            assert [error.errno for error in balancer.failures] == [errno.ECONNREFUSED]
        async with relayed(closed) as (balancer, here), connected(here) as client:
            with pytest.raises(ConnectionResetError):
                await client.all()
            await balancer.ended()


async def test_deadlines() -> None:
    async with upstream(upper) as port, relayed(port, idle=0.05) as (balancer, here), connected(here) as client:
        assert await client.all() == b""  # nobody said anything
        assert (await balancer.ended()).error is None
    async with relayed(0, first=True, idle=0.05) as (balancer, here), connected(here) as client:
        await client.send(b"half a lin")
        assert await client.all() == b""
    with full_backlog() as port:
        async with relayed(port, connect=0.05) as (balancer, here), connected(here) as client:
            with pytest.raises(ConnectionResetError):
                await client.all()
            assert [type(error) for error in balancer.failures] == [TimeoutError]


class full_backlog:  # noqa: N801  used as a function
    """A port where the kernel answers no more SYNs."""

    def __enter__(self) -> int:
        self.sockets = [socket.create_server(("127.0.0.1", 0), backlog=0)]
        port: int = self.sockets[0].getsockname()[1]
        for _ in range(4):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
            self.sockets.append(sock)
        return port

    def __exit__(self, *_: object) -> None:
        for sock in self.sockets:
            sock.close()


async def test_a_tape_keeps_the_bytes_and_holds_them_out_of_the_kernel_s_way() -> None:
    tape = Tape(1 << 20)
    async with upstream(upper) as port, relayed(port, tape=tape) as (balancer, here), connected(here) as client:
        await client.send(b"a" * 200_000)
        assert await client.exactly(200_000) == b"A" * 200_000
        client.end()
        await client.all()
        assert (await balancer.ended())._splice is None
        assert (tape.read("client"), tape.read("server")) == (b"a" * 200_000, b"A" * 200_000)


async def test_draining_lets_go_of_quiet_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relaying, "QUIET", 0.05)
    async with upstream(upper) as port, relayed(port) as (balancer, here), connected(here) as client:
        await client.send(b"x")
        assert await client.exactly(1) == b"X"
        balancer.gate.drain()
        assert await client.all() == b""
        assert (await balancer.ended()).error is None


async def test_without_descriptors_connections_wait_in_the_backlog(monkeypatch: pytest.MonkeyPatch) -> None:
    failures = 2

    class Scarce:
        """A listening socket of a process that has no descriptor left, for a while."""

        def __init__(self, sock: socket.socket) -> None:
            self.sock = sock

        def _accept(self) -> Any:
            nonlocal failures
            if failures:
                failures -= 1
                raise OSError(errno.EMFILE, "too many open files")
            return self.sock._accept()  # type: ignore[attr-defined]  # what `accept` stands on

        def __getattr__(self, name: str) -> Any:
            return getattr(self.sock, name)

    monkeypatch.setattr(polling, "BREATH", 0.01)
    original = Acceptor.__init__

    def scarce(self: Acceptor, poller: Poller, sock: Any, accepted: Any) -> None:
        original(self, poller, Scarce(sock), accepted)  # type: ignore[arg-type]  # stands for a socket

    monkeypatch.setattr(Acceptor, "__init__", scarce)
    async with upstream(upper) as port, relayed(port) as (_, here), connected(here) as client:
        await client.send(b"x")
        assert await client.exactly(1) == b"X"
        assert failures == 0


async def test_many_at_once() -> None:
    async with upstream(upper) as port, relayed(port) as (balancer, here):

        async def one(number: int) -> None:
            async with connected(here) as client:
                await client.send(b"a%d\n" % number)
                assert await client.until(b"\n") == b"A%d\n" % number
                client.end()
                assert await client.all() == b""

        await asyncio.gather(*map(one, range(300)))
        await balancer.ended()
        assert len(balancer.relays) == 300


async def test_a_callback_that_fails_ends_nobody_else() -> None:
    told: list[Any] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
    watched = Poller()
    pairs = [socket.socketpair() for _ in range(2)]
    heard: asyncio.Future[int] = loop.create_future()

    def fails(events: int) -> None:
        raise RuntimeError("a bug")

    watched.watch(pairs[0][0].fileno(), fails, polling.IN)
    watched.watch(pairs[1][0].fileno(), heard.set_result, polling.IN)
    for _, far in pairs:
        far.send(b"x")
    async with asyncio.timeout(SECONDS):
        assert await heard & polling.IN
    assert [str(error) for error in told] == ["a bug"]
    watched.close()
    for pair in pairs:
        for sock in pair:
            sock.close()
