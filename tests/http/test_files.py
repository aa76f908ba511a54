"""Files over HTTP against curl, raw sockets and Python's own client."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from typing import Any

import pytest

from netlab.errors import UsageError
from netlab.flow import Level
from netlab.http.exchange import Exchange
from netlab.http.files import FileOptions, Files
from tests.http.serving import SECONDS, App, Client, connected, ended, serving

Reply = tuple[int, dict[str, str], bytes]
BIG = bytes(range(256)) * 4096


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with an index, a big file, links within and links that lead out."""
    root = tmp_path / "root"
    (root / "docs").mkdir(parents=True)
    (root / "docs" / "index.html").write_text("<p>index</p>")
    (root / "hello.txt").write_text("hello, world\n")
    (root / "big.bin").write_bytes(BIG)
    (root / "empty.txt").touch()
    (root / ".secret").write_text("hidden")
    (root / ".well-known").mkdir()
    (root / ".well-known" / "security.txt").write_text("Contact: mailto:a@b.test")
    (root / "a b%c?d#é.txt").write_text("odd name")
    (tmp_path / "outside.txt").write_text("outside")
    (tmp_path / "root-too").mkdir()
    (tmp_path / "root-too" / "near.txt").write_text("outside")
    (root / "within.txt").symlink_to("hello.txt")
    (root / "docs" / "up.txt").symlink_to("../hello.txt")
    (root / "out.txt").symlink_to("../outside.txt")
    (root / "absolute").symlink_to(tmp_path)
    (root / "near").symlink_to("../root-too")
    (root / "broken").symlink_to("nowhere")
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "pipe")
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            os.utime(path, (1_700_000_000, 1_700_000_000))
    return root


def handler(files: Files) -> Callable[[Exchange], Coroutine[Any, Any, None] | None]:
    def handle(exchange: Exchange) -> Coroutine[Any, Any, None] | None:
        return files.serve(exchange, files.find(exchange.request.path.partition("?")[0]))

    return handle


@asynccontextmanager
async def files_at(
    root: Path, *, later: float = 10.0, level: Level = Level.FULL, **options: Any
) -> AsyncIterator[tuple[App, int]]:
    """Files of a root, `later` seconds from now: by then they have settled, and are kept in memory."""
    files = Files(root, FileOptions(**options), now=lambda: time.time() + later)
    async with serving(handler(files), level=level) as (app, port):
        yield app, port


@asynccontextmanager
async def reached(address: int | Path) -> AsyncIterator[Client]:
    """A connection to a port of ours, or to a Unix socket."""
    if isinstance(address, int):
        async with connected(address) as client:
            yield client
        return
    reader, writer = await asyncio.open_unix_connection(str(address))
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()


async def ask(address: int | Path, method: str, target: str, body: bytes = b"", **fields: str) -> Reply:
    """One request on a connection of its own; underscores in field names are hyphens."""
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    if body or method in ("PUT", "POST"):
        lines.append(f"Content-Length: {len(body)}")
    async with reached(address) as client:
        await client.send("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        return parse(await client.all())


def parse(answer: bytes) -> Reply:
    head, _, content = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(": ") for line in lines)
    return int(status.split()[1]), {name.lower(): value for name, _, value in pairs}, content


