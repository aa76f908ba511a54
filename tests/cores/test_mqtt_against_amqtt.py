"""Our core and amqtt's packets, the same bytes: the same verdict, parse and bytes, but for what docs/mqtt.md lists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlab.cores.mqtt import Core, Event, Stage
from netlab.cores.mqtt_codes import V5, V31, V311, Reason
from netlab.cores.mqtt_packets import Connack, Connect, Packet, Publish, Will
from netlab.cores.mqtt_serialize import serialize
from netlab.errors import LocalProtocolError, RemoteProtocolError
from tests.cores.mqtt_strategies import answers, connects, from_client, from_server, last_words
from tests.cores.test_mqtt_packets import CONNECTS, VIOLATIONS, bare, fed

pytest.importorskip("amqtt", reason="amqtt is missing: make .venv/.ready, or pip install --no-deps amqtt")
from netlab.cores.mqtt_amqtt import AmqttCore

LISTED = Path(__file__).parents[2].joinpath("docs", "mqtt.md").read_text().partition("## Beside amqtt")[2]
TAKEN = set(re.findall(r"^\| `([\w.]+)` \|", LISTED.partition("| read differently")[0], re.MULTILINE))
"""Rules of ours that amqtt's packets do not know."""


def pair(*, server: bool = True, opened: bool = True) -> tuple[Core, Core]:
    """Our core and amqtt's, as the same side of a connection."""
    found = Core(server=server, version=V311), AmqttCore(server=server, version=V311)
    for core in found if opened else ():
        core.receive(serialize(Connect(V311, "c") if server else Connack(False, 0), V311))
        if server:
            core.send(Connack(False, 0))
            core.outgoing()
    return found


def plain(events: list[Event]) -> list[Any]:
    """What can be compared: a violation is a violation."""
    return ["violation" if isinstance(event, RemoteProtocolError) else bare(event) for event in events]


def text_password(packet: Connect) -> bool:
    """amqtt knows no others."""
    try:
        (packet.password or b"").decode()
    except UnicodeDecodeError:
        return False
    return True


# -- the same ----------------------------------------------------------------------------------------------------------


@given(connects((V311,)).filter(text_password))
@settings(max_examples=25)
def test_connect_is_read_and_written_alike(packet: Connect) -> None:
    ours, theirs = pair(opened=False)
    wire = serialize(packet, V311)
    assert theirs.serialize(packet) == wire
    assert theirs.receive(wire) == ours.receive(wire)
    assert (theirs.version, theirs.stage) == (ours.version, ours.stage) == (V311, Stage.HELD)


@given(st.data(), st.booleans(), st.lists(st.integers(0, 10_000), max_size=6))
@settings(max_examples=25)
def test_packets_are_read_and_written_alike_in_any_split(data: st.DataObject, server: bool, cuts: list[int]) -> None:
    said = from_client(V311) if server else from_server(V311)
    packets: list[Packet] = data.draw(st.lists(said, max_size=6))
    if server:
        packets.append(data.draw(last_words(V311)))
    ours, theirs = pair(server=server)
    wire = b"".join(serialize(packet, V311) for packet in packets)
    assert b"".join(theirs.serialize(packet) for packet in packets) == wire
    assert plain(fed(theirs, wire, cuts)) == plain(ours.receive(wire)) == packets
    assert theirs.closed == ours.closed


@given(answers(V311))
@settings(max_examples=10)
def test_connack_is_read_and_written_alike(packet: Connack) -> None:
    ours, theirs = pair(server=False, opened=False)
    wire = serialize(packet, V311)
    assert theirs.serialize(packet) == wire
    assert theirs.receive(wire) == ours.receive(wire) == [packet._replace(end=4)]


@pytest.mark.parametrize("first", [0x40, 0x50, 0x62, 0x70])
def test_acknowledgements_are_written_alike(first: int) -> None:
    ours, theirs = pair()
    for core in (ours, theirs):
        core.acknowledge(first, 258, Reason.NO_MATCHING_SUBSCRIBERS)
    assert theirs.outgoing() == ours.outgoing()


@pytest.mark.parametrize("reason", [Reason.BAD_CREDENTIALS, Reason.SERVER_BUSY, Reason.MALFORMED_PACKET])
def test_refusals_are_written_alike(reason: Reason) -> None:
    ours, theirs = pair(opened=False)
    for core in (ours, theirs):
        core.receive(serialize(Connect(V311, "c"), V311))
        core.refuse(reason)
    assert theirs.outgoing() == ours.outgoing()
    assert theirs.closed


# -- what differs is listed ------------------------------------------------------------------------------------------


def differs(ours: list[Event], theirs: list[Event]) -> str:
    """The name under which the difference is listed; empty where there is none. amqtt only ever takes more."""
    if plain(ours) == plain(theirs):
        return ""
    error = next((event for event in ours if isinstance(event, RemoteProtocolError)), None)
    assert error is not None, (ours, theirs)
    before = len(ours) - 1
    assert plain(theirs[:before]) == plain(ours[:before]), (ours, theirs)
    return error.rule


