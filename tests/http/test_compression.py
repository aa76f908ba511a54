"""Compression on the way: which answers it touches, what their fields say then, and that no piece of a stream waits."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Callable
from typing import Any

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from netlab.cores.http1 import encode_fields
from netlab.http.compression import CODERS, Compression, CompressionOptions
from netlab.http.exchange import Exchange
from tests.http.serving import connected, serving

TEXT = b"".join(b"line %d of a text that compresses well\n" % number for number in range(100))
DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "br": lambda data: bytes(brotli.decompress(data)),
    "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}
Pair = tuple[str, str]


async def ask(
    fields: list[Pair],
    asks: str = "Accept-Encoding: gzip\r\n",
    *,
    method: str = "GET",
    status: int = 200,
    body: bytes = TEXT,
    length: bool = True,
    whole: bool = False,
    options: CompressionOptions | None = None,
) -> tuple[dict[str, str], bytes]:
    """What a client gets for a response with these fields; the content taken out of its chunks."""
    compression = Compression(options)

    def handle(exchange: Exchange) -> None:
        compression.begin(exchange)
        if whole:
            exchange.respond(status, fields, body)
            return
        exchange.start(status, encode_fields(fields), length=len(body) if length else None, own=False)
        exchange.send(body)
        exchange.finish()

    async with serving(handle) as (_, port), connected(port) as client:
        await client.send(f"{method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{asks}\r\n".encode())
        head, _, content = (await client.all()).partition(b"\r\n\r\n")
    lines = [line.split(": ", 1) for line in head.decode().split("\r\n")[1:]]
    answer: dict[str, str] = {}
    for name, value in lines:
        answer[name.lower()] = f"{answer[name.lower()]}, {value}" if name.lower() in answer else value
    return answer, joined(content) if "transfer-encoding" in answer else content


def joined(chunked: bytes) -> bytes:
    content = b""
    while chunked:
        size, _, chunked = chunked.partition(b"\r\n")
        content += chunked[: int(size, 16)]
        chunked = chunked[int(size, 16) + 2 :]
    return content


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("gzip", "gzip"),
        ("br", "br"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=0.5, br;q=0.9, zstd;q=0.1", "br"),
        ("*", "zstd"),
        ("gzip;q=0", None),
        ("deflate", None),
        ("identity, *;q=0", None),
    ],
)
async def test_the_coding_a_client_prefers(accept: str, coding: str | None) -> None:
    answer, content = await ask([("Content-Type", "text/plain")], f"Accept-Encoding: {accept}\r\n")
    assert answer.get("content-encoding") == coding
    assert answer["vary"] == "Accept-Encoding"
    assert (content if coding is None else DECODERS[coding](content)) == TEXT
    assert ("content-length" in answer) == (coding is None)
    assert coding is None or len(content) < len(TEXT) / 2


@pytest.mark.parametrize("whole", [False, True])
async def test_its_tag_is_weak_and_its_ranges_are_gone(whole: bool) -> None:
    fields = [("Content-Type", "application/json"), ("ETag", '"x"'), ("Accept-Ranges", "bytes"), ("Vary", "Origin")]
    answer, content = await ask(fields, whole=whole)
    assert gzip.decompress(content) == TEXT
    assert answer["etag"] == 'W/"x"'
    assert "accept-ranges" not in answer
    assert answer["vary"] == "Origin, Accept-Encoding"
    assert answer.get("content-length") == (str(len(content)) if whole else None)


@pytest.mark.parametrize(
    ("fields", "asks"),
    [
        ([("Content-Type", "image/png")], ""),
        ([("Content-Type", "video/mp4")], ""),
        ([("Content-Type", "text/event-stream")], ""),
        ([], ""),
        ([("Content-Type", "text/css"), ("Content-Encoding", "br")], ""),
        ([("Content-Type", "text/css"), ("Cache-Control", "public, no-transform")], ""),
        ([("Content-Type", "text/css"), ("Content-Digest", "sha-256=:AAAA:")], ""),
        ([("Content-Type", "text/css"), ("Content-Range", "bytes 0-1/2")], ""),
        ([("Content-Type", "text/css")], "Cache-Control: no-transform\r\n"),
    ],
)
async def test_what_is_left_alone(fields: list[Pair], asks: str) -> None:
    answer, content = await ask([*fields, ("ETag", '"x"')], f"Accept-Encoding: gzip\r\n{asks}")
    assert content == TEXT
    assert answer["etag"] == '"x"'
    assert answer["content-length"] == str(len(TEXT))
    assert "vary" not in answer


async def test_little_is_not_worth_it() -> None:
    answer, content = await ask([("Content-Type", "text/plain")], body=b"x" * 511)
    assert "content-encoding" not in answer
    answer, content = await ask([("Content-Type", "text/plain")], body=b"x" * 511, length=False)
    assert gzip.decompress(content) == b"x" * 511  # nobody knew


async def test_a_part_of_a_whole_is_left_alone() -> None:
    fields = [("Content-Type", "text/plain"), ("Content-Range", f"bytes 0-{len(TEXT) - 1}/9999")]
    _, content = await ask(fields, status=206)
    assert content == TEXT


async def test_vary_star_says_enough() -> None:
    answer, _ = await ask([("Content-Type", "text/plain"), ("Vary", "*")])
    assert answer["vary"] == "*"


async def test_head_says_what_get_would() -> None:
    fields = [("Content-Type", "text/plain"), ("ETag", '"x"')]
    answer, content = await ask(fields, method="HEAD")
    assert content == b""
    assert (answer["content-encoding"], answer["etag"]) == ("gzip", 'W/"x"')
    assert "content-length" not in answer


@pytest.mark.parametrize(("known", "told"), [('W/"x"', 'W/"x"'), ('"x"', '"x"'), ("*", '"x"')])
async def test_not_modified_names_the_tag_that_the_client_knows(known: str, told: str) -> None:
    asks = f"Accept-Encoding: gzip\r\nIf-None-Match: {known}\r\n"
    answer, _ = await ask([("ETag", '"x"')], asks, status=304, body=b"", length=False)
    assert answer["etag"] == told
    assert "content-encoding" not in answer


@pytest.mark.parametrize("coding", sorted(CODERS))
async def test_no_piece_of_a_stream_waits_for_the_next(coding: str) -> None:
    compression = Compression(CompressionOptions(types=("text/*", "text/event-stream")))
    taken = asyncio.Event()

    async def handle(exchange: Exchange) -> None:
        compression.begin(exchange)
        exchange.start(200, [("Content-Type", "text/event-stream")])
        for number in range(3):
            taken.clear()
            exchange.send(b"data: %d\n\n" % number)
            await taken.wait()
        exchange.finish()

    decoder: Any = {
        "gzip": lambda: zlib.decompressobj(31).decompress,
        "br": lambda: brotli.Decompressor().process,
        "zstd": lambda: zstandard.ZstdDecompressor().decompressobj().decompress,
    }[coding]()
    async with serving(handle) as (_, port), connected(port) as client:
        await client.send(f"GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {coding}\r\n\r\n".encode())
        assert f"Content-Encoding: {coding}".encode() in await client.until(b"\r\n\r\n")
        for number in range(3):
            size = int(await client.until(b"\r\n"), 16)
            assert decoder((await client.exactly(size + 2))[:-2]) == b"data: %d\n\n" % number
            taken.set()


@pytest.mark.parametrize("coding", sorted(CODERS))
@given(pieces=st.lists(st.binary(max_size=200), max_size=8), flush=st.booleans())
def test_what_is_coded_in_pieces_is_decoded_whole(coding: str, pieces: list[bytes], flush: bool) -> None:
    coder = CODERS[coding]()
    coded = b"".join(coder.code(piece) + (coder.flush() if flush else b"") for piece in pieces) + coder.end()
    assert DECODERS[coding](coded) == b"".join(pieces)
