"""Publishing and subscribing: who gets what, in which order, under which flags (MQTT 5.0 3.3, 3.8, 4.3, 4.7 to 4.9)."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest

from netlab.cores.mqtt_codes import V5, V311, Reason
from netlab.cores.mqtt_packets import (
    Disconnect,
    Packet,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Request,
    Unsuback,
    Unsubscribe,
)
from tests.servers.mqtt.brokering import VERSIONS, Client, serving

pytestmark = pytest.mark.one_loop


def told(packets: list[Packet]) -> list[Any]:
    """Topic, payload and QoS of what came."""
    return [(packet.topic, packet.payload, packet.qos) for packet in packets if isinstance(packet, Publish)]


# -- levels of service -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("subscriber", VERSIONS)
@pytest.mark.parametrize("publisher", VERSIONS)
async def test_the_lower_qos_counts(publisher: int, subscriber: int) -> None:
    async with serving() as broker:
        one = await broker.client("one", version=publisher)
        two = await broker.client("two", version=subscriber)
        await two.subscribe(Request("a/0", 0), Request("a/1", 1), Request("a/2", 2))
        for granted in range(3):
            for qos in range(3):
                await one.publish(f"a/{granted}", b"%d" % qos, qos, packet_id=granted * 3 + qos + 1 if qos else 0)
        await one.all_so_far()
        assert told(await two.all_so_far()) == [
            (f"a/{granted}", b"%d" % qos, min(granted, qos)) for granted in range(3) for qos in range(3)
        ]


async def test_qos_2_from_one_end_to_the_other() -> None:
    async with serving() as broker:
        client = await broker.client("one")
        await client.subscribe(Request("a", 2))
        await client.publish("a", b"x", 2, packet_id=9)
        first, second = await client.receive(), await client.receive()
        assert {type(first), type(second)} == {Publish, Pubrec}
        packet_id = next(packet.packet_id for packet in (first, second) if isinstance(packet, Publish))
        await client.send(Pubrel(9), Pubrec(packet_id))
        assert [type(packet) for packet in await client.all_so_far()] == [Pubcomp, Pubrel]
        await client.send(Pubcomp(packet_id))
        assert await client.all_so_far() == []
        assert broker.broker.clients["one"].session.idle


async def test_nobody_is_there() -> None:
    async with serving() as broker:
        client = await broker.client("one")
        await client.publish("a", b"x", 1, packet_id=1)
        assert (await client.expect(Puback)).reason == Reason.NO_MATCHING_SUBSCRIBERS
        await client.publish("a", b"x", 2, packet_id=2)
        assert (await client.expect(Pubrec)).reason == Reason.NO_MATCHING_SUBSCRIBERS
        old = await broker.client("two", version=V311)
        await old.publish("a", b"x", 1, packet_id=1)
        assert (await old.expect(Puback)).reason == 0


async def test_a_client_that_will_not_have_a_message() -> None:
    async with serving() as broker:
        client = await broker.client("one")
        await client.subscribe(Request("a", 2))
        await client.publish("a", b"x", 2, packet_id=9)
        packets = await client.all_so_far()
        [packet_id] = [packet.packet_id for packet in packets if isinstance(packet, Publish)]
        await client.send(Pubrec(packet_id, Reason.QUOTA_EXCEEDED))
        assert await client.all_so_far() == []
        assert not broker.broker.clients["one"].session.in_flight


@pytest.mark.parametrize("packet", [Puback(5), Pubcomp(5)])
@pytest.mark.parametrize("version", VERSIONS)
async def test_acknowledgements_that_nobody_has_asked_for(version: int, packet: Packet) -> None:
    async with serving() as broker:
        client = await broker.client("one", version=version)
        await client.send(packet)
        if version == V5:
            assert (await client.expect(Disconnect)).reason == Reason.PROTOCOL_ERROR
        assert await client.closed()


async def test_identifiers_that_are_not_known() -> None:
    async with serving() as broker:
        client = await broker.client("one")
        await client.send(Pubrec(5), Pubrel(6))
        release, complete = await client.all_so_far()
        assert (type(release), release[:2]) == (Pubrel, (5, Reason.PACKET_ID_NOT_FOUND))
        assert (type(complete), complete[:2]) == (Pubcomp, (6, Reason.PACKET_ID_NOT_FOUND))


async def test_order_is_kept() -> None:
    async with serving(max_in_flight=3, receive_maximum=30) as broker:
        client = await broker.client("one")
        await client.subscribe(Request("a", 1))
        for number in range(1, 31):
            await client.publish("a", b"%d" % number, 1, packet_id=number)
        payloads = []
        while len(payloads) < 30:
            for packet in await client.all_so_far():
                if isinstance(packet, Publish):
                    payloads.append(int(packet.payload))
                    await client.send(Puback(packet.packet_id))
        assert payloads == list(range(1, 31))


# -- flow control ----------------------------------------------------------------------------------------------------


async def test_no_more_than_the_client_takes_at_once() -> None:
    async with serving() as broker:
        client = await broker.client("one", receive_maximum=2)
        await client.subscribe(Request("a", 2))
        other = await broker.client("two")
        for number in range(1, 6):
            await other.publish("a", b"%d" % number, 2, packet_id=number)
        await other.publish("a", b"0", 0)
        await other.all_so_far()
        first = [packet for packet in await client.all_so_far() if isinstance(packet, Publish)]
        assert [packet.payload for packet in first] == [b"1", b"2", b"0"]
        await client.send(Pubrec(first[0].packet_id))
        assert [type(packet) for packet in await client.all_so_far()] == [Pubrel]
        await client.send(Pubcomp(first[0].packet_id), Pubrec(first[1].packet_id, 0x80))
        assert told(await client.all_so_far()) == [("a", b"3", 2), ("a", b"4", 2)]


async def test_no_more_than_the_broker_takes_at_once() -> None:
    async with serving(receive_maximum=3) as broker:
        client = await broker.client("one")
        for number in range(1, 4):
            await client.publish("a", b"x", 2, packet_id=number)
        await client.publish("a", b"x", 2, packet_id=3)  # the same once more is no fourth
        assert len(await client.all_so_far()) == 4
        await client.send(Pubrel(1))
        assert len(await client.all_so_far()) == 1
        await client.publish("a", b"x", 2, packet_id=4)
        assert len(await client.all_so_far()) == 1
        await client.send(Pubrel(2), Publish("a", b"x", 1, packet_id=5))  # PUBCOMP is not back yet
        assert (await client.expect(Pubcomp)).packet_id == 2
        assert (await client.expect(Disconnect)).reason == Reason.RECEIVE_MAXIMUM_EXCEEDED
        assert await client.closed()


async def test_packets_that_are_too_large() -> None:
    async with serving(max_packet_size=1000) as broker:
        client = await broker.client("one", maximum_packet_size=100)
        await client.subscribe(Request("a", 1))
        other = await broker.client("two")
        await other.publish("a", b"x" * 200)
        await other.publish("a", b"x" * 200, 1, packet_id=1)
        await other.publish("a", b"x" * 10, 1, packet_id=2)
        await other.all_so_far()
        assert told(await client.all_so_far()) == [("a", b"x" * 10, 1)]
        assert broker.broker.clients["one"].session.in_flight == 1
        await other.publish("a", b"x" * 1000)
        assert (await other.expect(Disconnect)).reason == Reason.PACKET_TOO_LARGE


# -- subscriptions ---------------------------------------------------------------------------------------------------


async def test_overlapping_subscriptions_bring_one_copy() -> None:
    async with serving() as broker:
        client = await broker.client("one")
        await client.subscribe(Request("a/#", 2), packet_id=1, subscription_identifier=1)
        await client.subscribe(Request("a/+", 1), packet_id=2, subscription_identifier=268_435_455)
        await client.subscribe(Request("a/b", 0), packet_id=3)
        await client.publish("a/b", b"x", 2, packet_id=9)
        [packet] = [packet for packet in await client.all_so_far() if isinstance(packet, Publish)]
        assert packet.qos == 2
        assert sorted(packet.properties["subscription_identifier"]) == [1, 268_435_455]


async def test_a_subscription_in_place_of_another() -> None:
    async with serving() as broker:
        client = await broker.client("one")
        await client.subscribe(Request("a", 2), subscription_identifier=1)
        await client.subscribe(Request("a", 0), subscription_identifier=2)
        await client.publish("a", b"x", 1, packet_id=9)
        [packet] = [packet for packet in await client.all_so_far() if isinstance(packet, Publish)]
        assert (packet.qos, packet.properties) == (0, {"subscription_identifier": [2]})


async def test_unsubscribing() -> None:
    async with serving() as broker:
        client = await broker.client("one")
        await client.subscribe("a", "b/+")
        await client.send(Unsubscribe(5, ("a", "b/c", "b/+")))
        assert (await client.expect(Unsuback)).reasons == (0, Reason.NO_SUBSCRIPTION_EXISTED, 0)
        await client.publish("a", b"x")
        assert await client.all_so_far() == []
        old = await broker.client("two", version=V311)
        await old.send(Unsubscribe(5, ("a",)))
        assert (await old.expect(Unsuback)).reasons == ()


async def test_no_local() -> None:
    async with serving() as broker:
        client, other = await broker.client("one"), await broker.client("two")
        await client.subscribe(Request("a", 1, no_local=True), Request("b", 0, no_local=True), Request("b/#", 1))
        await client.publish("a", b"1", 1, packet_id=1)
        await client.publish("a", b"1")
        await client.publish("b", b"2", 1, packet_id=2)  # the other subscription wants its own, too
        await other.publish("a", b"3", 1, packet_id=1)
        await other.all_so_far()
        assert told(await client.all_so_far()) == [("b", b"2", 1), ("a", b"3", 1)]


async def test_topics_with_a_dollar() -> None:
    async with serving() as broker:
        client = await broker.client("one")
        await client.subscribe("#", "+/x", "$app/x")
        await client.publish("$app/x", b"1")
        await client.publish("app/x", b"2")
        assert told(await client.all_so_far()) == [("$app/x", b"1", 0), ("app/x", b"2", 0)]
        await client.publish("$SYS/x", b"3", 1, packet_id=1)
        assert (await client.expect(Puback)).reason == Reason.NOT_AUTHORIZED


# -- retained messages -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_is_retained(version: int) -> None:
    async with serving() as broker:
        client = await broker.client("one", version=version)
        for number, topic in enumerate(("a/b", "a/c", "a", "$a/b")):
            await client.publish(topic, topic.encode(), number % 3, retain=True, packet_id=number)
        await client.all_so_far()
        other = await broker.client("two", version=version)
        await other.subscribe(Request("a/#", 1))
        packets = [packet for packet in await other.all_so_far() if isinstance(packet, Publish)]
        assert sorted((packet.topic, packet.qos, packet.retain) for packet in packets) == [
            ("a", 1, True),
            ("a/b", 0, True),
            ("a/c", 1, True),
        ]
        await client.publish("a/b", b"", retain=True)
        await client.publish("a/c", b"new", retain=True)
        assert told(await client.all_so_far()) == []
        assert [(packet.topic, packet.payload, packet.retain) for packet in await other.all_so_far()] == [  # type: ignore[union-attr]  # all are PUBLISH
            ("a/b", b"", False),
            ("a/c", b"new", False),
        ]
        third = await broker.client("three", version=version)
        await third.subscribe("a/+")
        assert told(await third.all_so_far()) == [("a/c", b"new", 0)]


async def test_retain_handling_and_retain_as_published() -> None:
    async with serving() as broker:
        client = await broker.client("one")
        await client.publish("a", b"old", retain=True)
        for handling, counts in ((0, (1, 1)), (1, (1, 0)), (2, (0, 0))):
            other = await broker.client("two")
            for count in counts:
                await other.subscribe(Request("a", 0, retain_as_published=True, retain_handling=handling))
                assert len(await other.all_so_far()) == count
        await client.publish("a", b"new", retain=True)
        await client.publish("a", b"plain")
        await client.all_so_far()
        assert [packet.retain for packet in await other.all_so_far() if isinstance(packet, Publish)] == [True, False]


async def test_no_more_is_retained_than_is_allowed() -> None:
    """A new word on a topic that has one takes its place; what the broker tells of itself does not count."""
    async with serving(max_retained=2, sys_interval=1.0) as broker:
        client = await broker.client("one")
        for topic, payload in (("a", b"1"), ("b", b"2"), ("c", b"3"), ("a", b"4")):
            await client.publish(topic, payload, retain=True)
        await client.all_so_far()
        await client.subscribe("#")
        kept = [packet for packet in await client.all_so_far() if isinstance(packet, Publish)]
        assert [(packet.topic, packet.payload) for packet in kept] == [("a", b"4"), ("b", b"2")]


async def test_no_local_holds_for_what_is_retained() -> None:
    """[MQTT-3.8.3-3]: its own messages are not for it, however they come."""
    async with serving() as broker:
        one, two = await broker.client("one"), await broker.client("two")
        await one.publish("mine", b"1", retain=True)
        await two.publish("other", b"2", retain=True)
        await two.all_so_far()
        await one.all_so_far()
        await one.subscribe(Request("+", no_local=True))
        assert [packet.topic for packet in await one.all_so_far() if isinstance(packet, Publish)] == ["other"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_levels_of_a_filter(version: int) -> None:
    async with serving(topic_levels=3) as broker:
        client = await broker.client("one", version=version)
        wrong = Reason.TOPIC_FILTER_INVALID if version == V5 else Reason.UNSPECIFIED
        answer = await client.subscribe("a/b/c", "a/b/c/d", "$share/g/a/b/c", "$share/g/a/b/c/d")
        assert answer.reasons == (0, wrong, 0, wrong)


async def test_a_retained_message_expires() -> None:
    async with serving() as broker:
        client = await broker.client("one")
        await client.publish("a", b"x", retain=True, message_expiry_interval=10)
        await client.all_so_far()
        await broker.jump(4)
        await client.subscribe("a")
        packet = await client.expect(Publish)
        assert packet.properties == {"message_expiry_interval": 6}
        await broker.jump(7)
        await client.subscribe("a")
        assert await client.all_so_far() == []
        assert not list(broker.broker.retained.match("#"))


# -- properties ------------------------------------------------------------------------------------------------------

FORWARDED = {
    "payload_format_indicator": 1,
    "content_type": "text/plain",
    "response_topic": "answers/1",
    "correlation_data": b"\0\1",
    "user_property": [("b", "1"), ("a", "2"), ("b", "1")],
}


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_properties_go_on_as_they_are(qos: int) -> None:
    async with serving() as broker:
        client = await broker.client("one")
        await client.subscribe(Request("a", 2))
        old = await broker.client("two", version=V311)
        await old.subscribe(Request("a", 2))
        await client.publish("a", b"x", qos, packet_id=1 if qos else 0, **FORWARDED)
        [packet] = [packet for packet in await client.all_so_far() if isinstance(packet, Publish)]
        assert packet.properties == FORWARDED
        assert list(packet.properties["user_property"]) == FORWARDED["user_property"]
        assert told(await old.all_so_far()) == [("a", b"x", qos)]


async def test_a_message_expires_while_it_waits() -> None:
    async with serving() as broker:
        client = await broker.client("one", session_expiry_interval=1000)
        await client.subscribe(Request("a", 1))
        await client.send(Disconnect())
        assert await client.closed()
        other = await broker.client("two")
        await other.publish("a", b"short", 1, packet_id=1, message_expiry_interval=5)
        await other.publish("a", b"long", 1, packet_id=2, message_expiry_interval=50)
        await other.all_so_far()
        await broker.jump(20)
        client = await broker.client("one", clean=False)
        [packet] = await client.all_so_far()
        assert isinstance(packet, Publish)
        assert (packet.payload, packet.properties) == (b"long", {"message_expiry_interval": 30})


async def test_aliases_of_the_client() -> None:
    async with serving(topic_alias_maximum=2) as broker:
        client, other = await broker.client("one"), await broker.client("two")
        await other.subscribe("#")
        await client.publish("a", b"1", topic_alias=1)
        await client.publish("b", b"2", topic_alias=2)
        await client.publish("", b"3", topic_alias=1)
        await client.publish("c", b"4", topic_alias=1)
        await client.publish("", b"5", topic_alias=1)
        await client.all_so_far()
        packets = await other.all_so_far()
        assert told(packets) == [("a", b"1", 0), ("b", b"2", 0), ("a", b"3", 0), ("c", b"4", 0), ("c", b"5", 0)]
        assert not any(packet.properties for packet in packets if isinstance(packet, Publish))


@pytest.mark.parametrize(
    ("topic", "alias", "reason"),
    [("a", 0, Reason.TOPIC_ALIAS_INVALID), ("a", 3, Reason.TOPIC_ALIAS_INVALID), ("", 1, Reason.PROTOCOL_ERROR)],
)
async def test_aliases_that_cannot_be(topic: str, alias: int, reason: int) -> None:
    async with serving(topic_alias_maximum=2) as broker:
        client = await broker.client("one")
        await client.publish(topic, b"", topic_alias=alias)
        assert (await client.expect(Disconnect)).reason == reason


async def test_aliases_of_the_broker() -> None:
    async with serving() as broker:
        client = await broker.client("one", topic_alias_maximum=1)
        client.core.limits = type(client.core.limits)(topic_alias_maximum=1)
        await client.subscribe(Request("#", 2))
        other = await broker.client("two")
        for qos in range(3):
            await other.publish("a", b"x", qos, packet_id=qos)
        await other.publish("b", b"y")
        await other.all_so_far()
        packets = [packet for packet in await client.all_so_far() if isinstance(packet, Publish)]
        assert told(list(packets)) == [("a", b"x", 0), ("a", b"x", 1), ("a", b"x", 2), ("b", b"y", 0)]
        assert [packet.properties.get("topic_alias") for packet in packets] == [1, 1, 1, None]


# -- shared subscriptions --------------------------------------------------------------------------------------------


async def members(broker: Any, count: int, **settings: Any) -> list[Client]:
    clients = [await broker.client(f"member {number}", **settings) for number in range(count)]
    for client in clients:
        await client.subscribe(Request("$share/group/a/+", 1))
    return clients


async def test_a_shared_subscription_is_fair() -> None:
    async with serving() as broker:
        clients = await members(broker, 3)
        alone = await broker.client("alone")
        await alone.subscribe(Request("$share/other/a/#", 1), Request("a/b", 0))
        publisher = await broker.client("publisher")
        for number in range(9):
            await publisher.publish("a/b", b"%d" % number, 1, packet_id=number + 1)
        await publisher.all_so_far()
        counts = [len(await client.all_so_far()) for client in clients]
        assert counts == [3, 3, 3]
        assert Counter(packet.qos for packet in await alone.all_so_far() if isinstance(packet, Publish)) == {0: 9, 1: 9}


async def test_a_member_that_is_away_is_passed_over() -> None:
    async with serving() as broker:
        clients = await members(broker, 3, session_expiry_interval=100)
        await clients[0].send(Disconnect())
        assert await clients[0].closed()
        publisher = await broker.client("publisher")
        for number in range(4):
            await publisher.publish("a/b", b"%d" % number, 1, packet_id=number + 1)
        await publisher.all_so_far()
        assert [len(await client.all_so_far()) for client in clients[1:]] == [2, 2]


async def test_what_a_member_did_not_acknowledge_goes_to_another() -> None:
    async with serving() as broker:
        first, second = await members(broker, 2)
        publisher = await broker.client("publisher")
        for number in range(2):
            await publisher.publish("a/b", b"%d" % number, 1, packet_id=number + 1)
        await publisher.all_so_far()
        [kept] = await second.all_so_far()
        first.drop()
        await publisher.all_so_far()
        [passed_on] = await second.all_so_far()
        assert isinstance(kept, Publish)
        assert isinstance(passed_on, Publish)
        assert {kept.payload, passed_on.payload} == {b"0", b"1"}


async def test_nothing_is_retained_for_a_shared_subscription() -> None:
    async with serving() as broker:
        client = await broker.client("one")
        await client.publish("a/b", b"x", retain=True)
        await client.subscribe("$share/group/a/#")
        assert await client.all_so_far() == []


# -- what the broker tells of itself ---------------------------------------------------------------------------------


async def test_what_is_counted() -> None:
    async with serving() as broker:
        client = await broker.client("one")
        await client.subscribe("a", "$share/group/b")
        await client.publish("a", b"x")
        await client.all_so_far()
        await client.subscribe("$SYS/broker/#")
        told_first = {
            packet.topic: packet.payload for packet in await client.all_so_far() if isinstance(packet, Publish)
        }
        assert told_first["$SYS/broker/clients/connected"] == b"0"
        broker.server._system_topics.tell(10.0)
        values = {packet.topic: packet.payload for packet in await client.all_so_far() if isinstance(packet, Publish)}
        expected = {"clients/connected": b"1", "subscriptions/count": b"3", "shared_subscriptions/count": b"1"}
        assert {name: values[f"$SYS/broker/{name}"] for name in expected} == expected
        assert values["$SYS/broker/publish/messages/received"] == b"1"
        assert "$SYS/broker/version" not in values
        assert float(values["$SYS/broker/load/connections/1min"]) == pytest.approx(6 * (1 - math.exp(-1 / 6)), abs=0.01)
