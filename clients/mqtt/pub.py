"""Publish a message, with all that MQTT 5 can say about it, and see whether the broker took it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from clients.mqtt.connection import MqttConnection
from clients.mqtt.reaching import Addresses, Reaching, connected, pairs
from netlab.config import Count, Duration, Flag, positional
from netlab.cores.mqtt_codes import reason_name
from netlab.cores.mqtt_topics import name_error
from netlab.errors import UsageError

EXAMPLES = (
    ("netlab mqtt pub home/lamp on", "to the broker on 127.0.0.1:1883"),
    ("netlab mqtt pub home/lamp on -q 2 --retain -v", "exactly once, kept for who comes later; each packet shown"),
    ("netlab mqtt pub ask/time now --response-topic answers/7 --correlation 7 --expiry 10s", "a request of MQTT 5"),
    ("seq 1000 | netlab mqtt pub numbers --lines -q 1", "each line of a pipe is a message"),
    ("netlab mqtt pub home/lamp '' --retain", "forget what is retained"),
)


@dataclass(frozen=True, kw_only=True)
class Config(Reaching):
    topic: Annotated[str, positional]
    """The topic."""
    message: Annotated[str | None, positional] = None
    """What to say; without it, --file or --lines."""
    file: Path | None = None
    """A file that is the message."""
    lines: bool = False
    """Each line of standard input is a message."""
    count: Count = 1
    """Say it so often."""
    qos: Annotated[Literal[0, 1, 2], Flag("-q", "--qos")] = 0
    """How sure it is to arrive: 0 at most once, 1 at least once, 2 exactly once."""
    retain: Annotated[bool, Flag("-r", "--retain")] = False
    """Let the broker keep it for who subscribes later."""
    expiry: Duration | None = None
    """How long it is worth delivering."""
    content_type: str = ""
    """Its media type."""
    utf8: bool = False
    """Say that it is text."""
    response_topic: str = ""
    """Where an answer is awaited."""
    correlation: str = ""
    """What the answer is to repeat."""
    user_property: tuple[str, ...] = ()
    """A property of your own, NAME=VALUE; may be given several times."""
    topic_alias: int = 0
    """Use this number for the topic from the second message on."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if error := name_error(self.topic):
            raise UsageError(error)
        if (self.message is not None) + (self.file is not None) + self.lines != 1:
            raise UsageError("give one of a message, --file and --lines")

    def properties(self) -> dict[str, Any]:
        """Those of MQTT 5, as they were asked for."""
        wanted: dict[str, Any] = {
            "payload_format_indicator": int(self.utf8),
            "content_type": self.content_type,
            "response_topic": self.response_topic,
            "correlation_data": self.correlation.encode(),
            "user_property": pairs(self.user_property),
        }
        found = {name: value for name, value in wanted.items() if value}
        if self.expiry is not None:
            found["message_expiry_interval"] = int(self.expiry)
        if found and self.protocol != "5":
            raise UsageError(f"MQTT {self.protocol} has no properties; they need --protocol 5")
        return found


async def run(config: Config, *, addresses: Addresses | None = None) -> int:
    """0; 1 where the broker did not take a message."""
    properties, failed = config.properties(), 0
    async with connected(config, addresses) as (connection, _):
        for number, payload in enumerate(_payloads(config)):
            failed += not await _say(connection, config, payload, properties, first=not number)
        if not config.qos:
            await connection.ping()  # behind it the broker has them all
    return 1 if failed else 0


def _payloads(config: Config) -> Any:
    if config.lines:
        return (line.rstrip("\n").encode() for line in sys.stdin)
    if config.file is not None:
        try:
            data = config.file.read_bytes()
        except OSError as error:
            raise UsageError(f"{config.file} cannot be read: {error.strerror}") from None
    else:
        data = (config.message or "").encode()
    return (data for _ in range(config.count))


async def _say(
    connection: MqttConnection, config: Config, payload: bytes, properties: dict[str, Any], *, first: bool
) -> bool:
    topic = config.topic
    if config.topic_alias:
        properties = {**properties, "topic_alias": config.topic_alias}
        topic = topic if first else ""
    reason = await connection.publish(topic, payload, qos=config.qos, retain=config.retain, properties=properties)
    if reason >= 0x80:
        sys.stderr.write(f"netlab: the broker did not take it: {reason_name(reason)}\n")
    return reason < 0x80
