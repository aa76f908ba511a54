"""Content codings: what others encoded is decoded, in any split; what is broken or a bomb is refused."""

from __future__ import annotations

import gzip
import random
import sys
import tracemalloc
import zlib

import brotli
import pytest
import zstandard

from netlab.http.decoding import CodingError, Decoding

TEXT = b"".join(b"%d bottles of beer on the wall\n" % (n * n) for n in range(20_000))


def raw_deflate(data: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-15)
    return deflate.compress(data) + deflate.flush()


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


def quick_brotli(data: bytes) -> bytes:
    compressed: bytes = brotli.compress(data, quality=1)
    return compressed


ENCODED = {
    "gzip": (["gzip"], gzip.compress(TEXT)),
    "gzip in two members": (["x-gzip"], gzip.compress(TEXT[:99]) + gzip.compress(TEXT[99:])),
    "deflate": (["deflate"], zlib.compress(TEXT)),
    "deflate without zlib": (["deflate"], raw_deflate(TEXT)),
    "br": (["br"], quick_brotli(TEXT)),
    "zstd": (["zstd"], zstd(TEXT)),
    "zstd in two frames": (["zstd"], zstd(TEXT[:99]) + zstd(TEXT[99:])),
    "two, one over the other": (["br", "identity", "gzip"], gzip.compress(quick_brotli(TEXT))),
    "none": ([], TEXT),
}


def decode(codings: list[str], data: bytes, *, sizes: int = 1 << 30, seed: int = 0) -> bytes:
    chance, decoder, out, at = random.Random(seed), Decoding(codings), [], 0
    while at < len(data):
        size = chance.randint(1, sizes)
        out += decoder.decode(data[at : at + size])
        at += size
    decoder.finish()
    assert decoder.bytes_in == len(data)
    return b"".join(out)


@pytest.mark.parametrize("name", ENCODED)
@pytest.mark.parametrize("sizes", [1, 7, 5000, 1 << 30])
def test_what_others_encoded_is_decoded_in_any_split(name: str, sizes: int) -> None:
    codings, data = ENCODED[name]
    if sizes == 1:
        data = data[:3000]
        partial = Decoding(codings)
        assert TEXT.startswith(b"".join(p for byte in data for p in partial.decode(bytes([byte]))))
        return
    assert decode(codings, data, sizes=sizes) == TEXT


@pytest.mark.parametrize("name", [name for name in ENCODED if name != "none"])
def test_content_that_ends_too_early_is_not_taken_for_whole(name: str) -> None:
    codings, data = ENCODED[name]
    with pytest.raises(CodingError, match="ends inside"):
        decode(codings, data[:-1])


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_what_is_something_else_is_refused(coding: str) -> None:
    with pytest.raises(CodingError, match=f"the content is not {coding}"):
        decode([coding], b"\xff" * 200)


def test_nothing_at_all_decodes_to_nothing() -> None:
    assert decode(["gzip"], b"") == b""


def test_an_unknown_coding_is_named() -> None:
    with pytest.raises(CodingError, match="'compress' is not known"):
        Decoding(["compress"])


@pytest.mark.parametrize(("coding", "bomb"), [("gzip", gzip.compress), ("br", quick_brotli), ("zstd", zstd)])
def test_a_bomb_is_refused_before_it_has_filled_the_memory(coding: str, bomb: object) -> None:
    assert callable(bomb)
    data = bomb(b"\0" * (64 << 20))
    tracemalloc.start()
    with pytest.raises(CodingError, match="bomb"):
        for _ in Decoding([coding], free=4 << 20).decode(data):
            pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    window = 8 << 20 if coding == "zstd" and sys.version_info >= (3, 14) else 0  # counted where it is Python's own
    assert peak < (8 << 20) + window