async def curl(*arguments: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        "curl", "-sS", "--max-time", str(SECONDS), *arguments, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    return output


OUTSIDE = [
    "/../outside.txt",
    "/%2e%2e/outside.txt",
    "/.%2E/outside.txt",
    "/docs/../../outside.txt",
    "/docs/%2e%2e/%2e%2e/outside.txt",
    "/..%2foutside.txt",
    "/%2e%2e%2foutside.txt",
    "/docs%2findex.html",
    "/..%5coutside.txt",
    "/..\\outside.txt",
    "//../outside.txt",
    "/%252e%252e/outside.txt",
    "/out.txt",
    "/absolute/outside.txt",
    "/absolute/root/hello.txt/",
    "/near/near.txt",
    "/../root-too/near.txt",
    "/broken",
    "/loop",
    "/pipe",
    "/hello.txt/",
    "/hello.txt/.",
    "/.secret",
    "/docs/nothing",
    "/" + "n" * 300,
    "/" + "n/" * 3000,
]


@pytest.mark.parametrize("target", OUTSIDE, ids=lambda target: target[:40])
async def test_nothing_outside_the_root(root: Path, target: str) -> None:
    async with files_at(root) as (_, port):
        status, _, content = await ask(port, "GET", target)
        assert status == 404
        assert b"outside" not in content.partition(b"\n")[2].replace(b"outside the", b"")


@pytest.mark.parametrize("target", ["/hello%00.txt", "/%zz", "/hello.txt%", "/%2"])
async def test_paths_that_are_none(root: Path, target: str) -> None:
    async with files_at(root) as (_, port):
        status, _, content = await ask(port, "GET", target)
        assert status == 400
        assert b"^" in content


@pytest.mark.parametrize(
    ("target", "content", "media_type"),
    [
        ("/hello.txt", b"hello, world\n", "text/plain; charset=utf-8"),
        ("/within.txt", b"hello, world\n", "text/plain; charset=utf-8"),
        ("/docs/up.txt", b"hello, world\n", "text/plain; charset=utf-8"),
        ("/docs/../hello.txt?query", b"hello, world\n", "text/plain; charset=utf-8"),
        ("//hello.txt", b"hello, world\n", "text/plain; charset=utf-8"),
        ("/docs/", b"<p>index</p>", "text/html; charset=utf-8"),
        ("/docs/.", b"<p>index</p>", "text/html; charset=utf-8"),
        ("http://localhost/hello.txt", b"hello, world\n", "text/plain; charset=utf-8"),
        ("/big.bin", BIG, "application/octet-stream"),
        ("/empty.txt", b"", "text/plain; charset=utf-8"),
        ("/a%20b%25c%3Fd%23%C3%A9.txt", b"odd name", "text/plain; charset=utf-8"),
        ("/.well-known/security.txt", b"Contact: mailto:a@b.test", "text/plain; charset=utf-8"),
    ],
)
async def test_what_is_there(root: Path, target: str, content: bytes, media_type: str) -> None:
    async with files_at(root) as (_, port):
        for _ in range(2):  # found, and found again
            status, fields, body = await ask(port, "GET", target)
            assert (status, body) == (200, content)
            assert fields["content-type"] == media_type
            assert fields["content-length"] == str(len(content))
            assert fields["accept-ranges"] == "bytes"
            assert fields["last-modified"] == "Tue, 14 Nov 2023 22:13:20 GMT"


@pytest.mark.parametrize("target", ["/hello.txt", "/big.bin", "/docs/", "/docs", "/nothing", "/empty.txt"])
async def test_head_is_get_without_content(root: Path, target: str) -> None:
    async with files_at(root) as (_, port):
        get, head = await ask(port, "GET", target), await ask(port, "HEAD", target)
        for reply in (get, head):
            reply[1].pop("date")
        assert head[:2] == get[:2]
        assert head[2] == b""


@pytest.mark.parametrize(
    ("target", "location"),
    [("/docs", "./docs/"), ("/docs?a=b?c", "./docs/?a=b?c"), ("//docs", "./docs/"), ("/docs/../docs", "./docs/")],
)
async def test_a_directory_gets_its_slash(root: Path, target: str, location: str) -> None:
    async with files_at(root) as (_, port):
        status, fields, _ = await ask(port, "GET", target)
        assert (status, fields["location"]) == (301, location)
        body = await curl("-L", f"http://127.0.0.1:{port}/docs?x=y")
        assert body == b"<p>index</p>"


# -- preconditions and ranges, together as RFC 9110 13.2.2 orders them -----------------------------------------------

MODIFIED = "Tue, 14 Nov 2023 22:13:20 GMT"
EARLIER = "Tue, 14 Nov 2023 22:13:19 GMT"


@pytest.mark.parametrize("target", ["/hello.txt", "/big.bin"])  # from memory, and by sendfile
@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"if_none_match": "ETAG"}, 304),
        ({"if_none_match": 'W/"x", W/ETAG'}, 304),
        ({"if_none_match": '"x"'}, 200),
        ({"if_modified_since": MODIFIED}, 304),
        ({"if_modified_since": EARLIER}, 200),
        ({"if_modified_since": MODIFIED, "if_none_match": '"x"'}, 200),
        ({"if_match": '"x"'}, 412),
        ({"if_unmodified_since": EARLIER}, 412),
        ({"if_match": "ETAG", "if_none_match": "ETAG", "range": "bytes=0-0"}, 304),
        ({"range": "bytes=2-5"}, 206),
        ({"range": "bytes=2-5", "if_range": "ETAG"}, 206),
        ({"range": "bytes=2-5", "if_range": '"x"'}, 200),
        ({"range": "bytes=2-5", "if_range": "W/ETAG"}, 200),
        ({"range": "bytes=2-5", "if_range": MODIFIED}, 206),
        ({"range": "bytes=2-5", "if_range": EARLIER}, 200),
        ({"range": "bytes=2-5", "if_match": '"x"'}, 412),
        ({"range": "bytes=-4"}, 206),
        ({"range": "bytes=9999999-"}, 416),
        ({"range": "bytes=9999999-", "if_range": '"x"'}, 200),
        ({"range": "lines=1-2"}, 200),
        ({"range": "bytes=5-2"}, 200),
        ({"range": "bytes=0-2,2-3,4-5"}, 206),  # joined: they overlap or touch
    ],
)
async def test_preconditions_and_ranges(root: Path, target: str, fields: dict[str, str], status: int) -> None:
    content = (root / target[1:]).read_bytes()
    async with files_at(root) as (_, port):
        _, whole, _ = await ask(port, "GET", target)
        sent = {name: value.replace("ETAG", whole["etag"]) for name, value in fields.items()}
        for method in ("GET", "HEAD"):
            answer, got, body = await ask(port, method, target, **sent)
            if method == "HEAD":
                assert body == b""
                assert answer == {206: 200, 416: 200}.get(status, status)  # RFC 9110 14.2: Range is for GET
                continue
            assert answer == status
            if status == 200:
                assert body == content
            elif status == 206:
                first, last = map(int, got["content-range"].removeprefix("bytes ").partition("/")[0].split("-"))
                assert got["content-range"] == f"bytes {first}-{last}/{len(content)}"
                assert body == content[first : last + 1]
                assert got["etag"] == whole["etag"]
                assert ("content-type" in got) == ("if_range" not in fields)  # RFC 9110 15.3.7
            elif status == 416:
                assert got["content-range"] == f"bytes */{len(content)}"
            elif status == 304:
                assert got["etag"] == whole["etag"]
                assert not {"content-type", "content-length", "last-modified"} & set(got)


