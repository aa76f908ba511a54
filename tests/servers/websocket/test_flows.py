"""What a conversation leaves behind: events with spans of the wire, HAR with its messages, a page of `netlab show`."""

from __future__ import annotations

import asyncio
import json
from io import BytesIO

import websockets

from netlab.cores.websocket import WebSocketCore
from netlab.flow import Level
from netlab.inspect.har import write_har
from netlab.inspect.record import read_flows, to_record
from netlab.inspect.show import page
from tests.servers.reverse_proxy.proxied import proxied
from tests.servers.websocket.serving import SECONDS, Served, raw, serving

TEXT = "said again and again, " * 10


async def talk(port: int) -> None:
    async with websockets.connect(f"ws://127.0.0.1:{port}/") as client:
        await client.send(TEXT)
        await client.recv()
        await client.send(b"\x00\x01")
        await client.recv()
        await (await client.ping(b"ping"))
        await client.close(1001, "off")


async def talked(served: Served) -> list[dict[str, object]]:
    await talk(served.port)
    await served.ended()
    while served.server.gate.connections:
        await asyncio.sleep(0)
    return [to_record(flow, whole=True) for flow in served.server.context.flows]


async def test_events_and_their_bytes() -> None:
    async with serving() as served:
        await talked(served)
        flow = served.flows[0]
        connection = flow.parent
        assert connection is not None
        assert connection.wire is not None
        assert flow.events is not None
        names = [(event.side, event.name) for event in flow.events]
        assert names == [
            ("client", "message.received"),
            ("server", "message.sent"),
            ("client", "message.received"),
            ("server", "message.sent"),
            ("client", "ping.received"),
            ("server", "pong.sent"),
            ("client", "close.received"),
            ("server", "close.sent"),
        ]
        first = flow.events[0].fields
        assert (first["text"], first["size"]) == (TEXT, len(TEXT))
        assert first["payload"] < len(TEXT) // 4
        assert first["ratio"] == round(first["payload"] / len(TEXT), 3)
        assert flow.events[-2].fields == {"code": 1001, "reason": "off", "meaning": "1001 going away"}
        for event in flow.events:  # the spans are those of whole frames
            if event.end and event.side == "client":
                piece = connection.wire.read("client", event.start, event.end)
                reader = WebSocketCore()
                assert piece[1] & 0x80
                assert reader.receive(piece[:1]) == []
        sent = [event for event in flow.events if event.name == "message.sent"]
        heard = connection.wire.read("server", sent[1].start, sent[1].end)
        assert heard == b"\x82\x02\x00\x01"


async def test_har_and_show() -> None:
    async with serving() as served:
        records = await talked(served)
    out = BytesIO()
    assert write_har(records, out) == "1 request"
    (entry,) = json.loads(out.getvalue())["log"]["entries"]
    assert entry["_resourceType"] == "websocket"
    assert entry["request"]["url"].startswith("ws://127.0.0.1:")
    assert [(message["type"], message["opcode"], message["data"]) for message in entry["_webSocketMessages"]] == [
        ("send", 1, TEXT),
        ("receive", 1, TEXT),
        ("send", 2, "AAE="),
        ("receive", 2, "AAE="),
    ]
    assert entry["response"]["status"] == 101
    flows = read_flows(records)
    (talk_flow,) = [flow for flow in flows if flow.kind == "websocket"]
    parent = next(flow for flow in flows if flow.id == talk_flow.parent)
    shown = page(talk_flow, parent, [])
    assert "websocket  WebSocket /  1001 ok" in shown
    assert "closed_by" in shown
    assert "ratio = 0." in shown
    assert "message.sent  bytes " in shown


async def test_a_summary_counts() -> None:
    async with serving(Level.SUMMARY) as served:
        await talked(served)
        flow = served.flows[0]
        assert flow.events is None
        assert flow.details is not None
        assert (flow.details["messages_received"], flow.details["messages_sent"]) == (2, 2)
        assert 0 < flow.received < len(TEXT)  # compressed, and without the handshake
        assert 0 < flow.sent < len(TEXT)


async def test_round_trips() -> None:
    async with serving(ping_interval=0.05, level=Level.FULL) as served, raw(served) as client:
        header = await client.hear(2)
        data = await client.hear(header[1])
        client.frame(0xA, data)
        client.frame(1, b"x")
        await client.hear(3)
        flow = served.flows[0]
        assert flow.details is not None
        assert 0 < flow.details["round_trip"] < SECONDS


async def test_spans_of_what_passes_a_proxy() -> None:
    async with serving() as served, proxied(served.port) as proxy:
        await talk(proxy.port)
        await proxy.until(lambda: any(flow.kind == "websocket" and flow.ended for flow in proxy.flows))
        (flow,) = [flow for flow in proxy.flows if flow.kind == "websocket"]
        assert flow.events is not None
        assert flow.parent is not None
        assert flow.parent.wire is not None
        event = next(event for event in flow.events if event.name == "message.sent" and event.fields["size"] == 2)
        assert flow.parent.wire.read("server", event.start, event.end) == b"\x82\x02\x00\x01"
        event = next(event for event in flow.events if event.name == "ping.received")
        assert len(flow.parent.wire.read("client", event.start, event.end)) == 2 + 4 + 4
