"""The MQTT server: what it listens on, and what goes on besides."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from netlab.config import Address
from netlab.cores.mqtt import Limits
from netlab.errors import StoreFailed, UsageError
from netlab.flow import Level
from netlab.http.listening import contexts_of
from netlab.net.certs import state_directory
from netlab.net.gate import Gate, GateLimits
from netlab.net.listen import Listener
from netlab.net.sweep import Sweep
from netlab.net.tasks import Tasks
from netlab.service import Context
from netlab.stores.mqtt import MqttStore
from servers.mqtt.admission import Doors
from servers.mqtt.broker import Broker
from servers.mqtt.config import Config
from servers.mqtt.link import Link
from servers.mqtt.system_topics import SystemTopics
from servers.mqtt.trace import Trace

MOST_TOPICS = 50_000
"""Topic names that are known to be good without another look."""


class Server:
    """One broker, reached in several ways."""

    def __init__(self, config: Config, context: Context) -> None:
        self.config, self.context = config, context
        self.tasks = Tasks("mqtt")
        self.gate = Gate(GateLimits(connections=config.max_connections, per_address=config.max_connections_per_address))
        self.doors = Doors(config)
        self._make_link = self._link_of(config.engine)
        self.store = open_store(config, context)
        self.broker = Broker(config, context, self.store, self.doors if self.doors.listed else None)
        self.topics: dict[bytes, str] = {}
        self.limits = Limits(
            packet_size=config.max_packet_size,
            receive_maximum=config.receive_maximum,
            topic_alias_maximum=config.topic_alias_maximum,
            maximum_qos=config.max_qos,
            retain_available=config.retain_available,
            topic_levels=config.topic_levels,
        )
        self._system_topics = SystemTopics(self.broker)
        self._told = math.inf  # loop time at which the counters were published
        self._sweep = Sweep()
        self.deadline = -math.inf  # it is looked at with every sweep

    def listeners(self) -> Sequence[Listener]:
        config = self.config
        found = [self._listener("mqtt", config.listen, self.link_at("tcp"))]
        if config.tls:
            found.append(self._secure_listener())
        if config.websocket:
            from servers.mqtt.websocket import WebSockets

            found.append(WebSockets(self).listener(config.websocket_address))
        if config.unix is not None:
            found.append(
                Listener(
                    name="mqtt", scheme="mqtt+unix", unix=config.unix, factory=self.link_at("unix"), gate=self.gate
                )
            )
        return found

    def link_at(self, listener: str) -> Callable[[], Link]:
        """What makes the link of a connection that comes in there."""
        make, admission = self._make_link, self.doors.at(listener)
        return lambda: make(self, admission)

    def _link_of(self, engine: str) -> type[Link]:
        """What makes a connection's link, on the engine that was asked for."""
        if engine == "netlab":
            return Link
        try:
            from servers.mqtt.other_engine import AmqttLink
        except ModuleNotFoundError as error:
            raise UsageError(f"--engine amqtt needs {error.name}: pip install 'netlab[engine-amqtt]'") from None
        return AmqttLink

    def _listener(self, scheme: str, address: Address, factory: Callable[[], asyncio.Protocol]) -> Listener:
        return Listener(
            name="mqtt", scheme=scheme, host=address.host, port=address.port, factory=factory, gate=self.gate
        )

    def _secure_listener(self) -> Listener:
        from netlab.net.tls import TlsLayer

        config, link = self.config, self.link_at("tls")
        contexts = contexts_of(
            self.context.state, config.certificate, config.client_certificates, config.client_ca, alpn=("mqtt",)
        )
        return self._listener("mqtts", config.tls_address, lambda: TlsLayer(link(), contexts, server_side=True))

    async def background(self) -> None:
        """Begin to look at the lab's clock, and to tell what is counted."""
        self._sweep.add(self)
        self._trace_if_full()
        if self.config.sys_interval:
            self._told = asyncio.get_running_loop().time()
            self._system_topics.tell(0.0)

    def expire(self, now: float) -> None:
        """A few times a second: what is due by the lab's clock, which may have jumped."""
        self.broker.tick()
        self._trace_if_full()
        if now - self._told >= self.config.sys_interval:
            self._system_topics.tell(now - self._told)
            self._told = now
        if len(self.topics) > MOST_TOPICS:
            self.topics.clear()

    def _trace_if_full(self) -> None:
        """Remember what is decided about each message while somebody wants to know all."""
        if self.broker.trace is None and self.context.flows.level is Level.FULL:
            self.broker.trace = Trace()

    def closed(self) -> None:
        self._sweep.close()
        self.doors.close()
        if self.store is not None:
            self.store.close()


def open_store(config: Config, context: Context) -> MqttStore | None:
    """Where the settings say that sessions are kept; UsageError says why it cannot be."""
    if config.store == "memory":
        return None
    path = Path(config.store).expanduser()
    if config.store == "state":
        path = (context.state or state_directory()) / "mqtt.db"
    try:
        return MqttStore(path, durable=config.durable)
    except StoreFailed as error:
        raise UsageError(f"--store: {error}") from None
