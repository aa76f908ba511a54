"""Messages and names in wire form: dnspython reads what is written here, and any bytes are read or refused."""

from __future__ import annotations

import sys

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.cores.dns_codes import NXDOMAIN, OPT, TYPES
from netlab.cores.dns_message import (
    AA,
    CD,
    FIXED,
    HEADER,
    QR,
    RD,
    TC,
    Edns,
    Message,
    Question,
    Record,
    extended_error,
    parse,
    parse_query,
    serialize,
)
from netlab.cores.dns_names import (
    ROOT,
    ancestors,
    from_text,
    is_below,
    order,
    parent,
    read,
    reverse,
    to_text,
    upper,
)
from netlab.cores.dns_rdata import from_text as rdata
from netlab.errors import RemoteProtocolError, UsageError

labels = st.sampled_from((b"a", b"B", b"test", b"\xff.")) | st.binary(min_size=1, max_size=12)
names = st.lists(labels, max_size=5).map(lambda parts: b"".join(bytes((len(p),)) + p for p in parts) + ROOT)
data_of = st.one_of(
    st.tuples(st.just(1), st.binary(min_size=4, max_size=4)),
    st.tuples(st.just(16), st.binary(max_size=50).map(lambda text: bytes((len(text),)) + text)),
    st.tuples(st.sampled_from((2, 5, 12, 39)), names),
    st.tuples(st.just(15), names.map(lambda name: b"\0\x0a" + name)),
    st.tuples(st.just(6), st.tuples(names, names).map(lambda both: both[0] + both[1] + bytes(20))),
)
records = st.tuples(names, st.integers(0, 2**31 - 1), data_of).map(lambda r: Record(r[0], r[2][0], r[1], r[2][1]))
messages = st.builds(
    Message,
    st.integers(0, 0xFFFF),
    st.sampled_from((0, RD, QR | AA, QR | RD | CD)),
    st.sampled_from((0, 4)),
    st.integers(0, 23),
    st.lists(st.builds(Question, names, st.integers(0, 0xFFFF), st.just(1)), max_size=1),
    st.lists(records, max_size=3),
    st.lists(records, max_size=3),
    st.lists(records, max_size=3),
    st.builds(Edns, st.integers(512, 4096), st.just(0), st.booleans(), st.just(((10, b"12345678"),))),
)


@given(messages)
def test_what_is_written_is_read_again(message: Message) -> None:
    wire = serialize(message)
    again = parse(wire)
    assert again == message
    theirs = dns.message.from_wire(wire)
    assert (theirs.id, theirs.rcode(), len(theirs.question)) == (message.id, message.rcode, len(message.question))
    assert (
        theirs.flags == (int.from_bytes(wire[2:4], "big") & ~0x7800 & ~0xF) | message.opcode << 11 | message.rcode & 15
    )
    ours = parse(theirs.to_wire(max_size=65535, want_shuffle=False))
    assert {record.key for record in ours.answer} == {record.key for record in message.answer}


@given(st.binary(max_size=120))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    try:
        parse(data)
    except RemoteProtocolError as error:
        refused = error
    else:
        return
    assert (refused.section[:3], refused.status) == ("RFC", 1)


