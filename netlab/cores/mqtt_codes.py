"""MQTT's numbers and their names: packet types, reason codes, return codes, properties (MQTT 5.0 2.1.2, 2.2.2, 2.4)."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

V31, V311, V5 = 3, 4, 5
"""Protocol versions as CONNECT has them: 3.1, 3.1.1, 5.0."""
VERSIONS = {V31: "3.1", V311: "3.1.1", V5: "5.0"}
LARGEST = 268_435_455
"""The largest remaining length that four bytes can say (1.5.5)."""
LARGEST_PACKET = LARGEST + 5
NEVER = 0xFFFFFFFF
"""A session expiry interval that does not end (3.1.2.11.2)."""


class Type(IntEnum):
    """Control packet types (2.1.2)."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14
    AUTH = 15


FLAGS = {Type.PUBREL: 2, Type.SUBSCRIBE: 2, Type.UNSUBSCRIBE: 2}
"""What the four lowest bits of the first byte must be (2.1.3); 0 elsewhere, and PUBLISH has flags of its own."""
FROM_CLIENT = frozenset(
    (1, 3, 4, 5, 6, 7, 8, 10, 12, 14, 15),
)
FROM_SERVER = frozenset((2, 3, 4, 5, 6, 7, 9, 11, 13, 14, 15))


class Reason(IntEnum):
    """Reason codes (2.4); 0 is also "normal disconnection" and "granted QoS 0"."""

    SUCCESS = 0x00
    GRANTED_QOS_1 = 0x01
    GRANTED_QOS_2 = 0x02
    DISCONNECT_WITH_WILL = 0x04
    NO_MATCHING_SUBSCRIBERS = 0x10
    NO_SUBSCRIPTION_EXISTED = 0x11
    CONTINUE_AUTHENTICATION = 0x18
    REAUTHENTICATE = 0x19
    UNSPECIFIED = 0x80
    MALFORMED_PACKET = 0x81
    PROTOCOL_ERROR = 0x82
    IMPLEMENTATION_SPECIFIC = 0x83
    UNSUPPORTED_VERSION = 0x84
    CLIENT_ID_NOT_VALID = 0x85
    BAD_CREDENTIALS = 0x86
    NOT_AUTHORIZED = 0x87
    SERVER_UNAVAILABLE = 0x88
    SERVER_BUSY = 0x89
    BANNED = 0x8A
    SHUTTING_DOWN = 0x8B
    BAD_AUTHENTICATION_METHOD = 0x8C
    KEEP_ALIVE_TIMEOUT = 0x8D
    SESSION_TAKEN_OVER = 0x8E
    TOPIC_FILTER_INVALID = 0x8F
    TOPIC_NAME_INVALID = 0x90
    PACKET_ID_IN_USE = 0x91
    PACKET_ID_NOT_FOUND = 0x92
    RECEIVE_MAXIMUM_EXCEEDED = 0x93
    TOPIC_ALIAS_INVALID = 0x94
    PACKET_TOO_LARGE = 0x95
    RATE_TOO_HIGH = 0x96
    QUOTA_EXCEEDED = 0x97
    ADMINISTRATIVE_ACTION = 0x98
    PAYLOAD_FORMAT_INVALID = 0x99
    RETAIN_NOT_SUPPORTED = 0x9A
    QOS_NOT_SUPPORTED = 0x9B
    USE_ANOTHER_SERVER = 0x9C
    SERVER_MOVED = 0x9D
    SHARED_NOT_SUPPORTED = 0x9E
    CONNECTION_RATE_EXCEEDED = 0x9F
    MAXIMUM_CONNECT_TIME = 0xA0
    IDENTIFIERS_NOT_SUPPORTED = 0xA1
    WILDCARDS_NOT_SUPPORTED = 0xA2


def reason_name(code: int) -> str:
    """A reason code in words: `0x87 not authorized`."""
    words = Reason(code).name.lower().replace("_", " ") if code in Reason._value2member_map_ else "unknown"
    return f"0x{code:02x} {words}"


RETURN_CODES = {
    Reason.UNSUPPORTED_VERSION: 1,
    Reason.CLIENT_ID_NOT_VALID: 2,
    Reason.SERVER_UNAVAILABLE: 3,
    Reason.SERVER_BUSY: 3,
    Reason.SHUTTING_DOWN: 3,
    Reason.QUOTA_EXCEEDED: 3,
    Reason.CONNECTION_RATE_EXCEEDED: 3,
    Reason.BAD_CREDENTIALS: 4,
    Reason.NOT_AUTHORIZED: 5,
    Reason.BANNED: 5,
}
"""CONNACK's return codes of 3.1.1 (3.2.2.3) for the reasons of 5.0; what is not here is answered by closing."""
RETURN_NAMES = {
    0: "accepted",
    1: "unacceptable protocol version",
    2: "identifier rejected",
    3: "server unavailable",
    4: "bad user name or password",
    5: "not authorized",
}