@pytest.mark.parametrize("target", ["/medium.bin", "/big.bin"])
@pytest.mark.parametrize(
    "field", ["bytes=0-0,2-2", "bytes=0-9,1000-1999,-5", "bytes=20000-29999,5-9", "bytes=0-29999,40000-"]
)
async def test_several_ranges_are_parts(root: Path, target: str, field: str) -> None:
    (root / "medium.bin").write_bytes(BIG[:50_000])
    content = (root / target[1:]).read_bytes()
    async with files_at(root) as (_, port):
        status, fields, body = await ask(port, "GET", target, range=field)
        assert status == 206
        assert "content-range" not in fields
        message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {fields['content-type']}\r\n\r\n".encode() + body)
        assert message.get_content_type() == "multipart/byteranges"
        spans = []
        for part in message.iter_parts():
            assert part.get_content_type() == "application/octet-stream"
            first, last = map(int, part["Content-Range"].removeprefix("bytes ").partition("/")[0].split("-"))
            assert part["Content-Range"] == f"bytes {first}-{last}/{len(content)}"
            spans.append((first, last))
        boundary = fields["content-type"].partition("boundary=")[2].encode()
        pieces = body.split(b"\r\n--" + boundary)
        contents = [piece.partition(b"\r\n\r\n")[2] for piece in [b"\r\n" + pieces[0], *pieces[1:-1]]]
        assert contents == [content[first : last + 1] for first, last in spans]
        assert pieces[-1] == b"--\r\n"
        assert len(spans) == field.count(",") + 1


