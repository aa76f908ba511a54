"""`netlab cache`: what a running proxy keeps, how fresh that is, and what is thrown out."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from netlab.commands.cache import Config, spelled
from netlab.errors import UsageError
from tests.netlab_process import Place, Process

PROXY = ("serve", "reverse-proxy", "--listen", "127.0.0.1:0", "--cache")


def asked(process: Process, path: str) -> str:
    """What Cache-Status says of a request."""
    done = subprocess.run(["curl", "-sSi", "--noproxy", "*", process.url + path], capture_output=True, text=True)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("Cache-Status: ")]
    return line.partition("; ")[2]


def test_seen_and_thrown_out(here: Place, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name * 10)
    lab = ("--lab", "reverse-proxy")
    with (
        here.serve("--root", str(tmp_path), "--cache-control", "*=max-age=3600") as origin,
        here.start(*PROXY, "--to", origin.url) as proxy,
    ):
        proxy.wait_until_ready()
        assert [asked(proxy, path).partition(";")[0] for path in ("/a", "/a", "/b")] == [
            "fwd=uri-miss",
            "hit",
            "fwd=uri-miss",
        ]
        (status,) = json.loads(here.call("cache", "--json", *lab).stdout)
        assert (status["responses"], status["hits"], status["misses"]) == (2, 1, 2)
        listed = here.call("cache", "list", *lab).stdout
        assert f"200 {proxy.url}/a" in listed
        assert "lifetime 3600 s by max-age=3600 (RFC 9111 5.2.2.1)" in listed
        (only,) = json.loads(here.call("cache", "list", f"{proxy.url}/b", "--json", *lab).stdout)[0]["entries"]
        assert (only["uri"], only["size"], only["fresh"]) == (f"{proxy.url}/b", 10, True)
        purged = here.call("cache", "purge", f"{proxy.url}/a", *lab)
        assert (purged.returncode, "1 response thrown out" in purged.stdout) == (0, True)
        assert here.call("cache", "purge", f"{proxy.url}/a", *lab).returncode == 1
        assert asked(proxy, "/a").startswith("fwd=uri-miss")
        assert "2 responses thrown out" in here.call("cache", "purge", f"{proxy.url}/*", *lab).stdout
        none = here.call("cache", "--lab", "http")
        assert (none.returncode, "no cache runs in this lab" in none.stderr) == (2, True)


def test_urls_are_spelled_as_the_cache_does() -> None:
    assert spelled("http://WWW.shop.test:80/A") == "http://www.shop.test/A"
    assert spelled("https://shop.test") == "https://shop.test/"
    assert spelled("http://shop.test/a/*") == "http://shop.test/a/*"
    assert spelled("*") == "*"
    with pytest.raises(UsageError):
        spelled("http://")


def test_mistakes() -> None:
    with pytest.raises(UsageError, match="needs a URL"):
        Config(action="purge")
    with pytest.raises(UsageError, match="takes no URL"):
        Config(url="http://shop.test/")
