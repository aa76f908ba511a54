"""Connecting, sessions, wills and what expires, as the specification has it (MQTT 5.0 3.1, 3.2, 3.14, 4.1)."""

from __future__ import annotations

import pytest

from netlab.cores.mqtt_codes import NEVER, V5, V31, V311, Reason
from netlab.cores.mqtt_packets import (
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Pubrec,
    Pubrel,
    Request,
    Subscribe,
    Will,
)
from netlab.cores.mqtt_serialize import serialize
from tests.servers.mqtt.brokering import serving

pytestmark = pytest.mark.one_loop


# -- CONNECT and CONNACK ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [V31, V311, V5])
async def test_all_versions_are_served(version: int) -> None:
    async with serving() as broker:
        client = await broker.client("one", version=version)
        assert client.connack is not None
        assert (client.connack.session_present, client.connack.reason) == (False, 0)
        await client.send(Pingreq())
        await client.expect(Pingresp)


async def test_an_identifier_is_assigned() -> None:
    async with serving() as broker:
        first, second = await broker.client(""), await broker.client("")
        assert first.connack is not None
        assert second.connack is not None
        names = {
            client.connack.properties["assigned_client_identifier"] for client in (first, second) if client.connack
        }
        assert len(names) == 2
        assert all(names)
        await broker.client("", version=V311, clean=True)


@pytest.mark.parametrize(("version", "clean"), [(V311, False), (V31, True)])
async def test_an_identifier_that_is_needed(version: int, clean: bool) -> None:
    async with serving() as broker:
        client = await broker.dial()
        connack = await client.connect("", version=version, clean=clean)
        assert connack == (False, 2, {}, 0, 4)
        assert await client.closed()


async def test_other_versions_are_refused_in_the_form_that_all_know() -> None:
    async with serving() as broker:
        client = await broker.dial()
        await client.raw(b"\x10\x0f\0\x04MQTT\x07\x02\0\x3c\0\x03abc")
        assert await client.reader.read() == b"\x20\x02\0\x01"


@pytest.mark.parametrize(
    "said",
    [
        b"\xc0\0",  # PINGREQ
        b"\x30\x03\0\x01a",  # PUBLISH
        b"\x20\x02\0\0",  # CONNACK
        b"\x10\x0e\0\x04MQTX\x04\x02\0\0\0\x02ab",  # another protocol
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x11\x0e\0\x04MQTT\x04\x02\0\0\0\x02ab",  # reserved flags of the header
        b"\x10\x0e\0\x04MQTT\x04\x03\0\0\0\x02ab",  # reserved flag of CONNECT
        b"\x10\xff\xff\xff\x7f",  # 256 MiB
    ],
)
async def test_what_is_no_connect_is_hung_up_on(said: bytes) -> None:
    async with serving() as broker:
        client = await broker.dial()
        await client.raw(said)
        assert await client.reader.read() == b""


async def test_a_second_connect_is_an_error() -> None:
    async with serving() as broker:
        client = await broker.client("one")
        await client.send(Connect(V5, "one"))
        assert (await client.expect(Disconnect)).reason == Reason.PROTOCOL_ERROR
        assert await client.closed()


async def test_what_comes_behind_connect_waits_for_its_answer() -> None:
    async with serving() as broker:
        client = await broker.dial()
        await client.send(Connect(V5, "eager"), Subscribe(1, (Request("a"),)), Publish("a", b"1"), Pingreq())
        names = [type(await client.receive()).__name__ for _ in range(4)]
        assert names == ["Connack", "Suback", "Publish", "Pingresp"]


async def test_what_is_announced() -> None:
    async with serving(max_qos=1, retain_available=False, receive_maximum=5, max_packet_size=2000) as broker:
        client = await broker.client("one", keep_alive=300)
        assert client.connack is not None
        assert client.connack.properties == {
            "receive_maximum": 5,
            "maximum_qos": 1,
            "retain_available": 0,
            "maximum_packet_size": 2000,
            "topic_alias_maximum": 100,
            "server_keep_alive": 60,
        }


async def test_an_authentication_method_is_not_known() -> None:
    async with serving() as broker:
        client = await broker.dial()
        connack = await client.connect("one", authentication_method="SCRAM-SHA-1")
        assert connack.reason == Reason.BAD_AUTHENTICATION_METHOD
        assert await client.closed()


async def test_silence_ends_a_connection() -> None:
    async with serving(max_keep_alive=0.2) as broker:  # rounds to none: told below by the client itself
        client = await broker.client("one", keep_alive=1)
        assert client.connack is not None
        link = broker.broker.clients["one"].link
        link.keep_alive = 0.01
        link.set_deadline("keep alive", 0.01)
        assert (await client.expect(Disconnect)).reason == Reason.KEEP_ALIVE_TIMEOUT
        assert await client.closed()