@pytest.mark.parametrize("level", [Level.SUMMARY, Level.FULL])  # by the kernel, and through a tape
async def test_big_files_in_every_way(root: Path, level: Level) -> None:
    async with files_at(root, level=level) as (app, port):
        for fields, content in (
            ({}, BIG),
            ({"range": "bytes=1-"}, BIG[1:]),
            ({"range": "bytes=100000-900000"}, BIG[100_000:900_001]),
        ):
            _, _, body = await ask(port, "GET", "/big.bin", **fields)
            assert body == content
        assert await curl("--http1.0", f"http://127.0.0.1:{port}/big.bin") == BIG
        flows = await ended(app, 4)
        assert [flow.sent for flow in flows] == [len(BIG), len(BIG) - 1, 800_001, len(BIG)]


async def test_curl_resumes_a_download(root: Path, tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.write_bytes(BIG[:300_000])
    async with files_at(root) as (_, port):
        await curl("-C", "-", "-o", str(part), f"http://127.0.0.1:{port}/big.bin")
        assert part.read_bytes() == BIG
        assert await curl("-r", "-10", f"http://127.0.0.1:{port}/big.bin") == BIG[-10:]


async def test_a_connection_goes_on_behind_every_kind_of_answer(root: Path) -> None:
    requests = [
        ("GET /big.bin", {}, 200),
        ("HEAD /big.bin", {}, 200),
        ("GET /big.bin", {"Range": "bytes=0-99,500000-500099"}, 206),
        ("GET /docs/", {}, 200),
        ("GET /docs/", {"Accept-Encoding": "gzip"}, 200),
        ("GET /", {}, 200),
        ("GET /nothing", {}, 404),
        ("GET /hello.txt", {"If-None-Match": "*"}, 304),
        ("OPTIONS /hello.txt", {}, 204),
        ("GET /hello.txt", {"Connection": "close"}, 200),
    ]
    text = "".join(
        f"{line} HTTP/1.1\r\nHost: a\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + "\r\n"
        for line, fields, _ in requests
    )
    async with files_at(root) as (app, port), connected(port) as client:
        await client.send(text.encode())  # all at once: answered in order
        await client.all()
        flows = await ended(app, len(requests))
        assert [flow.result for flow in flows] == [str(status) for _, _, status in requests]


# -- what changes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("later", [0.0, 10.0])  # before and after a file has settled
async def test_changes_are_seen_at_once(root: Path, later: float) -> None:
    path = root / "hello.txt"
    async with files_at(root, later=later) as (_, port):
        tags = set()
        for content in (b"one", b"two", b"three", BIG[:100_000], BIG[:100_001], b"one"):
            path.write_bytes(content)
            os.utime(path, ns=(time.time_ns(), time.time_ns() - len(tags)))  # a clock finer than the system's
            for _ in range(2):
                _, fields, body = await ask(port, "GET", "/hello.txt")
                assert body == content
            tags.add(fields["etag"])
        assert len(tags) == 6
        path.unlink()
        status, _, _ = await ask(port, "GET", "/hello.txt")
        assert status == 404
        path.symlink_to("../outside.txt")
        status, _, _ = await ask(port, "GET", "/hello.txt")
        assert status == 404


async def test_a_kept_file_that_is_exchanged_for_a_link_out(root: Path) -> None:
    async with files_at(root) as (_, port):
        for name in ("hello.txt", "big.bin"):
            status, _, _ = await ask(port, "GET", f"/{name}")
            assert status == 200
            (root / name).unlink()
            (root / name).symlink_to(root.parent / "outside.txt")
            status, _, _ = await ask(port, "GET", f"/{name}")
            assert status == 404


async def test_a_better_index_is_seen_when_it_appears(root: Path) -> None:
    (root / "docs" / "index.html").rename(root / "docs" / "index.htm")
    async with files_at(root) as (_, port):
        assert (await ask(port, "GET", "/docs/"))[2] == b"<p>index</p>"
        (root / "docs" / "index.html").write_text("better")
        assert (await ask(port, "GET", "/docs/"))[2] == b"better"


async def test_a_file_from_the_future_has_no_date(root: Path) -> None:
    future = time.time() + 100_000
    os.utime(root / "hello.txt", (future, future))
    async with files_at(root) as (_, port):
        status, fields, _ = await ask(port, "GET", "/hello.txt")
        assert status == 200
        assert "last-modified" not in fields  # RFC 9110 8.8.2.1


@pytest.mark.parametrize("level", [Level.SUMMARY, Level.FULL])
async def test_a_file_cut_short_while_it_is_sent_cuts_the_connection(root: Path, level: Level) -> None:
    path = root / "huge.bin"
    with path.open("wb") as file:
        file.truncate(64 << 20)
    async with files_at(root, level=level) as (app, port), connected(port) as client:
        await client.send(b"GET /huge.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        await client.until(b"\r\n\r\n")
        os.truncate(path, 1000)
        with contextlib.suppress(ConnectionResetError):
            assert len(await client.all()) < 64 << 20
        (flow,) = await ended(app)
        assert flow.outcome == "cut"


async def test_no_descriptor_is_left(root: Path) -> None:
    async with files_at(root) as (_, port):
        for target in ("/hello.txt", "/big.bin", "/docs/", "/docs", "/", "/out.txt", "/pipe", "/nothing"):
            for method in ("GET", "HEAD"):
                await ask(port, method, target)
                await ask(port, method, target, range="bytes=0-9,100000-100009")
                await ask(port, method, target, if_none_match="*")
        async with connected(port) as client:  # one that goes away in the middle
            await client.send(b"GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n" * 20)
            await client.until(b"\r\n\r\n")
            client.reset()
    assert not [path for path in open_files() if path.startswith(str(root))]


def open_files() -> list[str]:
    """Where this process's descriptors lead."""
    paths = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the listing's own
            paths.append(os.readlink(f"/proc/self/fd/{name}"))
    return paths


# -- options ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "accept", "found"),
    [
        ("/users/1", "text/html,*/*;q=0.8", True),
        ("/users/1", "*/*", True),
        ("/users/john.doe", "text/html,*/*;q=0.8", True),
        ("/missing.js", "*/*", False),
        ("/api", "application/json", False),
        ("/users/1?x=a.b", "*/*", True),
    ],
)
async def test_a_single_page_application(root: Path, target: str, accept: str, *, found: bool) -> None:
    files = Files(root, FileOptions(spa="docs/index.html"))

    def handle(exchange: Exchange) -> Coroutine[Any, Any, None] | None:
        path = exchange.request.path.partition("?")[0]
        return files.serve(exchange, files.find(path) or files.fallback(exchange))

    async with serving(handle) as (_, port):
        for method in ("GET", "HEAD", "POST"):
            status, _, body = await ask(port, method, target, accept=accept)
            if method == "POST":
                assert status == 405
            else:
                assert (status, body == b"<p>index</p>") == ((200, method == "GET") if found else (404, False))
        assert (await ask(port, "GET", "/hello.txt"))[2] == b"hello, world\n"


async def test_hidden_names(root: Path) -> None:
    async with files_at(root, hidden=True) as (_, port):
        assert (await ask(port, "GET", "/.secret"))[2] == b"hidden"


def test_roots_and_options_that_cannot_be_meant(root: Path) -> None:
    for bad, options in (
        (root / "nothing", FileOptions()),
        (root / "hello.txt", FileOptions()),
        (root, FileOptions(spa="nothing.html")),
        (root, FileOptions(cache_control=("*.js",))),
    ):
        with pytest.raises(UsageError):
            Files(bad, options)


# -- nginx beside us -------------------------------------------------------------------------------------------------

NGINX = """
daemon off; worker_processes 1; error_log stderr crit; pid {place}/nginx.pid; {user}
events {{ worker_connections 64; }}
http {{
  access_log off; types {{ text/plain txt; }} default_type application/octet-stream;
  client_body_temp_path {place}/1; proxy_temp_path {place}/2; fastcgi_temp_path {place}/3;
  uwsgi_temp_path {place}/4; scgi_temp_path {place}/5;
  server {{ listen unix:{place}/socket; root {root}; }}
}}
"""


@asynccontextmanager
async def nginx(root: Path, place: Path) -> AsyncIterator[Path]:
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        pytest.skip("nginx is not installed: install the package nginx-light")
    user = "user root;" if os.geteuid() == 0 else ""
    (place / "nginx.conf").write_text(NGINX.format(place=place, root=root, user=user))
    process = await asyncio.create_subprocess_exec(program, "-c", str(place / "nginx.conf"), "-e", "stderr")
    try:
        async with asyncio.timeout(SECONDS):
            while not (place / "socket").exists():
                await asyncio.sleep(0)
        yield place / "socket"
    finally:
        process.terminate()
        await process.wait()


REFERENCE = [
    {},
    {"if_none_match": "ETAG"},
    {"if_none_match": "W/ETAG"},
    {"if_none_match": "*"},
    {"if_none_match": '"x"'},
    {"if_match": "ETAG"},
    {"if_match": '"x"'},
    {"if_modified_since": MODIFIED},
    {"if_modified_since": "Tuesday, 14-Nov-23 22:13:20 GMT"},
    {"if_modified_since": "Tue Nov 14 22:13:20 2023"},
    {"if_modified_since": EARLIER},
    {"if_unmodified_since": EARLIER},
    {"if_unmodified_since": MODIFIED},
    {"range": "bytes=0-0"},
    {"range": "bytes=100-199"},
    {"range": "bytes=1048570-"},
    {"range": "bytes=1048570-9999999"},
    {"range": "bytes=-100"},
    {"range": "bytes=-9999999"},
    {"range": "bytes=1048576-"},
    {"range": "bytes=100-199", "if_range": "ETAG"},
    {"range": "bytes=100-199", "if_range": '"x"'},
    {"range": "bytes=100-199", "if_range": MODIFIED},
    {"range": "bytes=100-199", "if_range": EARLIER},
    {"range": "bytes=100-199", "if_none_match": "ETAG"},
]


async def test_nginx_answers_alike(root: Path, tmp_path: Path) -> None:
    place = tmp_path / "nginx"
    place.mkdir()
    async with files_at(root) as (_, port), nginx(root, place) as socket:
        for fields in REFERENCE:
            answers = []
            for address in (port, socket):
                _, whole, _ = await ask(address, "GET", "/big.bin")
                sent = {name: value.replace("ETAG", whole["etag"]) for name, value in fields.items()}
                status, got, body = await ask(address, "GET", "/big.bin", **sent)
                compared = {name: got.get(name) for name in ("content-range", "content-length")}
                answers.append((status, compared if status in (200, 206) else None, body if status < 400 else b""))
            assert answers[0] == answers[1], fields
