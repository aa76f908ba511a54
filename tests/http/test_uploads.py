"""Uploads by curl and raw sockets: whole or not at all, never outside the root, nothing left behind."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from pathlib import Path

import pytest

from netlab.http.incoming import Incoming
from tests.http.serving import connected, ended
from tests.http.test_files import ask, curl, files_at

OLD = 1_700_000_000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "old.txt").write_text("old")
    (root / "index.html").write_text("index")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file.txt").write_text("outside")
    (root / "out").symlink_to("../outside")
    (root / "out.txt").symlink_to("../outside/file.txt")
    os.utime(root / "old.txt", (OLD, OLD))
    return root


def leftovers(root: Path) -> list[str]:
    return [path.name for path in root.rglob(".*")]


async def test_a_new_file_and_a_newer_one(root: Path) -> None:
    async with files_at(root, writable=True) as (_, port):
        status, fields, _ = await ask(port, "PUT", "/sub/new.txt", b"first")
        assert status == 201
        assert (root / "sub" / "new.txt").read_bytes() == b"first"
        _, got, body = await ask(port, "GET", "/sub/new.txt")
        assert (got["etag"], body) == (fields["etag"], b"first")
        status, fields, body = await ask(port, "PUT", "/sub/new.txt", b"second")
        assert (status, body) == (204, b"")
        assert fields["etag"] != got["etag"]
        _, got, body = await ask(port, "GET", "/sub/new.txt")
        assert (got["etag"], body) == (fields["etag"], b"second")
    assert not leftovers(root)


async def test_curl_puts_and_gets_back(root: Path, tmp_path: Path) -> None:
    content = os.urandom(3 << 20)
    (tmp_path / "big.bin").write_bytes(content)
    for arguments in ([], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"]):
        async with files_at(root, writable=True, durable=True) as (_, port):
            url = f"http://127.0.0.1:{port}/"
            assert await curl("-T", str(tmp_path / "big.bin"), *arguments, url) == b"created\n"
            assert await curl(url + "big.bin") == content
            assert await curl("-X", "DELETE", "-w", "%{http_code}", url + "big.bin") == b"204"
    assert not leftovers(root)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/", 409),
        ("/sub", 409),
        ("/sub/", 409),
        ("/sub/.", 409),
        ("/nowhere/file.txt", 409),
        ("/old.txt/file.txt", 409),
        ("/out/file.txt", 409),
        ("/out/new.txt", 409),
        ("/../outside/new.txt", 403),
        ("/%2e%2e/outside/new.txt", 403),
        ("/..%2foutside%2fnew.txt", 403),
        ("/.hidden", 403),
        ("/.netlab-incoming-x", 403),
        ("/a%00b", 400),
        ("/" + "n" * 300, 414),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_where_nothing_can_be_put(root: Path, target: str, status: int) -> None:
    before = {path: path.read_bytes() for path in root.parent.rglob("*") if path.is_file()}
    async with files_at(root, writable=True, hidden=target.startswith("/.netlab")) as (_, port):
        answer, _, _ = await ask(port, "PUT", target, b"content")
        assert answer == status
    assert {path: path.read_bytes() for path in root.parent.rglob("*") if path.is_file()} == before


async def test_a_link_that_leads_out_is_replaced_not_followed(root: Path) -> None:
    async with files_at(root, writable=True) as (_, port):
        status, _, _ = await ask(port, "PUT", "/out.txt", b"mine")
        assert status == 201  # for those who look from here nothing was there
    assert (root / "out.txt").read_bytes() == b"mine"
    assert not (root / "out.txt").is_symlink()
    assert (root.parent / "outside" / "file.txt").read_bytes() == b"outside"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"if_match": "*"}, 204),
        ({"if_match": "ETAG"}, 204),
        ({"if_match": "CODED"}, 204),  # whichever coding of it was seen
        ({"if_match": '"other"'}, 412),
        ({"if_none_match": "*"}, 412),
        ({"if_none_match": '"other"'}, 204),
        ({"if_unmodified_since": "Tue, 14 Nov 2023 22:13:19 GMT"}, 412),
        ({"if_unmodified_since": "Tue, 14 Nov 2023 22:13:20 GMT"}, 204),
        ({"content_range": "bytes 0-2/10"}, 400),
        ({"content_encoding": "gzip"}, 415),
        ({"content_encoding": "identity"}, 204),
    ],
)
async def test_conditions_of_put(root: Path, fields: dict[str, str], status: int) -> None:
    async with files_at(root, writable=True) as (_, port):
        _, plain, _ = await ask(port, "GET", "/old.txt")
        tags = {"ETAG": plain["etag"], "CODED": plain["etag"][:-1] + '-gzip"'}
        sent = {name: tags.get(value, value) for name, value in fields.items()}
        answer, _, _ = await ask(port, "PUT", "/old.txt", b"new", **sent)
        assert answer == status
    assert (root / "old.txt").read_text() == ("new" if status == 204 else "old")
    assert not leftovers(root)


async def test_of_two_who_create_one_wins(root: Path) -> None:
    async with files_at(root, writable=True) as (_, port), connected(port) as slow:
        await slow.send(b"PUT /x HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\nContent-Length: 4\r\n\r\nsl")
        while not leftovers(root):  # the slow one has begun
            await asyncio.sleep(0)
        status, _, _ = await ask(port, "PUT", "/x", b"fast", if_none_match="*")
        assert status == 201
        await slow.send(b"ow")
        head, _ = await slow.response()
        assert b" 412 " in head
    assert (root / "x").read_bytes() == b"fast"
    assert not leftovers(root)


async def test_readers_see_the_old_file_until_the_new_one_is_whole(root: Path) -> None:
    async with files_at(root, writable=True) as (_, port), connected(port) as slow:
        await slow.send(b"PUT /old.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nnew")
        while not leftovers(root):
            await asyncio.sleep(0)
        _, _, body = await ask(port, "GET", "/old.txt")
        assert body == b"old"
        _, _, listed = await ask(port, "GET", "/sub/../?format=json")
        assert b"incoming" not in listed
        await slow.send(b"er!")
        head, _ = await slow.response()
        assert b" 204 " in head
        _, _, body = await ask(port, "GET", "/old.txt")
        assert body == b"newer!"


async def test_pipelined_behind_a_reader(root: Path) -> None:
    get = b"GET /old.txt HTTP/1.1\r\nHost: a\r\n\r\n"
    put = b"PUT /old.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nnew"
    delete = b"DELETE /old.txt HTTP/1.1\r\nHost: a\r\n\r\n"
    async with files_at(root, writable=True) as (_, port), connected(port) as client:
        await client.send(get + get + put + get + delete + get)
        answers = [await client.response() for _ in range(6)]
    assert [int(head.split()[1]) for head, _ in answers] == [200, 200, 204, 200, 204, 404]
    assert [body for head, body in answers if b" 200 " in head] == [b"old", b"old", b"new"]


@pytest.mark.parametrize("leave", ["reset", "end"])
async def test_a_client_that_goes_away_leaves_nothing(root: Path, leave: str) -> None:
    form = b'--b\r\nContent-Disposition: form-data; name=f; filename="new.txt"\r\n\r\nhalf'
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 900\r\n\r\n"
    put = b"PUT /old.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\nhalf"
    for request in (put, head + form):
        async with files_at(root, writable=True) as (app, port):
            async with connected(port) as client:
                await client.send(request)
                while not leftovers(root):
                    await asyncio.sleep(0)
                if leave == "reset":
                    client.reset()
                else:
                    client.end()
                    assert b" 400 " in await client.all()
            (flow,) = await ended(app)
            assert flow.outcome == "cut"
        assert not leftovers(root)
        assert (root / "old.txt").read_text() == "old"
        assert not (root / "new.txt").exists()


async def test_too_much(root: Path) -> None:
    async with files_at(root, writable=True, upload_limit=100) as (_, port):
        status, _, _ = await ask(port, "PUT", "/x", b"x" * 101)
        assert status == 413
        async with connected(port) as client:  # not known before it is sent
            await client.send(b"PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n" + b"x" * 101)
            assert b" 413 " in await client.all()
        async with connected(port) as client:  # known before, and not asked for
            await client.send(b"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\nExpect: 100-continue\r\n\r\n")
            assert (await client.all()).startswith(b"HTTP/1.1 413 ")
        status, _, _ = await ask(port, "PUT", "/x", b"x" * 100)
        assert status == 201
    assert not leftovers(root)


@pytest.mark.parametrize(
    ("number", "status"),
    [(errno.ENOSPC, 507), (errno.EDQUOT, 507), (errno.EFBIG, 413), (errno.EROFS, 403), (errno.ENOENT, 409)],
)
async def test_what_the_disk_refuses(root: Path, monkeypatch: pytest.MonkeyPatch, number: int, status: int) -> None:
    def full(self: Incoming, data: bytes) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Incoming, "write", full)
    async with files_at(root, writable=True) as (_, port):
        answer, _, _ = await ask(port, "PUT", "/x", b"x" * 300_000)
        assert answer == status
    assert not leftovers(root)
    assert not (root / "x").exists()


async def test_a_disk_that_is_full(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("a file system of 64 KiB can only be mounted by root")
    mount = await asyncio.create_subprocess_exec("mount", "-t", "tmpfs", "-o", "size=64k", "netlab", str(tmp_path))
    if await mount.wait() != 0:
        pytest.skip("file systems cannot be mounted here")
    try:
        async with files_at(tmp_path, writable=True) as (_, port):
            status, _, _ = await ask(port, "PUT", "/known", b"x" * 100_000)
            assert status == 507
            async with connected(port) as client:
                chunk = b"186a0\r\n" + b"x" * 100_000 + b"\r\n"
                await client.send(b"PUT /unknown HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk)
                assert b" 507 " in await client.until(b"\r\n\r\n")
            status, _, _ = await ask(port, "PUT", "/small", b"x" * 1000)
            assert status == 201
        assert os.listdir(tmp_path) == ["small"]
    finally:
        umount = await asyncio.create_subprocess_exec("umount", str(tmp_path))
        assert await umount.wait() == 0


# -- DELETE ----------------------------------------------------------------------------------------------------------


async def test_delete(root: Path) -> None:
    async with files_at(root, writable=True) as (_, port):
        for target, fields, status in (
            ("/sub", {}, 409),
            ("/sub/", {}, 409),
            ("/", {}, 409),  # not its index
            ("/old.txt", {"if_match": '"other"'}, 412),
            ("/old.txt", {}, 204),
            ("/old.txt", {}, 404),
            ("/old.txt", {"if_match": "*"}, 404),
            ("/out.txt", {}, 404),
            ("/out/file.txt", {}, 404),
        ):
            answer, _, _ = await ask(port, "DELETE", target, b"", **fields)
            assert (target, answer) == (target, status)
    assert not (root / "old.txt").exists()
    assert (root / "index.html").exists()
    assert (root.parent / "outside" / "file.txt").exists()


# -- forms -----------------------------------------------------------------------------------------------------------


async def test_curl_posts_a_form(root: Path, tmp_path: Path) -> None:
    (tmp_path / "a b.txt").write_bytes(b"one")
    (tmp_path / "ü.bin").write_bytes(os.urandom(1 << 20))
    async with files_at(root, writable=True) as (_, port):
        files = ["-F", f"f=@{tmp_path / 'a b.txt'}", "-F", f"g=@{tmp_path / 'ü.bin'}", "-F", "text=not a file"]
        told = json.loads(await curl(*files, f"http://127.0.0.1:{port}/sub"))
        assert [(file["name"], file["href"]) for file in told["stored"]] == [
            ("a b.txt", "./sub/a%20b.txt"),
            ("ü.bin", "./sub/%C3%BC.bin"),
        ]
        assert await curl(f"http://127.0.0.1:{port}/sub/a%20b.txt") == b"one"
        again = await curl("-w", "%{http_code}", "-o", "/dev/null", *files, f"http://127.0.0.1:{port}/sub/")
        assert again == b"409"
    assert (root / "sub" / "ü.bin").read_bytes() == (tmp_path / "ü.bin").read_bytes()
    assert not leftovers(root)


def form(*files: tuple[str, bytes]) -> bytes:
    parts = [
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="'
        + name.encode()
        + b'"\r\n\r\n'
        + content
        + b"\r\n"
        for name, content in files
    ]
    return b"".join(parts) + b"--b--\r\n"


FORM = "multipart/form-data; boundary=b"


@pytest.mark.parametrize(
    ("target", "media_type", "body", "status"),
    [
        ("/", FORM, form(("new.txt", b"1")), 201),
        ("/", FORM, form(("../../new.txt", b"1")), 201),  # stored as new.txt, here
        ("/", FORM, form(("C:\\new.txt", b"1")), 201),
        ("/", FORM, form(("new.txt", b"1"), ("", b"")), 201),  # an input left empty
        ("/", FORM, form(("new.txt", b"1"), ("new.txt", b"2")), 409),
        ("/", FORM, form(("new.txt", b"1"), ("old.txt", b"2")), 409),
        ("/", FORM, form(("new.txt", b"1"), ("sub", b"2")), 409),
        ("/", FORM, form(("new.txt", b"1"), ("..", b"2")), 400),
        ("/", FORM, form(("new.txt", b"1"), (".profile", b"2")), 400),
        ("/", FORM, form(("new.txt", b"1"))[:-6], 400),
        ("/", FORM, form(), 400),
        ("/", FORM, b"", 400),
        ("/", FORM, b"x" * 300_000, 400),
        ("/", "multipart/form-data", form(("new.txt", b"1")), 415),
        ("/", "application/json", b"{}", 415),
        ("/old.txt", FORM, form(("new.txt", b"1")), 405),
        ("/out", FORM, form(("new.txt", b"1")), 404),
    ],
)
async def test_forms(root: Path, target: str, media_type: str, body: bytes, status: int) -> None:
    async with files_at(root, writable=True) as (_, port):
        answer, fields, _ = await ask(port, "POST", target, body, content_type=media_type)
        assert answer == status
        if status == 201:
            assert fields["location"] == "./new.txt"
    assert (root / "new.txt").exists() == (status == 201)
    assert (root / "old.txt").read_text() == "old"
    assert os.listdir(root.parent / "outside") == ["file.txt"]
    assert not leftovers(root)


async def test_a_browser_is_sent_back_to_the_listing(root: Path) -> None:
    async with files_at(root, writable=True) as (_, port):
        status, fields, _ = await ask(
            port, "POST", "/sub?sort=size", form(("a", b"1")), content_type=FORM, accept="text/html,*/*;q=0.8"
        )
        assert (status, fields["location"]) == (303, "./sub/")
        _, _, page = await ask(port, "GET", "/sub/")
        assert b'enctype="multipart/form-data"' in page


# -- who may, and what ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "allowed", "status"),
    [
        ("http://localhost", (), 201),
        ("http://evil.test", (), 403),
        ("http://localhost.evil.test", (), 403),
        ("null", (), 403),
        ("http://friend.test", ("http://friend.test",), 201),
        ("http://evil.test", ("*",), 201),
    ],
)
async def test_pages_of_others(root: Path, origin: str, allowed: tuple[str, ...], status: int) -> None:
    async with files_at(root, writable=True, upload_origins=allowed) as (_, port):
        answer, _, _ = await ask(port, "PUT", "/new.txt", b"1", origin=origin)
        assert answer == status
        answer, _, _ = await ask(port, "POST", "/", form(("n2", b"1")), content_type=FORM, origin=origin)
        assert answer == status


@pytest.mark.parametrize(
    ("target", "allow"),
    [
        ("/old.txt", "GET, HEAD, OPTIONS, PUT, DELETE"),
        ("/sub/", "GET, HEAD, OPTIONS, POST"),
        ("/", "GET, HEAD, OPTIONS, POST"),
    ],
)
async def test_methods_are_told(root: Path, target: str, allow: str) -> None:
    async with files_at(root, writable=True) as (_, port):
        assert (await ask(port, "OPTIONS", target))[1]["allow"] == allow
        status, fields, _ = await ask(port, "PATCH", target)
        assert (status, fields["allow"]) == (405, allow)
    async with files_at(root) as (_, port):
        assert (await ask(port, "OPTIONS", target))[1]["allow"] == "GET, HEAD, OPTIONS"
        for method in ("PUT", "DELETE", "POST"):
            status, fields, _ = await ask(port, method, target)
            assert (status, fields["allow"]) == (405, "GET, HEAD, OPTIONS")
