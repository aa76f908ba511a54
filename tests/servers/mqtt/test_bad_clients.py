"""Clients that do harm: that do not read, say nothing, flood, chase each other away; clocks that jump; full queues."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from netlab.cores.mqtt_codes import V5, V311, Reason
from netlab.cores.mqtt_packets import Disconnect, Puback, Publish, Request, Will
from netlab.errors import UsageError
from netlab.flow import Flow, Level, Outcome
from tests.servers.mqtt.brokering import SECONDS, Broker, serving


async def ended(broker: Broker, count: int) -> list[Flow]:
    """The MQTT flows, once so many have ended."""
    flows, woken = broker.server.context.flows, asyncio.Event()
    subscription = flows.subscribe(woken.set)
    async with asyncio.timeout(SECONDS):
        while len(found := [flow for flow in flows if flow.kind == "mqtt" and flow.ended]) < count:
            await woken.wait()
            woken.clear()
            subscription.take()
    subscription.close()
    return found


@pytest.mark.parametrize("full", ["drop-new", "disconnect"])
async def test_a_client_that_does_not_read_has_a_bounded_queue(full: Any) -> None:
    async with serving(queue_bytes=200_000, queue_full=full) as broker:
        lazy, other = await broker.client("lazy"), await broker.client("other")
        await lazy.subscribe("a")
        lazy.writer.transport.pause_reading()  # type: ignore[attr-defined]  # of a socket's transport
        link = broker.broker.clients["lazy"].link
        dropped = broker.broker.statistics
        async with asyncio.timeout(SECONDS):
            while not dropped.dropped:
                for _ in range(50):
                    await other.publish("a", b"x" * 20_000)
                await other.all_so_far()
        assert link.pending < 250_000
        assert ("lazy" in broker.broker.clients) is (full == "drop-new")


async def test_a_client_that_is_told_off_while_it_does_not_read() -> None:
    async with serving() as broker:
        lazy, other = await broker.client("lazy", keep_alive=60), await broker.client("other")
        await lazy.subscribe("a")
        lazy.writer.transport.pause_reading()  # type: ignore[attr-defined]  # of a socket's transport
        link = broker.broker.clients["lazy"].link
        async with asyncio.timeout(SECONDS):
            while not link.writing_paused:
                await other.publish("a", b"x" * 100_000)
                await other.all_so_far()
            second = await broker.client("lazy")
            lazy.writer.transport.resume_reading()  # type: ignore[attr-defined]  # likewise
            while isinstance(packet := await lazy.receive(), Publish):
                pass
            assert isinstance(packet, Disconnect)
            assert packet.reason == Reason.SESSION_TAKEN_OVER
            assert await lazy.closed()
        assert await second.all_so_far() == []


@pytest.mark.parametrize("full", ["drop-new", "drop-oldest"])
async def test_a_queue_of_messages_that_is_full(full: Any) -> None:
    async with serving(queue_messages=3, queue_full=full, max_in_flight=1) as broker:
        client, other = await broker.client("one", receive_maximum=1), await broker.client("two")
        await client.subscribe(Request("a", 1))
        for number in range(1, 7):
            await other.publish("a", b"%d" % number, 1, packet_id=number)
        await other.all_so_far()
        payloads = []
        for _ in range(4):
            packet = await client.expect(Publish)
            payloads.append(packet.payload)
            await client.send(Puback(packet.packet_id))
        assert payloads == ([b"1", b"2", b"3", b"4"] if full == "drop-new" else [b"1", b"4", b"5", b"6"])
        assert await client.all_so_far() == []
        assert broker.broker.statistics.dropped == 2


async def test_who_says_nothing_is_let_go() -> None:
    async with serving(connect_timeout=0.01) as broker:
        client = await broker.dial()
        assert await client.reader.read() == b""


async def test_half_a_packet_and_no_more() -> None:
    async with serving() as broker:
        client = await broker.client("one", will=Will("a", b""))
        await client.raw(b"\x30\x7f\0\x05")
        client.writer.write_eof()
        assert await client.closed()
        [flow] = await ended(broker, 1)
        assert flow.outcome == Outcome.VIOLATION


async def test_clients_that_chase_each_other_away() -> None:
    async with serving() as broker:
        other = await broker.client("other")
        await other.subscribe("will")
        client = other
        for number in range(50):
            before, clean = client, bool(number % 2)
            client = await broker.client(
                "one", clean=clean, session_expiry_interval=5, will=Will("will", b"%d" % number)
            )
            if before is not other:
                assert (await before.expect(Disconnect)).reason == Reason.SESSION_TAKEN_OVER
                before.drop()
        packets = [packet.payload for packet in await other.all_so_far() if isinstance(packet, Publish)]
        assert packets == [b"%d" % number for number in range(49)]
        assert len(broker.broker.clients) == 2
        await client.send(Disconnect())
        flows = await ended(broker, 50)
        assert {flow.outcome for flow in flows} == {Outcome.REFUSED, Outcome.OK}


@pytest.mark.one_loop
async def test_who_publishes_faster_than_allowed_is_read_slower() -> None:
    async with serving(max_rate=1000) as broker:
        client = await broker.client("one", keep_alive=60)
        link = broker.broker.clients["one"].link
        for _ in range(1050):
            await client.publish("a", b"")
        before = asyncio.get_running_loop().time()
        await client.all_so_far()
        await client.all_so_far()
        assert link.paid_until >= before
        assert broker.broker.statistics.messages_received == 1050


@pytest.mark.one_loop
async def test_clocks_that_jump() -> None:
    async with serving() as broker:
        client = await broker.client("one", session_expiry_interval=100)
        await client.subscribe(Request("a", 1))
        await client.send(Disconnect())
        assert await client.closed()
        other = await broker.client("two")
        await other.publish("a", b"x", 1, packet_id=1, message_expiry_interval=10)
        await other.all_so_far()
        await broker.jump(-1000)
        client = await broker.client("one", clean=False, session_expiry_interval=100)
        [packet] = await client.all_so_far()
        assert isinstance(packet, Publish)
        assert packet.properties["message_expiry_interval"] <= 0xFFFFFFFF
        await broker.jump(1e9)
        assert await client.all_so_far() == []  # who is connected stays


@pytest.mark.one_loop
@pytest.mark.parametrize(
    ("will", "settings", "reason"),
    [
        (Will("a", b"", qos=2), {"max_qos": 1}, Reason.QOS_NOT_SUPPORTED),
        (Will("a", b"", retain=True), {"retain_available": False}, Reason.RETAIN_NOT_SUPPORTED),
    ],
)
async def test_wills_that_are_more_than_is_served(will: Will, settings: dict[str, Any], reason: int) -> None:
    async with serving(**settings) as broker:
        client = await broker.dial()
        assert (await client.connect("one", will=will)).reason == reason
        old = await broker.dial()
        await old.raw(b"\x10\x12\0\x04MQTT\x04\x36\0\0\0\x01a\0\x01b\0\x00")
        assert await old.reader.read() == b""


async def test_what_a_flow_tells() -> None:
    async with serving(level=Level.FULL) as broker:
        client = await broker.client("one", version=V5, user="ada", password=b"secret")
        await client.subscribe(Request("a", 1))
        await client.publish("a", b"hello", 1, packet_id=5)
        await client.all_so_far()
        await client.send(Disconnect())
        [flow] = await ended(broker, 1)
        assert (flow.label, flow.outcome) == ("one 5.0", Outcome.OK)
        assert flow.events is not None
        named = {event.name: event for event in flow.events}
        assert " ".join(named) == (
            "connect.received connack.sent subscribe.received suback.sent publish.received pingreq.received "
            "publish.sent puback.sent pingresp.sent disconnect.received"
        )
        assert "secret" not in repr(flow.events)
        assert named["publish.received"].fields["payload"] == "hello"
        assert flow.parent is not None
        assert flow.parent.wire is not None
        sent = named["publish.sent"]
        assert flow.parent.wire.read("server", sent.start, sent.end)[-5:] == b"hello"


async def test_what_old_clients_are_refused_with() -> None:
    async with serving() as broker:
        client = await broker.client("one", version=V311)
        await client.raw(b"\x30\x02\0\x00")
        assert await client.closed()
        [flow] = await ended(broker, 1)
        assert flow.result.startswith("0x81 malformed packet")


async def test_packets_that_are_lost_said_twice_or_late() -> None:
    async with serving(level=Level.FULL) as broker:
        client = await broker.client("one")
        await client.subscribe(Request("a", 1))
        harm = broker.broker.harm
        harm("one", packet="puback", what="drop")
        harm("one", packet="publish", what="duplicate")
        await client.publish("a", b"x", 1, packet_id=1)
        packets = [packet for packet in await client.all_so_far() if isinstance(packet, Publish)]
        assert [packet.payload for packet in packets] == [b"x", b"x"]
        assert packets[0].packet_id == packets[1].packet_id
        harm("", packet="publish", what="drop", way="received", count=2)
        await client.publish("a", b"y")
        await client.publish("a", b"y")
        assert await client.all_so_far() == []
        harm("one", packet="publish", what="delay", way="received", seconds=0.01)
        await client.publish("a", b"z")
        assert (await client.expect(Publish)).payload == b"z"
        assert harm("") == []
        harm("one", packet="pingresp", what="delay", seconds=0.01)
        assert await client.all_so_far() == []
        with pytest.raises(UsageError):
            harm("one", packet="pong", what="drop")
