"""An MQTT broker: messages one in flight and pipelined, to one and to many."""

from __future__ import annotations

from bench.loads.mqtt import Messages
from bench.model import Case, Ratio, Row
from bench.peers.mosquitto import Mosquitto
from bench.peers.netlab import Netlab

NETLAB = Netlab(service="mqtt")


def row(name: str, about: str, load: Messages, at_least: float) -> Row:
    return Row(
        name=f"mqtt.{name}",
        about=f"MQTT broker, 64 bytes, {about}",
        unit="deliveries",
        columns=("rate", "cpu", "core", "cost", "load_cpu", "load_core"),
        cases=(
            Case(name="netlab", server=NETLAB, load=load),
            Case(name="mosquitto", server=Mosquitto(), load=load),
        ),
        claims=(Ratio(of="netlab", to=("mosquitto",), at_least=at_least),),
    )


ROWS = (
    row("single.qos0", "QoS 0, one in flight for each of 32 publishers, one subscriber", Messages(publishers=32), 1.0),
    row("single.qos1", "QoS 1, likewise", Messages(publishers=32, qos=1), 1.1),
    row("pipelined.qos0", "QoS 0, pipelined, one to one", Messages(window=2000), 4),
    row("pipelined.qos0-50", "QoS 0, pipelined, one to fifty", Messages(window=2000, subscribers=50), 8),
    row("pipelined.qos1", "QoS 1, pipelined, one to one", Messages(window=500, qos=1), 3),
    row("pipelined.qos1-50", "QoS 1, pipelined, one to fifty", Messages(window=500, qos=1, subscribers=50), 3),
)
