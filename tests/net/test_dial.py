"""Dialing: where it goes, what it says when it fails, and that it leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from netlab.errors import PeerUnreachable
from netlab.flow import Flow, FlowLog, Level, Outcome
from netlab.net.addresses import AddressMap, Overrides, SocketAddress
from netlab.net.dial import Dialer, Timeouts
from netlab.net.outgoing import Outgoing
from netlab.net.secure import TlsOptions


class Reader(Outgoing):
    """Keeps what it reads, until the peer's end."""

    def __init__(self, flow: Flow) -> None:
        super().__init__(flow)
        self.read = b""
        self.ended: asyncio.Future[bytes] = self.loop.create_future()

    def feed(self, data: bytes) -> None:
        self.read += data
        if not data and not self.ended.done():
            self.ended.set_result(self.read)

    def lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(self.read)


@asynccontextmanager
async def echo(host: str = "127.0.0.1", context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server nobody here wrote, that sends back what it reads."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except (ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, host, 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@contextmanager
def black_hole() -> Iterator[SocketAddress]:
    """An address that never answers: its backlog is full, so the kernel drops every further SYN."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield SocketAddress(*listener.getsockname())


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def events(flow: Flow) -> list[str]:
    return [event.name for event in flow.events or ()]


async def test_a_leg_is_seen_with_its_events_bytes_and_times() -> None:
    flows = FlowLog(Level.FULL)
    request = flows.open("http")
    async with echo() as port:
        dialer = Dialer(flows, service="proxy")
        transport, protocol, flow = await dialer.dial("127.0.0.1", port, Reader, parent=request)
        protocol.write(b"hello")
        transport.write_eof()
        assert await protocol.ended == b"hello"
        transport.close()
    assert (flow.kind, flow.service, flow.parent, flow.label) == ("tcp", "proxy", request, f"127.0.0.1:{port}")
    assert flow.server == ("127.0.0.1", port)
    assert events(flow) == ["name.resolved", "connect.started", "connection.opened"]
    assert flow.wire is not None
    assert flow.wire.read("client") == flow.wire.read("server") == b"hello"
    assert flow.details is not None
    assert flow.details["timings"]["connect"] > 0
    assert flow.details["timings"]["resolve"] == flow.details["timings"]["tls"] == 0


async def test_the_flow_ends_with_the_connection() -> None:
    flows = FlowLog()
    async with echo() as port:
        transport, protocol, flow = await Dialer(flows).dial("127.0.0.1", port, Reader)
        assert flow.outcome == Outcome.OPEN
        transport.close()
        await protocol.ended
    assert flow.outcome == Outcome.OK


async def test_the_map_goes_before_the_resolver_and_an_override_before_the_map() -> None:
    async def never(host: str) -> Sequence[str]:
        raise AssertionError("the resolver was asked")

    async with echo() as mapped, echo("127.0.0.2") as overridden:
        lab = AddressMap()
        dialer = Dialer(FlowLog(), addresses=lab, resolver=never)
        lab.add("www.shop.test", "127.0.60.1", {443: ("127.0.0.1", mapped)})
        _, protocol, flow = await dialer.dial("www.shop.test", 443, Reader)
        assert flow.server == ("127.0.0.1", mapped)
        protocol.abort()
        _, protocol, flow = await dialer.dial("127.0.60.1", 443, Reader)
        assert flow.server == ("127.0.0.1", mapped)
        protocol.abort()
        dialer.overrides = Overrides([f"www.shop.test:{overridden}:127.0.0.2"])
        _, protocol, flow = await dialer.dial("www.shop.test", overridden, Reader)
        assert flow.server == ("127.0.0.2", overridden)
        protocol.abort()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("name", ["localhost", "LOCALHOST.", "app.localhost"])
async def test_localhost_is_this_machine_in_either_family_and_no_resolver_is_asked(host: str, name: str) -> None:
    async def never(host: str) -> Sequence[str]:
        raise AssertionError("the resolver was asked")

    async with echo(host) as port:
        _, protocol, flow = await Dialer(FlowLog(), resolver=never).dial(name, port, Reader)
        assert flow.server == (host, port)
        protocol.abort()


async def resolved_to(*addresses: str) -> Callable[[str], Awaitable[Sequence[str]]]:
    async def resolver(host: str) -> Sequence[str]:
        return addresses

    return resolver


async def refused(dialer: Dialer, host: str, port: int, **options: object) -> PeerUnreachable:
    with pytest.raises(PeerUnreachable) as caught:
        await dialer.dial(host, port, Reader, **options)  # type: ignore[arg-type]  # each test gives what it is about
    return caught.value


async def test_failures_name_stage_place_and_reason() -> None:
    flows = FlowLog(Level.FULL)
    dialer, port = Dialer(flows), free_port()
    error = await refused(dialer, "127.0.0.1", port)
    assert str(error) == f"nothing listens on 127.0.0.1 port {port} (connection refused)"
    assert (error.stage, error.timed_out) == ("connect", False)
    flow = list(flows)[-1]
    assert (flow.outcome, flow.result) == (Outcome.UNREACHABLE, str(error))
    assert events(flow)[-2:] == ["connect.failed", "dial.failed"]

    error = await refused(dialer, "localhost", port)
    assert f"localhost (127.0.0.1) port {port} (connection refused); nothing listens on localhost (::1)" in str(error)
    error = await refused(dialer, "nobody.test", 80)
    assert error.stage == "resolve"
    assert "no host nobody.test in this lab" in str(error)
    error = await refused(dialer, "nobody.invalid", 80)
    assert "cannot exist" in str(error)
    error = await refused(dialer, "127.0.0.1", port, source="2001:db8::1")
    assert "another family" in str(error)
    error = await refused(dialer, "127.0.0.1", port, source="192.0.2.1")
    assert "source address is not one of this machine" in str(error)


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "the name a.example does not exist"),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), "no resolver answers for a.example"),
        (socket.gaierror(socket.EAI_FAIL, "Non-recoverable"), "cannot look up a.example: Non-recoverable"),
        (UnicodeError("label too long"), "'a.example' is not the name of a host"),
    ],
)
async def test_a_resolver_that_fails(failure: Exception, words: str) -> None:
    async def resolver(host: str) -> Sequence[str]:
        raise failure

    error = await refused(Dialer(FlowLog(), resolver=resolver), "a.example", 80)
    assert (error.stage, str(error)) == ("resolve", words)


async def test_the_systems_resolver_is_asked_for_what_nothing_else_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def getaddrinfo(host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        asked.append(host)
        return [(0, 0, 0, "", ("127.0.0.1", 0)), (0, 0, 0, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    async with echo() as port:
        _, protocol, flow = await Dialer(FlowLog()).dial("origin.example", port, Reader)
        protocol.abort()
    assert asked == ["origin.example"]
    assert flow.details is not None
    assert flow.details["timings"]["resolve"] > 0


async def test_a_resolver_that_hangs_holds_neither_the_dial_nor_the_loops_end(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def hang(*_: object, **__: object) -> None:
        release.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "too late for anyone")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    dialer = Dialer(FlowLog(), timeouts=Timeouts(resolve=0.02))
    error = await refused(dialer, "slow.example", 80)
    assert (error.stage, error.timed_out) == ("resolve", True)
    assert str(error) == "no answer about slow.example from the resolver within 0.02 s"
    await asyncio.get_running_loop().shutdown_default_executor()
    release.set()


async def test_a_silent_address_is_overtaken_and_the_loser_closed() -> None:
    with black_hole() as silent:
        async with echo() as port:
            lab = AddressMap()
            lab.add("two.test", "127.0.60.1", {80: silent})
            lab.add("two.test", "127.0.60.2", {80: ("127.0.0.1", port)})
            before = descriptors()
            _, protocol, flow = await Dialer(FlowLog(), addresses=lab).dial("two.test", 80, Reader)
            assert flow.server == ("127.0.0.1", port)
            assert flow.details is not None
            assert 0.2 < flow.details["timings"]["connect"] < 2  # one stagger
            protocol.abort()
            await settled(before)


async def test_a_silent_address_alone_meets_the_deadline() -> None:
    with black_hole() as silent:
        before = descriptors()
        dialer = Dialer(flows := FlowLog(), timeouts=Timeouts(connect=0.05))
        error = await refused(dialer, *silent)
        assert (error.stage, error.timed_out) == ("connect", True)
        assert str(error) == f"{silent} does not answer (no connection within 0.05 s)"
        assert list(flows)[-1].outcome == Outcome.TIMEOUT
        await settled(before)


@dataclass(frozen=True)
class No:
    reason: str = "it is a loopback address"


async def test_the_check_is_asked_about_the_address_really_dialled() -> None:
    asked = []

    def allow(target: SocketAddress) -> No | None:
        asked.append(target)
        return No() if target.address == "127.0.0.1" else None

    async with echo("127.0.0.2") as port:
        dialer = Dialer(FlowLog(), allow=allow, resolver=await resolved_to("127.0.0.1", "127.0.0.2"))
        _, protocol, flow = await dialer.dial("rebind.example", port, Reader)
        assert flow.server == ("127.0.0.2", port)
        assert [target.address for target in asked] == ["127.0.0.1", "127.0.0.2"]
        protocol.abort()
        error = await refused(dialer, "127.0.0.1", port)
        assert error.stage == "policy"
        assert str(error) == f"127.0.0.1 port {port} must not be dialled: it is a loopback address"


async def test_a_connection_can_be_made_from_a_chosen_address() -> None:
    async with echo() as port:
        _, protocol, flow = await Dialer(FlowLog()).dial("127.0.0.1", port, Reader, source="127.0.0.5")
        assert isinstance(flow.client, tuple)
        assert flow.client[0] == "127.0.0.5"
        protocol.abort()
        # an address of loopback is used where it leads: not to the other family, not to the world
        _, protocol, flow = await Dialer(FlowLog()).dial("127.0.0.1", port, Reader, source="::1")
        assert isinstance(flow.client, tuple)
        assert flow.client[0] == "127.0.0.1"
        protocol.abort()


async def test_a_factory_that_fails_leaves_nothing_open() -> None:
    def broken(flow: Flow) -> Reader:
        raise RuntimeError("a bug")

    async with echo() as port:
        before = descriptors()
        dialer = Dialer(flows := FlowLog())
        with pytest.raises(RuntimeError):
            await dialer.dial("127.0.0.1", port, broken)
        assert list(flows)[-1].outcome == Outcome.ERROR
        await settled(before)


# -- TLS ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for origin.test and its key, in one file."""
    path = tmp_path_factory.mktemp("tls") / "origin.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout - -subj /CN=origin.test"
    )
    made = subprocess.run(
        [*command.split(), "-addext", "subjectAltName=DNS:origin.test"], check=True, capture_output=True
    )
    path.write_bytes(made.stdout)
    return path


