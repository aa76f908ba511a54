"""Varnish: one thread pool in memory, everything it writes inside the stage's folder."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass

from bench.stage import Stage, Target, free_port


@dataclass(frozen=True, kw_only=True)
class Varnish:
    """Before what is behind it, with its own rules for what is kept."""

    def missing(self) -> str:
        return "" if shutil.which("varnishd") else "varnishd (package varnish)"

    def version(self) -> str:
        said = subprocess.run(["varnishd", "-V"], capture_output=True, text=True, check=True).stderr
        return f"varnish {said.partition('varnish-')[2].split()[0]}"

    def start(self, stage: Stage, upstream: Target | None = None) -> Target:
        assert upstream is not None
        port = free_port()
        command = ["varnishd", "-F", "-n", str(stage.folder / "varnish"), "-a", f"127.0.0.1:{port}"]
        command += ["-b", upstream.authority, "-s", "malloc,128m", "-T", "none", "-j", "none"]
        # one core is what it is pinned to: more than one pool of threads only costs
        command += ["-p", "thread_pools=1", "-p", "thread_pool_min=100"]
        process = stage.start(command)
        return Target(port=port, processes=(process,))
