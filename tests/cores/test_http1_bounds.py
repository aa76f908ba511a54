"""Whatever a peer sends, however it drips: little is kept, and every byte is looked at a bounded number of times."""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from netlab.cores import http1_body, http1_client, http1_endpoint, http1_refusals, http1_server
from netlab.cores.http1 import ClientCore, Limits, Request, ServerCore
from netlab.errors import RemoteProtocolError

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
MEGABYTE = 1 << 20


class Counted:
    """A compiled expression that counts the bytes it may look at."""

    def __init__(self, pattern: Any, work: list[int]) -> None:
        self.pattern, self.work = pattern, work

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.pattern, name)

        def counted(data: bytes, at: int = 0, stop: int = sys.maxsize) -> Any:
            found = method(data, at, stop)
            self.work[0] += (found.end() if isinstance(found, re.Match) else min(stop, len(data))) - at
            return found

        return counted


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes looked at by expressions and searches."""
    count = [0]
    for module in (http1_body, http1_client, http1_endpoint, http1_refusals, http1_server):
        for name, value in vars(module).items():
            if type(value).__name__ == "Pattern":
                monkeypatch.setattr(module, name, Counted(value, count))

    class Buffer(bytearray):
        """The buffer of incomplete bytes; a search through it counts."""

        def find(self, wanted: Any, start: Any = 0, stop: Any = sys.maxsize) -> int:
            found = super().find(wanted, start, stop)
            count[0] += (found if found >= 0 else min(stop, len(self))) - start
            return found

    monkeypatch.setattr(http1_endpoint, "bytearray", Buffer, raising=False)
    return count


def drip(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


SHAPES: dict[str, bytes] = {  # one period of what is sent without end
    "letters": b"GET",
    "a target without end": b"GET /" + b"a" * 4096,
    "empty lines": b"\r\n",
    "carriage returns": b"\r",
    "line feeds": b"\n",
    "NULs": b"\x00",
    "blanks": b" ",
    "bytes over 0x7F": b"\xff",
    "field lines without end": HEAD + b"X: y\r\n" * 4096,
    "one field without end": HEAD + b"X: " + b"y" * 4096,
    "a field name without end": HEAD + b"X" * 4096,
    "blanks in a field": HEAD + b"X: " + b" " * 4096,
    "folded lines": HEAD + b"X: y\r\n" + b" z\r\n" * 999,
    "requests": HEAD + b"\r\n",
    "requests with content": HEAD + b"Content-Length: 5\r\n\r\nhello",
    "large content": HEAD + b"Content-Length: 100000000\r\n\r\n" + bytes(1000),
    "chunks of a byte": CHUNKED + b"1\r\nx\r\n" * 4096,
    "a chunk size without end": CHUNKED + b"0" * 4096,
    "an extension without end": CHUNKED + b"1;a=" + b"b" * 8192,
    "an open quoted string": CHUNKED + b'1;a="' + b"b" * 8192,
    "blanks behind a chunk size": CHUNKED + b"1" + b" " * 8192,
    "semicolons": CHUNKED + b"1" + b";" * 8192,
    "small extensions": CHUNKED + b"1;a\r\nx\r\n" * 4096,
    "trailers without end": CHUNKED + b"0\r\n" + b"X: y\r\n" * 4096,
    "a trailer without end": CHUNKED + b"0\r\nX: " + b"y" * 30000,
}


MANY_EVENTS = ("requests", "requests with content", "chunks of a byte", "small extensions")
"""Ten megabytes of these are right, and take their time."""


@pytest.mark.parametrize("size", [1000, 1 << 16])
@pytest.mark.parametrize("shape", SHAPES)
def test_ten_megabytes_of_anything(shape: str, size: int, work: list[int]) -> None:
    period = SHAPES[shape]
    amount = MEGABYTE if size == 1000 or shape in MANY_EVENTS else 10 * MEGABYTE
    core, fed, most = ServerCore(), 0, 0
    for piece in drip((period * (amount // len(period) + 1))[:amount], size):
        events = core.receive(piece)
        fed += len(piece)
        while events:
            if not isinstance(events[-1], RemoteProtocolError) and core.answerable and not core.reading_body:
                core.respond(200)
                core.outgoing()
                events = core.resume()
            else:
                events = []
        most = max(most, core.buffered)
    limits = core.limits
    assert most <= max(limits.head, limits.trailers, limits.chunk_line) + size
    assert work[0] <= 8 * fed + 64 * (limits.head + size)
    assert core.received == fed


@pytest.mark.parametrize("shape", SHAPES)
def test_byte_by_byte(shape: str, work: list[int]) -> None:
    """The worst a peer can do with the fewest bytes: each costs a constant."""
    period = SHAPES[shape]
    core, fed = ServerCore(), 0
    for piece in drip((period * (40_000 // len(period) + 1))[:40_000], 1):
        events = core.receive(piece)
        fed += 1
        if events and core.answerable and not core.reading_body:
            core.respond(200)
            core.outgoing()
    assert work[0] <= 40 * fed


@pytest.mark.parametrize(
    "period",
    [b"HTTP/1.1 103 x\r\n\r\n", b"HTTP/1.1 200 " + b"x" * 4096, b"x", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 4096],
)
def test_a_client_is_bounded_too(period: bytes, work: list[int]) -> None:
    core = ClientCore()
    core.request("GET", "/", [("Host", "a")])
    fed = 0
    for piece in drip((period * (MEGABYTE // 5 // len(period) + 1)), 10):
        core.receive(piece)
        fed += len(piece)
        assert core.buffered <= core.limits.head + 10
    assert work[0] <= 40 * fed + 64 * core.limits.head


def test_what_is_held_back_is_bounded() -> None:
    """Nobody reads on while an exchange is open; if somebody does, it ends."""
    core = ServerCore(Limits(held=1000))
    assert isinstance(core.receive(HEAD + b"\r\n")[0], Request)
    assert core.receive(HEAD * 30) == []
    (error,) = core.receive(HEAD * 30)
    assert isinstance(error, RemoteProtocolError)
    assert error.rule == "pipeline.too_much"
    assert core.buffered == 0
    core.respond(200)
    assert core.closed


def test_many_pipelined_requests_cost_no_more_than_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading one out of a large buffer does not copy the rest."""
    core = ServerCore()
    copied = 0
    kept: list[int] = []
    core.receive((HEAD + b"\r\n") * 2000)
    for _ in range(1999):
        core.respond(200)
        before = core._buffer
        assert len(core.resume()) == 1
        copied += len(core._buffer) if core._buffer is not before else 0
        kept.append(core.buffered)
    assert copied == 0
    assert kept == sorted(kept, reverse=True)


