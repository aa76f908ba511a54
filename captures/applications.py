"""The protocols over TCP and UDP: how a stream's is recognized, its messages found, shown in a line and as a tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from captures.dissect import opaque
from captures.dissectors import dns, http1, mqtt, pop, proxy, smtp, socks, tls, websocket
from captures.dissectors.ports import TCP, UDP
from captures.messages import LONGEST, Decoded, Ended, Message, NotThis, Script, Source, Talk
from captures.tree import Layer

LABELS = {
    "dns": "DNS", "http": "HTTP", "tls": "TLS", "websocket": "WebSocket", "smtp": "SMTP", "pop": "POP", "mqtt": "MQTT",
    "socks": "SOCKS", "proxy": "PROXY",
}  # fmt: skip
"""Dissector → the protocol as a list shows it."""
MODULES: dict[str, ModuleType] = {
    "dns": dns,
    "http": http1,
    "mqtt": mqtt,
    "pop": pop,
    "proxy": proxy,
    "smtp": smtp,
    "socks": socks,
    "tls": tls,
    "websocket": websocket,
}
SIGNED = ("tls", "http", "proxy", "mqtt", "smtp", "pop", "socks", "dns")
"""Protocols whose first bytes tell them, in the order in which they are tried."""

Dissect = Callable[[bytes, int, int | None, Layer | None, Mapping[str, Any]], Layer]
PARTS: dict[str, Dissect] = {"tls.handshake": tls.handshake}
"""Dissectors of what stands in a buffer of its own."""
PORT_TELLS_IN, RECOGNIZED_IN = 8, 24
"""Bytes that are waited for before the port decides, and before nobody knows."""
MOST_FAILURES = 16
"""How often a conversation may say what its protocol does not allow, before it is taken for another."""


def recognize(data: bytes, ports: tuple[int, int], *, whole: bool = False) -> str:
    """The protocol of a stream that begins so, `data` where nobody knows; empty where more bytes may tell."""
    for protocol in SIGNED:
        if MODULES[protocol].recognize(data):
            return protocol
    if len(data) < PORT_TELLS_IN and not whole:
        return ""
    for port in reversed(ports):
        if (protocol := TCP.get(port, "")) in MODULES:
            return protocol
    return "data" if whole or len(data) >= RECOGNIZED_IN else ""


def script(source: Source, talk: Talk) -> Script:
    """The messages of one side, protocol after protocol; it ends only with the stream."""
    while True:
        while not source.left:
            yield
        if not talk.protocol:
            talk.protocol = recognize(source.peek(256), talk.ports, whole=source.ended)
        if not talk.protocol:
            yield
            continue
        if talk.protocol not in MODULES:
            source.at = len(source.buffer)
            source.scanned = 0
            yield
            continue
        try:
            yield from MODULES[talk.protocol].messages(source, talk)
        except NotThis:  # or its beginning was lost: the next segment may begin a message again
            talk.failures += 1
            source.at, source.scanned = len(source.buffer), 0
            if talk.failures > MOST_FAILURES:
                talk.switch("data")
            yield
        except Ended:
            return


def datagram_protocol(data: bytes, ports: tuple[int, int]) -> str:
    """The protocol of a datagram; empty where nobody knows."""
    return UDP.get(ports[1]) or UDP.get(ports[0], "") or ("dns" if dns.asks(data) else "")


def label(protocol: str) -> str:
    """As lists show it; a part of a protocol (`http.content`) has its label."""
    return LABELS.get(protocol.partition(".")[0], protocol.upper())


def summary(message: Message) -> str:
    """A message in a line; text from the wire is not made harmless to a terminal yet."""
    protocol, _, part = message.protocol.partition(".")
    if part:
        return f"{part.replace('_', ' ')}, {len(message.data)} bytes"
    return str(MODULES[protocol].summarize(message.data, message.context))


def layer(message: Message, data: bytes, start: int, end: int) -> Layer:
    """A message's tree, its bytes standing between these indexes of a buffer."""
    protocol, _, part = message.protocol.partition(".")
    if part:
        return opaque(data, start, end, message.protocol, f"{label(protocol)} {part}", "a part of a longer message")
    dissected: Layer = MODULES[protocol].dissect(data, start, end, None, message.context)
    return dissected


def decoded(message: Message) -> tuple[Decoded, ...]:
    """The buffers that a message gives; those of HTTP are made here, when somebody looks."""
    return http1.decode(message.data) if message.protocol == http1.NAME else message.decoded


def decoded_layers(message: Message, buffer: Decoded) -> tuple[Layer, ...]:
    """The tree of a buffer that a message gave."""
    data = buffer.data[:LONGEST]
    if buffer.protocol in PARTS:
        return (PARTS[buffer.protocol](data, 0, len(data), None, message.context),)
    if buffer.protocol in MODULES:
        return (MODULES[buffer.protocol].dissect(data, 0, len(data), None, message.context),)
    return (opaque(data, 0, len(data), "data", buffer.label, ""),) if data else ()
