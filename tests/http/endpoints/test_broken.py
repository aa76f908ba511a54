"""Answers that are broken on purpose: their bytes, and what clients nobody here wrote make of them."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import struct
import zlib
from pathlib import Path

import h11
import httpx
import pytest
import requests

from netlab.cores.http1 import ClientCore
from netlab.errors import RemoteProtocolError
from netlab.flow import Outcome
from netlab.http.broken import FAULTS
from netlab.http.broken.codings import BOMB, bomb_pieces
from netlab.http.broken.fault import Fault
from tests.http.endpoints.site import Site, site, talk
from tests.http.serving import SECONDS, Client, connected

BRIEFLY = "?seconds=0.15&gap=0.001&count=50"
"""So that what never ends, ends."""

CURL = {  # exit codes of curl 7.88 to 8.x; 0 where it is content, for good reasons or bad
    "cut-body": {18},
    "head-only": {18},
    "length-too-large": {18},
    "length-too-small": {0},
    "bad-length": {8},
    "negative-length": {8},
    "bad-chunk-size": {56},
    "huge-chunk-size": {56},
    "chunk-too-long": {56},
    "missing-last-chunk": {18},
    "cut-chunk": {18},
    "cut-trailers": {18},
    "content-on-204": {0},
    "content-on-304": {0},
    "gzip-corrupt": {23, 61},
    "gzip-checksum": {23, 61},
    "plain-as-gzip": {23, 61},
    "unknown-coding": {23, 61},
    "bad-status": {1},
    "short-status": {1},
    "bad-version": {1},
    "not-http": {1},
    "http-0.9": {1},
    "status-out-of-range": {0},
    "field-without-colon": {8},
    "nul-in-field": {8},
    "obs-fold": {0},
    "bare-lf": {0},
    "many-fields": {0, 56},
    "long-field": {27, 56, 100},
    "redirect-loop": {47},
    "redirect-nowhere": {3},
    "empty-reply": {52},
    "reset": {52, 56},
    "reset-mid-body": {56},
    "dripped-head": {0},
    "dripped-body": {0},
    "stalled": {52},
    "stalled-body": {18},
    "1xx-storm": {0},
    "endless-head": {27, 56, 100},
    "endless-line": {27, 56, 100},
}


@pytest.mark.one_loop
async def test_what_curl_makes_of_them() -> None:
    busy = asyncio.Semaphore(4)

    async def code(here: Site, name: str) -> int:
        async with busy:
            query = "" if name.startswith("endless-") else BRIEFLY  # curl ends these itself, however long that takes
            return (await here.curl(f"/broken/{name}{query}", "-L", "--compressed", "-o", "/dev/null")).code

    async with site() as here:
        codes = await asyncio.gather(*(code(here, name) for name in CURL))
    assert {name: found for name, found in zip(CURL, codes, strict=True) if found not in CURL[name]} == {}


NO_VIOLATION = (  # faults of what the content or the fields mean, and what is only slow
    "gzip- plain-as-gzip unknown-coding charset-lie status-out-of-range unasked-206 obs-fold non-ascii-field redirect- "
    "dripped- endless-body"
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_every_fault_is_played_on_purpose_and_our_own_client_sees_it(fault: Fault) -> None:
    async with site() as here:
        answer = await bytes_of(here, fault.name, method=fault.method)
        flow = here.flows()[0]
    assert flow.details == {"on_purpose": fault.name}
    (injected,) = [event for event in flow.events or () if event.name == "fault.injected"]
    assert injected.fields == {"fault": fault.name, "wrong": fault.wrong, "section": fault.section}
    assert flow.outcome in (Outcome.OK, Outcome.REFUSED)  # the latter for a status above 599
    reader = ClientCore()
    reader.request(fault.method, "/", [("Host", "test")])
    last = (reader.receive(answer) + reader.receive(b""))[-1]
    assert isinstance(last, RemoteProtocolError) != fault.name.startswith(tuple(NO_VIOLATION.split())), last


async def what_comes(client: Client) -> bytes:
    answer = bytearray()
    try:
        async with asyncio.timeout(SECONDS):
            while piece := await client.reader.read(1 << 20):
                answer += piece
            if client.writer.can_write_eof() and not client.writer.is_closing():
                client.end()
    except ConnectionResetError:
        pass
    return bytes(answer)


async def bytes_of(here: Site, name: str, *, method: str = "GET") -> bytes:
    async with connected(here.port) as client:
        await talk(client, f"/broken/{name}{BRIEFLY}", method=method)
        client.end()
        return await what_comes(client)


async def test_their_bytes() -> None:
    async with site() as here:
        for name, begin, end in (
            ("cut-body", b"HTTP/1.1 200 OK\r\n", b"\r\n\r\n" + b"x" * 500),
            ("two-lengths", b"HTTP/1.1 200 OK\r\n", b"\r\n\r\nHello, World!"),
            ("http-0.9", b"Hello, World!", b"!"),
            ("bad-chunk-size", b"HTTP/1.1 200 OK\r\n", b"ZZ\r\nHello\r\n0\r\n\r\n"),
            ("missing-last-chunk", b"HTTP/1.1 200 OK\r\n", b"\r\n\r\nd\r\nHello, World!\r\n"),
            ("cut-head", b"HTTP/1.1 200 OK\r\n", b"Content-Le"),
            ("bare-lf", b"HTTP/1.1 200 OK\nServer: netlab\n", b"\n\nHello, World!"),
            ("empty-reply", b"", b""),
            ("stalled-head", b"HTTP/1.1 200 OK\r\n", b"X-Broken: stalled-head\r\n"),
            ("1xx-storm", b"HTTP/1.1 103 Early Hints\r\n", b"\r\n\r\nHello, World!"),
        ):
            answer = await bytes_of(here, name)
            assert (answer.startswith(begin), answer.endswith(end)) == (True, True), (name, answer[:200])
        assert (await bytes_of(here, "1xx-storm")).count(b"HTTP/1.1 103") == 50
        assert (await bytes_of(here, "many-fields")).count(b"\r\nX-Field-") == 2000
        assert b"be\0fore" in await bytes_of(here, "nul-in-field")
        assert b"X-Field: one\r\n two\r\n" in await bytes_of(here, "obs-fold")
        assert (await bytes_of(here, "content-to-head", method="HEAD")).endswith(b"Hello, World!")


async def test_a_reset_is_one_and_what_came_before_it_arrives() -> None:
    async with site() as here, connected(here.port) as client:
        await talk(client, "/broken/reset-mid-body")
        head = await client.until(b"\r\n\r\n")
        assert b"Content-Length: 1000" in head
        assert await client.exactly(500) == b"x" * 500
        with pytest.raises(ConnectionResetError):
            await client.all()


@pytest.mark.parametrize(
    ("name", "rest"),
    [
        ("length-too-small", b", World!"),
        ("response-split", b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\nX-Broken: second\r\n\r\nnot for this request"),
    ],
)
async def test_what_is_too_much_stands_before_the_next_answer(name: str, rest: bytes) -> None:
    async with site() as here, connected(here.port) as client:
        await talk(client, f"/broken/{name}")
        await client.response()
        assert await client.exactly(len(rest)) == rest
        await talk(client, "/hello")
        assert (await client.response())[1] == b"Hello, World!"


# -- what libraries make of them -----------------------------------------------------------------------------------

LIBRARIES = {
    "cut-body": (http.client.IncompleteRead, requests.exceptions.ChunkedEncodingError, httpx.RemoteProtocolError),
    "bad-chunk-size": (http.client.IncompleteRead, requests.exceptions.ChunkedEncodingError, httpx.RemoteProtocolError),
    "missing-last-chunk": (
        http.client.IncompleteRead,
        requests.exceptions.ChunkedEncodingError,
        httpx.RemoteProtocolError,
    ),
    "gzip-corrupt": (None, requests.exceptions.ContentDecodingError, httpx.DecodingError),
    "plain-as-gzip": (None, requests.exceptions.ContentDecodingError, httpx.DecodingError),
    "bad-status": (http.client.BadStatusLine, requests.exceptions.ConnectionError, httpx.RemoteProtocolError),
    "two-lengths": (None, requests.exceptions.InvalidHeader, httpx.RemoteProtocolError),
    "not-http": (http.client.BadStatusLine, requests.exceptions.ConnectionError, httpx.RemoteProtocolError),
    "empty-reply": (http.client.RemoteDisconnected, requests.exceptions.ConnectionError, httpx.RemoteProtocolError),
    "reset": (ConnectionResetError, requests.exceptions.ConnectionError, httpx.ReadError),
    "stalled-body": (http.client.IncompleteRead, requests.exceptions.ChunkedEncodingError, httpx.RemoteProtocolError),
    "redirect-loop": (None, requests.exceptions.TooManyRedirects, httpx.TooManyRedirects),
    "long-field": (http.client.LineTooLong, requests.exceptions.ConnectionError, httpx.RemoteProtocolError),
    "obs-fold": (None, None, None),
    "dripped-body": (None, None, None),
}


@pytest.mark.parametrize("name", LIBRARIES)
async def test_what_libraries_make_of_them(name: str) -> None:
    standard, by_requests, by_httpx = LIBRARIES[name]
    async with site() as here, here.http(follow_redirects=True) as client:
        path = f"/broken/{name}{BRIEFLY}"
        assert await asyncio.to_thread(raised_by_http_client, here.port, path) is standard
        assert await asyncio.to_thread(raised_by_requests, here.url(path)) is by_requests
        found = None
        try:
            await client.get(path)
        except httpx.HTTPError as error:
            found = type(error)
        assert found is by_httpx


def raised_by_http_client(port: int, path: str) -> type[Exception] | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", path)
        connection.getresponse().read()
    except (http.client.HTTPException, OSError) as error:
        return type(error)
    finally:
        connection.close()
    return None


def raised_by_requests(url: str) -> type[Exception] | None:
    with requests.Session() as session:
        session.trust_env = False
        try:
            session.get(url, timeout=SECONDS)
        except requests.exceptions.RequestException as error:
            return type(error)
    return None


H11_REFUSES = [
    "cut-body",
    "head-only",
    "two-lengths",
    "bad-length",
    "negative-length",
    "bad-chunk-size",
    "huge-chunk-size",
    "chunk-too-long",
    "missing-last-chunk",
    "cut-chunk",
    "cut-trailers",
    "cut-head",
    "empty-reply",
    "bad-status",
    "short-status",
    "not-http",
    "http-0.9",
    "bad-field-name",
    "field-without-colon",
    "space-before-colon",
    "nul-in-field",
    "bare-cr",
    "endless-head",
    "endless-line",
    "endless-trailers",
]


@pytest.mark.parametrize("name", H11_REFUSES)
async def test_h11_sees_that_it_is_wrong(name: str) -> None:
    async with site() as here:
        answer = await bytes_of(here, name)
    reader = h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method="GET", target="/", headers=[("Host", "test")]))
    reader.send(h11.EndOfMessage())
    with pytest.raises(h11.RemoteProtocolError):
        read_all(reader, answer)


def read_all(reader: h11.Connection, data: bytes) -> None:
    reader.receive_data(data)
    ended = False
    while True:
        event = reader.next_event()
        if event is h11.NEED_DATA:
            if ended:
                raise h11.RemoteProtocolError("nothing more comes")
            ended = True
            reader.receive_data(b"")
        elif type(event) in (h11.EndOfMessage, h11.ConnectionClosed):
            if type(event) is h11.ConnectionClosed:
                raise h11.RemoteProtocolError("closed without an answer")
            return


# -- bounds ------------------------------------------------------------------------------------------------------


async def test_a_stalled_answer_ends_when_the_client_has_left() -> None:
    async with site() as here, connected(here.port) as client:
        await talk(client, "/broken/stalled-body?seconds=3600")
        await client.until(b"\r\n\r\n")
        client.end()
        assert len(await client.all()) == 500


@pytest.mark.parametrize("name", ["stalled", "stalled-body", "dripped-head", "endless-body", "endless-head"])
async def test_none_of_them_outlives_the_server(name: str) -> None:
    async with site(grace=SECONDS) as here, connected(here.port) as client:
        await talk(client, f"/broken/{name}?seconds=3600&gap=3600")
        while not here.flows():
            await asyncio.sleep(0)
        for connection in here.server.gate.connections:
            connection.drain()
        answer = await what_comes(client)
    if name == "dripped-head":
        assert answer.endswith(b"\r\n\r\nHello, World!")


async def test_what_a_client_leaves_unread_is_no_bug_of_ours() -> None:
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    async with site() as here:
        for name in ("endless-head", "gzip-bomb", "1xx-storm"):
            async with connected(here.port) as client:
                await talk(client, f"/broken/{name}?count=1000000")
                await client.exactly(100_000)
                client.reset()
    assert complaints == []


def test_the_bomb_is_one_gibibyte_of_zeros() -> None:
    async def pieces() -> list[bytes]:
        return [piece async for piece in bomb_pieces()]

    head, *blocks, tail = asyncio.run(pieces())
    assert len(head) + sum(map(len, blocks)) + len(tail) < 2 << 20
    assert len(set(blocks)) == 1
    assert zlib.decompressobj(31).decompress(head + blocks[0] * 3) == bytes(3 << 20)
    assert zlib.decompressobj(-15).decompress(blocks[0] + tail[:-8]) == bytes(1 << 20)
    checksum = 0
    for _ in blocks:
        checksum = zlib.crc32(bytes(1 << 20), checksum)
    assert tail[-8:] == struct.pack("<II", checksum, BOMB)
    assert len(blocks) << 20 == BOMB


# -- the index ---------------------------------------------------------------------------------------------------


async def test_the_index_names_each_with_what_a_client_should_do() -> None:
    async with site() as here, here.http() as client:
        told = (await client.get("/broken")).json()["broken"]
        assert [item["name"] for item in told] == [fault.name for fault in FAULTS]
        assert len({item["path"] for item in told}) == len(told) > 50
        assert all(item["wrong"] and item["client"] and item["section"].startswith("RFC ") for item in told)
        page = await client.get("/broken", headers={"Accept": "text/html"})
        for fault in FAULTS:
            assert f'<a href="{fault.path}">' in page.text
        assert (await client.head("/broken/cut-body")).status_code == 400
        assert (await client.get("/broken/content-to-head")).status_code == 400
        assert (await client.get("/broken/stalled?seconds=x")).status_code == 400
        assert (await client.get("/broken/no-such")).status_code == 404
        assert gzip.decompress((await client.get("/broken/gzip-unlabelled")).content) == b"Hello, World!" * 100


async def test_the_documentation_names_every_path_and_fault() -> None:
    text = (Path(__file__).parents[3] / "docs" / "endpoints.md").read_text(encoding="utf-8")
    for fault in FAULTS:
        assert f"| `{fault.name}` | {fault.wrong} | {fault.client} | {fault.section} |" in text
    async with site() as here:
        assert here.server.routes is not None
        for route in here.server.routes.all:
            if route.about and not route.pattern.startswith(("/digest-auth", "/inspect", "/api")):
                assert f"`{route.pattern}`" in text, route.pattern
