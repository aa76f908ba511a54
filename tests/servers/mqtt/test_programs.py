"""Programs that nobody here wrote, against the broker: mosquitto's clients, paho, aiomqtt."""

from __future__ import annotations

import asyncio
import shutil
from typing import Any

import aiomqtt
import pytest

from tests.servers.mqtt.brokering import SECONDS, run, serving

pytestmark = [pytest.mark.one_loop]
mosquitto = pytest.mark.skipif(not shutil.which("mosquitto_sub"), reason="needs mosquitto_sub (mosquitto-clients)")


@mosquitto
@pytest.mark.parametrize(("version", "qos"), [("mqttv31", 0), ("mqttv311", 1), ("mqttv5", 2)])
async def test_mosquitto_gets_what_mosquitto_says(version: str, qos: int) -> None:
    async with serving() as broker:
        common = ("-h", "127.0.0.1", "-p", str(broker.port), "-V", version, "-q", str(qos))
        await run("mosquitto_pub", *common, "-t", "home/lamp", "-m", "on", "-r")
        assert await run("mosquitto_sub", *common, "-t", "home/#", "-v", "-C", "1") == "home/lamp on\n"


@pytest.mark.parametrize("protocol", [aiomqtt.ProtocolVersion.V311, aiomqtt.ProtocolVersion.V5])
async def test_aiomqtt(protocol: Any) -> None:
    async with serving() as broker:
        client = aiomqtt.Client("127.0.0.1", broker.port, protocol=protocol)
        async with asyncio.timeout(SECONDS), client:
            await client.subscribe("a/+", qos=2)
            for qos in range(3):
                await client.publish(f"a/{qos}", payload=b"x", qos=qos)
            topics = []
            async for message in client.messages:
                topics.append((str(message.topic), message.qos))
                if len(topics) == 3:
                    break
            assert sorted(topics) == [("a/0", 0), ("a/1", 1), ("a/2", 2)]