# -- sessions --------------------------------------------------------------------------------------------------------


async def test_a_session_outlives_its_connection_as_long_as_it_was_asked_to() -> None:
    async with serving() as broker:
        client = await broker.client("one", session_expiry_interval=10)
        await client.subscribe(Request("a", 1))
        client.drop()
        await (await broker.client("two")).all_so_far()
        await broker.jump(9)
        client = await broker.client("one", clean=False, session_expiry_interval=10)
        assert client.connack is not None
        assert client.connack.session_present
        await client.send(Disconnect())
        assert await client.closed()
        await broker.jump(11)
        client = await broker.client("one", clean=False)
        assert client.connack is not None
        assert not client.connack.session_present


async def test_disconnect_may_change_how_long_it_stays() -> None:
    async with serving() as broker:
        client = await broker.client("one", session_expiry_interval=10)
        await client.send(Disconnect(0, {"session_expiry_interval": 0}))
        assert await client.closed()
        assert "one" not in broker.broker.clients
        client = await broker.client("one", session_expiry_interval=NEVER)
        await client.send(Disconnect(0, {"session_expiry_interval": 5}))
        assert await client.closed()
        await broker.jump(4)
        assert "one" in broker.broker.clients
        await broker.jump(2)
        assert "one" not in broker.broker.clients


async def test_a_session_without_expiry_cannot_get_one_in_the_end() -> None:
    async with serving() as broker:
        client = await broker.client("one")
        await client.raw(serialize(Disconnect(0, {"session_expiry_interval": 5}), V5))
        assert (await client.expect(Disconnect)).reason == Reason.PROTOCOL_ERROR


async def test_clean_start_is_a_new_session() -> None:
    async with serving() as broker:
        client = await broker.client("one", session_expiry_interval=100)
        await client.subscribe("a")
        await client.send(Disconnect())
        client = await broker.client("one", clean=True, session_expiry_interval=100)
        assert client.connack is not None
        assert not client.connack.session_present
        await client.publish("a", b"x")
        assert await client.all_so_far() == []


async def test_a_session_of_3_1_1_is_kept_for_ever_or_not_at_all() -> None:
    async with serving() as broker:
        client = await broker.client("one", version=V311, clean=False)
        await client.send(Disconnect())
        assert await client.closed()
        await broker.jump(1e9)
        client = await broker.client("one", version=V311, clean=False)
        assert client.connack is not None
        assert client.connack.session_present
        await client.send(Disconnect())
        assert await client.closed()
        client = await broker.client("one", version=V311, clean=True)
        await client.send(Disconnect())
        assert await client.closed()
        assert "one" not in broker.broker.clients


async def test_taking_over() -> None:
    async with serving() as broker:
        first = await broker.client("one", session_expiry_interval=10)
        await first.subscribe(Request("a", 2))
        second = await broker.client("one", clean=False, session_expiry_interval=10)
        assert second.connack is not None
        assert second.connack.session_present
        assert (await first.expect(Disconnect)).reason == Reason.SESSION_TAKEN_OVER
        assert await first.closed()
        await second.publish("a", b"x", 1, packet_id=1)
        assert {type(packet) for packet in await second.all_so_far()} == {Publish, Puback}


async def test_messages_wait_for_a_client_that_is_away() -> None:
    async with serving() as broker:
        client = await broker.client("one", session_expiry_interval=100)
        await client.subscribe(Request("a", 2))
        await client.send(Disconnect())
        assert await client.closed()
        other = await broker.client("two")
        for qos in range(3):
            await other.publish("a", b"%d" % qos, qos, packet_id=qos)
        await other.all_so_far()
        client = await broker.client("one", clean=False)
        assert [(packet.payload, packet.qos, packet.dup) for packet in await client.all_so_far()] == [
            (b"1", 1, False),
            (b"2", 2, False),
        ]


async def test_what_was_under_way_goes_on_in_its_order() -> None:
    async with serving() as broker:
        client = await broker.client("one", session_expiry_interval=100)
        await client.subscribe(Request("a", 2))
        for number in range(1, 4):
            await client.publish("a", b"%d" % number, 2, packet_id=number)
        packets = [packet for packet in await client.all_so_far() if isinstance(packet, Publish)]
        assert [packet.dup for packet in packets] == [False] * 3
        await client.send(Pubrec(packets[0].packet_id))
        assert (await client.expect(Pubrel)).packet_id == packets[0].packet_id
        client.drop()
        client = await broker.client("one", clean=False)
        again = await client.all_so_far()
        assert again[0] == Pubrel(packets[0].packet_id, start=again[0].start, end=again[0].end)
        assert [(packet.packet_id, packet.payload, packet.dup) for packet in again[1:]] == [
            (packets[1].packet_id, b"2", True),
            (packets[2].packet_id, b"3", True),
        ]


