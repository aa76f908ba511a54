"""An MQTT broker: messages one in flight and pipelined, to one and to many."""

from __future__ import annotations

from bench.loads.idle import Idle
from bench.loads.mqtt import Messages
from bench.model import Case, Limit, Ratio, Row
from bench.peers.amqtt import Amqtt
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
            Case(name="amqtt", server=Amqtt(), load=load),
        ),
        claims=(Ratio(of="netlab", to=("mosquitto",), at_least=at_least), Ratio(of="netlab", to=("amqtt",))),
    )


IDLE = Idle(
    greeting=b"\x10\x0c\0\x04MQTT\x04\x02\0\0\0\0",
    answer=b"\x20\x02\0\0",
    again=b"\xc0\0",
    again_answer=b"\xd0\0",
)

idle = Row(
    name="mqtt.idle-10k",
    about="10,000 MQTT clients that have connected and say nothing",
    unit="connections",
    columns=("memory", "idle", "each", "rate"),
    cases=(
        Case(name="netlab", server=NETLAB, load=IDLE, fresh=True),
        Case(name="mosquitto", server=Mosquitto(), load=IDLE, fresh=True),
    ),
    claims=(Limit(of="netlab", metric="memory", unit="MB", at_most=150),),
)

filters = Row(
    name="mqtt.filters",
    about="a message that matches ten of so many subscriptions with wildcards, QoS 0, 1,000 topics",
    unit="deliveries",
    columns=("rate", "cpu", "core", "cost", "load_cpu", "load_core"),
    cases=(
        Case(name="100", server=NETLAB, load=Messages(window=500, subscribers=10, filters=90)),
        Case(name="100,000", server=NETLAB, load=Messages(window=500, subscribers=10, filters=99_990)),
    ),
    claims=(Ratio(of="100,000", to=("100",), metric="cost", at_most=3),),
)

DURABLE = Messages(window=500, qos=1, kept=True)
durable = Row(
    name="mqtt.durable",
    about="QoS 1, pipelined, one to one, with a store; mosquitto does not write each message before it acknowledges it",
    unit="deliveries",
    columns=("rate", "cpu", "core", "cost", "load_cpu", "load_core"),
    cases=(
        Case(name="netlab", server=Netlab(service="mqtt", flags=("--store", "state")), load=DURABLE),
        Case(name="mosquitto", server=Mosquitto(persistence=True), load=DURABLE),
    ),
    claims=(Ratio(of="netlab", to=("mosquitto",)),),
)

ROWS = (
    row("single.qos0", "QoS 0, one in flight for each of 32 publishers, one subscriber", Messages(publishers=32), 1.0),
    row("single.qos1", "QoS 1, likewise", Messages(publishers=32, qos=1), 1.1),
    row("pipelined.qos0", "QoS 0, pipelined, one to one", Messages(window=2000), 4),
    row("pipelined.qos0-50", "QoS 0, pipelined, one to fifty", Messages(window=2000, subscribers=50), 8),
    row("pipelined.qos1", "QoS 1, pipelined, one to one", Messages(window=500, qos=1), 3),
    row("pipelined.qos1-50", "QoS 1, pipelined, one to fifty", Messages(window=500, qos=1, subscribers=50), 3),
    idle,
    filters,
    durable,
)
