"""`netlab load` as a load: at a rate of its own, or as fast as it is answered."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

from bench.loads.commands import run
from bench.loads.wrk import ask
from bench.model import NotAnswering, Sample
from bench.stage import Target


@dataclass(frozen=True, kw_only=True)
class NetlabLoad:
    """GET one path so many times a second on at most so many connections; `rate` 0 is the closed model."""

    path: str
    length: int  # of the answer's content
    rate: int = 0
    arrivals: str = "constant"
    connections: int = 64

    def missing(self) -> str:
        return ""

    def check(self, target: Target) -> None:
        answer = ask(target, self.path, {})
        if answer.status != 200 or len(answer.content) != self.length:
            raise NotAnswering(f"{target.url(self.path)} answered {answer}, not 200 with {self.length} bytes")

    def run(self, target: Target, seconds: int) -> Sample:
        command = [sys.executable, "-m", "netlab", "load", target.url(self.path), "--json"]
        command += ["--duration", str(seconds), "--connections", str(self.connections)]
        command += ["--rate", str(self.rate), "--arrivals", self.arrivals] if self.rate else ["--closed"]
        done = run(command, timeout=seconds + 30)
        told = json.loads(done.output)
        if told["errors"] or told["statuses"] != {"200": told["answered"]}:
            raise NotAnswering(f"netlab load met {told['statuses']} and {told['failures']}")
        latency = {name: told["latency"][name] * 1000 for name in ("p50", "p99")}
        return Sample(units=told["answered"], seconds=told["seconds"], load_cpu=done.cpu, values=latency)
