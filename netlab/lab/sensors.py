"""The world's sensors: small MQTT clients that publish readings, so that something goes on in the lab by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random

from netlab.cores.mqtt_codes import V5
from netlab.cores.mqtt_packets import Connect
from netlab.errors import NetlabError
from netlab.lab.world import Sensor
from netlab.net.listen import Listener
from netlab.net.tasks import Tasks
from netlab.service import Context

BROKER = "broker.iot.test"
PORT = 1883
AGAIN = 5.0
"""Seconds until a sensor that was turned away tries again."""
KEEP_ALIVE = 60
STEP = 0.01
"""How far a reading goes from one to the next, as a share of what it is around."""


class Sensors:
    """A service that nobody calls: each sensor has a connection of its own, to the broker by its name in the world."""

    def __init__(self, sensors: Sequence[Sensor], context: Context) -> None:
        self.sensors, self.context = sensors, context
        self.dialer = context.dialer("sensors")
        self.tasks = Tasks("sensors")

    def listeners(self) -> Sequence[Listener]:
        return ()

    async def background(self) -> None:
        for sensor in self.sensors:
            self.tasks.start(self._live(sensor), f"sensor {sensor.topic}")

    async def _live(self, sensor: Sensor) -> None:
        """Publish for ever; a broker that is gone is tried again after a while."""
        chance = Random(sensor.topic)
        while True:
            try:
                await self._publish(sensor, chance)
            except NetlabError:  # it is on the flow of the connection, which says more than we could here
                await asyncio.sleep(AGAIN)

    async def _publish(self, sensor: Sensor, chance: Random) -> None:
        from clients.mqtt.connection import MqttConnection

        _, connection, _ = await self.dialer.dial(BROKER, PORT, lambda flow: MqttConnection(flow))
        try:
            name = sensor.topic.replace("/", "-")
            await connection.connect(Connect(V5, name, True, KEEP_ALIVE, None, None, None, {}))
            reading = sensor.around
            while True:
                reading += chance.uniform(-1, 1) * STEP * sensor.around + (sensor.around - reading) / 10
                text = f"{reading:.1f} {sensor.unit}".strip()
                await connection.publish(sensor.topic, text.encode(), qos=1, retain=True)
                await asyncio.sleep(min(sensor.every, KEEP_ALIVE))
        finally:
            connection.disconnect()
