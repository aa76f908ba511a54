"""MQTT's control packets as values, the same for all versions (MQTT 5.0 3)."""

from __future__ import annotations

from typing import NamedTuple

from netlab.cores.mqtt_wire import NOTHING, Properties


class Will(NamedTuple):
    """What the server is to publish when its client is gone without a word (3.1.2.5)."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: Properties = NOTHING


class Connect(NamedTuple):
    version: int
    client_id: str
    clean_start: bool = True
    keep_alive: int = 0  # seconds; 0: never mind
    will: Will | None = None
    user: str | None = None
    password: bytes | None = None
    properties: Properties = NOTHING
    start: int = 0
    end: int = 0


class Connack(NamedTuple):
    session_present: bool
    reason: int  # a reason code in 5.0, a return code before
    properties: Properties = NOTHING
    start: int = 0
    end: int = 0


class Publish(NamedTuple):
    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    dup: bool = False
    packet_id: int = 0  # 0 at QoS 0
    properties: Properties = NOTHING
    packet: bytes = b""  # as it came, where it can go on, but for its identifier, to subscribers of the same version
    start: int = 0
    end: int = 0


class Puback(NamedTuple):
    packet_id: int
    reason: int = 0
    properties: Properties = NOTHING
    start: int = 0
    end: int = 0


class Pubrec(NamedTuple):
    packet_id: int
    reason: int = 0
    properties: Properties = NOTHING
    start: int = 0
    end: int = 0


class Pubrel(NamedTuple):
    packet_id: int
    reason: int = 0
    properties: Properties = NOTHING
    start: int = 0
    end: int = 0


class Pubcomp(NamedTuple):
    packet_id: int
    reason: int = 0
    properties: Properties = NOTHING
    start: int = 0
    end: int = 0


class Request(NamedTuple):
    """One topic filter of a SUBSCRIBE with its options (3.8.3.1)."""

    filter: str
    qos: int = 0
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0  # 0: send what is retained; 1: only if the subscription is new; 2: do not


class Subscribe(NamedTuple):
    packet_id: int
    requests: tuple[Request, ...]
    properties: Properties = NOTHING
    start: int = 0
    end: int = 0


class Suback(NamedTuple):
    packet_id: int
    reasons: tuple[int, ...]
    properties: Properties = NOTHING
    start: int = 0
    end: int = 0


class Unsubscribe(NamedTuple):
    packet_id: int
    filters: tuple[str, ...]
    properties: Properties = NOTHING
    start: int = 0
    end: int = 0


class Unsuback(NamedTuple):
    packet_id: int
    reasons: tuple[int, ...] = ()  # none before 5.0
    properties: Properties = NOTHING
    start: int = 0
    end: int = 0


class Pingreq(NamedTuple):
    start: int = 0
    end: int = 0


class Pingresp(NamedTuple):
    start: int = 0
    end: int = 0


class Disconnect(NamedTuple):
    reason: int = 0
    properties: Properties = NOTHING
    start: int = 0
    end: int = 0


class Auth(NamedTuple):
    reason: int = 0
    properties: Properties = NOTHING
    start: int = 0
    end: int = 0


Packet = (
    Connect
    | Connack
    | Publish
    | Puback
    | Pubrec
    | Pubrel
    | Pubcomp
    | Subscribe
    | Suback
    | Unsubscribe
    | Unsuback
    | Pingreq
    | Pingresp
    | Disconnect
    | Auth
)
