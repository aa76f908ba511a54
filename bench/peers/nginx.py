"""nginx: one worker, configured for speed, everything it writes inside the stage's folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache

from bench.peers.behind import named
from bench.stage import Stage, Target, free_port

CONFIGURATION = """\
daemon off;
pid nginx.pid;
error_log error.log;
{user}
worker_processes 1;
worker_rlimit_nofile {descriptors};
events {{ worker_connections {connections}; multi_accept on; }}
http {{
    access_log off;
    default_type text/plain;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    client_body_temp_path temporary;
    proxy_temp_path temporary;
    {temporary}
    {http}
    server {{
        listen 127.0.0.1:{port} backlog=4096{ssl};
        {certificate}
        {server}
    }}
}}
"""


@dataclass(frozen=True, kw_only=True)
class Nginx:
    """`server` and `http` are lines of those blocks; `files` (names, and sizes or contents) are made in its root.

    `{upstream}` in those lines stands for the host and port of what is behind it.
    """

    server: str = ""
    http: str = ""
    tls: bool = False
    files: tuple[tuple[str, int | bytes], ...] = ()

    def missing(self) -> str:
        return "" if shutil.which("nginx") else "nginx (package nginx-light)"

    def version(self) -> str:
        return _described().splitlines()[0].partition(": ")[2].replace("nginx/", "nginx ")

    def start(self, stage: Stage, upstream: Target | None = None) -> Target:
        port = free_port()
        for name, content in self.files:
            stage.file(f"root/{name}", content)
        certificate = ""
        if self.tls:
            from bench.peers.certificates import chain_and_key

            chain, key = chain_and_key(stage)
            certificate = f"ssl_certificate {chain}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3;"
        http, server = named(self.http, upstream), named(self.server, upstream)
        configuration = CONFIGURATION.format(
            user="user root;" if os.geteuid() == 0 else "",
            descriptors=20_000,
            connections=18_000,
            temporary=" ".join(f"{name}_temp_path temporary;" for name in _gateways()),
            http=http,
            port=port,
            ssl=" ssl" if self.tls else "",
            certificate=certificate,
            server=f"root {stage.folder / 'root'};\n{server}" if self.files else server,
        )
        path = stage.write("nginx.conf", configuration)
        process = stage.start(["nginx", "-e", "error.log", "-p", str(stage.folder), "-c", str(path)])
        return Target(port=port, scheme="https" if self.tls else "http", processes=(process,))


def _gateways() -> list[str]:
    """Built-in modules whose temporary folders must be ours too; nginx-light leaves some of them out."""
    return [name for name in ("fastcgi", "uwsgi", "scgi") if f"--without-http_{name}_module" not in _described()]


@cache
def _described() -> str:
    return subprocess.run(["nginx", "-V"], capture_output=True, text=True, check=True).stderr
