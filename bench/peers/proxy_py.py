"""proxy.py, as a forward proxy: one acceptor that does the work itself."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from importlib.metadata import version

from bench.stage import Stage, Target, free_port


@dataclass(frozen=True, kw_only=True)
class ProxyPy:
    """Its pool of connections to upstreams is off by default, as is said there, because it is not finished."""

    def missing(self) -> str:
        return "" if importlib.util.find_spec("proxy") else "proxy.py (pip install 'netlab[bench]')"

    def version(self) -> str:
        return f"proxy.py {version('proxy.py')}"

    def start(self, stage: Stage, upstream: Target | None = None) -> Target:
        port = free_port()
        command = ["-m", "proxy", "--hostname", "127.0.0.1", "--port", str(port), "--num-acceptors", "1"]
        command += ["--num-workers", "1", "--log-level", "CRITICAL", "--data-dir", str(stage.folder)]
        return Target(port=port, processes=(stage.python(command),))
