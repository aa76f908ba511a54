"""Caddy, as a reverse proxy; its runtime takes as many threads as it sees cores, which is one."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass

from bench.peers.behind import named
from bench.stage import Stage, Target, free_port

CADDYFILE = """\
{{
    admin off
    auto_https off
    storage file_system {folder}
}}
http://127.0.0.1:{port} {{
    {site}
}}
"""
PASS_ON = """\
reverse_proxy {upstream} {
    transport http {
        keepalive_idle_conns_per_host 256
    }
}
"""


@dataclass(frozen=True, kw_only=True)
class Caddy:
    """`site` are directives; `{upstream}` in them is what is behind it."""

    site: str = PASS_ON

    def missing(self) -> str:
        return "" if shutil.which("caddy") else "caddy (package caddy)"

    def version(self) -> str:
        said = subprocess.run(["caddy", "version"], capture_output=True, text=True, check=True).stdout
        return f"caddy {said.split()[0].removeprefix('v')}"

    def start(self, stage: Stage, upstream: Target | None = None) -> Target:
        port = free_port()
        text = CADDYFILE.format(port=port, folder=stage.folder, site=named(self.site, upstream))
        path = stage.write("Caddyfile", text)
        own = {"HOME": str(stage.folder), "XDG_CONFIG_HOME": str(stage.folder), "XDG_DATA_HOME": str(stage.folder)}
        command = ["caddy", "run", "--adapter", "caddyfile", "--config", str(path)]
        return Target(port=port, processes=(stage.start(command, environment=own),))
