"""Listings of directories: for programs, for people, and for Chromium."""

from __future__ import annotations

import json
import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest

from netlab.http import listing as listing_module
from netlab.http.listing import View, iso_date
from netlab.http.listing_page import human
from tests.http.test_files import ask, files_at

ODD = ["a&<b>\"'.txt", "per%cent?q#h.txt", "c:olon.txt", "white space.txt", "ähnlich.md", "new\nline.txt", "..dots.txt"]
OLD = 1_700_000_000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "sub" / "deeper").mkdir(parents=True)
    for number, name in enumerate(ODD[:-1]):
        (root / name).write_bytes(b"x" * 1000 * number)
    (root / os.fsdecode(b"inv\xff.txt")).write_bytes(b"bytes")
    (root / ".hidden").write_text("hidden")
    (root / "out").symlink_to("/etc")
    (root / "nowhere").symlink_to("missing")
    (root / "link.txt").symlink_to("white space.txt")
    os.mkfifo(root / "pipe")
    for path in root.iterdir():
        if path.is_file() and not path.is_symlink():
            os.utime(path, (OLD, OLD))
    (root / "sub" / "one.txt").write_text("1")
    return root


def names(body: bytes) -> list[str]:
    return [entry["name"] for entry in json.loads(body)["entries"]]


async def test_json_tells_what_can_be_had(root: Path) -> None:
    async with files_at(root) as (_, port):
        status, fields, body = await ask(port, "GET", "/?format=json")
        told = json.loads(body)
        assert status == 200
        assert fields["content-type"] == "application/json"
        assert told["path"] == "/"
        assert told["partial"] is False
        entries = {entry["name"]: entry for entry in told["entries"]}
        assert set(entries) == {*ODD[:-1], "sub", "link.txt", "inv\ufffd.txt"} - {"new\nline.txt"} | {"new␊line.txt"}
        assert entries["sub"] | {"modified": ""} == {
            "name": "sub",
            "href": "./sub/",
            "type": "directory",
            "size": None,
            "modified": "",
        }
        assert entries["c:olon.txt"]["size"] == 2000
        assert entries["c:olon.txt"]["modified"] == "2023-11-14T22:13:20Z"
        for entry in told["entries"]:  # every reference leads to what it says
            status, fields, _ = await ask(port, "HEAD", urljoin("/", entry["href"]))
            assert status == 200
            if entry["size"] is not None:
                assert int(fields["content-length"]) == entry["size"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["sub", "a.txt", "B.txt", "c.txt"]),
        ("?sort=name&order=desc", ["sub", "c.txt", "B.txt", "a.txt"]),
        ("?sort=size", ["sub", "B.txt", "c.txt", "a.txt"]),
        ("?sort=size&order=desc", ["sub", "a.txt", "c.txt", "B.txt"]),
        ("?sort=modified", ["sub", "c.txt", "a.txt", "B.txt"]),
        ("?search=B.T", ["B.txt"]),
        ("?search=nothing", []),
        ("?sort=colour&order=up&" + "&".join("x=1" for _ in range(100)), ["sub", "a.txt", "B.txt", "c.txt"]),
    ],
)
async def test_order_and_search(tmp_path: Path, query: str, expected: list[str]) -> None:
    (tmp_path / "sub").mkdir()
    for name, size, time in (("a.txt", 30, 2), ("B.txt", 10, 3), ("c.txt", 20, 1)):
        (tmp_path / name).write_bytes(b"x" * size)
        os.utime(tmp_path / name, (OLD + time, OLD + time))
    async with files_at(tmp_path) as (_, port):
        _, _, body = await ask(port, "GET", "/" + query, accept="application/json")
        assert names(body) == expected
        _, fields, page = await ask(port, "GET", "/" + query, accept="text/html")
        assert fields["content-type"] == "text/html; charset=utf-8"
        assert [name.rstrip("/") for name in Page.read(page).shown] == expected


async def test_numbers_in_names_count(tmp_path: Path) -> None:
    for name in ("file-10.txt", "File-2.txt", "file-1.txt", "file.txt"):
        (tmp_path / name).touch()
    async with files_at(tmp_path) as (_, port):
        _, _, body = await ask(port, "GET", "/?format=json")
        assert names(body)[:3] == ["file-1.txt", "File-2.txt", "file-10.txt"]


