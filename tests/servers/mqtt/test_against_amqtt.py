"""amqtt beside the broker: its client against ours, and ours on its packets (`--engine amqtt`)."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import aiomqtt
import pytest

from netlab.cores.mqtt_codes import V311
from netlab.cores.mqtt_packets import Publish, Request, Unsuback, Unsubscribe, Will
from netlab.errors import UsageError
from netlab.flow import Level, Outcome
from tests.servers.mqtt.brokering import SECONDS, Broker, serving

pytest.importorskip("amqtt", reason="amqtt is missing: make .venv/.ready, or pip install --no-deps amqtt")
from amqtt.client import MQTTClient

pytestmark = pytest.mark.one_loop
ENGINES = ("netlab", "amqtt")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_amqtt_s_client(engine: str, qos: int) -> None:
    async with serving(engine=engine) as broker:
        client = MQTTClient(client_id="theirs", config={"auto_reconnect": False, "plugins": {}})
        async with asyncio.timeout(SECONDS):
            await client.connect(f"mqtt://127.0.0.1:{broker.port}/")
            assert await client.subscribe([("home/+", qos)]) == [qos]
            await client.publish("home/lamp", b"on", qos=qos)
            message = await client.deliver_message()
            assert (message.topic, message.data, message.qos) == ("home/lamp", b"on", qos)
            await client.unsubscribe(["home/+"])
            await client.disconnect()


@pytest.mark.parametrize("engine", ENGINES)
async def test_aiomqtt(engine: str) -> None:
    async with serving(engine=engine) as broker:
        client = aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V311)
        async with asyncio.timeout(SECONDS), client:
            for qos in range(3):
                await client.publish(f"a/{qos}", payload=b"x" * 200, qos=qos, retain=True)
            await client.subscribe("a/+", qos=2)
            found = []
            async for message in client.messages:
                found.append((str(message.topic), message.qos, message.retain, len(message.payload)))
                if len(found) == 3:
                    break
            assert sorted(found) == [(f"a/{qos}", qos, True, 200) for qos in range(3)]


async def heard(broker: Broker) -> list[Any]:
    """What two clients are told in a conversation with a bit of everything."""
    one = await broker.client("one", version=V311, will=Will("will", b"gone", 1))
    two = await broker.client("two", version=V311, clean=False)
    found: list[Any] = [await two.subscribe(Request("a/#", 2), Request("will", 1), Request("$share/g/s", 1))]
    for qos in range(3):
        await one.publish(f"a/{qos}", b"x", qos, packet_id=qos)
    await one.publish("s", b"shared", 1, packet_id=7)
    found += await one.all_so_far()
    found += await two.all_so_far()
    await two.send(Unsubscribe(9, ("a/#", "b")))
    found.append(await two.expect(Unsuback))
    two.drop()
    await two.closed()
    again = await broker.client("two", version=V311, clean=False)
    found += [again.connack, *await again.all_so_far()]
    one.drop()
    found.append(await again.expect(Publish))
    return found


async def test_both_engines_say_the_same() -> None:
    """With sessions, shared subscriptions, a will, and what is sent again."""
    said = {}
    for engine in ENGINES:
        async with serving(engine=engine) as broker:
            async with asyncio.timeout(SECONDS):
                said[engine] = await heard(broker)
    assert said["amqtt"] == said["netlab"]
    assert len(said["amqtt"]) > 12


async def test_flows_show_the_same() -> None:
    told = {}
    for engine in ENGINES:
        async with serving(engine=engine, level=Level.FULL) as broker:
            client = await broker.client("one", version=V311)
            await client.subscribe(Request("a", 1))
            await client.publish("a", b"x", 1, packet_id=3)
            await client.all_so_far()
            [flow] = [flow for flow in broker.server.context.flows if flow.kind == "mqtt"]
            told[engine] = [(event.name, event.side, event.fields) for event in flow.events or ()]
    assert told["amqtt"] == told["netlab"]
    assert told["amqtt"]


async def test_mqtt_5_is_refused_with_a_sentence() -> None:
    async with serving(engine="amqtt") as broker:
        client = await broker.dial()
        client.core.version = V311  # the answer is in the form of the version that the engine speaks
        await client.raw(bytes.fromhex("100d 0004 4d515454 05 02 0000 00 0000"))
        connack = await client.receive()
        assert connack is not None
        assert connack[:2] == (False, 1)
        assert await client.closed()
        [flow] = [flow for flow in broker.server.context.flows if flow.kind == "tcp"]
        assert flow.outcome == Outcome.VIOLATION
        assert flow.result == "0x84 unsupported version: the engine amqtt speaks 3.1.1, and not 5.0"


async def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("netlab.cores.mqtt_amqtt", "servers.mqtt.other"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "amqtt", None)
    with pytest.raises(UsageError, match=r"--engine amqtt needs amqtt: pip install 'netlab\[engine-amqtt\]'"):
        async with serving(engine="amqtt"):
            pass
