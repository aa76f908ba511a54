"""Files over HTTP against curl, raw sockets and Python's own client."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from netlab.http.exchange import Exchange
from netlab.http.files import FileOptions, Files
from tests.http.serving import SECONDS, App, connected, serving

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
async def files_at(root: Path, *, later: float = 10.0, **options: Any) -> AsyncIterator[tuple[App, int]]:
    """Files of a root, `later` seconds from now: by then they have settled, and are kept in memory."""
    files = Files(root, FileOptions(**options), now=lambda: time.time() + later)
    async with serving(handler(files)) as (app, port):
        yield app, port


async def ask(port: int, method: str, target: str, body: bytes = b"", **fields: str) -> Reply:
    """One request on a connection of its own; underscores in field names are hyphens."""
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    if body or method in ("PUT", "POST"):
        lines.append(f"Content-Length: {len(body)}")
    async with connected(port) as client:
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
