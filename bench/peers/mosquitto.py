"""Mosquitto, the broker that the field measures itself against: one process, nothing written unless it is told to."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass

from bench.stage import Stage, Target, free_port

CONFIGURATION = """\
listener {port} 127.0.0.1
allow_anonymous true
set_tcp_nodelay true
max_inflight_messages 1000
max_queued_messages 0
{settings}
"""


@dataclass(frozen=True, kw_only=True)
class Mosquitto:
    """As many messages in flight as netlab, no bound on its queues, and no waiting for more to send (Nagle)."""

    persistence: bool = False

    def missing(self) -> str:
        return "" if _program() else "mosquitto (package mosquitto)"

    def version(self) -> str:
        said = subprocess.run([_program(), "-h"], capture_output=True, text=True, check=False).stdout
        return said.splitlines()[0].replace(" version", "")

    def start(self, stage: Stage, upstream: Target | None = None) -> Target:
        port = free_port()
        settings = f"persistence true\npersistence_location {stage.folder}/" if self.persistence else ""
        path = stage.write("mosquitto.conf", CONFIGURATION.format(port=port, settings=settings))
        stage.folder.chmod(0o777)  # it gives up being root before it writes
        return Target(port=port, scheme="mqtt", processes=(stage.start([_program(), "-c", str(path)]),))


def _program() -> str:
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin") or ""
