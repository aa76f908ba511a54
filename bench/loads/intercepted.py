"""Requests inside of TLS, through a proxy that intercepts it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

from bench.loads.commands import run
from bench.model import NotAnswering, Sample
from bench.stage import Target


@dataclass(frozen=True, kw_only=True)
class Intercepted:
    """GET one path of the proxy's upstream; `length` is that of the answer's content."""

    path: str
    length: int
    connections: int = 16

    def missing(self) -> str:
        return ""

    def check(self, target: Target) -> None:
        self.run(target, 1)

    def run(self, target: Target, seconds: int) -> Sample:
        command = [sys.executable, "-m", "bench.loads.insider", target.host, str(target.port)]
        command += [f"localhost:{target.behind.port}", self.path, str(self.length)]
        done = run([*command, str(self.connections), str(seconds)], timeout=seconds + 60)
        told = json.loads(done.output)
        if not told["requests"]:
            raise NotAnswering("nothing was answered inside of TLS")
        values = {"p50": told["p50"], "p99": told["p99"]}
        return Sample(units=told["requests"], seconds=told["seconds"], load_cpu=done.cpu, values=values)
