"""Content in bulk through tunnels of a forward proxy."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

from bench.loads.commands import run
from bench.model import NotAnswering, Sample
from bench.stage import Target


@dataclass(frozen=True, kw_only=True)
class Tunnels:
    """So many at once, each pulling `path` from the proxy's upstream over and over."""

    path: str
    count: int = 2

    def missing(self) -> str:
        return ""

    def check(self, target: Target) -> None:
        self.run(target, 1)

    def run(self, target: Target, seconds: int) -> Sample:
        command = [sys.executable, "-m", "bench.loads.puller", target.host, str(target.port)]
        command += [target.behind.authority, self.path, str(self.count), str(seconds)]
        done = run(command, timeout=seconds + 30)
        told = json.loads(done.output)
        if not told["bytes"]:
            raise NotAnswering("not a byte came through the tunnels")
        return Sample(units=told["bytes"] / 1e6, seconds=told["seconds"], load_cpu=done.cpu)
