"""Numbers of MQTT and what they mean: packet types, reason codes, return codes."""

from __future__ import annotations

SHORT = {
    1: "CONNECT", 2: "CONNACK", 3: "PUBLISH", 4: "PUBACK", 5: "PUBREC", 6: "PUBREL", 7: "PUBCOMP", 8: "SUBSCRIBE",
    9: "SUBACK", 10: "UNSUBSCRIBE", 11: "UNSUBACK", 12: "PINGREQ", 13: "PINGRESP", 14: "DISCONNECT", 15: "AUTH",
}  # fmt: skip
KINDS = {
    1: "CONNECT: a client says who it is", 2: "CONNACK: and is welcome or not", 3: "PUBLISH: a message",
    4: "PUBACK: it arrived (QoS 1)", 5: "PUBREC: it arrived (QoS 2, step 1)", 6: "PUBREL: let go (QoS 2, step 2)",
    7: "PUBCOMP: done (QoS 2, step 3)", 8: "SUBSCRIBE: these topics", 9: "SUBACK: granted or not",
    10: "UNSUBSCRIBE: these no longer", 11: "UNSUBACK: so be it", 12: "PINGREQ: are you there?",
    13: "PINGRESP: I am", 14: "DISCONNECT: the end", 15: "AUTH: proof, step by step",
}  # fmt: skip
REASONS = {
    0: "success", 1: "granted QoS 1", 2: "granted QoS 2", 4: "disconnect with will", 16: "no matching subscribers",
    17: "no subscription existed", 24: "continue authentication", 25: "re-authenticate", 128: "unspecified error",
    129: "malformed packet", 130: "protocol error", 131: "implementation specific error",
    132: "unsupported protocol version", 133: "client identifier not valid", 134: "bad user name or password",
    135: "not authorized", 136: "server unavailable", 137: "server busy", 138: "banned", 139: "server shutting down",
    140: "bad authentication method", 141: "keep alive timeout", 142: "session taken over", 143: "topic filter invalid",
    144: "topic name invalid", 145: "packet identifier in use", 146: "packet identifier not found",
    147: "receive maximum exceeded", 148: "topic alias invalid", 149: "packet too large", 150: "message rate too high",
    151: "quota exceeded", 152: "administrative action", 153: "payload format invalid", 154: "retain not supported",
    155: "QoS not supported", 156: "use another server", 157: "server moved", 158: "shared subscriptions not supported",
    159: "connection rate exceeded", 160: "maximum connect time", 161: "subscription identifiers not supported",
    162: "wildcard subscriptions not supported",
}  # fmt: skip
RETURN_CODES = {
    0: "accepted", 1: "unacceptable protocol version", 2: "identifier rejected", 3: "server unavailable",
    4: "bad user name or password", 5: "not authorized",
}  # fmt: skip


def reason(number: int) -> str:
    """A reason code in words."""
    return REASONS.get(number, f"reason {number}, which is not defined")
