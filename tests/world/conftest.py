"""The whole lab, on a loopback of its own: every service on its usual port, whatever else runs on the machine."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.netlab_process import PATIENCE, Place, place

ALONE = ("unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "_")
"""Run in a network namespace, where nothing is but loopback."""


@dataclass
class World:
    """A running lab, and commands inside of its namespace."""

    here: Place
    process: subprocess.Popen[str]
    seconds: float = 0.0
    endpoints: dict[str, list[str]] = field(default_factory=dict)

    def run(self, *command: str, code: int = 0, text: str | None = None) -> str:
        """What a command beside the lab prints; it has to end with this code."""
        inside = ("nsenter", "-t", str(self.process.pid), "-U", "-n", "--preserve-credentials", *command)
        done = subprocess.run(
            inside,
            env=dict(self.here.environment),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            input=text,
        )
        assert done.returncode == code, (command, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def netlab(self, *arguments: str, code: int = 0) -> str:
        return self.run(sys.executable, "-m", "netlab", *arguments, code=code)

    @property
    def authority(self) -> str:
        return str(self.here.folder / "state" / "ca" / "ca.pem")


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    for tool, package in (("unshare", "util-linux"), ("nsenter", "util-linux"), ("ip", "iproute2")):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not here: install {package}")
    if subprocess.run((*ALONE, "true"), capture_output=True, check=False).returncode:
        pytest.skip("no network namespace can be had here (unshare -rn)")
    with place() as here:
        begun = time.monotonic()
        process = subprocess.Popen(
            [*ALONE, sys.executable, "-m", "netlab", "up", "--json", "-q"],
            env=dict(here.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            line = process.stdout.readline()
            assert line, process.stderr.read()
            found = World(here, process, time.monotonic() - begun)
            for endpoint in json.loads(line)["endpoints"]:
                found.endpoints.setdefault(endpoint["name"], []).append(endpoint["url"])
            yield found
        finally:
            process.terminate()
            try:
                process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
