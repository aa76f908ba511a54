"""One client at a modest constant rate: not how much the server can do, but how long it lets somebody wait."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

from bench.loads.commands import run
from bench.loads.wrk import Wrk
from bench.model import Sample
from bench.stage import Target


@dataclass(frozen=True, kw_only=True)
class Steady:
    """GET one path `rate` times a second on one connection that stays; `length` is that of the answer's content."""

    path: str
    length: int
    rate: int = 500

    def missing(self) -> str:
        return ""

    def check(self, target: Target) -> None:
        Wrk(path=self.path, length=self.length).check(target)

    def run(self, target: Target, seconds: int) -> Sample:
        command = [sys.executable, "-m", "bench.loads.asker", target.host, str(target.port), self.path]
        done = run([*command, str(self.length), str(self.rate), str(seconds)], timeout=seconds + 30)
        told = json.loads(done.output)
        values = {"p50": told["p50"], "p99": told["p99"]}
        return Sample(units=told["requests"], seconds=told["seconds"], load_cpu=done.cpu, values=values)
