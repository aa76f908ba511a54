"""The staple of a server that speaks TLS 1.3 alone: a key is agreed on, so that its encrypted messages can be read."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Iterator
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from clients.tls.handshake import CERTIFICATE, entries
from clients.tls.wire import Server
from netlab.cores.tls_hello import HANDSHAKE
from netlab.cores.tls_hello_answer import Answer, read_server_hello
from netlab.cores.tls_hello_offer import STATUS_REQUEST, TLS_1_3, Offer, client_hello

X25519, ALERT, APPLICATION_DATA = 0x001D, 21, 23
LONGEST = 1 << 18
"""Bytes that are read of a server."""


class Suite(NamedTuple):
    """What a cipher suite of TLS 1.3 is made of; `key` is bytes of one."""

    digest: str
    key: int
    cipher: Any


SUITES = {
    0x1301: Suite("sha256", 16, AESGCM),
    0x1302: Suite("sha384", 32, AESGCM),
    0x1303: Suite("sha256", 32, ChaCha20Poly1305),
}


async def stapled(server: Server) -> bytes:
    """The OCSP response in DER that comes with the server's certificate; empty where there is none to be seen."""
    private, heard = X25519PrivateKey.generate(), b""
    share = private.public_key().public_bytes_raw()
    offer = Offer(
        versions=(TLS_1_3,), suites=tuple(SUITES), groups=(X25519,), server_name=server.name, staple=True, share=share
    )
    hello, wire = client_hello(offer, secrets.token_bytes(32)), await server.connect()
    try:
        wire.write(hello)
        async with asyncio.timeout(server.seconds):
            while (data := await wire.read()) and len(heard) < LONGEST:
                heard += data
                if (found := staple_in(hello[5:], heard, private)) is not None:
                    return found
    except (TimeoutError, InvalidTag, ValueError):
        pass  # what cannot be read says nothing
    finally:
        wire.abort()
    return b""


def staple_in(client_message: bytes, heard: bytes, private: X25519PrivateKey) -> bytes | None:
    """What a server's bytes hold; None while its certificate has not come, or not whole."""
    records = list(_records(heard))
    if any(kind == ALERT for kind, _, _ in records):
        return b""
    server_message = next((content for kind, _, content in records if kind == HANDSHAKE), None)
    if server_message is None:
        return None
    answer = read_server_hello(server_message[4:])
    if not isinstance(answer, Answer) or answer.suite not in SUITES or len(answer.share) != 32:
        return b""
    suite = SUITES[answer.suite]
    shared = private.exchange(X25519PublicKey.from_public_bytes(answer.share))
    secret = _secret(suite, shared, client_message + server_message)
    sealed = [(head, content) for kind, head, content in records if kind == APPLICATION_DATA]
    return _staple(b"".join(_opened(suite, secret, sealed)))


def _records(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Type, head and content of those that are whole."""
    at = 0
    while at + 5 <= len(data) and (end := at + 5 + int.from_bytes(data[at + 3 : at + 5], "big")) <= len(data):
        yield data[at], data[at : at + 5], data[at + 5 : end]
        at = end


def _secret(suite: Suite, shared: bytes, transcript: bytes) -> bytes:
    """What the server's messages of the handshake are encrypted by (RFC 8446 7.1)."""
    size = hashlib.new(suite.digest).digest_size
    early = hmac.digest(bytes(size), bytes(size), suite.digest)
    derived = _expand(suite, early, "derived", hashlib.new(suite.digest).digest(), size)
    agreed = hmac.digest(derived, shared, suite.digest)
    return _expand(suite, agreed, "s hs traffic", hashlib.new(suite.digest, transcript).digest(), size)


def _expand(suite: Suite, secret: bytes, label: str, context: bytes, length: int) -> bytes:
    """HKDF-Expand-Label; one block is enough for all that is asked for."""
    name = b"tls13 " + label.encode()
    info = length.to_bytes(2, "big") + bytes((len(name),)) + name + bytes((len(context),)) + context
    return hmac.digest(secret, info + b"\1", suite.digest)[:length]


def _opened(suite: Suite, secret: bytes, sealed: list[tuple[bytes, bytes]]) -> Iterator[bytes]:
    """The messages in these records (RFC 8446 5.2); InvalidTag where the key is another."""
    cipher = suite.cipher(_expand(suite, secret, "key", b"", suite.key))
    iv = int.from_bytes(_expand(suite, secret, "iv", b"", 12), "big")
    for number, (head, content) in enumerate(sealed):
        inner = cipher.decrypt((iv ^ number).to_bytes(12, "big"), content, head).rstrip(b"\0")
        if inner[-1:] != bytes((HANDSHAKE,)):
            return
        yield inner[:-1]


def _staple(messages: bytes) -> bytes | None:
    """The response beside the first certificate (RFC 8446 4.4.2.1); None while it has not come."""
    at = 0
    while at + 4 <= len(messages):
        end = at + 4 + int.from_bytes(messages[at + 1 : at + 4], "big")
        if messages[at] == CERTIFICATE:
            if end > len(messages):
                return None
            extensions = next((found for _, found in entries(messages[at + 4 : end], later=True)), b"")
            return _status(extensions)
        at = end
    return None


def _status(extensions: bytes) -> bytes:
    at = 0
    while at + 4 <= len(extensions):
        kind, size = int.from_bytes(extensions[at : at + 2], "big"), int.from_bytes(extensions[at + 2 : at + 4], "big")
        if kind == STATUS_REQUEST:
            return extensions[at + 8 : at + 4 + size]  # behind its type and length
        at += 4 + size
    return b""
