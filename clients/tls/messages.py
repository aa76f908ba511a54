"""What each message of a handshake says, in a line, and in all of its fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from captures.dissectors import tls, tls_handshake
from captures.tree import Field, Reader
from clients.tls.handshake import ALERT, Message
from netlab.cores import tls_hello_details, tls_hello_fingerprint
from netlab.cores.tls_hello_answer import Answer, read_server_hello
from netlab.cores.tls_hello_names import CIPHER_SUITES, GROUPS, SIGNATURES, VERSIONS, name
from netlab.errors import RemoteProtocolError

CLIENT_HELLO, SERVER_HELLO, TICKET, CERTIFICATE_VERIFY = 1, 2, 4, 15
TLS_1_3 = 0x0304


def title(message: Message) -> str:
    """Its name."""
    if message.kind == ALERT:
        return "Alert"
    return tls_handshake.names(message.data)[0] if len(message.data) >= 4 else "Handshake"


def digest(message: Message) -> str:
    """What is worth a line."""
    data = message.data
    if message.kind == ALERT and len(data) == 2:
        return f"{tls.LEVELS.get(data[0], data[0])}, {tls.DESCRIPTIONS.get(data[1], data[1])}"
    kind, body = data[0], data[4:]
    if kind == CLIENT_HELLO:
        return _client_hello(data)
    if kind == SERVER_HELLO:
        return _server_hello(read_server_hello(body))
    if kind == TICKET and len(body) > 3:
        return f"for {int.from_bytes(body[:4], 'big'):,} s"
    if kind == CERTIFICATE_VERIFY and len(body) > 1:
        return name(SIGNATURES, int.from_bytes(body[:2], "big"))
    return ""


def _client_hello(data: bytes) -> str:
    details = tls_hello_details.read(data)
    if isinstance(details, RemoteProtocolError):
        return str(details)
    return f"{len(details.cipher_suites)} suites, JA4 {tls_hello_fingerprint.ja4(details)}"


def _server_hello(answer: Answer | RemoteProtocolError) -> str:
    if isinstance(answer, RemoteProtocolError):
        return str(answer)
    group = f", {name(GROUPS, answer.group)}" if answer.group else ""
    return f"{name(VERSIONS, answer.version)}, {name(CIPHER_SUITES, answer.suite)}{group}"


def fields(message: Message, facts: dict[str, Any]) -> Iterator[tuple[int, Field]]:
    """All of its fields with their depth; `facts` go from one message of a connection to the next."""
    if message.kind == ALERT:
        return
    reader = Reader(message.data, 0, len(message.data))
    tls_handshake.learn(message.data, facts)
    tls_handshake.read(reader, facts)
    for one in reader.fields:
        for part in one.parts or (one,):
            yield from _walk(part, 0)


def _walk(one: Field, depth: int) -> Iterator[tuple[int, Field]]:
    yield depth, one
    for part in one.parts:
        yield from _walk(part, depth + 1)
