"""`netlab mqtt`: pub, sub and tree against a broker in this process; clients and why against one in its own."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from clients.mqtt import pub, sub, tree
from clients.mqtt.reaching import SCRAM
from netlab.commands.mqtt.ladder import ladder
from netlab.config import Address
from netlab.control.mqtt import mqtt
from netlab.cores.mqtt_codes import V5, V311, Reason
from netlab.cores.mqtt_packets import Auth, Connack, Disconnect, Packet, Pubcomp, Publish, Pubrec, Pubrel, Request
from netlab.cores.mqtt_serialize import serialize
from netlab.errors import NetlabError, UsageError
from netlab.flow import Level
from netlab.inspect.record import to_record
from netlab.policy.auth.users import User, make_scram
from netlab.stores.users import write_users
from tests.netlab_process import place
from tests.servers.mqtt.brokering import Broker, serving

pytestmark = pytest.mark.one_loop


def at(broker: Broker) -> Address:
    return Address("127.0.0.1", broker.port)


async def subscribed(broker: Broker, count: int) -> None:
    """Until so many subscriptions stand."""
    while broker.broker.routes.count < count:
        await asyncio.sleep(0)


@pytest.mark.parametrize("protocol", ["3.1", "3.1.1", "5"])
async def test_pub_and_sub(protocol: Any, capsys: pytest.CaptureFixture[str]) -> None:
    async with serving() as broker:
        settings: dict[str, Any] = {"server": at(broker), "protocol": protocol}
        listening = asyncio.gather(sub.run(sub.Config(filters=("a/#",), qos=2, count=3, id="sub", **settings)))
        await subscribed(broker, 1)
        for qos in (0, 1, 2):
            config = pub.Config(topic=f"a/{qos}", message=f"hello {qos}", qos=qos, id="pub", **settings)
            assert await pub.run(config) == 0
        assert await listening == [0]
    assert capsys.readouterr().out.splitlines() == [
        "a/0  hello 0",
        "a/1  hello 1  [QoS 1]",
        "a/2  hello 2  [QoS 2]",
    ]


async def test_properties_both_ways(capsys: pytest.CaptureFixture[str]) -> None:
    async with serving() as broker:
        config = pub.Config(
            server=at(broker), topic="a", message="x", qos=1, retain=True, expiry=60.0, content_type="text/plain",
            response_topic="b", correlation="7", user_property=("k=v", "k=w"), utf8=True, verbose=True,
        )  # fmt: skip
        assert await pub.run(config) == 0
        told = capsys.readouterr().err
        assert [line.split()[:2] for line in told.splitlines()] == [
            ["→", "CONNECT"], ["←", "CONNACK"], ["→", "PUBLISH"], ["←", "PUBACK"], ["→", "DISCONNECT"],
        ]  # fmt: skip
        listening = sub.Config(server=at(broker), filters=("a",), qos=1, count=1, identifier=5, json=True)
        assert await sub.run(listening) == 0
        record = json.loads(capsys.readouterr().out)
        assert (record["topic"], record["payload"], record["qos"], record["retain"]) == ("a", "x", 1, True)
        assert record["properties"] == {
            "payload_format_indicator": 1, "message_expiry_interval": 60, "content_type": "text/plain",
            "response_topic": "b", "correlation_data": "7", "user_property": [["k", "v"], ["k", "w"]],
            "subscription_identifier": [5],
        }  # fmt: skip


async def test_nothing_comes(capsys: pytest.CaptureFixture[str]) -> None:
    async with serving() as broker:
        assert await sub.run(sub.Config(server=at(broker), filters=("a",), count=1, wait=0.01)) == 1


async def test_who_is_not_let_in(tmp_path: Any) -> None:
    (tmp_path / "acl").write_text("topic read public/#\n")
    (tmp_path / "users.txt").write_text("")
    async with serving(acl=tmp_path / "acl") as broker:
        assert await sub.run(sub.Config(server=at(broker), filters=("a",))) == 1
        assert await pub.run(pub.Config(server=at(broker), topic="a", message="x", qos=1)) == 1
    async with serving(users=tmp_path / "users.txt") as broker:
        with pytest.raises(NetlabError, match="0x87 not authorized"):
            await pub.run(pub.Config(server=at(broker), topic="a", message="x"))


@pytest.mark.parametrize(
    "settings", [{"topic": "a/#", "message": "x"}, {"topic": "a"}, {"topic": "a", "message": "x", "lines": True}]
)
def test_what_cannot_be_published(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        pub.Config(**settings)
    with pytest.raises(UsageError):
        pub.Config(topic="a", message="x", protocol="3.1.1", expiry=1.0).properties()


async def test_a_tree(capsys: pytest.CaptureFixture[str]) -> None:
    async with serving() as broker:
        for topic in ("home/lamp", "home/hall/lamp", "office"):
            mqtt({"mqtt": broker.server}, "publish", topic, {"payload": "on", "retain": True})
        assert await tree.run(tree.Config(server=at(broker), seconds=0.2)) == 0
        assert capsys.readouterr().out.splitlines() == [
            "home",
            "  hall",
            "    lamp = on  (1×, retained)",
            "  lamp = on  (1×, retained)",
            "office = on  (1×, retained)",
        ]


async def test_why() -> None:
    async with serving(level=Level.FULL, max_in_flight=1) as broker:
        services = {"mqtt": broker.server}

        def verdicts(client: str, topic: str) -> list[str]:
            return [one["verdicts"][0] for one in mqtt(services, "why", client, {"topic": topic})["messages"]]

        one = await broker.client("one", session_expiry_interval=100, maximum_packet_size=50)
        await one.subscribe(Request("a", 1), Request("own", 1, no_local=True), Request("$share/g/s", 1))
        two = await broker.client("two")
        await two.subscribe("$share/g/s")
        for topic, payload, qos in (("a", b"1", 1), ("a", b"2", 1), ("a", b"3", 0), ("a", b"x" * 60, 0), ("s", b"", 0)):
            await two.publish(topic, payload, qos, packet_id=qos)
            await two.all_so_far()
        await one.publish("own", b"")
        await one.all_so_far()
        assert verdicts("one", "a") == [
            "sent at QoS 1",
            "waits: its receive maximum is used up",
            "sent at QoS 0",
            "not sent: larger than its maximum packet size",
        ]
        assert verdicts("one", "own") == ["left out: no-local, and it is its own message"]
        assert verdicts("one", "s") == ["not picked in $share/g/s"]  # its window is full
        assert verdicts("two", "s") == ["picked in $share/g/s, sent at QoS 0"]
        assert verdicts("two", "a")[0].startswith("not for it")
        steps = mqtt(services, "why", "one", {"topic": "a"})["steps"]
        assert any("receive maximum is used up" in step for step in steps)
        await one.send(Disconnect())
        assert await one.closed()
        await two.publish("a", b"4")
        await two.publish("a", b"5", 1, packet_id=1)
        await two.all_so_far()
        assert verdicts("one", "a")[-2:] == ["not kept: QoS 0, and it is away", "waits: it is away"]
        assert "away" in mqtt(services, "why", "one", {"topic": "a"})["steps"][-1]
        assert "no session" in mqtt(services, "why", "three", {"topic": "a"})["steps"][0]
        assert "none of its" in mqtt(services, "why", "two", {"topic": "z"})["steps"][0]


async def test_why_not_and_what_came_later(tmp_path: Path) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic readwrite lamp\ntopic write safe\ntopic read door")
    async with serving(level=Level.FULL, acl=acl) as broker:
        services = {"mqtt": broker.server}

        def verdicts(topic: str) -> list[list[str]]:
            return [message["verdicts"] for message in mqtt(services, "why", "one", {"topic": topic})["messages"]]

        one = await broker.client("one", session_expiry_interval=100)
        await one.subscribe(Request("+", 1))
        two = await broker.client("two")
        await two.publish("safe", b"", 0)
        await two.publish("door", b"", 0)
        await two.publish("lamp", b"1", 2, packet_id=1)
        await two.expect(Pubrec)
        one.drop()
        while broker.broker.clients["one"].link is not None:
            await asyncio.sleep(0)
        await two.publish("lamp", b"2", 1, packet_id=1, message_expiry_interval=10)
        await two.publish("lamp", b"3", 1, packet_id=2)
        await two.all_so_far()
        await broker.jump(20)
        one = await broker.client("one", clean=False)
        await one.all_so_far()
    lowered = "sent at QoS 1 (came at QoS 2; its subscription has 1)"
    assert verdicts("safe") == [["left out: the access list does not let it read the topic"]]
    assert verdicts("door") == [["not published: the access list does not let its publisher say it"]]
    assert verdicts("lamp") == [
        [lowered, "then sent at QoS 1, again"],
        ["waits: it is away", "then expired"],
        ["waits: it is away", "then sent at QoS 1"],
    ]


async def test_what_a_lab_can_ask_of_its_broker() -> None:
    async with serving() as broker:
        services = {"mqtt": broker.server}
        client = await broker.client("one", user="ada")
        await client.subscribe(Request("a/#", 1))
        [told] = mqtt(services, "clients", "", {})["clients"]
        assert (told["client"], told["user"], told["version"], told["connected"]) == ("one", "ada", "5.0", True)
        assert told["subscriptions"] == {"a/#": {"qos": 1}}
        assert mqtt(services, "publish", "a/b", {"payload": "x", "qos": 1, "retain": True}) == {"matched": True}
        [kept] = mqtt(services, "retained", "a/+", {})["retained"]
        assert (kept["topic"], kept["payload"]) == ("a/b", "x")
        await client.all_so_far()
        mqtt(services, "disconnect", "one", {})
        assert (await client.expect(Disconnect)).reason == Reason.ADMINISTRATIVE_ACTION
        for action, of, arguments in (
            ("disconnect", "one", {}),
            ("publish", "a/#", {}),
            ("publish", "a", {"qos": 3}),
            ("why", "one", {"topic": ""}),
            ("retained", "a#", {}),
            ("fly", "", {}),
        ):
            with pytest.raises(NetlabError):
                mqtt(services, action, of, arguments)
        with pytest.raises(UsageError, match="no MQTT broker"):
            mqtt({}, "clients", "", {})


async def test_a_ladder() -> None:
    """All packets of a client in their order, with what a fault did to them."""
    async with serving(level=Level.FULL) as broker:
        client = await broker.client("one", version=V311)
        await client.subscribe(Request("a", 2))
        mqtt({"mqtt": broker.server}, "faults", "one", {"packet": "pubrel", "what": "duplicate"})
        await client.publish("b", b"", 2, packet_id=5)
        await client.expect(Pubrec)
        await client.send(Pubrel(5))
        await client.expect(Pubcomp)
        await client.publish("a", b"x", 2, packet_id=6)
        packet = await client.expect(Publish)
        await client.expect(Pubrec)
        await client.send(Pubrec(packet.packet_id))
        assert {(await client.expect(Pubrel)).packet_id, (await client.expect(Pubrel)).packet_id} == {1}
        flow = next(flow for flow in broker.server.context.flows if flow.kind == "mqtt")
        record = to_record(flow, whole=True)
        rungs = [line[14:].replace("─", "").split() for line in ladder(record["events"], record["started"])]
    assert [" ".join(words) for words in rungs[1:]] == [
        "CONNECT ▶", "◀ CONNACK", "SUBSCRIBE 1 a ▶", "◀ SUBACK 1",
        "PUBLISH 5 QoS 2 b ▶", "◀ PUBREC 5", "PUBREL 5 ▶", "◀ PUBCOMP 5",
        "PUBLISH 6 QoS 2 a ▶", "◀ PUBLISH 1 QoS 2 a", "◀ PUBREC 6", "PUBREC 1 ▶",
        "✗ fault: duplicate PUBREL of the broker", "◀ PUBREL 1", "◀ PUBREL 1",
    ]  # fmt: skip


async def test_a_password_that_is_proven_and_not_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    users = tmp_path / "users.txt"
    write_users(users, [User("ada", (), (make_scram("secret", b"salt" * 4),))])
    async with serving(users=users) as broker:
        settings: dict[str, Any] = {"server": at(broker), "topic": "a", "message": "x", "user": "ada", "scram": True}
        assert await pub.run(pub.Config(password="secret", verbose=True, **settings)) == 0
        assert "AUTH" in (told := capsys.readouterr().err)
        assert "secret" not in told
        with pytest.raises(NetlabError, match="bad credentials"):
            await pub.run(pub.Config(password="wrong", **settings))
        with pytest.raises(UsageError, match="--password"):
            pub.Config(**settings)


@pytest.mark.parametrize(
    "packet",
    [
        (Auth(Reason.CONTINUE_AUTHENTICATION, {"authentication_method": SCRAM, "authentication_data": b"r=x,i=0"})),
        (Connack(False, 0, {"authentication_method": SCRAM, "authentication_data": b"v=bm8="})),
        (Connack(False, 0)),
    ],
)
async def test_a_broker_that_does_not_know_the_password(packet: Packet) -> None:
    """It is not told anything more, and not believed."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(serialize(packet, V5))
        with suppress(OSError):
            await reader.read(1000)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        done.set()

    done = asyncio.Event()
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        config = pub.Config(
            server=Address("127.0.0.1", port), topic="a", message="x", user="ada", password="secret", scram=True
        )
        with pytest.raises(NetlabError, match="authentication is wrong"):
            await pub.run(config)
        await done.wait()


def test_from_another_process() -> None:
    with place() as here, here.start("serve", "mqtt", "--listen", "127.0.0.1:0", "--record", "full") as process:
        process.wait_until_ready()
        assert here.call("mqtt", "clients", "nobody").returncode == 1
        assert "no session" in here.call("mqtt", "why", "one", "a/b").stdout
        assert here.call("mqtt", "ladder", "nobody").returncode == 1
