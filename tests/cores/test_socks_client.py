"""The SOCKS 5 client core: with our own server core, in any split, and against servers that lie."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.cores.socks import Connect, Credentials, Reply, ServerCore
from netlab.cores.socks_client import ClientCore, Connected, Event, Refused
from netlab.errors import RemoteProtocolError, Truncated


def converse(client: ClientCore, server: ServerCore, *, right: bool = True, reply: Reply | None = None) -> list[Event]:
    """Let both talk until neither has anything to say; what the client was told."""
    told: list[Event] = []
    while True:
        said = client.outgoing()
        for event in server.receive(said) if said else ():
            if isinstance(event, Credentials):
                server.admit(right and event == Credentials("ada", "lovelace"))
            elif isinstance(event, Connect) and reply is not None:
                server.refuse(reply)
            elif isinstance(event, Connect):
                server.grant("127.0.0.1", 4711)
        answer = server.outgoing()
        if not answer:
            return told
        told += client.receive(answer)


@pytest.mark.parametrize("host", ["example.org", "192.0.2.1", "2001:db8::1", "x" * 255])
def test_connected(host: str) -> None:
    assert converse(ClientCore(host, 443), ServerCore()) == [Connected("127.0.0.1", 4711)]


def test_with_user_and_password() -> None:
    client = ClientCore("a.test", 80, user="ada", password="lovelace")
    assert converse(client, ServerCore(authenticate=True)) == [Connected("127.0.0.1", 4711)]
    assert client.switched
    client = ClientCore("a.test", 80, user="ada", password="lovelace")
    assert converse(client, ServerCore()) == [Connected("127.0.0.1", 4711)]  # it is not asked for


@pytest.mark.parametrize(
    ("user", "password", "reason"),
    [("", "", "it wants user and password"), ("ada", "byron", "user or password are wrong")],
)
def test_not_let_in(user: str, password: str, reason: str) -> None:
    client = ClientCore("a.test", 80, user=user, password=password)
    assert converse(client, ServerCore(authenticate=True)) == [Refused(reason)]
    assert client.closed


@pytest.mark.parametrize("reply", list(Reply))
def test_refused(reply: Reply) -> None:
    (event,) = converse(ClientCore("a.test", 80), ServerCore(), reply=reply)
    assert isinstance(event, Refused)
    assert event.reason


SCRIPT = b"\x05\x02" + b"\x01\x00" + b"\x05\x00\x00\x03\x09localhost\x00\x50" + b"hello"


@given(st.lists(st.integers(0, len(SCRIPT)), max_size=6))
def test_any_split_gives_the_same(cuts: list[int]) -> None:
    client, events = ClientCore("a.test", 80, user="u"), []
    places = [0, *sorted(cuts), len(SCRIPT)]
    for start, end in itertools.pairwise(places):
        if end > start:
            events += client.receive(SCRIPT[start:end])
    assert events == [Connected("localhost", 80)]
    assert client.rest() == b"hello"
    assert client.outgoing().startswith(b"\x05\x02\x00\x02\x01\x01u\x00\x05\x01\x00\x03\x06a.test\x00\x50")


@pytest.mark.parametrize(
    "said", [b"\x04\x00", b"\x05\x01", b"\x05\x00\x05\x00\x00\x07\x01", b"\x05\x00\x04\x00\x00\x01\x01"]
)
def test_what_is_no_answer(said: bytes) -> None:
    (event,) = ClientCore("a.test", 80).receive(said)
    assert isinstance(event, RemoteProtocolError)


def test_an_end_before_the_end() -> None:
    (event,) = ClientCore("a.test", 80).receive(b"")
    assert isinstance(event, Truncated)


@given(st.binary(max_size=64))
def test_arbitrary_bytes(said: bytes) -> None:
    events = ClientCore("a.test", 80, user="u").receive(said) if said else []
    assert all(isinstance(event, Connected | Refused | RemoteProtocolError) for event in events)


def test_what_cannot_be_said() -> None:
    with pytest.raises(ValueError, match="1 to 255"):
        ClientCore("x" * 256, 80)
    with pytest.raises(ValueError, match="at most 255"):
        ClientCore("a.test", 80, user="u" * 256)