@pytest.mark.parametrize("name", VIOLATIONS)
def test_violations(name: str) -> None:
    """The bytes that break a rule of 5.0 mean in 3.1.1 what they mean there, to both."""
    ours, theirs = pair()
    wire = bytes.fromhex(VIOLATIONS[name][0].replace(" ", "")) + b"\xc0\0"
    rule = differs(ours.receive(wire), theirs.receive(wire))
    assert not rule or rule in TAKEN


@pytest.mark.parametrize("name", CONNECTS)
def test_connects(name: str) -> None:
    ours, theirs = pair(opened=False)
    body = bytes.fromhex(CONNECTS[name][0].replace(" ", ""))
    wire = b"\x10" + bytes((len(body),)) + body
    found = differs(ours.receive(wire), theirs.receive(wire))
    if body[6] == V5:
        assert theirs.outgoing() == b"\x20\x02\0\x01"
    else:
        assert not found or found in TAKEN


@given(st.binary(max_size=60), st.booleans())
@settings(max_examples=150)
def test_any_bytes(data: bytes, server: bool) -> None:
    """Nothing is raised; amqtt takes what our core takes, and reads it alike."""
    ours, theirs = pair(server=server)
    rule = differs(ours.receive(data), theirs.receive(data))
    assert not rule or rule in TAKEN, rule


@given(st.data(), st.integers(0, 200), st.integers(0, 255))
@settings(max_examples=60)
def test_a_packet_with_one_byte_spoilt(data: st.DataObject, place: int, byte: int) -> None:
    ours, theirs = pair()
    wire = bytearray(serialize(data.draw(from_client(V311)), V311))
    wire[place % len(wire)] = byte
    rule = differs(ours.receive(bytes(wire)), theirs.receive(bytes(wire)))
    assert not rule or rule in TAKEN, rule


WITNESSES = {  # for each rule that is listed, what amqtt takes; behind CONNECT where it is not one itself
    "connack.flags": "20020200",
    "connect.flags": "100c 0004 4d515454 04 03 0000 0000",
    "connect.will": "100c 0004 4d515454 04 1a 0000 0000",
    "length.long": "c08000",
    "packet.flags": "c100",
    "packet.id": "40020000",
    "packet.long": "c00100",
    "packet.short": "a207 0001 0001 61 0005",
    "subscribe.empty": "8202 0001",
    "subscribe.qos": "8206 0001 0001 61 03",
    "subscribe.reserved": "8206 0001 0001 61 04",
    "text.encoding": "8206 0001 0001 ff 00",
    "text.nul": "8206 0001 0001 00 00",
    "unsubscribe.empty": "a202 0001",
}


@pytest.mark.parametrize("rule", sorted(TAKEN))
def test_what_is_listed_is_so(rule: str) -> None:
    wire = bytes.fromhex(WITNESSES[rule].replace(" ", ""))
    ours, theirs = pair(server=rule != "connack.flags", opened=not rule.startswith("conn"))
    [error] = ours.receive(wire)
    assert isinstance(error, RemoteProtocolError)
    assert error.rule == rule
    [taken] = theirs.receive(wire)
    assert not isinstance(taken, RemoteProtocolError)


def test_a_password_of_any_bytes_is_beyond_amqtt() -> None:
    """[3.1.1 3.1.3.5]: it is binary data; amqtt takes it for text, and for its picture where it is none."""
    packet = Connect(V311, "c", user="u", password=b"\xff")
    ours, theirs = pair(opened=False)
    with pytest.raises(LocalProtocolError, match="amqtt cannot write"):
        theirs.serialize(packet)
    wire = serialize(packet, V311)
    assert [event.password for event in ours.receive(wire) if isinstance(event, Connect)] == [b"\xff"]
    assert [event.password for event in theirs.receive(wire) if isinstance(event, Connect)] == [b"b'\\xff'"]


@pytest.mark.parametrize(("version", "said"), [(V5, "5.0"), (V31, "3.1")])
def test_other_versions_are_refused_with_the_return_code_and_a_sentence(version: int, said: str) -> None:
    """[3.1.1 MQTT-3.1.2-2]"""
    _, theirs = pair(opened=False)
    [error] = theirs.receive(serialize(Connect(version, "c", will=Will("a", b"")), version))
    assert isinstance(error, RemoteProtocolError)
    assert str(error) == f"the engine amqtt speaks 3.1.1, and not {said}"
    assert theirs.outgoing() == b"\x20\x02\0\x01"
    assert theirs.closed


def test_what_3_1_1_cannot_say() -> None:
    _, theirs = pair()
    for packet in (Connect(V5, "c"), Publish("a+", b""), Publish("\ud800", b"")):
        with pytest.raises(LocalProtocolError, match="amqtt"):
            theirs.serialize(packet)
