"""The WebSocket server byte by byte: handshakes, violations, the closing handshake."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from netlab.cores.websocket import BINARY, CLOSE, PING, PONG, TEXT, Close, Event, Message, encode_frame
from netlab.cores.websocket_deflate import Deflate, Deflater
from netlab.flow import Outcome
from tests.cores.websocket_corpus import CASES, Case, close, frame
from tests.servers.websocket.serving import Raw, client_core, handshake, raw, serving, serving_tls

ON_THE_WIRE = [case for case in CASES if case.rule in {"mask", "rsv.set", "close.code", "text.utf8", "control.long"}][
    ::4
]


@pytest.mark.one_loop
@pytest.mark.parametrize(
    ("said", "status", "why"),
    [
        (handshake(Upgrade=""), 426, "it wants HTTP/1.1 with Upgrade: websocket"),
        (handshake(Sec_WebSocket_Version="8"), 426, "version 8"),
        (handshake(Sec_WebSocket_Key="c2hvcnQ="), 400, "16 bytes in base64"),
        (handshake(Content_Length="5"), 400, "no content"),
        (handshake(Content_Length="5") + b"hello", 400, "no content"),
        (handshake("/nothing"), 404, "no WebSocket is at /nothing"),
        (handshake().replace(b"GET", b"POST"), 405, "with GET"),
    ],
)
async def test_refusals_say_why(said: bytes, status: int, why: str) -> None:
    async with serving() as served, raw(served, upgrade=False) as client:
        client.say(said)
        head = await client.head()
        assert head.startswith(f"HTTP/1.1 {status} ")
        length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
        assert why in (await client.hear(length)).decode()
        if status == 426:
            assert "upgrade: websocket" in head.lower()
            assert ("Sec-WebSocket-Version: 13" in head) is ("version" in why)


@pytest.mark.one_loop
async def test_origins_are_looked_at() -> None:
    async with serving(origin=("https://app.test",)) as served:
        async with raw(served, Origin="https://app.test"):
            pass
        async with raw(served, upgrade=False) as client:
            client.say(handshake(Origin="https://evil.test"))
            assert (await client.head()).startswith("HTTP/1.1 403 ")


async def test_frames_that_come_with_the_handshake() -> None:
    async with serving() as served, raw(served, upgrade=False) as client:
        client.say(handshake() + frame(TEXT, b"early"))
        assert "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in await client.head()
        assert await client.hear(7) == encode_frame(TEXT, b"early")


@pytest.mark.one_loop
@pytest.mark.parametrize("case", ON_THE_WIRE, ids=lambda case: case.name)
async def test_violations_on_the_wire(case: Case) -> None:
    async with serving() as served, raw(served) as client:
        client.say(case.said)
        assert await client.hear(8) == encode_frame(TEXT, b"before")
        closing = await client.rest()
        assert closing[0] == 0x88
        assert int.from_bytes(closing[2:4], "big") == case.code
        client.writer.close()
        flow = await served.ended()
        assert (flow.result, flow.outcome) == (str(case.code), Outcome.VIOLATION)
        assert flow.events is not None
        assert "protocol.violated" in [event.name for event in flow.events]


async def test_the_server_ends_the_connection() -> None:
    async with serving() as served, raw(served) as client:
        client.say(close(3000, b"enough"))
        assert await client.rest() == encode_frame(CLOSE, (3000).to_bytes(2, "big") + b"enough")
        client.writer.close()
        flow = await served.ended()
        assert (flow.result, flow.outcome) == ("3000", Outcome.OK)


async def test_a_close_that_the_server_began() -> None:
    async with serving() as served, raw(served, "/close/1013") as client:
        said = await client.hear(12)
        assert said == encode_frame(CLOSE, (1013).to_bytes(2, "big") + b"as asked")
        client.say(frame(PING, b"late") + close(1013) + frame(PING, b"too late"))
        assert await client.rest() == encode_frame(PONG, b"late")  # RFC 6455 5.5.2
        client.writer.close()
        flow = await served.ended()
        assert flow.details is not None
        assert (flow.result, flow.details["closed_by"]) == ("1013", "server")


@pytest.mark.one_loop
async def test_large_messages_are_refused_while_they_come() -> None:
    async with serving(max_message=1000) as served, raw(served) as client:
        client.say(frame(TEXT, b"x" * 2_000_000))
        assert (await client.rest())[2:4] == (1009).to_bytes(2, "big")


@pytest.mark.one_loop
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
async def test_a_violation_is_told_over_tls_with_input_unread(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """Closed at once, the connection would be reset by what nobody reads, and the code lost with it."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    async with serving_tls(tmp_path) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        client = Raw(reader, writer)
        client.say(handshake())
        await client.head()
        client.say(frame(3, b"no such opcode"))
        assert (await client.hear(4))[2:] == (1002).to_bytes(2, "big")
        client.say(bytes(300_000))
        assert b"0x3" in await client.rest()
        writer.close()


