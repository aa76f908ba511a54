"""Holds the shop to its OpenAPI documents with schemathesis: every check, data that fits and data that does not.

    python -m tests.http.shop.contract [--examples N] [--seed N] [--venv DIR]

Not part of the suite, but of `.ci/run`: schemathesis brings some fifty packages, so it gets a virtual environment of
its own, made in DIR (a temporary one by default) from what pip finds. The exit code is schemathesis' own: 0 if nothing
was found, and then one line says how much was tried; otherwise its whole report is shown.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from tests import netlab_process

REQUIREMENT = "schemathesis>=4.32,<5"
CONFIG = Path(__file__).with_name("schemathesis.toml")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--examples", type=int, default=60, help="cases per operation and phase")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--venv", type=Path, help="where schemathesis is, or is to be, installed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tool = installed((options.venv or Path(folder) / "venv").absolute())
        return max(held_to(tool, version, options.examples, options.seed) for version in ("v1", "v2"))


def installed(folder: Path) -> Path:
    tool = folder / "bin" / "schemathesis"
    if not tool.exists():
        venv.create(folder, with_pip=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, REQUIREMENT], check=True)
    return tool


def held_to(tool: Path, version: str, examples: int, seed: int) -> int:
    """One run against a server of its own, as someone of the staff."""
    netlab_process.PATIENCE = 3600.0  # a run takes minutes
    with netlab_process.place() as here, here.serve("-q", "--seed", str(seed)) as process:
        token = here.run("token", "ada", "--roles", "staff", "--lifetime", "1d").stdout.strip()
        report = subprocess.run(
            [
                *(tool, "--config-file", CONFIG, "run", f"{process.url}/api/{version}/openapi.json"),
                *("--header", f"Authorization: Bearer {token}", "--mode", "all", "--continue-on-failure"),
                *("--max-examples", str(examples), "--seed", str(seed), "--suppress-health-check", "all"),
            ],
            cwd=here.folder,  # it leaves things where it is
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    tried = re.search(r"^Test cases:\n +(.+)$", report.stdout, re.MULTILINE)
    if report.returncode or tried is None:
        print(report.stdout)
        return report.returncode or 1
    print(f"schemathesis, shop {version}: {tried[1]}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