def server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def options(certificate: Path | None = None) -> TlsOptions:
    return TlsOptions(context=ssl.create_default_context(cafile=certificate))


async def test_tls_is_established_before_the_protocol_begins(certificate: Path) -> None:
    flows = FlowLog(Level.FULL)
    async with echo(context=server_context(certificate)) as port:
        lab = AddressMap()
        lab.add("origin.test", "127.0.60.1", {443: ("127.0.0.1", port)})
        dialer = Dialer(flows, addresses=lab)
        transport, protocol, flow = await dialer.dial("origin.test", 443, Reader, tls=options(certificate))
        assert transport.get_extra_info("ssl_object").version() == "TLSv1.3"
        protocol.write(b"hello")
        while protocol.read != b"hello":
            await asyncio.sleep(0)
        transport.close()
        await protocol.ended
    assert "tls.established" in events(flow)
    assert flow.plain is not None
    assert flow.wire is not None
    assert flow.plain.read("client") == b"hello"
    assert flow.wire.read("client")[:1] == b"\x16"  # a handshake record: the tape is what was on the network
    assert flow.details is not None
    assert flow.details["timings"]["tls"] > 0


async def test_a_certificate_nobody_vouches_for(certificate: Path) -> None:
    async with echo(context=server_context(certificate)) as port:
        before = descriptors()
        dialer = Dialer(flows := FlowLog(), overrides=Overrides([f"origin.test:{port}:127.0.0.1"]))
        error = await refused(dialer, "origin.test", port, tls=options())
        assert error.stage == "tls"
        assert "signed by itself" in str(error)
        assert list(flows)[-1].outcome == Outcome.UNREACHABLE
        await settled(before)