def total_size(*roots: object, beside: object = None) -> int:
    """Bytes of everything that hangs on these objects alone; what a fresh core shares with them is not counted."""
    known = set() if beside is None else {id(item) for item in reachable(beside)}
    return sum(sys.getsizeof(item) for item in reachable(*roots) if id(item) not in known)


def reachable(*roots: object) -> list[object]:
    seen: dict[int, object] = {}
    waiting = list(roots)
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, type) or type(item).__name__ in ("module", "function"):
            continue
        seen[id(item)] = item
        waiting += gc.get_referents(item)
    return list(seen.values())


BROWSER = (
    b"GET /hello HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\nConnection: keep-alive\r\nUpgrade-Insecure-Requests: 1\r\n"
    b"Cookie: session=0123456789abcdef; theme=dark\r\n\r\n"
)


@pytest.mark.parametrize(("memo", "most"), [(0, 700), (4096, 4000)])
def test_an_idle_connection_is_small(memo: int, most: int) -> None:
    limits = Limits(memo=memo)
    core = ServerCore(limits)
    core.receive(BROWSER)
    core.respond(200, [], b"hello")
    core.outgoing()
    assert core.idle
    fresh = ServerCore(limits)
    size = total_size(core, beside=(fresh._memo, fresh._known)) - total_size(limits)
    assert size <= most
    assert not hasattr(core, "__dict__")
