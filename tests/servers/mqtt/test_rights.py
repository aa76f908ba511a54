"""Who may come in, by password and certificate, and who may say and hear what; TLS and WebSocket on the way."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import aiomqtt
import pytest
from websockets import ConnectionClosed, Subprotocol
from websockets.asyncio.client import connect

from netlab.config.sources import parse
from netlab.cores.mqtt_codes import V5, V311, Reason
from netlab.cores.mqtt_message import Message
from netlab.cores.mqtt_packets import Disconnect, Puback, Publish, Request, Will
from netlab.errors import UsageError
from netlab.net.certs import Authority
from netlab.policy.auth.users import User, make_scrypt
from netlab.stores.users import write_users
from servers.mqtt import Config
from servers.mqtt.acl import AccessList, covers, overlap
from servers.mqtt.listeners import ListenerRights
from tests.servers.mqtt.brokering import SECONDS, Client, run, serving

pytestmark = pytest.mark.one_loop
mosquitto = pytest.mark.skipif(not shutil.which("mosquitto_sub"), reason="needs mosquitto_sub (mosquitto-clients)")

ACL = """
# who names no user
topic read public/#

user ada
topic office/+/lamp
topic read office/#
topic deny office/safe
pattern write log/%u/%c
pattern read log/%u/#
"""


def users_file(folder: Path) -> Path:
    path = folder / "users.txt"
    write_users(path, [User("ada", (), (make_scrypt("secret", b"salt" * 4, (4, 8, 1)),))])
    return path


# -- users -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "password", "version", "reason"),
    [
        ("ada", b"secret", V5, 0),
        ("ada", b"secret", V311, 0),
        ("ada", b"wrong", V5, Reason.BAD_CREDENTIALS),
        ("ada", b"wrong", V311, 4),
        ("ada", b"\xff", V5, Reason.BAD_CREDENTIALS),
        ("bob", b"secret", V5, Reason.BAD_CREDENTIALS),
        (None, None, V5, Reason.NOT_AUTHORIZED),
        (None, None, V311, 5),
    ],
)
async def test_users(tmp_path: Path, user: str | None, password: bytes | None, version: int, reason: int) -> None:
    async with serving(users=users_file(tmp_path)) as broker:
        client = await broker.dial()
        connack = await client.connect("one", version=version, user=user, password=password)
        assert connack.reason == reason
        if reason:
            assert await client.closed()
        else:
            assert await client.all_so_far() == []
            again = await broker.client("two", version=version, user=user, password=password)  # known by now
            assert await again.all_so_far() == []


async def test_a_client_that_goes_while_its_password_is_looked_at(tmp_path: Path) -> None:
    async with serving(users=users_file(tmp_path)) as broker:
        client = await broker.dial()
        asking = asyncio.gather(client.connect("one", user="ada", password=b"secret"), return_exceptions=True)
        await asyncio.sleep(0)
        client.drop()
        await asking
        other = await broker.client("two", user="ada", password=b"secret")
        async with asyncio.timeout(SECONDS):
            while "one" in broker.broker.clients:
                await other.all_so_far()


async def test_a_session_is_its_users(tmp_path: Path) -> None:
    async with serving(users=users_file(tmp_path), anonymous=True) as broker:
        client = await broker.client("one", user="ada", password=b"secret", session_expiry_interval=100)
        await client.subscribe("a")
        await client.send(Disconnect())
        assert await client.closed()
        client = await broker.client("one", clean=False)
        assert client.connack is not None
        assert not client.connack.session_present


# -- the access list -------------------------------------------------------------------------------------------------


async def test_topics_are_given_by_the_list(tmp_path: Path) -> None:
    (tmp_path / "acl").write_text(ACL)
    async with serving(acl=tmp_path / "acl") as broker:
        ada, other = await broker.client("one", user="ada"), await broker.client("two")
        suback = await ada.subscribe(
            Request("office/#", 1), "public/#", "office/safe", "log/ada/#", "$share/g/public/a"
        )
        refused = Reason.NOT_AUTHORIZED
        assert suback.reasons == (1, refused, refused, 0, refused)
        old = await broker.client("three", version=V311)
        assert (await old.subscribe("office/#", "public/#")).reasons == (0x80, 0)
        for number, topic in enumerate(("office/1/lamp", "office/safe", "log/ada/one", "log/ada/two", "office/x"), 1):
            await ada.publish(topic, b"", 1, packet_id=number)
        packets = await ada.all_so_far()
        assert [packet.reason for packet in packets if isinstance(packet, Puback)] == [0, refused, 0, refused, refused]
        assert [packet.topic for packet in packets if isinstance(packet, Publish)] == ["office/1/lamp", "log/ada/one"]
        await other.publish("public/a", b"")
        assert await other.all_so_far() == []
        assert await old.all_so_far() == []


async def test_a_will_needs_the_right_to_say_it(tmp_path: Path) -> None:
    (tmp_path / "acl").write_text(ACL)
    async with serving(acl=tmp_path / "acl") as broker:
        reader = await broker.client("reader")
        await reader.subscribe("public/#")
        client = await broker.client("one", will=Will("public/will", b""))
        client.drop()
        assert await reader.all_so_far() == []


async def test_other_rights_at_one_listener(tmp_path: Path) -> None:
    """As with mosquitto's per_listener_settings: what a listener does not name is not asked for there."""
    acl = tmp_path / "public.acl"
    acl.write_text("topic read public/#")
    rights = (ListenerRights.parse(f"unix:anonymous,acl={acl}"),)
    path = tmp_path / "mqtt.sock"
    async with serving(users=users_file(tmp_path), rights=rights, unix=path) as broker:
        stranger = Client(*await asyncio.open_unix_connection(path))
        await stranger.connect("one", session_expiry_interval=100)
        answer = await stranger.subscribe(Request("public/#", 1), Request("private/#", 1), "$share/g/public/+")
        assert answer.reasons == (1, Reason.NOT_AUTHORIZED, 0)
        await stranger.publish("public/lamp", b"on", 1, packet_id=1)
        assert (await stranger.expect(Puback)).reason == Reason.NOT_AUTHORIZED
        refused = await broker.dial()
        assert (await refused.connect("one")).reason == Reason.NOT_AUTHORIZED  # and leaves the other one alone
        ada = await broker.client("two", user="ada", password=b"secret")
        await ada.subscribe("public/#")
        await ada.publish("public/lamp", b"on")
        assert [packet.topic for packet in await ada.all_so_far() if isinstance(packet, Publish)] == ["public/lamp"]
        assert len([one for one in await stranger.all_so_far() if isinstance(one, Publish)]) == 2
        other = Client(*await asyncio.open_unix_connection(path))
        connack = await other.connect("two", user="ada", password=b"?", clean=False)
        assert (connack.reason, connack.session_present) == (0, False)  # a name that nobody has checked: another ada
        broker.clients += [stranger, other]


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["tcp"], "tls:users=staff.txt"),
        (["udp:anonymous"], "tcp, tls, websocket, unix"),
        (["tcp:users"], "'users'"),
        (["tcp:acl=a,acl=b"], "'acl=b'"),
        (["tls:anonymous"], "needs --tls"),
        (["tcp:anonymous", "tcp:acl=a"], "twice"),
    ],
)
def test_rights_that_cannot_be(texts: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Config(rights=tuple(parse(ListenerRights.kind, text, "--rights") for text in texts))


def test_a_line_that_cannot_be() -> None:
    with pytest.raises(UsageError, match="acl:2"):
        AccessList(["topic a", "topics a"], "acl")
    with pytest.raises(UsageError, match="acl:1"):
        AccessList(["topic read a#"], "acl")


def test_names_with_wildcards_have_no_patterns() -> None:
    rights = AccessList(["pattern readwrite home/%c"])
    assert rights.may("w", "", "one", "home/one")
    assert not rights.may("w", "", "#", "home/x")


@pytest.mark.parametrize(
    ("one", "other", "both", "covered"),
    [
        ("a/#", "a", True, True),
        ("a/+", "a/b", True, True),
        ("a/b", "a/+", True, False),
        ("a/+", "a/#", True, False),
        ("#", "a/#", True, True),
        ("#", "$SYS/#", False, False),
        ("a/b", "a", False, False),
        ("+/b", "a/+", True, False),
        ("a/+/c", "a/#", True, False),
    ],
)
def test_filters_against_filters(one: str, other: str, both: bool, covered: bool) -> None:
    assert overlap(one, other) is overlap(other, one) is both
    assert covers(one, other) is covered


# -- ways in ---------------------------------------------------------------------------------------------------------


@mosquitto
async def test_tls_and_a_certificate_for_a_user(tmp_path: Path) -> None:
    leaf = Authority.load(tmp_path).issue_client("ada")
    (tmp_path / "ada.crt").write_text(leaf.chain)
    (tmp_path / "ada.key").write_text(leaf.key)
    (tmp_path / "acl").write_text("pattern read users/%u\n")
    settings = {"acl": tmp_path / "acl", "tls": True, "client_certificates": "required", "certificate_user": True}
    async with serving(state=tmp_path, **settings) as broker:
        broker.broker.retain(Message("users/ada", b"it is her", retain=True))
        command = ["mosquitto_sub", "-h", "localhost", "-p", str(broker.ports["mqtts"]), "-t", "users/+", "-C", "1"]
        command += ["--cafile", str(tmp_path / "ca" / "ca.pem")]
        command += ["--cert", str(tmp_path / "ada.crt"), "--key", str(tmp_path / "ada.key")]
        assert await run(*command) == "it is her\n"


async def test_websocket() -> None:
    async with serving(websocket=True) as broker:
        client = aiomqtt.Client(
            "127.0.0.1", broker.ports["ws"], transport="websockets", protocol=aiomqtt.ProtocolVersion.V5
        )
        async with asyncio.timeout(SECONDS), client:
            await client.subscribe("a/#", qos=2)
            await client.publish("a/b", payload=b"x" * 100_000, qos=2)
            async for message in client.messages:
                assert message.payload == b"x" * 100_000
                break


async def test_text_on_a_websocket() -> None:
    async with serving(websocket=True) as broker:
        url = f"ws://127.0.0.1:{broker.ports['ws']}/any/path"
        async with asyncio.timeout(SECONDS), connect(url, subprotocols=[Subprotocol("mqtt")]) as socket:
            assert socket.subprotocol == "mqtt"
            await socket.send("text")
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1003


async def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "mqtt.sock"
    async with serving(unix=path) as broker:
        client = aiomqtt.Client(str(path), transport="unix", port=1)
        async with asyncio.timeout(SECONDS), client:
            await client.subscribe("a")
            await client.publish("a", payload=b"x", qos=1)
            async for message in client.messages:
                assert message.payload == b"x"
                break
        with pytest.raises(UsageError, match="somebody listens"):
            async with serving(unix=path):
                pass
        assert (await broker.client("one")).connack is not None
    assert not path.exists()
    path.write_text("")
    with pytest.raises(UsageError, match="no socket"):
        async with serving(unix=path):
            pass
