"""The pytest plugin from outside: in a project that has packages of the same names as ours."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.netlab_process import PATIENCE, place

PROJECT = {
    "servers/__init__.py": "MINE = True\n",
    "clients/__init__.py": "MINE = True\n",
    "captures.py": "MINE = True\n",
    "test_project.py": """
import time
import urllib.request

import captures
import clients
import servers


def get(url):
    return urllib.request.urlopen(url, timeout=10).read()


def test_the_project_has_its_own_packages(netlab_http):
    assert servers.MINE and clients.MINE and captures.MINE
    assert get(netlab_http.url + "/hello") == b"Hello, World!"


def test_each_test_has_its_own_flows(netlab_http):
    assert netlab_http.flows() == []
    get(netlab_http.url + "/anything?a=1")
    (flow,) = netlab_http.flows("kind == http")
    assert (flow["label"], flow["outcome"]) == ("GET /anything?a=1", "ok")


def test_several_servers_faults_and_the_clock(netlab_lab, tmp_path):
    (tmp_path / "a.txt").write_text("file")
    first, second = netlab_lab.start("http"), netlab_lab.start("http", root=tmp_path)
    assert get(second.url + "/a.txt") == b"file"
    assert [len(each.flows("kind == http")) for each in (first, second)] == [0, 1]
    netlab_lab.faults.add("status=503")
    try:
        get(first.url + "/hello")
    except urllib.error.HTTPError as error:
        assert error.code == 503
        error.close()
    netlab_lab.clock.freeze(1e9)
    netlab_lab.clock.jump(10)
    assert netlab_lab.clock.now() == 1e9 + 10


def test_names_of_the_lab(netlab_proxy, netlab_dns):
    assert netlab_dns.port != netlab_proxy.port
    assert netlab_proxy.url.startswith("http://127.0.0.1:")


def test_a_server_is_there_at_once(netlab_lab):
    netlab_lab.start("http")  # by now its code is loaded
    took = []
    for _ in range(5):
        begun = time.perf_counter()
        netlab_lab.start("http")
        took.append(time.perf_counter() - begun)
    print("fastest start:", round(min(took) * 1000, 1), "ms")


def test_it_fails(netlab_http):
    get(netlab_http.url + "/hello")
    assert not netlab_http.flows()
""",
}


def test_in_a_project_with_packages_of_the_same_names(tmp_path: Path) -> None:
    for name, text in PROJECT.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    with place() as here:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-rP",
                "-p",
                "no:cacheprovider",
                "-p",
                "no:asyncio",
                "test_project.py",
            ],
            cwd=tmp_path,
            env={**here.environment, "PYTHONPATH": ""},
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
            check=False,
        )
    assert re.search(r"1 failed, 5 passed", done.stdout), done.stdout + done.stderr
    assert "netlab kept test_project.py::test_it_fails: " in done.stdout
    kept = sorted(path.suffix for path in (tmp_path / ".netlab").iterdir())
    assert kept == [".har", ".jsonl", ".pcapng"]
    assert here.sockets == []
    assert re.search(r"fastest start: \d", done.stdout)


def test_the_example_in_node() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not here: install nodejs")
    with place() as here:
        done = subprocess.run(
            [node, "--test", "docs/examples/with-netlab.mjs"],
            env={**here.environment, "NETLAB": f"{sys.executable} -m netlab"},
            cwd=Path(__file__).parent.parent,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