async def test_a_qos_2_message_that_comes_again_is_the_same() -> None:
    async with serving() as broker:
        other = await broker.client("two")
        await other.subscribe(Request("a", 2))
        client = await broker.client("one", session_expiry_interval=100)
        await client.publish("a", b"x", 2, packet_id=7)
        assert (await client.expect(Pubrec)).packet_id == 7
        client.drop()
        client = await broker.client("one", clean=False, session_expiry_interval=100)
        await client.publish("a", b"x", 2, packet_id=7, dup=True)
        assert (await client.expect(Pubrec)).packet_id == 7
        await client.send(Pubrel(7))
        assert [packet.reason for packet in await client.all_so_far()] == [0]
        await client.send(Pubrel(7))  # there is none any more
        assert [packet.reason for packet in await client.all_so_far()] == [Reason.PACKET_ID_NOT_FOUND]
        assert len(await other.all_so_far()) == 1
        await client.publish("a", b"y", 2, packet_id=7)
        await client.all_so_far()
        assert [packet.payload for packet in await other.all_so_far()] == [b"y"]


# -- wills -----------------------------------------------------------------------------------------------------------


async def test_a_will_is_published_when_its_client_is_gone_without_a_word() -> None:
    async with serving() as broker:
        other = await broker.client("two")
        await other.subscribe(Request("will", 1))
        client = await broker.client("one", will=Will("will", b"gone", 1, properties={"content_type": "text"}))
        client.drop()
        packet = await other.expect(Publish)
        assert (packet.payload, packet.qos, packet.properties) == (b"gone", 1, {"content_type": "text"})


@pytest.mark.parametrize(("version", "reason", "count"), [(V5, 0, 0), (V5, 4, 1), (V311, 0, 0)])
async def test_a_will_and_a_disconnect(version: int, reason: int, count: int) -> None:
    async with serving() as broker:
        other = await broker.client("two")
        await other.subscribe("will")
        client = await broker.client("one", version=version, will=Will("will", b"gone"))
        await client.send(Disconnect(reason))
        assert await client.closed()
        assert len(await other.all_so_far()) == count


async def test_a_will_after_a_violation() -> None:
    async with serving() as broker:
        other = await broker.client("two")
        await other.subscribe("will")
        client = await broker.client("one", will=Will("will", b"gone"))
        await client.raw(b"\0\0")
        assert (await client.expect(Disconnect)).reason == Reason.MALFORMED_PACKET
        assert (await other.expect(Publish)).payload == b"gone"


async def test_a_will_that_waits() -> None:
    async with serving() as broker:
        other = await broker.client("two")
        await other.subscribe("will")
        will = Will("will", b"gone", properties={"will_delay_interval": 10})
        client = await broker.client("one", will=will, session_expiry_interval=100)
        client.drop()
        assert await other.all_so_far() == []
        await broker.jump(9)
        client = await broker.client("one", clean=False, will=will, session_expiry_interval=100)  # in time
        await broker.jump(20)
        assert await other.all_so_far() == []
        client.drop()
        assert await other.all_so_far() == []
        await broker.jump(11)
        [packet] = await other.all_so_far()
        assert packet.properties == {}


async def test_a_will_waits_no_longer_than_its_session() -> None:
    async with serving() as broker:
        other = await broker.client("two")
        await other.subscribe("will")
        will = Will("will", b"gone", properties={"will_delay_interval": 100})
        client = await broker.client("one", will=will, session_expiry_interval=5)
        client.drop()
        await other.all_so_far()
        await broker.jump(6)
        assert len(await other.all_so_far()) == 1
        await broker.client("one", will=will, session_expiry_interval=50)
        taking_over = await broker.client("one", clean=True)  # ends the session, so the will is due
        assert len(await other.all_so_far()) == 1
        assert taking_over.connack is not None


async def test_a_retained_will() -> None:
    async with serving() as broker:
        client = await broker.client("one", will=Will("will", b"gone", retain=True))
        client.drop()
        other = await broker.client("two")
        await other.subscribe("will")
        packet = await other.expect(Publish)
        assert (packet.payload, packet.retain) == (b"gone", True)
