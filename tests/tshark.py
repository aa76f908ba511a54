"""tshark as the independent engine: what it makes of a capture of ours, with every checksum looked at."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

CHECKED = ("-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE")
WARNING = 0x600000  # and what is above it: errors
NOTHING = "/nonexistent"  # where tshark looks for a user's settings


def run(tool: str, *arguments: str) -> str:
    """The tool's standard output; its own failure or complaint is the test's failure."""
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed: install the package tshark")
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC", "WIRESHARK_CONFIG_DIR": NOTHING}
    done = subprocess.run([tool, *arguments], capture_output=True, text=True, timeout=60, env=environment)
    complaints = [line for line in done.stderr.splitlines() if line and not line.startswith("Running as user")]
    assert (done.returncode, complaints) == (0, []), done.stderr
    return done.stdout


def tshark(capture: Path, *arguments: str) -> str:
    return run("tshark", "-r", str(capture), *CHECKED, *arguments)


def fields(capture: Path, shown: str, *names: str, options: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The values of these fields in each packet that the display filter shows, several of one kind joined by `|`."""
    wanted = [argument for name in names for argument in ("-e", name)]
    layout = ("-T", "fields", "-E", "separator=/t", "-E", "aggregator=|")
    text = tshark(capture, *options, "-Y", shown, *layout, *wanted)
    return [tuple(line.split("\t")) for line in text.splitlines()]


def complaints(capture: Path) -> list[tuple[str, ...]]:
    """Packets about which tshark has a warning or an error, and what it says."""
    return fields(capture, f"_ws.expert.severity >= {WARNING} || _ws.malformed", "frame.number", "_ws.expert.message")
