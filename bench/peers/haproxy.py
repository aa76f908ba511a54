"""HAProxy: one thread, everything it writes inside the stage's folder."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass

from bench.peers.behind import named
from bench.stage import Stage, Target, free_port

CONFIGURATION = """\
global
    nbthread 1
    maxconn 9000
    {settings}
defaults
    mode {mode}
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    {defaults}
frontend clients
    bind 127.0.0.1:{port}
    default_backend upstreams
backend upstreams
    {backend}
"""


@dataclass(frozen=True, kw_only=True)
class Haproxy:
    """`backend`, `settings` and `defaults` are lines of their sections; `{upstream}` is what is behind it."""

    backend: str = "server one {upstream}"
    settings: str = ""
    mode: str = "http"
    defaults: str = "http-reuse always"

    def missing(self) -> str:
        return "" if shutil.which("haproxy") else "haproxy (package haproxy)"

    def version(self) -> str:
        said = subprocess.run(["haproxy", "-v"], capture_output=True, text=True, check=True).stdout
        return f"haproxy {said.split()[2].partition('-')[0]}"

    def start(self, stage: Stage, upstream: Target | None = None) -> Target:
        port = free_port()
        backend = named(self.backend, upstream)
        text = CONFIGURATION.format(
            port=port, settings=self.settings, mode=self.mode, defaults=self.defaults, backend=backend
        )
        path = stage.write("haproxy.cfg", text)
        process = stage.start(["haproxy", "-db", "-f", str(path)])
        return Target(port=port, processes=(process,))