@given(messages, st.data())
def test_a_damaged_message_is_read_or_refused(message: Message, data: st.DataObject) -> None:
    wire = bytearray(serialize(message))
    for _ in range(data.draw(st.integers(1, 4))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    try:
        parsed = parse(bytes(wire[: data.draw(st.integers(0, len(wire)))]))
    except RemoteProtocolError:
        return
    assert parse(serialize(parsed)) == parsed


@given(messages, st.integers(12, 400), st.booleans())
def test_a_message_is_cut_at_whole_rrsets_and_says_so(message: Message, limit: int, glue: bool) -> None:
    wire = serialize(message, limit, glue=glue)
    cut = parse(wire)
    fixed = len(serialize(Message(question=message.question, edns=message.edns)))
    assert len(wire) <= max(limit, fixed)
    left_out = len(cut.answer) < len(message.answer) or len(cut.authority) < len(message.authority)
    left_out = left_out or (glue and len(cut.additional) < len(message.additional))  # RFC 9471
    assert bool(cut.flags & TC) == left_out
    for ours, whole in ((cut.answer, message.answer), (cut.authority, message.authority)):
        assert ours == whole[: len(ours)]
        if len(ours) < len(whole) and ours:
            assert ours[-1].key != whole[len(ours)].key


@pytest.mark.parametrize(
    ("wire", "rule"),
    [
        (b"\0" * 11, "header.cut"),
        (b"\0\0\0\0\0\1\0\0\0\0\0\0", "name.cut"),
        (b"\0\0\0\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1", "name.pointer"),
        (b"\0\0\0\0\0\1\0\0\0\0\0\0\x01a\xc0\x0c\0\1\0\1", "name.pointer"),
        (b"\0\0\0\0\0\1\0\0\0\0\0\0\x41a\0\0\1\0\1", "name.label"),
        (b"\0\0\0\0\0\1\0\0\0\0\0\0" + b"\x3f" + b"a" * 63 + b"\x3f" * 200, "name.long"),
        (b"\0\0\0\0\0\1\0\0\0\0\0\0\0\0\1\0", "question.cut"),
        (b"\0\0\0\0\0\0\0\1\0\0\0\0\0\0\1\0\1\0\0\0\0\0\x05\1\2\3\4", "record.cut"),
        (b"\0\0\0\0\0\0\0\1\0\0\0\0\0\0\2\0\1\0\0\0\0\0\x02\0\0", "rdata.length"),
        (b"\0" * 13, "message.excess"),
        (b"\0\0\0\0\0\0\0\0\0\0\0\2" + (b"\0\0\x29\x04\0\0\0\0\0\0\0") * 2, "opt.repeated"),
        (b"\0\0\0\0\0\0\0\0\0\0\0\1\1a\0\0\x29\x04\0\0\0\0\0\0\0", "opt.owner"),
        (b"\0\0\0\0\0\0\0\1\0\0\0\0\0\0\x29\x04\0\0\0\0\0\0\0", "opt.place"),
        (b"\0\0\0\0\0\0\0\0\0\0\0\1\0\0\x29\x04\0\0\0\0\0\0\3\0\1\0", "opt.cut"),
    ],
)
def test_what_is_no_message_is_refused_by_a_rule(wire: bytes, rule: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse(wire)
    assert caught.value.rule == rule


def test_a_pointer_chain_is_read_once() -> None:
    """The longest chain of pointers that leads backwards costs no more than its length."""
    chain = b"\1a\0" + b"".join(b"\xc0%c" % (index * 2 + (1 if index else 0)) for index in range(100))
    name, behind = read(chain, len(chain) - 2)
    assert behind == len(chain)
    assert name in (b"\1a\0", b"\0")


def test_edns_has_the_upper_bits_of_the_rcode_and_an_extended_error() -> None:
    query = Message(7, RD, question=[Question(from_text("www.shop.test."), 1)], edns=Edns(do=True))
    reply = query.reply(NXDOMAIN)
    reply.rcode, reply.edns = 16, Edns(options=(extended_error(22, "nobody answers"),))
    theirs = dns.message.from_wire(serialize(reply))
    assert theirs.rcode() == 16
    (option,) = theirs.options
    assert isinstance(option, dns.edns.EDEOption)
    assert (option.code, option.text) == (22, "nobody answers")
    assert parse(serialize(reply)).extended_error == (22, "nobody answers")
    assert all(record.type != OPT for record in parse(serialize(reply)).additional)


def test_a_ttl_with_its_highest_bit_set_is_zero() -> None:
    wire = serialize(Message(answer=[Record(ROOT, 1, 0x80000001, bytes(4))]))
    assert parse(wire).answer[0].ttl == 0  # RFC 2181 8


def test_names_later_than_rfc_1035_are_not_compressed() -> None:
    srv = Record(from_text("a.test."), 33, 1, rdata("SRV", "0 0 1 a.test."))
    assert len(serialize(Message(answer=[srv, srv]))) == 12 + (8 + 10 + 14) + (2 + 10 + 14)


# -- names -----------------------------------------------------------------------------------------------------------


@given(names)
def test_a_name_and_its_text_are_one(name: bytes) -> None:
    assert from_text(to_text(name)) == name
    theirs = dns.name.from_wire(name, 0)[0]
    assert dns.name.from_text(to_text(name)) == theirs
    assert from_text(theirs.to_text()) == name


@given(names, names)
def test_below_and_order_are_as_dnspython_has_them(one: bytes, other: bytes) -> None:
    mine, theirs = dns.name.from_wire(one, 0)[0], dns.name.from_wire(other, 0)[0]
    assert is_below(one.lower(), other.lower()) == mine.is_subdomain(theirs)
    assert (order(one) < order(other)) == (mine < theirs)


def test_a_suffix_that_begins_inside_of_a_label_is_no_ancestor() -> None:
    assert not is_below(b"\x06x\4testx"[:7] + b"\0", b"\4test\0")
    assert not is_below(b"\x05\4test\0", b"\4test\0")
    assert is_below(b"\1a\4test\0", b"\4test\0")


def test_ways_through_a_name() -> None:
    name = from_text("a.b.test.")
    assert [to_text(each) for each in ancestors(name)] == ["a.b.test.", "b.test.", "test.", "."]
    assert to_text(parent(name)) == "b.test."
    assert parent(ROOT) == ROOT
    assert to_text(upper(name, 1)) == "test."
    assert to_text(reverse("192.0.2.7")) == "7.2.0.192.in-addr.arpa."
    assert from_text("www", from_text("shop.test.")) == from_text("www.shop.test")
    assert from_text("@", name) == name
    assert to_text(from_text(r"a\.b\046c.test.")) == r"a\.b\.c.test."
    assert from_text("bücher.test.") == from_text("xn--bcher-kva.test.")


@pytest.mark.parametrize("text", ["a..b", ".a", "a" * 64, ".".join(["a" * 60] * 5), "a\\", "\\256", "\\"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        from_text(text)


def test_thousands_of_pointers_to_a_long_name_cost_one_reading_of_it() -> None:
    name = b"\1a" * 126 + b"\0"
    record = b"\xc0\x0e" + FIXED.pack(TYPES["NS"], 1, 60, 2) + b"\xc0\x0e"
    wire = HEADER.pack(1, 0x8000, 1, 4000, 0, 0) + name + b"\0\1\0\1" + record * 4000
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "c_call" and argument.__name__ == "append"  # type: ignore[attr-defined]  # of a builtin

    sys.setprofile(count)
    try:
        message = parse(wire)
    finally:
        sys.setprofile(None)
    assert message.answer[-1] == (name[2:], TYPES["NS"], 60, name[2:], 1)
    assert calls < 10_000  # two for each record, some hundred for the labels; each label of each would be a million
    with pytest.raises(RemoteProtocolError, match="4001 questions and records"):
        parse_query(wire)


def test_a_name_that_a_known_pointer_makes_too_long_is_refused() -> None:
    name = b"\1a" * 126 + b"\0"
    wire = HEADER.pack(1, 0, 1, 0, 0, 2) + name + b"\0\1\0\1"
    for owner in (b"\xc0\x0e", b"\5bbbbb\xc0\x0e"):
        wire += owner + FIXED.pack(1, 1, 60, 4) + bytes(4)
    with pytest.raises(RemoteProtocolError) as caught:
        parse(wire)
    assert caught.value.rule == "name.long"
