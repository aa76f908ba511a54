"""nginx as a layer 4 balancer: its stream module, one worker, everything it writes inside the stage's folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.peers.behind import named
from bench.stage import Stage, Target, free_port

MODULES = tuple(
    Path(folder) / "ngx_stream_module.so" for folder in ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules")
)
CONFIGURATION = """\
{module}
daemon off;
pid nginx.pid;
error_log error.log;
{user}
worker_processes 1;
worker_rlimit_nofile 20000;
events {{ worker_connections 18000; multi_accept on; }}
stream {{
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        proxy_pass {upstream};
        tcp_nodelay on;
    }}
}}
"""


@dataclass(frozen=True, kw_only=True)
class NginxStream:
    def missing(self) -> str:
        there = shutil.which("nginx") and any(map(Path.exists, MODULES))
        return "" if there else "nginx's stream module (package libnginx-mod-stream)"

    def version(self) -> str:
        said = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr
        return said.strip().partition(": ")[2].replace("nginx/", "nginx stream ")

    def start(self, stage: Stage, upstream: Target | None = None) -> Target:
        port = free_port()
        module = next(path for path in MODULES if path.exists())
        text = CONFIGURATION.format(
            module=f"load_module {module};",
            user="user root;" if os.geteuid() == 0 else "",
            port=port,
            upstream=named("{upstream}", upstream),
        )
        path = stage.write("nginx.conf", text)
        process = stage.start(["nginx", "-e", "error.log", "-p", str(stage.folder), "-c", str(path)])
        return Target(port=port, processes=(process,))
