"""Enhanced authentication: SCRAM-SHA-256 at CONNECT and anew, and whatever else a client may say meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from netlab.cores.mqtt_codes import V5, Reason
from netlab.cores.mqtt_packets import Auth, Connack, Connect, Disconnect, Packet, Pingreq
from netlab.policy.auth.sasl_client import Answers, answers
from netlab.policy.auth.users import User, make_scram
from netlab.stores.users import write_users
from tests.servers.mqtt.brokering import Broker, Client, serving

pytestmark = pytest.mark.one_loop
METHOD = "SCRAM-SHA-256"
GO_ON = Reason.CONTINUE_AUTHENTICATION


@pytest.fixture
def users(tmp_path: Path) -> Path:
    path = tmp_path / "users.txt"
    write_users(path, [User(name, (), (make_scram("secret", b"salt" * 4),)) for name in ("ada", "bob")])
    return path


def named(data: bytes | None = None, method: str = METHOD) -> dict[str, Any]:
    return {"authentication_method": method} | ({} if data is None else {"authentication_data": data})


def first_of(script: Answers) -> bytes:
    said = next(script)
    assert said is not None
    return said


async def proven(client: Client, password: str = "secret") -> Connack | None:
    """What a CONNECT leads to that begins the proof."""
    script = answers(METHOD, "ada", password, "nonce")
    await client.send(Connect(V5, "one", properties=named(first_of(script))))
    challenge = await client.expect(Auth)
    assert challenge.reason == GO_ON
    assert challenge.properties["authentication_method"] == METHOD
    await client.send(Auth(GO_ON, named(script.send(challenge.properties["authentication_data"]))))
    connack = await client.expect(Connack)
    if not connack.reason:
        script.send(connack.properties["authentication_data"])  # ValueError if the broker does not know the password
        assert connack.properties["authentication_method"] == METHOD  # [MQTT-4.12.0-5]
    return connack


async def test_a_password_is_proven(users: Path) -> None:
    async with serving(users=users) as broker:
        client = await broker.dial()
        assert await proven(client)
        assert broker.broker.clients["one"].user == "ada"
        assert await client.all_so_far() == []


async def test_the_first_message_may_come_later(users: Path) -> None:
    async with serving(users=users) as broker:
        client, script = await broker.dial(), answers(METHOD, "ada", "secret", "nonce")
        await client.send(Connect(V5, "one", properties=named()))
        assert (await client.expect(Auth)).properties == named()
        await client.send(Auth(GO_ON, named(first_of(script))))
        challenge = await client.expect(Auth)
        await client.send(Auth(GO_ON, named(script.send(challenge.properties["authentication_data"]))))
        assert not (await client.expect(Connack)).reason


async def test_a_wrong_password(users: Path) -> None:
    async with serving(users=users) as broker:
        client = await broker.dial()
        connack = await proven(client, "wrong")
        assert connack is not None
        assert connack.reason == Reason.BAD_CREDENTIALS
        assert await client.closed()


@pytest.mark.parametrize("data", [b"", b"\0", b"n,,n=ada", b"p=tls-unique,,n=ada,r=x"])
async def test_what_is_no_first_message(users: Path, data: bytes) -> None:
    async with serving(users=users) as broker:
        client = await broker.dial()
        await client.send(Connect(V5, "one", properties=named(data)))
        assert (await client.expect(Connack)).reason == Reason.BAD_CREDENTIALS
        assert await client.closed()


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (Pingreq(), Reason.PROTOCOL_ERROR),  # [MQTT-3.1.2-30]
        (Auth(GO_ON, named(b"", "PLAIN")), Reason.PROTOCOL_ERROR),
        (Auth(GO_ON), Reason.PROTOCOL_ERROR),
        (Auth(Reason.REAUTHENTICATE, named(b"")), Reason.PROTOCOL_ERROR),
        (Auth(Reason.SUCCESS, named(b"")), Reason.PROTOCOL_ERROR),
        (Disconnect(), None),
    ],
)
async def test_what_cannot_come_before_connack(users: Path, packet: Packet, reason: int | None) -> None:
    """[MQTT-3.14.0-1]: no DISCONNECT before CONNACK."""
    async with serving(users=users) as broker:
        client = await broker.dial()
        await client.send(Connect(V5, "one", properties=named(b"n,,n=ada,r=x")))
        await client.expect(Auth)
        await client.send(packet)
        if reason is not None:
            assert (await client.expect(Connack)).reason == reason
        assert await client.closed()


async def test_once_more(users: Path) -> None:
    """4.12.1: messages go on meanwhile."""
    async with serving(users=users) as broker:
        client = await broker.dial()
        await proven(client)
        script = answers(METHOD, "ada", "secret", "another")
        await client.send(Auth(Reason.REAUTHENTICATE, named(first_of(script))))
        challenge = await client.expect(Auth)
        assert await client.all_so_far() == []
        await client.send(Auth(GO_ON, named(script.send(challenge.properties["authentication_data"]))))
        done = await client.expect(Auth)
        assert done.reason == Reason.SUCCESS
        script.send(done.properties["authentication_data"])


@pytest.mark.parametrize(("user", "password"), [("ada", "wrong"), ("bob", "secret")])
async def test_once_more_and_wrong(users: Path, user: str, password: str) -> None:
    """[MQTT-4.12.1-2]; nobody becomes another one."""
    async with serving(users=users) as broker:
        client = await broker.dial()
        await proven(client)
        script = answers(METHOD, user, password, "another")
        await client.send(Auth(Reason.REAUTHENTICATE, named(first_of(script))))
        challenge = await client.expect(Auth)
        await client.send(Auth(GO_ON, named(script.send(challenge.properties["authentication_data"]))))
        assert (await client.expect(Disconnect)).reason == Reason.NOT_AUTHORIZED
        assert await client.closed()


async def _without_a_method(broker: Broker) -> Client:
    client = await broker.dial()
    await client.connect("one")
    return client


async def test_no_method_and_unknown_ones(users: Path) -> None:
    async with serving(users=users, anonymous=True) as broker:
        client = await _without_a_method(broker)
        await client.send(Auth(Reason.REAUTHENTICATE, named(b"")))  # [MQTT-4.12.1-1]
        assert (await client.expect(Disconnect)).reason == Reason.PROTOCOL_ERROR
        other = await broker.dial()
        assert (await other.connect("two", **named(b"", "SCRAM-SHA-1"))).reason == Reason.BAD_AUTHENTICATION_METHOD
    async with serving() as broker:
        client = await broker.dial()  # there are no users that could prove anything
        assert (await client.connect("two", **named(b"n,,n=ada,r=x"))).reason == Reason.BAD_AUTHENTICATION_METHOD
