"""SOCKS: the RFCs' byte layouts, any split, any bytes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.cores.socks import Connect, Credentials, Reply, ServerCore
from netlab.errors import LocalProtocolError, RemoteProtocolError

HELLO5 = b"\x05\x01\x00"
HELLO5_PASSWORD = b"\x05\x02\x00\x02"
TO_NAME = b"\x05\x01\x00\x03\x0cwww.shop.test\x01\xbb".replace(b"\x0c", b"\x0d")
TO_IPV4 = b"\x05\x01\x00\x01\x7f\x00\x00\x01\x1f\x90"
TO_IPV6 = b"\x05\x01\x00\x04" + bytes(15) + b"\x01\x1f\x90"


def played(data: bytes, **options: Any) -> tuple[ServerCore, list[Any]]:
    core = ServerCore(**options)
    return core, core.receive(data)


@pytest.mark.parametrize(
    ("data", "event"),
    [
        (HELLO5 + TO_NAME, Connect("www.shop.test", 443, 5)),
        (HELLO5 + TO_IPV4, Connect("127.0.0.1", 8080, 5)),
        (HELLO5 + TO_IPV6, Connect("::1", 8080, 5)),
        (b"\x04\x01\x1f\x90\x7f\x00\x00\x01me\x00", Connect("127.0.0.1", 8080, 4, "me")),
        (b"\x04\x01\x00\x50\x00\x00\x00\x01\x00www.shop.test\x00", Connect("www.shop.test", 80, 4)),
    ],
)
def test_requests(data: bytes, event: Connect) -> None:
    core, events = played(data + b"early")
    assert events == [event]
    core.outgoing()
    core.grant("127.0.0.1", 5000)
    granted = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x13\x88" if event.version == 5 else b"\x00\x5a" + bytes(6)
    assert core.outgoing() == granted
    assert core.switched
    assert core.rest() == b"early"


@pytest.mark.parametrize("data", [HELLO5 + TO_NAME, b"\x04\x01\x00\x50\x00\x00\x00\x01me\x00www.shop.test\x00"])
def test_any_split_gives_the_same(data: bytes) -> None:
    whole = played(data)[1]
    for size in (1, 2, 3, 7):
        core = ServerCore()
        events = [event for at in range(0, len(data), size) for event in core.receive(data[at : at + size])]
        assert events == whole


def test_user_and_password() -> None:
    core, events = played(HELLO5_PASSWORD, authenticate=True)
    assert events == []
    assert core.outgoing() == b"\x05\x02"
    assert core.receive(b"\x01\x04anna\x06secret" + TO_IPV4) == [Credentials("anna", "secret")]
    assert core.admit(True) == [Connect("127.0.0.1", 8080, 5)]
    assert core.outgoing() == b"\x01\x00"


def test_wrong_credentials_end_it() -> None:
    core, _ = played(HELLO5_PASSWORD + b"\x01\x04anna\x05wrong", authenticate=True)
    core.outgoing()
    assert core.admit(False) == []
    assert core.outgoing() == b"\x01\x01"
    assert core.closed


@pytest.mark.parametrize(
    ("data", "options", "rule", "said"),
    [
        (b"GET / HTTP/1.1\r\n", {}, "socks.version", b""),
        (HELLO5, {"authenticate": True}, "socks.method", b"\x05\xff"),
        (b"\x05\x01\x02", {}, "socks.method", b"\x05\xff"),
        (
            HELLO5 + b"\x05\x02\x00\x01\x7f\x00\x00\x01\x1f\x90",
            {},
            "socks.command",
            b"\x05\x00\x05\x07\x00\x01" + bytes(6),
        ),
        (HELLO5 + b"\x05\x01\x00\x09\x00\x00", {}, "socks.address_type", b"\x05\x00\x05\x08\x00\x01" + bytes(6)),
        (b"\x04\x02\x00\x50\x7f\x00\x00\x01\x00", {}, "socks.command", b"\x00\x5b" + bytes(6)),
        (b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00", {"authenticate": True}, "socks.method", b"\x00\x5b" + bytes(6)),
        (b"\x04\x01\x00\x50\x7f\x00\x00\x01" + b"u" * 300, {}, "socks.user", b""),
    ],
)
def test_refusals_say_why(data: bytes, options: dict[str, bool], rule: str, said: bytes) -> None:
    core, events = played(data, **options)
    assert isinstance(events[-1], RemoteProtocolError)
    assert events[-1].rule == rule
    assert core.outgoing() == said
    assert core.closed


@pytest.mark.parametrize("reason", list(Reply))
def test_refused_destinations(reason: Reply) -> None:
    core, _ = played(HELLO5 + TO_IPV4)
    core.outgoing()
    core.refuse(reason)
    assert core.outgoing()[:2] == bytes((5, reason.value))
    assert core.closed


def test_misuse_is_our_bug() -> None:
    core = ServerCore()
    for act in (lambda: core.grant(), lambda: core.refuse(Reply.GENERAL_FAILURE), lambda: core.admit(True)):
        with pytest.raises(LocalProtocolError):
            act()


def test_an_early_end() -> None:
    core, _ = played(HELLO5)
    (error,) = core.receive(b"")
    assert isinstance(error, RemoteProtocolError)
    assert error.rule == "socks.truncated"


@given(st.lists(st.binary(max_size=40), max_size=10), st.booleans())
def test_any_bytes_raise_nothing_and_stay_bounded(pieces: list[bytes], authenticate: bool) -> None:
    core = ServerCore(authenticate=authenticate)
    for piece in pieces:
        for event in core.receive(piece):
            assert isinstance(event, Credentials | Connect | RemoteProtocolError)
        core.outgoing()