async def test_a_server_that_never_answers_the_hello_meets_the_deadline() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        before = descriptors()
        dialer = Dialer(FlowLog(), timeouts=Timeouts(tls=0.05))
        error = await refused(dialer, "127.0.0.1", port, tls=options())
        assert (error.stage, error.timed_out) == ("tls", True)
        await settled(before)


# -- cancelling -----------------------------------------------------------------------------------------------------


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def settled(before: int) -> None:
    """Wait until as many descriptors are open as were before, and no task but this one is left."""
    async with asyncio.timeout(5):
        while descriptors() > before or len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0)
    assert descriptors() == before


@pytest.mark.parametrize("way", ["resolve", "plain", "race", "tls"])
async def test_cancelled_at_any_await_a_dial_leaves_nothing_open(way: str, certificate: Path) -> None:
    loop = asyncio.get_running_loop()
    context = server_context(certificate) if way == "tls" else None
    async with echo(context=context) as port:
        lab = AddressMap()
        lab.add("origin.test", "127.0.60.1", {443: ("127.0.0.1", free_port() if way == "race" else port)})
        if way == "race":
            lab.add("origin.test", "127.0.60.2", {443: ("127.0.0.1", port)})
            lab.add("origin.test", "127.0.60.3", {443: ("127.0.0.1", port)})

        async def resolver(host: str) -> Sequence[str]:
            await asyncio.sleep(0)
            return ["127.0.0.1"]

        name, at = ("origin.example", port) if way == "resolve" else ("origin.test", 443)
        dialer = Dialer(flows := FlowLog(), addresses=lab, resolver=resolver)
        tls = options(certificate) if way == "tls" else None
        before, done = descriptors(), False
        for turns in range(200):
            task = loop.create_task(dialer.dial(name, at, Reader, tls=tls))
            for _ in range(turns):
                await asyncio.sleep(0)
            done = not task.cancel()
            if done:
                (await task)[1].abort()
            else:
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert not turns or list(flows)[-1].outcome == Outcome.CANCELLED
            while len(asyncio.all_tasks()) > 1:
                await asyncio.sleep(0)
            await settled(before)
            if done:
                break
        assert done