class Form(IntEnum):
    """How a property's value is written (2.2.2.2)."""

    BYTE = 0
    TWO_BYTES = 1
    FOUR_BYTES = 2
    VARIABLE = 3
    TEXT = 4
    BINARY = 5
    PAIR = 6


class Property(NamedTuple):
    """One row of the table in 2.2.2.2."""

    name: str
    form: Form
    packets: frozenset[int]  # in which it may stand; WILL for the will's own


WILL = 0
"""Stands for the will properties of CONNECT beside the packet types."""


def _row(name: str, form: Form, *packets: int) -> Property:
    return Property(name, form, frozenset(packets))


_REASONED = (2, 4, 5, 6, 7, 9, 11, 14, 15)
PROPERTIES = {
    0x01: _row("payload_format_indicator", Form.BYTE, Type.PUBLISH, WILL),
    0x02: _row("message_expiry_interval", Form.FOUR_BYTES, Type.PUBLISH, WILL),
    0x03: _row("content_type", Form.TEXT, Type.PUBLISH, WILL),
    0x08: _row("response_topic", Form.TEXT, Type.PUBLISH, WILL),
    0x09: _row("correlation_data", Form.BINARY, Type.PUBLISH, WILL),
    0x0B: _row("subscription_identifier", Form.VARIABLE, Type.PUBLISH, Type.SUBSCRIBE),
    0x11: _row("session_expiry_interval", Form.FOUR_BYTES, Type.CONNECT, Type.CONNACK, Type.DISCONNECT),
    0x12: _row("assigned_client_identifier", Form.TEXT, Type.CONNACK),
    0x13: _row("server_keep_alive", Form.TWO_BYTES, Type.CONNACK),
    0x15: _row("authentication_method", Form.TEXT, Type.CONNECT, Type.CONNACK, Type.AUTH),
    0x16: _row("authentication_data", Form.BINARY, Type.CONNECT, Type.CONNACK, Type.AUTH),
    0x17: _row("request_problem_information", Form.BYTE, Type.CONNECT),
    0x18: _row("will_delay_interval", Form.FOUR_BYTES, WILL),
    0x19: _row("request_response_information", Form.BYTE, Type.CONNECT),
    0x1A: _row("response_information", Form.TEXT, Type.CONNACK),
    0x1C: _row("server_reference", Form.TEXT, Type.CONNACK, Type.DISCONNECT),
    0x1F: _row("reason_string", Form.TEXT, *_REASONED),
    0x21: _row("receive_maximum", Form.TWO_BYTES, Type.CONNECT, Type.CONNACK),
    0x22: _row("topic_alias_maximum", Form.TWO_BYTES, Type.CONNECT, Type.CONNACK),
    0x23: _row("topic_alias", Form.TWO_BYTES, Type.PUBLISH),
    0x24: _row("maximum_qos", Form.BYTE, Type.CONNACK),
    0x25: _row("retain_available", Form.BYTE, Type.CONNACK),
    0x26: _row(
        "user_property", Form.PAIR, Type.CONNECT, Type.PUBLISH, WILL, Type.SUBSCRIBE, Type.UNSUBSCRIBE, *_REASONED
    ),
    0x27: _row("maximum_packet_size", Form.FOUR_BYTES, Type.CONNECT, Type.CONNACK),
    0x28: _row("wildcard_subscription_available", Form.BYTE, Type.CONNACK),
    0x29: _row("subscription_identifier_available", Form.BYTE, Type.CONNACK),
    0x2A: _row("shared_subscription_available", Form.BYTE, Type.CONNACK),
}
"""Identifier → name, form and where it may stand (2.2.2.2)."""
IDENTIFIERS = {row.name: identifier for identifier, row in PROPERTIES.items()}

FLAG_PROPERTIES = frozenset((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A))
"""Properties of one byte, that is 0 or 1 and nothing else."""
NOT_ZERO = frozenset((0x0B, 0x21, 0x27))
"""Properties in which 0 is a protocol error; a topic alias of 0 has a reason code of its own."""
