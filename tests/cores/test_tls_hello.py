"""The ClientHello, read without taking part: those OpenSSL makes, in any split, and what is none."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.cores.tls_hello import HELLO_LIMIT, PLAIN_HTTP, ClientHello, HelloReader
from netlab.errors import RemoteProtocolError


def made(name: str | None, *protocols: str) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if protocols:
        context.set_alpn_protocols(list(protocols))
    outgoing = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


HELLO = made("www.shop.test", "h2", "http/1.1")


def in_records(hello: bytes, size: int) -> bytes:
    """The same message in records of this size (RFC 8446 5.1)."""
    message = hello[5:]
    pieces = [message[start : start + size] for start in range(0, len(message), size)]
    return b"".join(hello[:3] + len(piece).to_bytes(2, "big") + piece for piece in pieces)


def read(stream: bytes, size: int = 1 << 20) -> ClientHello | RemoteProtocolError | None:
    reader = HelloReader()
    for start in range(0, len(stream), size):
        found = reader.receive(stream[start : start + size])
        if found is not None:
            return found
    return None


def test_what_openssl_sends() -> None:
    hello = read(HELLO)
    assert hello == ClientHello(HELLO[11:43], "www.shop.test", ("h2", "http/1.1"))


def test_without_a_name_and_in_capitals() -> None:
    nameless, loud = read(made(None)), read(made("WWW.Shop.TEST"))
    assert isinstance(nameless, ClientHello)
    assert isinstance(loud, ClientHello)
    assert (nameless.server_name, nameless.alpn, loud.server_name) == (None, (), "www.shop.test")


@given(st.integers(1, 600), st.integers(1, 600))
def test_any_split_into_segments_and_records(segment: int, record: int) -> None:
    assert read(in_records(HELLO, record), segment) == read(HELLO)


@given(st.integers(0, len(HELLO) - 1))
def test_it_waits_for_what_is_missing(length: int) -> None:
    assert read(HELLO[:length]) is None


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "PRI"])
def test_plain_http(method: str) -> None:
    request = f"{method} / HTTP/1.1\r\n\r\n".encode()
    found = read(request, 1)
    assert isinstance(found, RemoteProtocolError)
    assert (found.rule, found.section) == (PLAIN_HTTP, "RFC 9110 4.2.2")
    assert read(request[: len(method)]) is None


@pytest.mark.parametrize(
    "stream",
    [
        b"EHLO mail.test\r\n",
        b"GETTING on",
        b"\x80\x2e\x01\x03\x01",  # SSL 2.0
        b"\x17\x03\x03\x00\x10",
        b"\x16\x02\x00\x00\x10",
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\x40\x01",
        b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",  # a ServerHello
        b"\x16\x03\x01\x00\x04\x01" + (HELLO_LIMIT + 1).to_bytes(3, "big"),
        b"\x16\x03\x01\x00\x06\x01\x00\x00\x02\x03\x03",
        HELLO.replace(b"www.shop.test", b"www.\xe9shop.tes"),
    ],
)
def test_what_is_none(stream: bytes) -> None:
    found = read(stream)
    assert isinstance(found, RemoteProtocolError)
    assert (found.rule, found.section) == ("tls.hello", "RFC 8446 4.1.2")


@given(st.binary(max_size=200), st.integers(1, 50))
def test_arbitrary_bytes_raise_nothing(stream: bytes, size: int) -> None:
    assert not isinstance(read(stream, size), ClientHello)


@given(st.binary(max_size=300))
def test_arbitrary_messages_raise_nothing(body: bytes) -> None:
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    read(b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message)


@given(st.integers(43, len(HELLO) - 1), st.integers(0, 255))
def test_a_changed_byte_raises_nothing(at: int, value: int) -> None:
    changed = bytearray(HELLO)
    changed[at] = value
    read(bytes(changed))
