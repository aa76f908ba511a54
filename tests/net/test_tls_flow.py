"""TLS under a `Connection`: what its flow keeps, its deadlines and its lingering; and bounded memory for slow peers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from netlab.flow import Flow, FlowLog, Level, Outcome
from netlab.net.certs import Authority
from netlab.net.connection import Connection
from netlab.net.gate import Gate, GateLimits
from netlab.net.tls import TlsLayer
from netlab.net.tls_context import ServerContexts, client_context
from netlab.net.tls_secrets import LINES_LIMIT, KeyLog
from tests.tls_apps import Recorder, Served, descriptors, serving

LABELS_13 = {
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_TRAFFIC_SECRET_0",
    "CLIENT_TRAFFIC_SECRET_0",
    "EXPORTER_SECRET",
}


class Echo(Connection):
    """Answers every read with itself; `bye` is answered by a lingering close."""

    def attach(self, transport: Any) -> bool:
        if not super().attach(transport):
            return False
        self.set_deadline("handshake", 0.2)
        return True

    def opened(self) -> None:
        self.set_deadline("idle", 0)

    def feed(self, data: bytes) -> None:
        if data:
            self.write(data)
        if data.endswith(b"bye"):
            self.linger()
        elif not data:
            self.close()


class House:
    """A listener for Echo connections, with its gate and flows."""

    def __init__(self, level: Level, limits: GateLimits | None = None) -> None:
        self.flows, self.gate = FlowLog(level), Gate(limits, interval=0.01)
        self.served = Served()

    async def flow(self, index: int = 0) -> Flow:
        """A connection's flow, once it has ended."""
        subscription = self.flows.subscribe()
        flow = list(self.flows)[index]
        async with asyncio.timeout(10):
            while not flow.ended:
                await asyncio.sleep(0)
        subscription.close()
        return flow


@asynccontextmanager
async def house(contexts: ServerContexts, level: Level, limits: GateLimits | None = None) -> AsyncIterator[House]:
    made = House(level, limits)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: TlsLayer(Echo(made.gate, made.flows, "echo"), contexts, server_side=True), "127.0.0.1", 0
    )
    made.served.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for client in made.served.clients:
            client.raw.abort()
            await client.until("lost")
        made.gate.abort()
        await made.gate.emptied()
        made.gate.close()


async def visit(home: House, context: Any, words: bytes = b"hello", name: str = "www.shop.test") -> Recorder:
    client = await home.served.dial(Recorder(), context, name)
    await client.until("made")
    client.transport.write(words)
    await client.when(lambda: bytes(client.received) == words)
    client.transport.close()
    await client.until("lost")
    return client


@pytest.mark.parametrize("version", ["1.2", "1.3"])
async def test_a_flow_in_full(authority: Authority, contexts: ServerContexts, version: Any) -> None:
    before = descriptors()
    async with house(contexts, Level.FULL) as home:
        await visit(home, client_context(cafile=authority.certificate_path, maximum=version))
        flow = await home.flow()
    assert flow.details is not None
    assert flow.events is not None
    facts = flow.details["tls"]
    assert (facts["version"], facts["sni"], facts["alpn"]) == (f"TLSv{version}", "www.shop.test", "http/1.1")
    assert facts["resumed"] is False
    assert [event.name for event in flow.events][:2] == ["connection.opened", "tls.established"]
    assert flow.events[1].fields == facts
    assert flow.plain is not None
    assert flow.wire is not None
    assert (flow.plain.read("client"), flow.plain.read("server")) == (b"hello", b"hello")
    assert flow.wire.read("client")[:3] == b"\x16\x03\x01"
    assert flow.wire.read("server")[:3] == b"\x16\x03\x03"
    assert b"hello" not in flow.wire.read("client")
    lines = flow.details["secrets"].splitlines()
    random = flow.wire.read("client", 11, 43).hex()
    assert {line.split()[1] for line in lines} == {random}
    assert {line.split()[0] for line in lines} == (LABELS_13 if version == "1.3" else {"CLIENT_RANDOM"})
    assert flow.outcome == Outcome.OK
    assert contexts("www.shop.test").keylog_filename is None
    await asyncio.sleep(0)
    assert descriptors() <= before + 4  # uvloop keeps a few of its own once it has served


async def test_a_summary_keeps_no_secrets(trusting: ssl.SSLContext, contexts: ServerContexts) -> None:
    async with house(contexts, Level.SUMMARY) as home:
        await visit(home, trusting)
        flow = await home.flow()
    assert flow.details is not None
    assert set(flow.details) == {"tls"}
    assert (flow.wire, flow.plain, flow.events) == (None, None, None)


async def test_secrets_of_handshakes_at_the_same_time(trusting: ssl.SSLContext, contexts: ServerContexts) -> None:
    async with house(contexts, Level.FULL) as home:
        clients = [await home.served.dial(Recorder(), trusting) for _ in range(8)]
        for client in clients:
            await client.until("made")
            client.transport.write(b"x")
            await client.until("data")
            client.transport.close()
        for index in range(8):
            flow = await home.flow(index)
            assert flow.wire is not None
            assert flow.details is not None
            random = flow.wire.read("client", 11, 43).hex()
            assert [line.split()[1] for line in flow.details["secrets"].splitlines()] == [random] * 5
    assert not KeyLog._open


