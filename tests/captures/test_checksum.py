"""The Internet checksum, against RFC 1071's example and a plain addition of words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from captures.checksum import checksum, ones_complement_sum


def test_the_example_of_rfc_1071() -> None:
    assert ones_complement_sum(bytes.fromhex("0001f203f4f5f6f7")) == 0xDDF2


@given(st.binary(max_size=200) | st.sampled_from([b"\xff\xff", b"\xff" * 8, b"\0" * 8, b"\xff\xfe\0\1"]))
def test_it_is_the_sum_of_words_with_end_around_carry(data: bytes) -> None:
    padded = data + b"\0" * (len(data) % 2)
    total = 0
    for index in range(0, len(padded), 2):
        total += int.from_bytes(padded[index : index + 2], "big")
        total = (total & 0xFFFF) + (total >> 16)
    assert ones_complement_sum(data) == total
    assert checksum(padded + checksum(data).to_bytes(2, "big")) == 0
