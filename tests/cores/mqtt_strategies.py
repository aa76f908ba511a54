"""Hypothesis' idea of MQTT packets: any that a side may send, in either kind of version."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from netlab.cores.mqtt_codes import FLAG_PROPERTIES, NOT_ZERO, PROPERTIES, V5, V31, V311, WILL, Form, Type
from netlab.cores.mqtt_packets import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Request,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
)

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=8)
topics = st.text(st.characters(exclude_characters="\0+#", exclude_categories=("Cs",)), min_size=1, max_size=8)
levels = st.sampled_from(["a", "b", "", "+", "$x"])
filters = st.builds(
    lambda parts, rest: "/".join([*parts, "#"] if rest or not "".join(parts) else parts),
    st.lists(levels, min_size=1, max_size=3),
    st.booleans(),
)
numbers = st.integers(1, 65_535)
qualities = st.integers(0, 2)
FORMS = {
    Form.BYTE: st.integers(0, 127),
    Form.TWO_BYTES: st.integers(0, 65_535),
    Form.FOUR_BYTES: st.integers(0, 0xFFFFFFFF),
    Form.VARIABLE: st.integers(1, 268_435_455),
    Form.TEXT: texts,
    Form.BINARY: st.binary(max_size=8),
    Form.PAIR: st.lists(st.tuples(texts, texts), min_size=1, max_size=3),
}


def built(make: Any, *parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A packet of these parts, and nothing else filled in."""
    return st.tuples(*parts).map(lambda values: make(*values))


def properties(version: int, packet: int, without: tuple[str, ...] = ()) -> st.SearchStrategy[dict[str, Any]]:
    """Any that may stand in this packet."""
    if version != V5:
        return st.just({})
    values: dict[str, st.SearchStrategy[Any]] = {}
    for identifier, row in PROPERTIES.items():
        if packet not in row.packets or row.name in without:
            continue
        value: st.SearchStrategy[Any] = FORMS[row.form]
        if identifier in FLAG_PROPERTIES:
            value = st.integers(0, 1)
        elif identifier in NOT_ZERO:
            value = value.filter(bool)
        values[row.name] = value
    return st.fixed_dictionaries({}, optional=values)


@st.composite
def connects(draw: st.DrawFn, versions: tuple[int, ...] = (V31, V311, V5)) -> Connect:
    version = draw(st.sampled_from(versions))
    will = draw(
        st.none() | built(Will, topics, st.binary(max_size=8), qualities, st.booleans(), properties(version, WILL))
    )
    user = draw(st.none() | texts)
    password = draw(st.none() | st.binary(max_size=8)) if user is not None or version == V5 else None
    more = draw(properties(version, Type.CONNECT, ("authentication_data",)))
    return Connect(version, draw(texts), draw(st.booleans()), draw(st.integers(0, 65_535)), will, user, password, more)


@st.composite
def publishes(draw: st.DrawFn, version: int) -> Publish:
    qos = draw(qualities)
    more = draw(properties(version, Type.PUBLISH, ("subscription_identifier", "topic_alias", "response_topic")))
    dup = bool(qos) and draw(st.booleans())
    return Publish(draw(topics), draw(st.binary(max_size=200)), qos, draw(st.booleans()), dup,
                   draw(numbers) if qos else 0, more)  # fmt: skip


def acknowledgements(version: int) -> st.SearchStrategy[Packet]:
    def build(kind: Type, make: Any, reasons: tuple[int, ...]) -> st.SearchStrategy[Packet]:
        reason = st.sampled_from(reasons) if version == V5 else st.just(0)
        return built(make, numbers, reason, properties(version, kind))

    return (
        build(Type.PUBACK, Puback, (0, 0x10, 0x97))
        | build(Type.PUBREC, Pubrec, (0, 0x10, 0x97))
        | build(Type.PUBREL, Pubrel, (0, 0x92))
        | build(Type.PUBCOMP, Pubcomp, (0, 0x92))
    )


def requests(version: int) -> st.SearchStrategy[Request]:
    if version != V5:
        return built(Request, filters, qualities)
    return built(Request, filters, qualities, st.booleans(), st.booleans(), qualities)


def from_client(version: int) -> st.SearchStrategy[Packet]:
    """Any packet behind CONNECT."""
    return (
        publishes(version)
        | acknowledgements(version)
        | built(
            Subscribe,
            numbers,
            st.lists(requests(version), min_size=1, max_size=3).map(tuple),
            properties(version, Type.SUBSCRIBE),
        )
        | built(
            Unsubscribe,
            numbers,
            st.lists(filters, min_size=1, max_size=3).map(tuple),
            properties(version, Type.UNSUBSCRIBE),
        )
        | st.just(Pingreq())
    )


def from_server(version: int) -> st.SearchStrategy[Packet]:
    """Any packet behind CONNACK."""
    reasons = st.lists(st.sampled_from([0, 1, 2, 0x80]), min_size=1, max_size=3).map(tuple)
    return (
        publishes(version)
        | acknowledgements(version)
        | built(Suback, numbers, reasons, properties(version, Type.SUBACK))
        | built(Unsuback, numbers, reasons if version == V5 else st.just(()), properties(version, Type.UNSUBACK))
        | st.just(Pingresp())
    )


def last_words(version: int) -> st.SearchStrategy[Packet]:
    if version != V5:
        return st.just(Disconnect())
    return built(Disconnect, st.sampled_from([0, 4, 0x8E]), properties(V5, Type.DISCONNECT))


def answers(version: int) -> st.SearchStrategy[Packet]:
    return built(Connack, st.booleans(), st.just(0), properties(version, Type.CONNACK))


def exchanges() -> st.SearchStrategy[Packet]:
    return built(Auth, st.sampled_from([0x18, 0x19]), properties(V5, Type.AUTH))
