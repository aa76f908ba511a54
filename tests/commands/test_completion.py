"""Shell completion: what could come next, and that bash asks it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from netlab import rooms
from netlab.completion import SCRIPTS, candidates
from tests.netlab_process import PATIENCE


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([""], "serve"),
        (["ser"], "serve"),
        (["serve", ""], "forward-proxy"),
        (["serve", "re"], "resolver"),
        (["serve", "http", "--ro"], "--root"),
        (["serve", "http", "--no-"], "--no-endpoints"),
        (["serve", "http", "--record", ""], "summary"),
        (["serve", "l7-balancer", "--balance", "peak"], "peak_ewma"),
        (["up", "m"], "mqtt"),
        (["clock", "fr"], "freeze"),
        (["mail", ""], "wait"),
        (["get", "--verb"], "--verbose"),
    ],
)
def test_what_could_come_next(words: list[str], expected: str) -> None:
    found = candidates(words)
    assert expected in found
    assert all(each.startswith(words[-1]) for each in found)


@pytest.mark.parametrize("name", [*rooms.commands(), *rooms.clients()])
def test_every_command_has_its_flags(name: str) -> None:
    assert "--help" in candidates([name, "--"])


def test_nothing_is_known_behind_nonsense() -> None:
    assert candidates(["nonsense", "x"]) == []


def test_bash_completes(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    netlab = tmp_path / "netlab"
    netlab.write_text(f'#!/bin/sh\nexec {sys.executable} -m netlab "$@"\n')
    netlab.chmod(0o755)
    ask = 'COMP_WORDS=(netlab serve ht); COMP_CWORD=2; _netlab; echo "${COMPREPLY[@]}"'
    done = subprocess.run(
        [bash, "-c", f"{SCRIPTS['bash']}\n{ask}"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.stdout.strip() == "http", done.stderr
