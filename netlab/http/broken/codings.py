"""Faults in what the content is said to be: codings that fail or lie, charsets, bombs."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncIterator
from functools import lru_cache

from netlab.http.broken.fault import HELLO, Fault, Wish, message, said
from netlab.http.broken.fault import begin as begin_raw
from netlab.http.exchange import Exchange

TEXT = "Content-Type: text/plain; charset=utf-8"
GZIP = "Content-Encoding: gzip"
WHOLE = gzip.compress(HELLO * 100, mtime=0)
CORRUPT = WHOLE[:20] + bytes(byte ^ 0xFF for byte in WHOLE[20:30]) + WHOLE[30:]
WRONG_CHECKSUM = WHOLE[:-8] + bytes(4) + WHOLE[-4:]
DECODING_ERROR = "report that the content cannot be decoded; not show what came so far as if it were all"
LATIN = "Prix: 5 £, café".encode("latin-1")
BOMB = 1 << 30
BOMB_CHECKSUM = 0x5B64C2B0
"""CRC-32 of so many zeros."""


def coded(name: str, data: bytes, *fields: str, wrong: str, client: str, section: str = "RFC 9110 8.4") -> Fault:
    length = f"Content-Length: {len(data)}"
    return said(name, TEXT, *fields, length, body=data, wrong=wrong, client=client, section=section)


async def bomb(exchange: Exchange, wish: Wish) -> None:
    """A gibibyte of zeros in a mebibyte of gzip, sent as fast as the client takes it."""
    head = message(TEXT, GZIP, "Connection: close", "X-Broken: gzip-bomb")
    begin_raw(exchange, head)
    exchange.raw(head)
    async for piece in bomb_pieces():
        exchange.raw(piece)
        await exchange.ready()
        if not await exchange.pause(0):
            break
    exchange.cut()


async def bomb_pieces() -> AsyncIterator[bytes]:
    yield WHOLE[:10]  # the head of any gzip member (RFC 1952 2.3)
    for _ in range(BOMB >> 20):
        yield mebibyte_of_zeros()
    final = zlib.compressobj(wbits=-15)
    yield final.flush() + BOMB_CHECKSUM.to_bytes(4, "little") + BOMB.to_bytes(4, "little")


@lru_cache
def mebibyte_of_zeros() -> bytes:
    """Deflate data that stands on a byte boundary and refers to nothing before it, so that it can be repeated."""
    coder = zlib.compressobj(9, wbits=-15)
    return coder.compress(bytes(1 << 20)) + coder.flush(zlib.Z_FULL_FLUSH)


FAULTS = (
    coded(
        "gzip-corrupt",
        CORRUPT,
        GZIP,
        wrong="gzip content with damaged bytes in the middle",
        client=DECODING_ERROR,
    ),
    coded(
        "gzip-checksum",
        WRONG_CHECKSUM,
        GZIP,
        wrong="gzip content whose checksum is not that of its data",
        client=DECODING_ERROR,
        section="RFC 1952 2.3.1",
    ),
    coded(
        "gzip-truncated",
        WHOLE[: len(WHOLE) // 2],
        GZIP,
        wrong="gzip content that ends in the middle, though the message is complete",
        client=DECODING_ERROR,
    ),
    coded(
        "gzip-mislabelled",
        zlib.compress(HELLO * 100),
        GZIP,
        wrong="deflate content that is called gzip",
        client=DECODING_ERROR,
    ),
    coded(
        "plain-as-gzip",
        HELLO,
        GZIP,
        wrong="plain text that is called gzip",
        client=DECODING_ERROR,
    ),
    coded(
        "gzip-unlabelled",
        WHOLE,
        wrong="gzip content that is called plain text",
        client="show it as it is; guessing codings is how filters are passed",
    ),
    coded(
        "gzip-twice",
        gzip.compress(WHOLE, mtime=0),
        GZIP,
        wrong="content coded twice that is said to be coded once",
        client="undo the one coding that is named",
    ),
    coded(
        "unknown-coding",
        HELLO,
        "Content-Encoding: netlab",
        wrong="a content coding that nobody knows, and no client accepts",
        client="report that the content cannot be decoded, or hand it on with its coding",
    ),
    Fault(
        name="gzip-bomb",
        script=bomb,
        wrong="a gibibyte of zeros in a mebibyte of gzip",
        client="stop at a bound of its own, in memory and on disk",
        section="RFC 9110 17.5",
    ),
    said(
        "charset-lie",
        TEXT,
        f"Content-Length: {len(LATIN)}",
        body=LATIN,
        wrong="ISO 8859-1 that is called UTF-8",
        client="replace or report what cannot be read, not fail",
        section="RFC 9110 8.3.2",
    ),
)