async def test_a_clients_flow(trusting: ssl.SSLContext, contexts: ServerContexts) -> None:
    flows = FlowLog(Level.FULL)
    async with serving(lambda: Recorder(lambda data: data), contexts) as served:
        flow = flows.open("tcp")
        client = await served.dial(Recorder(), trusting, flow=flow)
        await client.until("made")
        assert flow.wire is not None
        assert flow.details is not None
        assert flow.wire.read("client")[:3] == b"\x16\x03\x01"
        assert flow.wire.read("server")[:3] == b"\x16\x03\x03"
        assert {line.split()[0] for line in flow.details["secrets"].splitlines()} == LABELS_13
        assert flow.details["tls"]["sni"] == "localhost"
    assert not KeyLog._open


async def test_a_failed_handshake_is_on_the_flow(contexts: ServerContexts) -> None:
    async with house(contexts, Level.FULL) as home:
        client = await home.served.dial(Recorder(), client_context())
        await client.until("lost")
        flow = await home.flow()
    assert flow.events is not None
    failed = [event for event in flow.events if event.name == "tls.failed"]
    assert failed[0].side == "client"
    assert failed[0].fields["reason"].startswith("the client refused our certificate")
    assert flow.outcome == Outcome.VIOLATION
    assert flow.details is not None
    assert "secrets" in flow.details  # what was sent before it failed can be read, too


async def test_a_stalled_handshake_meets_the_deadline(contexts: ServerContexts) -> None:
    async with house(contexts, Level.FULL) as home:
        reader, writer = await asyncio.open_connection("127.0.0.1", home.served.port)
        writer.write(b"\x16\x03\x01")
        assert await reader.read() == b""
        writer.close()
        flow = await home.flow()
    assert (flow.outcome, flow.result) == (Outcome.TIMEOUT, "no handshake in time")
    assert not KeyLog._open


async def test_a_client_that_leaves_in_the_handshake(contexts: ServerContexts) -> None:
    async with house(contexts, Level.FULL) as home:
        _, writer = await asyncio.open_connection("127.0.0.1", home.served.port)
        writer.write(b"\x16\x03\x01")
        writer.close()
        while not len(home.flows):
            await asyncio.sleep(0)
        flow = await home.flow()
    assert (flow.outcome, flow.result) == (Outcome.CUT, "the client closed the connection during the TLS handshake")


async def test_a_full_house_turns_away(trusting: ssl.SSLContext, contexts: ServerContexts) -> None:
    async with house(contexts, Level.SUMMARY, GateLimits(connections=1)) as home:
        first = await home.served.dial(Recorder(), trusting)
        await first.until("made")
        second = await home.served.dial(Recorder(), trusting)
        await second.until("lost")
        assert second.calls == ["lost"]
        assert home.gate.turned_away == 1
        first.transport.write(b"still here")
        await first.until("data")


async def test_lingering(trusting: ssl.SSLContext, contexts: ServerContexts) -> None:
    """An early answer is read to its end though its reader was still sending."""
    async with house(contexts, Level.SUMMARY) as home:
        client = await home.served.dial(Recorder(half_close=True), trusting)
        await client.until("made")
        client.transport.write(b"good bye")
        await client.until("eof")
        assert bytes(client.received) == b"good bye"
        assert not client.transport.truncated
        client.transport.write(b"x" * 300_000)
        client.transport.close()
        flow = await home.flow()
    assert (flow.outcome, flow.result) == (Outcome.OK, "")


async def test_a_slow_reader_pauses_the_writer(trusting: ssl.SSLContext, contexts: ServerContexts) -> None:
    """Forty MiB are offered to one who does not read; what is kept for him stays bounded, and then he gets it all."""
    chunk, total = b"x" * 65_536, 40 * (1 << 20)

    class Source(Recorder):
        sent = most = 0

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.go_on()

        def go_on(self) -> None:
            while self.sent < total and (self.calls[-1] != "pause"):
                self.transport.write(chunk)
                self.sent += len(chunk)
                self.most = max(self.most, self.transport.get_write_buffer_size())
            if self.sent >= total:
                self.transport.close()

        def resume_writing(self) -> None:
            super().resume_writing()
            self.go_on()

    class Reader(Recorder):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            transport.pause_reading()

    async with serving(Source, contexts) as served:
        reader = await served.dial(Reader(), trusting)
        source = await served.app()
        await source.until("pause")
        await reader.until("made")
        assert source.sent < total
        reader.transport.resume_reading()
        await reader.when(lambda: len(reader.received) == total)
        assert source.most < 1 << 20
        await reader.until("eof")


def test_lines_of_strangers_do_not_pile_up(contexts: ServerContexts) -> None:
    context = contexts("pile.test")
    log = KeyLog.join(context)
    assert log is not None
    assert KeyLog.join(context) is log
    path = context.keylog_filename
    assert path is not None
    with open(path, "a") as file:
        file.writelines(f"LABEL {number:064x} secret\n" for number in range(LINES_LIMIT + 100))
    assert log.take(bytes(32)) == ""
    assert log.take((LINES_LIMIT + 99).to_bytes(32, "big")).endswith(" secret\n")
    assert log._count <= LINES_LIMIT
    log.leave()
    assert context.keylog_filename == path
    log.leave()
    assert context.keylog_filename is None


def test_a_key_log_of_somebody_elses_stays(contexts: ServerContexts, tmp_path: Any) -> None:
    context = contexts("logged.test")
    context.keylog_filename = str(tmp_path / "keys")
    assert KeyLog.join(context) is None
    context.keylog_filename = None
