"""MQTT's packets: what is written is read again, in any split; the bytes of the specification; any bytes at all."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlab.cores.mqtt import Core, Event, Limits, Stage
from netlab.cores.mqtt_codes import V5, V31, V311, Reason, reason_name
from netlab.cores.mqtt_packets import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Puback,
    Publish,
    Request,
    Subscribe,
    Will,
)
from netlab.cores.mqtt_serialize import serialize
from netlab.cores.mqtt_wire import Reader, Wrong, write_properties, write_text, write_variable
from netlab.errors import LocalProtocolError, RemoteProtocolError, Truncated
from tests.cores.mqtt_strategies import answers, connects, exchanges, from_client, from_server, last_words

VERSIONS = (V31, V311, V5)


def bare(event: Event) -> Event:
    """Without span and the bytes as they came."""
    if isinstance(event, RemoteProtocolError):
        return event
    left: dict[str, Any] = {"start": 0, "end": 0}
    if isinstance(event, Publish):
        left["packet"] = b""
    return event._replace(**left)


def opened(version: int = V5, **limits: Any) -> Core:
    """A server whose client has been let in."""
    core = Core(server=True, limits=Limits(**limits))
    core.receive(serialize(Connect(version, "c"), version))
    core.send(Connack(False, 0))
    core.outgoing()
    return core


def fed(core: Core, data: bytes, cuts: list[int]) -> list[Event]:
    events: list[Event] = []
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for begin, end in itertools.pairwise(places):
        events += core.receive(data[begin:end])
    return events


# -- round trip ------------------------------------------------------------------------------------------------------


@given(connects())
def test_connect_is_read_as_it_was_written(packet: Connect) -> None:
    core = Core(server=True)
    assert [bare(event) for event in core.receive(serialize(packet, packet.version))] == [packet]
    assert (core.version, core.stage) == (packet.version, Stage.HELD)


@given(st.data(), st.sampled_from(VERSIONS), st.lists(st.integers(0, 10_000), max_size=6))
@settings(max_examples=30)
def test_what_a_client_says_in_any_split(data: st.DataObject, version: int, cuts: list[int]) -> None:
    packets = data.draw(st.lists(from_client(version), max_size=6))
    packets.append(data.draw(last_words(version)))
    core = opened(version)
    wire = b"".join(serialize(packet, version) for packet in packets)
    assert [bare(event) for event in fed(core, wire, cuts)] == packets


@given(st.data(), st.sampled_from(VERSIONS), st.lists(st.integers(0, 10_000), max_size=6))
@settings(max_examples=30)
def test_what_a_server_says_in_any_split(data: st.DataObject, version: int, cuts: list[int]) -> None:
    packets = [data.draw(answers(version)), *data.draw(st.lists(from_server(version), max_size=6))]
    if version == V5:
        packets.append(data.draw(exchanges()))
    core = Core(server=False, version=version)
    wire = b"".join(serialize(packet, version) for packet in packets)
    assert [bare(event) for event in fed(core, wire, cuts)] == packets


@given(st.binary(max_size=60), st.sampled_from(VERSIONS), st.lists(st.integers(0, 100), max_size=4))
def test_any_bytes(data: bytes, version: int, cuts: list[int]) -> None:
    """Nothing is raised, a violation is the last event, and the split makes no difference."""
    whole, split = opened(version), opened(version)
    events = whole.receive(data)
    assert not any(isinstance(event, RemoteProtocolError) for event in events[:-1])
    assert [bare(event) for event in fed(split, data, cuts)] == [bare(event) for event in events]
    assert split.outgoing() == whole.outgoing()


@given(st.binary(max_size=60))
def test_any_bytes_before_connect(data: bytes) -> None:
    events = Core(server=True).receive(data)
    assert all(isinstance(event, Connect | RemoteProtocolError) for event in events)


@given(st.integers(0, 268_435_455))
def test_lengths(value: int) -> None:
    written = write_variable(value)
    assert Reader(written, 0, len(written)).variable() == value


@pytest.mark.parametrize(
    ("value", "size"), [(127, 1), (128, 2), (16_383, 2), (16_384, 3), (2_097_152, 4), (268_435_455, 4)]
)
def test_lengths_take_as_few_bytes_as_they_need(value: int, size: int) -> None:
    assert len(write_variable(value)) == size


# -- bytes of the specification --------------------------------------------------------------------------------------


def test_the_examples_of_the_specification() -> None:
    """3.1.1 3.1.2, figure 3.6; 5.0 1.5.4, figure 1-1; 3.8.3, figure 3-21."""
    assert write_text("A\U0002a6d4") == bytes.fromhex("000541f0aa9b94")
    assert serialize(Subscribe(10, (Request("a/b", 1), Request("c/d", 2))), V311) == bytes.fromhex(
        "820e000a0003612f62010003632f6402"
    )
    assert serialize(Publish("a/b", b"", 1, packet_id=10), V311) == bytes.fromhex("32070003612f62000a")
    connect = Connect(V311, "c", True, 10, Will("t", b"m", 1), "u", b"p")
    assert serialize(connect, V311)[2:12] == bytes.fromhex("00044d51545404ce000a")


def test_spans_are_places_in_all_that_was_received() -> None:
    core = opened(V311)
    before = len(serialize(Connect(V311, "c"), V311))
    events = core.receive(b"\xc0\0\x40\x02\0\x05\xc0\0")
    assert [
        (event.start - before, event.end - before) for event in events if not isinstance(event, RemoteProtocolError)
    ] == [
        (0, 2),
        (2, 6),
        (6, 8),
    ]


@settings(max_examples=40)
@given(
    st.lists(st.integers(0, 65_535), min_size=1, max_size=6),
    st.sampled_from((b"", b"\x40", b"\x40\x03\0\1\x10", b"\xc0\0")),
)
def test_acknowledgements_alone_are_read_at_once(numbers: list[int], behind: bytes) -> None:
    """All or nothing, and what `receive` reads then is the same."""
    data = b"".join(b"\x40\x02" + number.to_bytes(2, "big") for number in numbers) + behind
    core, other = opened(), opened()
    found = core.pubacks(data)
    assert list(found) == ([] if behind or 0 in numbers else numbers)
    events = other.receive(data)
    if found:
        assert [bare(event) for event in events] == [Puback(number) for number in numbers]
        assert core.receive(b"\xc0\0") == other.receive(b"\xc0\0")  # at the same offset
    else:
        assert core.receive(data) == events or isinstance(events[-1], RemoteProtocolError)
    assert not Core(server=True).pubacks(b"\x40\x02\0\1")  # before CONNECT


def test_a_large_packet_is_joined_once_and_bounded() -> None:
    core = opened(V311, packet_size=100_000)
    wire = serialize(Publish("a", b"x" * 90_000), V311)
    events: list[Event] = []
    for place in range(0, len(wire), 1000):
        events += core.receive(wire[place : place + 1000])
    assert [len(event.payload) for event in events if isinstance(event, Publish)] == [90_000]
    [event] = core.receive(b"\x30\xff\xff\x07")
    assert isinstance(event, RemoteProtocolError)
    assert event.status == Reason.PACKET_TOO_LARGE


def test_the_end_inside_a_packet() -> None:
    core = opened()
    core.receive(b"\x30\x05\0")
    [event] = core.receive(b"")
    assert isinstance(event, Truncated)
    assert opened().receive(b"") == []


# -- violations ------------------------------------------------------------------------------------------------------

M, P = Reason.MALFORMED_PACKET, Reason.PROTOCOL_ERROR
VIOLATIONS = {
    "packet.type": ("0000", M),
    "packet.flags": ("c100", M),
    "packet.flags of PUBREL": ("6002 0001", M),
    "packet.flags of SUBSCRIBE": ("8007 0001 00 0001 61 00", M),
    "packet.side": ("d000", P),
    "packet.side of SUBACK": ("9003 0001 00", P),
    "packet.second": ("1000", P),
    "packet.id": ("4002 0000", P),
    "packet.id of PUBLISH": ("3206 0001 61 0000 00", P),
    "packet.short": ("4001 00", M),
    "packet.short of PUBLISH": ("3003 0005 61", M),
    "packet.long": ("c001 00", M),
    "length.long": ("3080 00", M),
    "length.long beyond four bytes": ("30ff ffff ff01", M),
    "publish.qos": ("3606 0001 61 0001 00", M),
    "publish.dup": ("3804 0001 61 00", M),
    "topic.empty": ("3003 0000 00", P),
    "topic.invalid": ("3004 0001 2b 00", Reason.TOPIC_NAME_INVALID),
    "topic.response": ("3008 0001 61 04 08 0001 23", P),
    "text.encoding": ("3004 0001 ff 00", M),
    "text.encoding of a surrogate": ("3006 0003 eda080 00", M),
    "text.nul": ("3004 0001 00 00", M),
    "property.misplaced": ("3006 0001 61 02 21 00", M),
    "property.misplaced unknown": ("3006 0001 61 02 7f 00", M),
    "property.repeated": ("3008 0001 61 04 0100 0100", P),
    "property.value": ("3006 0001 61 02 0102", P),
    "properties.short": ("3004 0001 61 05", M),
    "publish.identifier": ("3006 0001 61 02 0b01", P),
    "alias.invalid": ("3007 0001 61 03 230000", Reason.TOPIC_ALIAS_INVALID),
    "alias.unknown": ("3006 0000 03 230001", P),
    "subscribe.empty": ("8203 0001 00", P),
    "subscribe.qos": ("8207 0001 00 0001 61 03", P),
    "subscribe.reserved": ("8207 0001 00 0001 61 40", M),
    "subscribe.retain_handling": ("8207 0001 00 0001 61 30", P),
    "subscribe.no_local": ("8210 0001 00 000a 2473686172652f672f61 04", P),
    "filter.invalid": ("8208 0001 00 0002 6123 00", Reason.TOPIC_FILTER_INVALID),
    "filter.invalid in UNSUBSCRIBE": ("a207 0001 00 0002 612b", Reason.TOPIC_FILTER_INVALID),
    "unsubscribe.empty": ("a203 0001 00", P),
    "reason.misplaced": ("4003 0001 01", P),
    "reason.misplaced in DISCONNECT": ("e001 01", P),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_violations_and_their_reason_codes(name: str) -> None:
    wire, reason = VIOLATIONS[name]
    core = opened(topic_alias_maximum=5)
    events = core.receive(b"\xc0\0" + bytes.fromhex(wire.replace(" ", "")))
    assert isinstance(events[0], Pingreq)
    error = events[-1]
    assert isinstance(error, RemoteProtocolError)
    assert (error.rule, error.status) == (name.partition(" ")[0], reason)
    assert core.closed
    said = core.outgoing()
    client = Core(server=False)
    client.receive(serialize(Connack(False, 0), V5))
    [farewell] = client.receive(said)
    assert isinstance(farewell, Disconnect)
    assert farewell.reason == reason
    assert core.receive(b"\xc0\0") == []


@pytest.mark.parametrize("wire", ["3006 0001 61 0001 00", "d000", "3604 0001 61 01", "8206 0001 0001 61 04"])
def test_before_5_0_a_violation_is_answered_by_closing(wire: str) -> None:
    core = opened(V311, maximum_qos=0)
    core.receive(bytes.fromhex(wire.replace("3006", "3206").replace(" ", "")))
    assert core.closed
    assert core.outgoing() == b""


CONNECTS = {
    "connect.version": ("00044d515454 06 02 0000 0000", b"\x20\x02\0\x01"),
    "connect.version of 3.1": ("00064d514973647004 02 0000 0000", b"\x20\x02\0\x01"),
    "connect.protocol": ("00044d515458 04 02 0000 0000", b""),
    "connect.flags": ("00044d515454 04 03 0000 0000", b""),
    "connect.flags in 5.0": ("00044d515454 05 03 0000 00 0000", b"\x20\x03\0\x81\0"),
    "connect.flags of a password alone": ("00044d515454 04 42 0000 0000 0000", b""),
    "connect.will": ("00044d515454 04 1a 0000 0000", b""),
    "connect.will of QoS 3": ("00044d515454 04 1e 0000 0000 0001 61 0000", b""),
    "connect.will with a wildcard": ("00044d515454 05 06 0000 00 0000 00 0001 23 0000", b"\x20\x03\0\x90\0"),
    "connect.authentication": ("00044d515454 05 02 0000 03 160000 0000", b"\x20\x03\0\x82\0"),
    "property.value": ("00044d515454 05 02 0000 03 210000 0000", b"\x20\x03\0\x82\0"),
    "property.repeated": ("00044d515454 05 02 0000 06 210001210001 0000", b"\x20\x03\0\x82\0"),
    "packet.short": ("00044d515454 05 02 0000 00 0001", b"\x20\x03\0\x81\0"),
}


@pytest.mark.parametrize("name", CONNECTS)
def test_connects_that_cannot_be(name: str) -> None:
    wire, answer = CONNECTS[name]
    body = bytes.fromhex(wire.replace(" ", ""))
    core = Core(server=True)
    [error] = core.receive(b"\x10" + bytes((len(body),)) + body)
    assert isinstance(error, RemoteProtocolError)
    assert error.rule == name.partition(" ")[0]
    assert core.outgoing() == answer
    assert core.closed


def test_a_client_answers_a_server_that_breaks_the_protocol() -> None:
    core = Core(server=False)
    core.receive(serialize(Connack(False, 0), V5))
    [error] = core.receive(b"\xc0\0")
    assert isinstance(error, RemoteProtocolError)
    said = core.outgoing()
    assert (said[0], said[2]) == (0xE0, Reason.PROTOCOL_ERROR)


@pytest.mark.parametrize(
    "packet",
    [
        Publish("a", b"", 1),
        Publish("a\0", b""),
        Publish("\ud800", b""),
        Publish("a" * 70_000, b""),
        Publish("a", b"", properties={"nonsense": 1}),
    ],
)
def test_what_cannot_be_said(packet: Packet) -> None:
    with pytest.raises(LocalProtocolError):
        serialize(packet, V5)


def test_before_5_0_there_is_no_auth() -> None:
    with pytest.raises(LocalProtocolError):
        serialize(Auth(0x18), V311)


def test_a_closed_connection_says_nothing() -> None:
    core = opened()
    core.farewell(Reason.SHUTTING_DOWN)
    with pytest.raises(LocalProtocolError):
        core.send(Puback(1))


def test_a_farewell_comes_behind_all_answers_and_fits() -> None:
    """[MQTT-3.14.4-1, MQTT-3.14.2-3]"""
    core = Core(server=True)
    core.receive(serialize(Connect(V5, "c", properties={"maximum_packet_size": 20}), V5))
    core.send(Connack(False, 0))
    core.outgoing()
    core.farewell(Reason.QUOTA_EXCEEDED, "so many words that they do not fit")
    core.acknowledge(0x40, 7)
    assert core.outgoing() == b"\x40\x02\0\x07\xe0\x01\x97"


def test_properties_that_do_not_fit_their_packet_are_wrong() -> None:
    written = write_properties({"topic_alias": 3})
    with pytest.raises(Wrong):
        Reader(written, 0, len(written)).properties(4)


def test_reasons_have_names() -> None:
    assert reason_name(0x97) == "0x97 quota exceeded"
    assert reason_name(0x55) == "0x55 unknown"
