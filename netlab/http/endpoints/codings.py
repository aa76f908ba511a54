"""Paths whose content has a content coding (RFC 9110 8.4.1), whether or not the client asked for it."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable
from functools import partial

from netlab.http.endpoints.answers import JSON, printed, respond
from netlab.http.endpoints.mirror import mirror
from netlab.http.exchange import Exchange
from netlab.http.routes import Routes
from netlab.service import Context

Coder = Callable[[bytes], bytes]


def register(routes: Routes, context: Context) -> None:
    for path, coding, told, coder in (
        ("/gzip", "gzip", "gzipped", lambda data: gzip.compress(data, 4, mtime=0)),
        ("/deflate", "deflate", "deflated", zlib.compress),  # zlib's format, as RFC 9110 8.4.1.2 has it
        ("/brotli", "br", "brotli", brotli),
        ("/zstd", "zstd", "zstd", zstd),
    ):
        routes.add("GET", path, partial(coded, coding, told, coder), f"content with Content-Encoding: {coding}")


def coded(coding: str, told: str, coder: Coder, exchange: Exchange) -> None:
    facts = {**mirror(exchange, ("headers", "origin", "method")), told: True}
    respond(exchange, 200, [JSON, ("Content-Encoding", coding)], coder(printed(facts)))


def brotli(data: bytes) -> bytes:
    import brotli

    return bytes(brotli.compress(data, quality=4))


def zstd(data: bytes) -> bytes:
    if sys.version_info >= (3, 14):
        from compression import zstd

        return zstd.compress(data)
    import zstandard

    return zstandard.ZstdCompressor().compress(data)
