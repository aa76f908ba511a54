"""mitmdump, which intercepts TLS: from a virtual environment of its own, for it asks for other versions than we."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.stage import Stage, Target, free_port

OWN = Path(sys.prefix) / "peers" / "mitmproxy" / "bin" / "mitmdump"
"""Where `make bench` puts it."""


@dataclass(frozen=True, kw_only=True)
class Mitmdump:
    """With nothing but what it always does: every flow is taken to pieces, none is printed."""

    def missing(self) -> str:
        return "" if _program() else "mitmdump (make .venv/.bench, or pip install mitmproxy)"

    def version(self) -> str:
        said = subprocess.run([_program(), "--version"], capture_output=True, text=True, check=True).stdout
        return f"mitmproxy {said.split()[1]}"

    def start(self, stage: Stage, upstream: Target | None = None) -> Target:
        port = free_port()
        command = [_program(), "--quiet", "--listen-host", "127.0.0.1", "--listen-port", str(port), "--ssl-insecure"]
        command += ["--set", f"confdir={stage.folder}", "--set", "http2=false"]
        return Target(port=port, processes=(stage.start(command),))


def _program() -> str:
    return str(OWN) if OWN.exists() else shutil.which("mitmdump") or ""
