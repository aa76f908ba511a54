"""Programs inside the lab: what `netlab run` and `netlab browser` set for them, and that nothing of it stays."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from netlab.commands.browser import chromium
from netlab.net.certs import Authority
from tests.world.conftest import World

FETCH = "import {0}; print({0}.get('https://www.shop.test/hello').text)"
URLLIB = "import urllib.request as u; print(u.urlopen('https://www.shop.test/hello').read().decode())"


def leftovers() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("netlab-*"))


@pytest.mark.parametrize(
    "command",
    [
        ("curl", "-sS", "https://www.shop.test/hello"),
        ("wget", "-qO-", "https://www.shop.test/hello"),
        (sys.executable, "-c", FETCH.format("requests")),
        (sys.executable, "-c", FETCH.format("httpx")),
        (sys.executable, "-c", URLLIB),
    ],
    ids=("curl", "wget", "requests", "httpx", "urllib"),
)
def test_programs_find_the_lab(world: World, command: tuple[str, ...]) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not here: install {command[0]}")
    assert world.netlab("run", "--", *command).strip() == "Hello, World!"


def test_the_exit_code_is_the_commands_own(world: World) -> None:
    world.netlab("run", "--", "sh", "-c", "exit 7", code=7)
    world.netlab("run", "--", "sh", "-c", "kill -9 $$", code=137)
    world.netlab("run", "--", "no-such-command", code=127)
    assert world.netlab("run", "curl", "-s", "http://www.shop.test/hello") == "Hello, World!"
    world.netlab("run", code=2)


def test_a_browser_sees_the_shop_over_https(world: World) -> None:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not here: install chromium")
    authority = Authority.load(world.here.folder / "state")
    with tempfile.TemporaryDirectory() as profile:
        command = chromium(program, Path(profile), "http://127.0.0.1:3128", authority)
        page = world.run(*command, "--headless", "--disable-gpu", "--dump-dom", "https://www.shop.test/")
    assert "<h1>Shop</h1>" in page
