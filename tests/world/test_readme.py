"""Every line to try in README, typed as it stands there, beside the running lab."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.netlab_process import PATIENCE
from tests.world.conftest import World

README = Path(__file__).parent.parent.parent / "README.md"
ENDLESS = ("netlab watch", "mosquitto_sub", "netlab mqtt sub")
"""What goes on until somebody ends it: here after two seconds."""
CHANGES = {"netlab faults add": "netlab faults clear", "netlab clock jump 1h": "netlab clock back 1h"}
"""What is undone behind the test."""
OF_ITS_ROW = ":8090"
"""What wants a server that the row itself starts."""


def lines() -> list[str]:
    """The lines to try of README's table, and those of its blocks behind the set-up."""
    text = README.read_text(encoding="utf-8")
    cells = re.findall(r"^\|.*\| `((?:[^`|]|\\\|)+)` \|$", text, re.MULTILINE)
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    typed = [line.partition(" # ")[0].strip() for block in blocks for line in block.splitlines()]
    asked = [line.replace(".venv/bin/", "") for line in typed if not line.startswith("make ")]
    return [line for line in [*(cell.replace("\\|", "|") for cell in cells), *asked] if OF_ITS_ROW not in line]


@pytest.mark.parametrize("line", lines())
def test_a_line_to_try(world: World, line: str, tmp_path: Path) -> None:
    line = line.replace(
        "--rate 500 --expect 'p99<50ms'", "--rate 20 --duration 1s"
    )  # how quick it is, is no test's matter
    flow = "1" if "show ID" in line else ""
    command = line.replace("show ID", f"show {flow}").replace(
        "captures/samples", str(README.parent / "captures/samples")
    )
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "netlab").write_text(f'#!/bin/sh\nexec {sys.executable} -m netlab "$@"\n')
    (bin_folder / "netlab").chmod(0o755)
    limit = "timeout 2" if line.startswith(ENDLESS) else ""
    environment = {**world.here.environment, "PATH": f"{bin_folder}:{world.here.environment['PATH']}"}
    inside = ("nsenter", "-t", str(world.process.pid), "-U", "-n", "--preserve-credentials")
    done = subprocess.run(
        (*inside, "bash", "-c", f"{limit} {command}"),
        env={**environment, "PYTHONPATH": str(README.parent)},
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    for begin, undo in CHANGES.items():
        if line.startswith(begin):
            world.netlab(*undo.split()[1:])
    assert done.returncode in ((0, 124) if limit else (0,)), done.stdout + done.stderr
    assert "Traceback" not in done.stderr
