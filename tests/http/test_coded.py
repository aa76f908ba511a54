"""Codings, precompressed neighbours and Cache-Control of files, as curl and raw sockets see them."""

from __future__ import annotations

import asyncio
import gzip
import os
import sys
import time
from pathlib import Path

import brotli
import pytest

from netlab.errors import UsageError
from netlab.http import coded, file_cache
from netlab.http.cache_control import CacheRules
from netlab.http.files import FileOptions, Files
from tests.http.serving import connected
from tests.http.test_files import ask, curl, files_at

PAGE = b"<p>" + b"the same words again and again, " * 100
LONG = b'{"row": "all work and no play"}\n' * 20_000  # 620 KB: coded in a thread
PHOTO = bytes(range(256)) * 40
OLD = 1_700_000_000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    contents = {
        "page.html": PAGE,
        "long.json": LONG,
        "photo.png": PHOTO,
        "tiny.txt": b"x",
        "noise.css": os.urandom(900),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        os.utime(tmp_path / name, (OLD, OLD))
    return tmp_path


def decode(coding: str, data: bytes) -> bytes:
    if coding == "br":
        return bytes(brotli.decompress(data))
    if coding == "gzip":
        return gzip.decompress(data)
    if sys.version_info >= (3, 14):
        from compression import zstd

        return zstd.decompress(data)
    import zstandard

    return zstandard.ZstdDecompressor().decompress(data)


@pytest.mark.parametrize("name", ["page.html", "long.json"])
@pytest.mark.parametrize("coding", ["br", "zstd", "gzip"])
async def test_each_coding_is_a_representation(root: Path, name: str, coding: str) -> None:
    async with files_at(root) as (_, port):
        _, plain, content = await ask(port, "GET", f"/{name}")
        assert "content-encoding" not in plain
        for _ in range(2):  # made, then kept
            status, fields, body = await ask(port, "GET", f"/{name}", accept_encoding=coding)
            assert status == 200
            assert fields["content-encoding"] == coding
            assert fields["vary"] == plain["vary"] == "Accept-Encoding"
            assert fields["etag"] == f'{plain["etag"][:-1]}-{coding}"'
            assert fields["content-type"] == plain["content-type"]
            assert int(fields["content-length"]) == len(body) < len(content)
            assert decode(coding, body) == content
        head = await ask(port, "HEAD", f"/{name}", accept_encoding=coding)
        fields.pop("date"), head[1].pop("date")
        assert head == (200, fields, b"")


async def test_a_coding_has_preconditions_and_ranges_of_its_own(root: Path) -> None:
    async with files_at(root) as (_, port):
        _, fields, whole = await ask(port, "GET", "/page.html", accept_encoding="gzip")
        _, plain, _ = await ask(port, "GET", "/page.html")
        etag = fields["etag"]
        status, told, body = await ask(port, "GET", "/page.html", accept_encoding="gzip", if_none_match=etag)
        assert (status, body) == (304, b"")
        assert told["etag"] == etag
        assert told["vary"] == "Accept-Encoding"
        assert "content-encoding" not in told
        status, _, _ = await ask(port, "GET", "/page.html", accept_encoding="gzip", if_none_match=plain["etag"])
        assert status == 200
        status, part, body = await ask(port, "GET", "/page.html", accept_encoding="gzip", range="bytes=10-19")
        assert (status, body) == (206, whole[10:20])
        assert part["content-encoding"] == "gzip"
        assert part["content-range"] == f"bytes 10-19/{len(whole)}"
        status, _, body = await ask(port, "GET", "/page.html", range="bytes=10-19", if_range=etag)
        assert (status, body) == (200, PAGE)  # the tag is another representation's


@pytest.mark.parametrize(
    ("name", "accepted", "status", "coding"),
    [
        ("page.html", "gzip;q=0.1, br;q=0.9", 200, "br"),
        ("page.html", "identity, gzip;q=0.5", 200, None),
        ("page.html", "gzip, deflate, br, zstd", 200, "br"),
        ("page.html", "identity;q=0", 406, None),
        ("page.html", "identity;q=0, gzip", 200, "gzip"),
        ("photo.png", "gzip, br", 200, None),  # dense already
        ("photo.png", "gzip, *;q=0", 406, None),
        ("tiny.txt", "gzip", 200, None),  # would grow
        ("tiny.txt", "gzip, identity;q=0", 200, "gzip"),  # but is wanted so
        ("noise.css", "gzip, br, zstd", 200, None),
    ],
)
async def test_negotiation(root: Path, name: str, accepted: str, status: int, coding: str | None) -> None:
    async with files_at(root) as (_, port):
        for _ in range(2):
            answer, fields, _ = await ask(port, "GET", f"/{name}", accept_encoding=accepted)
            assert (answer, fields.get("content-encoding")) == (status, coding)
            assert ("vary" in fields) == (name != "photo.png" or answer == 406)


async def test_a_big_coding_waits_for_its_reader(root: Path) -> None:
    content = os.urandom(750_000).hex().encode()  # about half of it is left
    (root / "hex.txt").write_bytes(content)
    async with files_at(root) as (app, port):
        for _ in range(2):
            _, _, body = await ask(port, "GET", "/hex.txt", accept_encoding="gzip")
            assert gzip.decompress(body) == content
            assert len(body) > 700_000
        _, _, part = await ask(port, "GET", "/hex.txt", accept_encoding="gzip", range="bytes=10-600000")
        assert part == body[10:600_001]
        async with connected(port) as client:  # one who does not read
            await client.send(b"GET /hex.txt HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n" * 50)
            await client.until(b"\r\n\r\n")
            held = [connection.transport.get_write_buffer_size() for connection in app.gate.connections]
            assert max(held) < 1 << 20


async def test_curl_understands_every_coding(root: Path) -> None:
    async with files_at(root) as (_, port):
        for name, content in (("page.html", PAGE), ("long.json", LONG), ("photo.png", PHOTO)):
            assert await curl("--compressed", f"http://127.0.0.1:{port}/{name}") == content


async def test_many_who_want_the_same_coding_wait_for_one(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def coder(data: bytes) -> bytes:
        made.append(len(data))
        return gzip.compress(data)

    monkeypatch.setitem(__import__("netlab.http.coded", fromlist=["CODERS"]).CODERS, "gzip", coder)
    async with files_at(root) as (_, port):
        asked = [ask(port, "GET", "/long.json", accept_encoding="gzip") for _ in range(8)]
        bodies = [body for _, _, body in await asyncio.gather(*asked)]
    assert all(gzip.decompress(body) == LONG for body in bodies)
    assert len(made) == 1


async def test_no_compression_asked_for(root: Path) -> None:
    async with files_at(root, compress=False, precompressed=False) as (_, port):
        _, fields, body = await ask(port, "GET", "/page.html", accept_encoding="gzip")
        assert body == PAGE
        assert "vary" not in fields


# -- precompressed neighbours ----------------------------------------------------------------------------------------


def beside(root: Path, suffix: str, data: bytes, *, age: int = 0) -> Path:
    path = root / f"page.html{suffix}"
    path.write_bytes(data)
    os.utime(path, (OLD - age, OLD - age))
    return path


async def test_a_neighbour_is_sent_as_it_is(root: Path) -> None:
    data = gzip.compress(PAGE, 1)
    path = beside(root, ".gz", data)
    async with files_at(root) as (_, port):
        _, fields, body = await ask(port, "GET", "/page.html", accept_encoding="gzip, br")
        assert (fields["content-encoding"], body) == ("gzip", data)  # rather than a coding that must be made
        assert fields["content-type"] == "text/html; charset=utf-8"
        assert fields["etag"].endswith('-gzip"')
        _, own, body = await ask(port, "GET", "/page.html.gz", accept_encoding="gzip")
        assert (own["content-type"], body) == ("application/gzip", data)  # asked for itself it is no coding
        assert "content-encoding" not in own
    path.unlink()


async def test_a_big_neighbour_goes_by_sendfile(root: Path) -> None:
    data = gzip.compress(os.urandom(200_000), 0)
    beside(root, ".gz", data)
    async with files_at(root) as (_, port):
        status, fields, body = await ask(port, "GET", "/page.html", accept_encoding="gzip;q=1, identity;q=0")
        assert (status, fields["content-encoding"], body) == (200, "gzip", data)
        status, fields, body = await ask(
            port, "GET", "/page.html", accept_encoding="gzip, identity;q=0", range="bytes=-7"
        )
        assert (status, body) == (206, data[-7:])


async def test_an_older_neighbour_is_not_believed(root: Path) -> None:
    beside(root, ".gz", gzip.compress(b"stale"), age=1)
    async with files_at(root) as (_, port):
        _, _, body = await ask(port, "GET", "/page.html", accept_encoding="gzip")
        assert gzip.decompress(body) == PAGE


async def test_a_neighbour_that_leads_out_is_none(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "secret.gz"
    outside.write_bytes(gzip.compress(b"secret"))
    (root / "page.html.gz").symlink_to(outside)
    async with files_at(root) as (_, port):
        _, _, body = await ask(port, "GET", "/page.html", accept_encoding="gzip")
        assert gzip.decompress(body) == PAGE


async def test_a_big_neighbour_that_is_removed_is_not_missed(root: Path) -> None:
    path = beside(root, ".gz", gzip.compress(os.urandom(200_000), 0))
    async with files_at(root) as (_, port):
        await ask(port, "GET", "/page.html", accept_encoding="gzip, identity;q=0")
        path.unlink()
        _, _, body = await ask(port, "GET", "/page.html", accept_encoding="gzip, identity;q=0")
        assert gzip.decompress(body) == PAGE


async def test_what_changes_between_repeated_requests(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_cache, "LOOK_AGAIN", 0.0)
    monkeypatch.setattr(coded, "LOOK_AGAIN", 0.0)
    request = b"GET /page.html HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n"
    async with files_at(root) as (_, port), connected(port) as client:

        async def get() -> bytes:
            await client.send(request)
            return (await client.response())[1]

        first = await get()
        assert gzip.decompress(first) == PAGE
        assert await get() == await get() == first
        neighbour = beside(root, ".gz", gzip.compress(PAGE, 1))
        assert await get() == neighbour.read_bytes() != first
        neighbour.unlink()
        assert await get() == first
        (root / "page.html").write_bytes(b"<p>new" * 100)
        assert gzip.decompress(await get()) == b"<p>new" * 100
        (root / "page.html").unlink()
        assert b"404" in await get()


# -- Cache-Control ---------------------------------------------------------------------------------------------------


async def test_cache_control_by_pattern(root: Path) -> None:
    rules = ("*.png=immutable", "/page.html=max-age=60, private", "*.html=revalidate", "*=no-store")
    async with files_at(root, cache_control=rules) as (_, port):
        for name, value in (
            ("photo.png", "public, max-age=31536000, immutable"),
            ("page.html", "max-age=60, private"),
            ("tiny.txt", "no-store"),
        ):
            _, fields, _ = await ask(port, "GET", f"/{name}")
            assert fields["cache-control"] == value
            _, told, _ = await ask(port, "GET", f"/{name}", if_none_match="*")
            assert told["cache-control"] == value  # RFC 9110 15.4.5


def test_patterns_with_a_slash_mean_the_path() -> None:
    rules = CacheRules(["assets/*=immutable", "*/deep/*.js=no-store", "*.js=revalidate"])
    assert rules.value("assets/a/b.css") == "public, max-age=31536000, immutable"
    assert rules.value("x/deep/a.js") == "no-store"
    assert rules.value("x/a.js") == "no-cache"
    assert rules.value("other/assets/a.css") is None


@pytest.mark.parametrize("rule", ["*.js", "=no-store", "*.js=", "*.js=max age", "*.js=a\r\nX: y", "*.js=immutable,"])
def test_rules_that_cannot_be_meant(rule: str) -> None:
    with pytest.raises(UsageError, match="cache-control"):
        CacheRules([rule])


# -- the cache -------------------------------------------------------------------------------------------------------


async def test_the_cache_keeps_within_its_bound(root: Path) -> None:
    for number in range(60):
        path = root / f"{number}.txt"
        path.write_bytes(b"line\n" * 1000)
        os.utime(path, (OLD, OLD))
    files = Files(root, FileOptions(cache=100_000), now=lambda: time.time() + 10)
    for number in [*range(60), *range(60)]:
        files.find(f"/{number}.txt")
    assert 0 < files.finder.cache.weight <= 100_000
    assert 0 < len(files.finder.cache) < 60