class Page(HTMLParser):
    """The rows of a listing that are to be seen, and every reference in it."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[str] = []
        self.links: list[str] = []
        self.elements: list[str] = []
        self._in_row = self._in_name = False

    @classmethod
    def read(cls, body: bytes) -> Page:
        page = cls()
        page.feed(body.decode())
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        given = dict(attrs)
        self.elements.append(tag)
        if tag == "tr":
            self._in_row = "data-name" in given and "hidden" not in given
        elif tag == "a":
            self.links.append(given["href"])
            if self._in_row:
                self.shown.append("")
                self._in_name = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._in_name = False

    def handle_data(self, data: str) -> None:
        if self._in_name:
            self.shown[-1] += data


async def test_names_are_escaped(root: Path) -> None:
    async with files_at(root) as (_, port):
        _, fields, body = await ask(port, "GET", "/?search=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
        page = Page.read(body)
        assert "b" not in page.elements
        assert page.elements.count("script") == 1
        assert "script-src 'sha256-" in fields["content-security-policy"]
        _, _, body = await ask(port, "GET", "/")
        assert ODD[0] in Page.read(body).shown


async def test_the_parent_and_the_way_up(root: Path) -> None:
    async with files_at(root) as (_, port):
        _, _, body = await ask(port, "GET", "/sub/deeper/")
        found = {urljoin("/sub/deeper/", link) for link in Page.read(body).links if not link.startswith("?")}
        assert found == {"/", "/sub/", "/sub/deeper/"}
        _, _, body = await ask(port, "GET", "/")
        assert "../" not in Page.read(body).links


@pytest.mark.parametrize(
    ("accept", "json_wanted"),
    [
        (None, False),
        ("*/*", False),
        ("application/json", True),
        ("application/json, */*;q=0.1", True),
        ("text/html,application/xhtml+xml,*/*;q=0.8", False),
        ("application/json;q=0.5, text/html", False),
        ("application/*", True),
        ("application/json, */*", True),
        ("", False),
    ],
)
def test_accept(accept: str | None, *, json_wanted: bool) -> None:
    assert View.of("", accept).json is json_wanted
    assert View.of("format=json", accept).json
    assert not View.of("format=html", accept).json


async def test_a_listing_is_a_representation_like_any_other(root: Path) -> None:
    async with files_at(root) as (_, port):
        _, fields, body = await ask(port, "GET", "/sub/", accept_encoding="gzip")
        assert fields["content-encoding"] == "gzip"
        assert fields["vary"] == "Accept, Accept-Encoding"
        status, _, _ = await ask(port, "GET", "/sub/", accept_encoding="gzip", if_none_match=fields["etag"])
        assert status == 304
        status, head, _ = await ask(port, "HEAD", "/sub/", accept_encoding="gzip")
        fields.pop("date"), head.pop("date")
        assert (status, head) == (200, fields)
        status, _, part = await ask(port, "GET", "/sub/", accept_encoding="gzip", range="bytes=0-9")
        assert (status, part) == (206, body[:10])
        (root / "sub" / "two.txt").write_text("2")
        status, _, _ = await ask(port, "GET", "/sub/", accept_encoding="gzip", if_none_match=fields["etag"])
        assert status == 200


async def test_what_is_not_listed(root: Path) -> None:
    async with files_at(root, hidden=True) as (_, port):
        _, _, body = await ask(port, "GET", "/?format=json")
        assert ".hidden" in names(body)
        assert "out" not in names(body)
        status, _, _ = await ask(port, "GET", "/.hidden")
        assert status == 200
    async with files_at(root, listing=False) as (_, port):
        status, _, _ = await ask(port, "GET", "/")
        assert status == 403


async def test_a_very_large_directory_is_listed_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing_module, "MOST", 5)
    for number in range(6):
        (tmp_path / f"{number}.txt").touch()
    async with files_at(tmp_path) as (_, port):
        _, _, body = await ask(port, "GET", "/?format=json")
        assert len(names(body)) == 5
        assert json.loads(body)["partial"] is True
        _, _, page = await ask(port, "GET", "/")
        assert b"more than the 5" in page


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (123456, "121 KiB"),
        (2**30, "1.0 GiB"),
        (2**51, "2097152 GiB"),
    ],
)
def test_sizes_for_people(size: int, text: str) -> None:
    assert human(size) == text


def test_dates_of_any_file_system() -> None:
    assert iso_date(0) == "1970-01-01T00:00:00Z"
    assert iso_date(1e30) == ""


@pytest.mark.one_loop
async def test_chromium_shows_it(root: Path, tmp_path: Path) -> None:
    import asyncio

    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed: install the package chromium")
    async with files_at(root) as (_, port):
        process = await asyncio.create_subprocess_exec(
            program,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--dump-dom",
            f"http://127.0.0.1:{port}/?search=line",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            dom, errors = await process.communicate()
    assert b"Content Security Policy" not in errors
    assert Page.read(dom).shown == ["new␊line.txt"]
    assert re.search(rb"<output[^>]*></output>", dom)
