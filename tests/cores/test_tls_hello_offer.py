"""Hellos of our own, and what servers answer: read back, in any split, and whatever the bytes are."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from netlab.cores import tls_hello_details
from netlab.cores.tls_hello_answer import Answer, AnswerReader, read_server_hello
from netlab.cores.tls_hello_details import HelloDetails
from netlab.cores.tls_hello_offer import Offer, client_hello
from netlab.errors import RemoteProtocolError

NUMBERS = st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=40, unique=True)


@given(NUMBERS, NUMBERS, st.sampled_from([(0x0304,), (0x0303,), (0x0304, 0x0303), (0x0301,)]), st.booleans())
def test_what_is_offered_is_read_back(
    suites: list[int], groups: list[int], versions: tuple[int, ...], staple: bool
) -> None:
    offer = Offer(
        versions=versions, suites=suites, groups=groups, server_name="www.shop.test", alpn=("h2", "imap"), staple=staple
    )
    record = client_hello(offer, bytes(32))
    assert record[0] == 22
    assert len(record) == 5 + int.from_bytes(record[3:5], "big")
    details = tls_hello_details.read(record[5:])
    assert isinstance(details, HelloDetails)
    assert list(details.cipher_suites) == suites
    assert list(details.groups) == groups
    assert details.server_name == "www.shop.test"
    assert details.alpn == (b"h2", b"imap")
    assert list(details.versions) == (list(versions) if max(versions) == 0x0304 else [])
    assert any(extension.kind == 5 for extension in details.extensions) is staple


def record(kind: int, content: bytes) -> bytes:
    return bytes((kind, 3, 3)) + len(content).to_bytes(2, "big") + content


def message(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + len(body).to_bytes(3, "big") + body


HELLO = bytes.fromhex("0303") + bytes(32) + b"\0" + bytes.fromhex("c02b00")
LATER = HELLO + bytes.fromhex("000c002b0002030400330002001d")
CHAIN = bytes.fromhex("00000a000003aabbcc000001dd")
TLS_1_2 = (
    record(22, message(2, HELLO) + message(11, CHAIN)[:7])
    + record(22, message(11, CHAIN)[7:] + message(22, b"\1\0\0\2ok"))
    + record(22, message(12, b"\3\0\x17\1x") + message(14, b""))
)


@given(st.lists(st.integers(1, 30), max_size=20))
def test_an_answer_in_any_split(sizes: list[int]) -> None:
    reader, at, done = AnswerReader(), 0, False
    for size in [*sizes, len(TLS_1_2)]:
        if at < len(TLS_1_2):
            done = reader.receive(TLS_1_2[at : at + size])
            at += size
    assert done is True
    chain = (b"\xaa\xbb\xcc", b"\xdd")
    assert reader.answer == Answer(version=0x0303, suite=0xC02B, group=0x17, certificates=chain, staple=b"ok")


def test_what_ends_an_answer() -> None:
    reader = AnswerReader()
    assert reader.receive(record(22, message(2, LATER))) is True
    assert (reader.answer.version, reader.answer.suite, reader.answer.group) == (0x0304, 0xC02B, 0x1D)
    refused = AnswerReader()
    assert refused.receive(record(21, b"\2\x28")) is True
    assert (refused.answer.accepted, refused.answer.alert) == (False, 40)
    assert AnswerReader().receive(b"") is True
    assert isinstance(AnswerReader().receive(b"220 mail.test ESMTP\r\n"), RemoteProtocolError)
    assert isinstance(read_server_hello(b"\3\3"), RemoteProtocolError)


@settings(max_examples=60)
@given(st.binary(max_size=300), st.integers(0, len(TLS_1_2)))
def test_any_bytes_are_read_without_an_error_that_escapes(noise: bytes, at: int) -> None:
    for data in (noise, TLS_1_2[:at] + noise, record(22, noise), record(22, message(11, noise))):
        assert AnswerReader().receive(data) in (True, False) or isinstance(
            AnswerReader().receive(data), RemoteProtocolError
        )
