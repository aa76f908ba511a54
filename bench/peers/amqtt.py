"""amqtt, the other broker in Python: from a virtual environment of its own, for it pins websockets."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.stage import Stage, Target, free_port

OWN = Path(sys.prefix) / "peers" / "amqtt" / "bin" / "amqtt"
"""Where `make bench` puts it."""
CONFIGURATION = """\
listeners:
  default:
    type: tcp
    bind: 127.0.0.1:{port}
    max_connections: 0
plugins:
  amqtt.plugins.authentication.AnonymousAuthPlugin:
    allow_anonymous: true
"""


@dataclass(frozen=True, kw_only=True)
class Amqtt:
    """Everybody may come in; it tells nothing."""

    def missing(self) -> str:
        return "" if _program() else "amqtt (make .venv/.bench, or pip install amqtt)"

    def version(self) -> str:
        said = subprocess.run([_program(), "--version"], capture_output=True, text=True, check=True).stdout
        return f"amqtt {said.split()[-1]}"

    def start(self, stage: Stage, upstream: Target | None = None) -> Target:
        port = free_port()
        path = stage.write("amqtt.yaml", CONFIGURATION.format(port=port))
        return Target(port=port, scheme="mqtt", processes=(stage.start([_program(), "-c", str(path)]),))


def _program() -> str:
    return str(OWN) if OWN.exists() else shutil.which("amqtt") or ""
