"""WebSocket through the proxies and balancers: what passes is the same, and its frames are counted and shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import websockets

from netlab.cores.websocket import Message, WebSocketCore, encode_frame
from netlab.cores.websocket_counter import FrameCounter
from netlab.flow import Flow, Level, Outcome
from netlab.net.certs import Authority
from netlab.net.tls_context import client_context
from tests.cores.websocket_corpus import MASK
from tests.servers.forward_proxy.proxying import proxying
from tests.servers.l4_balancer.balanced import LINUX
from tests.servers.l4_balancer.balanced import Balanced as Layer4
from tests.servers.l4_balancer.balanced import balancing as layer_4
from tests.servers.l7_balancer.balanced import balanced
from tests.servers.proxies import Proxied
from tests.servers.reverse_proxy.proxied import proxied
from tests.servers.websocket.serving import serving, serving_tls

TEXT = "words that are worth to be compressed " * 5


async def talk(uri: str, **more: Any) -> None:
    async with websockets.connect(uri, max_size=None, **more) as client:
        for message in ("hello", TEXT, b"\x00" * 100_000):
            await client.send(message)
            assert await client.recv() == message
        await (await client.ping(b"1"))
        await client.close(3001, "enough")


async def watched(proxy: Proxied[Any] | Layer4) -> Flow:
    await proxy.until(lambda: any(flow.kind == "websocket" and flow.ended for flow in proxy.flows))
    (flow,) = [flow for flow in proxy.flows if flow.kind == "websocket"]
    assert flow.details is not None
    details = {name: flow.details[name] for name in ("messages_received", "messages_sent", "closed_by")}
    assert details == {"messages_received": 3, "messages_sent": 3, "closed_by": "client"}
    assert (flow.details["frames_received"], flow.details["frames_sent"]) == (5, 5)
    assert (flow.outcome, flow.result) == (Outcome.OK, "3001")
    return flow


def shown(flow: Flow) -> None:
    assert flow.events is not None
    assert [event.name for event in flow.events if event.side == "client"] == [
        *["message.received"] * 3,
        "ping.received",
        "close.received",
    ]
    messages = [event for event in flow.events if event.name == "message.sent"]
    assert [event.fields.get("text") for event in messages] == ["hello", TEXT, None]
    assert messages[1].fields["payload"] < len(TEXT) // 2


@pytest.mark.parametrize("level", [Level.FULL, Level.SUMMARY])
async def test_reverse_proxy(level: Level) -> None:
    async with serving() as served, proxied(served.port, level=level) as proxy:
        await talk(f"ws://127.0.0.1:{proxy.port}/")
        flow = await watched(proxy)
        assert flow.label == "WebSocket /"
        if level is Level.FULL:
            shown(flow)


@pytest.mark.one_loop
async def test_balancer() -> None:
    async with serving() as served, balanced(served.port) as proxy:
        await talk(f"ws://127.0.0.1:{proxy.port}/")
        shown(await watched(proxy))


@LINUX
@pytest.mark.one_loop
async def test_layer_4_balancer() -> None:
    """Where a flow is kept in full, each message is where its bytes are; else they are the kernel's business."""
    async with serving() as served, layer_4(served.port) as balancer:
        await talk(f"ws://127.0.0.1:{balancer.port}/")
        flow = await watched(balancer)
        shown(flow)
        assert flow.events is not None
        assert flow.parent is not None
        assert flow.parent.wire is not None
        (hello, *_) = [event for event in flow.events if event.name == "message.sent"]
        said = b"".join(chunk.data for chunk in flow.parent.wire.chunks if chunk.side == "server")
        assert said[hello.start : hello.end] == encode_frame(1, b"hello")


@LINUX
@pytest.mark.one_loop
async def test_layer_4_balancer_where_tls_ends(tmp_path: Path) -> None:
    async with serving() as served, layer_4(served.port, tls=True, state=tmp_path, level=Level.SUMMARY) as balancer:
        trust = client_context(authority=Authority.load(tmp_path))
        await talk(f"wss://localhost:{balancer.port}/", ssl=trust)
        await watched(balancer)


@pytest.mark.one_loop
async def test_tunnel_of_a_forward_proxy() -> None:
    async with serving() as served, proxying() as proxy:
        await talk(f"{served.url}/", proxy=f"http://{proxy.address}")
        shown(await watched(proxy))


@pytest.mark.one_loop
async def test_tunnel_with_bulk() -> None:
    """What is watched is not handed to the kernel."""
    async with serving() as served, proxying(level=Level.SUMMARY) as proxy:
        through = f"http://{proxy.address}"
        async with websockets.connect(f"{served.url}/", proxy=through, max_size=None, compression=None) as client:
            for _ in range(5):
                await client.send(b"x" * 3_000_000)
                assert len(await client.recv()) == 3_000_000
        await proxy.until(lambda: any(flow.kind == "websocket" and flow.ended for flow in proxy.flows))
        (flow,) = [flow for flow in proxy.flows if flow.kind == "websocket"]
        assert flow.details is not None
        assert flow.details["messages_sent"] == 5
        assert flow.received > 15_000_000


@pytest.mark.one_loop
async def test_inside_of_tls_that_is_opened(tmp_path: Path) -> None:
    async with serving_tls(tmp_path) as port, proxying(state=tmp_path, intercept=("*",)) as proxy:
        trust = client_context(authority=Authority.load(tmp_path))
        await talk(f"wss://localhost:{port}/", proxy=f"http://{proxy.address}", ssl=trust)
        shown(await watched(proxy))


@pytest.mark.parametrize("step", [1, 2, 3, 5, 1000])
def test_frames_are_counted_in_any_split(step: int) -> None:
    client = WebSocketCore(mask=lambda: MASK)
    for size in (0, 1, 125, 126, 65535, 65536):
        client.send(2, bytes(size))
    client.ping(b"x")
    client.send_fragmented(1, [b"a", b"b", b""])
    client.close(4000, "bye")
    said = client.outgoing()
    counter = FrameCounter()
    for start in range(0, len(said), step):
        counter.receive(said[start : start + step])
    assert (counter.messages, counter.frames, counter.close) == (7, 11, 4000)
    reader = WebSocketCore()
    assert sum(isinstance(event, Message) for event in reader.receive(said)) == 7
