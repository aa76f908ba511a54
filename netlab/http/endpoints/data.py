"""Paths that give data: random bytes, ranges of a known text, a UUID, decoded base64, pages of links."""

from __future__ import annotations

import array
import base64
import random
import sys
import uuid
from collections.abc import AsyncIterator, Coroutine
from functools import partial
from typing import Any

from netlab.http.endpoints.answers import HTML, NO_SCRIPTS, answering, respond, respond_json, respond_redirect, stream
from netlab.http.endpoints.arguments import Arguments, segment
from netlab.http.exchange import Exchange
from netlab.http.routes import Routes
from netlab.service import Context

MOST = 100 << 10
"""Bytes that one answer gives."""
CHUNK = 10 << 10
BINARY = ("Content-Type", "application/octet-stream")


def register(routes: Routes, context: Context) -> None:
    chance = context.random
    routes.add("GET", "/bytes/{n}", partial(some_bytes, chance), "n random bytes; the same for the same ?seed=")
    routes.add("GET", "/stream-bytes/{n}", partial(stream_bytes, chance), "the same in chunks of ?chunk_size=")
    routes.add("GET", "/uuid", partial(new_uuid, chance), "a UUID of version 4")
    routes.add("GET", "/base64/{value}", decoded, "the value decoded (base64url)")
    routes.add("GET", "/links/{n}", first_links, "a page of n links to pages like it")
    routes.add("GET", "/links/{n}/{offset}", links, "one of n such pages")


@answering
def some_bytes(chance: random.Random, exchange: Exchange, n: str) -> None:
    respond(exchange, 200, [BINARY], random_bytes(chance, exchange, n))


@answering
def stream_bytes(chance: random.Random, exchange: Exchange, n: str) -> Coroutine[Any, Any, None]:
    data = random_bytes(chance, exchange, n)
    size = max(Arguments(exchange.request).whole("chunk_size", CHUNK), 1)
    return stream(exchange, 200, [BINARY], sliced(data, size))


async def sliced(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def random_bytes(chance: random.Random, exchange: Exchange, n: str) -> bytes:
    count = min(segment(n), MOST)
    arguments = Arguments(exchange.request)
    if arguments.get("seed") is None:
        return chance.randbytes(count)
    return seeded_bytes(arguments.whole("seed", 0, least=-(10**18)), count)


def seeded_bytes(seed: int, count: int) -> bytes:
    """The very bytes that httpbin gives for a seed: `randint(0, 255)` of Python's generator, one after another.

    `randint` keeps the top nine bits of a 32-bit word and drops the word where they exceed 255; taken in one draw of
    many words this is ten times as fast.
    """
    source, found = random.Random(seed), bytearray()
    while len(found) < count:
        drawn = 2 * (count - len(found)) + 16
        words = array.array("I", source.getrandbits(32 * drawn).to_bytes(4 * drawn, sys.byteorder))
        if sys.byteorder == "big":
            words.reverse()
        found += bytes([word >> 23 for word in words if not word >> 31])
    return bytes(found[:count])


def new_uuid(chance: random.Random, exchange: Exchange) -> None:
    respond_json(exchange, {"uuid": str(uuid.UUID(int=chance.getrandbits(128), version=4))})


def decoded(exchange: Exchange, value: str) -> None:
    try:
        body = base64.urlsafe_b64decode(value)
        body.decode()
    except ValueError:
        body = b"Incorrect Base64 data try: SFRUUEJJTiBpcyBhd2Vzb21l"
    respond(exchange, 200, [HTML, NO_SCRIPTS], body)


@answering
def first_links(exchange: Exchange, n: str) -> None:
    respond_redirect(exchange, f"/links/{segment(n)}/0")


@answering
def links(exchange: Exchange, n: str, offset: str) -> None:
    count, here = min(max(segment(n), 1), 200), segment(offset)
    shown = [f"{i} " if i == here else f"<a href='/links/{count}/{i}'>{i}</a> " for i in range(count)]
    page = f"<html><head><title>Links</title></head><body>{''.join(shown)}</body></html>"
    respond(exchange, 200, [HTML], page.encode())
