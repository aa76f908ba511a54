"""Secrets that fields of messages hold: of SMTP, POP3, MQTT and SOCKS, also in the part of a message that is there."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable

from captures import applications
from captures.dissectors import mqtt
from captures.messages import Message, Source, Talk
from captures.tree import Layer
from netlab.inspect.masks import Cover, moved, whole

SECRETS = {
    "smtp.auth.password", "smtp.auth.username_password", "pop.request.password", "mqtt.passwd", "mqtt.prop_auth_data",
    "socks.password",
}  # fmt: skip
"""Fields that are secrets; of HTTP and of what nobody knows, what stands before a secret tells it."""
BY_FIELD = {"smtp", "pop", "mqtt", "socks"}
"""Protocols whose secrets are told by their fields; those of others by what stands before them."""
UNFINISHED = 4096
"""Bytes of an unfinished message that are read for secrets: of more, all is hidden."""
LOGIN = re.compile(rb"(?i)(?:PASS|APOP|AUTH +[^ \r\n]+) ")


def field_covers(layers: Iterable[Layer], names: Container[str] = SECRETS) -> list[Cover]:
    """Covers of the fields that are secrets."""
    fields = [field for layer in layers for field in layer.all() if field.name in names]
    return [Cover(field.start // 8, b"*" * ((field.end - field.start) // 8)) for field in fields]


def message_covers(message: Message) -> list[Cover]:
    """Covers of a whole message, counted from its stream's beginning."""
    if message.protocol not in BY_FIELD:
        return []
    return moved(field_covers([applications.layer(message, message.data, 0, len(message.data))]), message.offset)


def unfinished(source: Source, talk: Talk) -> list[Cover]:
    """What is secret in the part of a side's message that is there; where that is long, all behind its beginning."""
    protocol, start, data = talk.protocol, source.start + source.at, source.peek(UNFINISHED)
    if not data or protocol not in BY_FIELD or (protocol != mqtt.NAME and source.side == "server"):
        return []
    rest = whole(start + len(data), start + source.left)
    if protocol in ("smtp", "pop"):
        if talk.facts.get("data"):
            return []
        login = LOGIN.match(data)
        secret = 0 if talk.facts.get("token") else login.end() if login else len(data)
        return [*whole(start + secret, start + len(data)), *rest]
    if protocol == mqtt.NAME and data[0] >> 4 not in (mqtt.CONNECT, mqtt.CONNACK, mqtt.AUTH):
        return []
    context = {"step": "login"} if protocol == "socks" and data[:1] == b"\1" else {"version": version(talk)}
    layer = applications.MODULES[protocol].dissect(data, context=context)
    return [*moved(field_covers([layer]), start), *rest]


def version(talk: Talk) -> int:
    """The version of MQTT that CONNECT has told."""
    return int(talk.facts.get("version", 4))
