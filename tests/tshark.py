"""tshark as the independent engine: what it makes of a capture of ours, with every checksum looked at."""

from __future__ import annotations

import shutil
import subprocess
from collections import defaultdict
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

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


@cache
def version() -> tuple[int, ...]:
    """Which one it is: each names and judges some things its own way."""
    words = run("tshark", "--version").split()
    return tuple(int(part) for part in words[words.index("(Wireshark)") + 1].strip(".").split(".")[:2])


def tshark(capture: Path, *arguments: str) -> str:
    return run("tshark", "-r", str(capture), *CHECKED, *arguments)


def fields(capture: Path, shown: str, *names: str, options: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The values of these fields in each packet that the display filter shows, several of one kind joined by `|`."""
    wanted = [argument for name in names for argument in ("-e", name)]
    layout = ("-T", "fields", "-E", "separator=/t", "-E", "aggregator=|")
    text = tshark(capture, *options, "-Y", shown, *layout, *wanted)
    return [tuple(line.split("\t")) for line in text.splitlines()]


@cache
def registered() -> dict[str, str]:
    """Every field that tshark knows, and its type: `FT_UINT16`, or `FT_NONE` where it has no value."""
    rows = (line.split("\t") for line in run("tshark", "-G", "fields").splitlines())
    return {row[2]: row[3] for row in rows if row[0] == "F"}


def trees(capture: Path, options: tuple[str, ...] = ()) -> list[dict[str, list[str]]]:
    """Of each packet every field that tshark shows, with its values as filters compare them."""
    found = []
    for packet in ElementTree.fromstring(tshark(capture, *options, "-T", "pdml")):
        values: defaultdict[str, list[str]] = defaultdict(list)
        for field in packet.iter("field"):
            name, shown = field.get("name", ""), field.get("show", "")
            kind = registered().get(name, "")
            values[name].append(plain(shown, kind))
        found.append(dict(values))
    return found


def plain(value: object, kind: str) -> str:
    """A value as it is compared: numbers decimal, bytes without marks between them, nothing where there is none."""
    if kind == "FT_NONE":
        return ""
    if isinstance(value, bytes):
        return value.hex()
    text = str(int(value)) if isinstance(value, bool) else str(value)
    if kind == "FT_BYTES":
        return text.replace(":", "")
    if kind == "FT_BOOLEAN":
        return {"True": "1", "False": "0"}.get(text, text)
    return str(int(text, 16)) if text.lower().startswith("0x") and kind.startswith("FT_UINT") else text


def complaints(capture: Path) -> list[tuple[str, ...]]:
    """Packets about which tshark has a warning or an error, and what it says."""
    return fields(capture, f"_ws.expert.severity >= {WARNING} || _ws.malformed", "frame.number", "_ws.expert.message")