@pytest.mark.one_loop
async def test_a_read_that_inflates_to_much_takes_several_turns() -> None:
    """And its answers wait for their reader in between."""
    message = frame(BINARY, Deflater(Deflate(we_forget=True)).message(bytes(5 << 20)), rsv=4)
    async with serving() as served, raw(served, Sec_WebSocket_Extensions="permessage-deflate") as client:
        (connection,) = served.server.gate.connections
        client.say(message * 3 + frame(TEXT, b"behind") + close(1000))
        answers = client_core(deflate=Deflate())
        events: list[Event] = []
        while not events or not isinstance(events[-1], Close):
            events += answers.receive(answers.rest() if answers.more else await client.hear(1))
        assert [len(event.data) for event in events if isinstance(event, Message)] == [5 << 20] * 3 + [6]
        assert not connection.held  # type: ignore[attr-defined]


@pytest.mark.one_loop
async def test_compression_is_agreed_on() -> None:
    offer = "permessage-deflate; client_max_window_bits; server_no_context_takeover"
    async with serving() as served, raw(served, upgrade=False) as client:
        client.say(handshake(Sec_WebSocket_Extensions=offer))
        agreed = "permessage-deflate; server_no_context_takeover; server_max_window_bits=12; client_max_window_bits=12"
        assert f"Sec-WebSocket-Extensions: {agreed}\r\n" in await client.head()
    async with serving(compression=False) as served, raw(served, upgrade=False) as client:
        client.say(handshake(Sec_WebSocket_Extensions=offer))
        assert "Sec-WebSocket-Extensions" not in await client.head()


async def test_subprotocols_on_the_wire() -> None:
    async with serving(subprotocol=("v2", "v1")) as served, raw(served, upgrade=False) as client:
        client.say(handshake(Sec_WebSocket_Protocol="v1, v2"))
        assert "Sec-WebSocket-Protocol: v2\r\n" in await client.head()


@pytest.mark.one_loop
async def test_nothing_stands_inside_of_a_frame_that_drips() -> None:
    async with serving() as served, raw(served, "/slow") as client:
        client.say(frame(TEXT, b"slowly"))
        assert await client.hear(1) == b"\x81"
        client.say(frame(PING, b"there?"))
        assert await client.hear(1) == b"\x06"
        client.say(close(1000))
        assert await client.rest() == b"slowly" + encode_frame(PONG, b"there?") + encode_frame(CLOSE, b"\x03\xe8")


def test_every_frame_has_a_mask_of_its_own() -> None:
    import os

    from netlab.cores.websocket import WebSocketCore

    core = WebSocketCore(mask=lambda: os.urandom(4))
    for _ in range(3):
        core.send(TEXT, b"same")
    out = core.outgoing()
    assert len({out[2 + n * 10 : 6 + n * 10] for n in range(3)}) == 3
