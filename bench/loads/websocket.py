"""Messages over WebSocket: an echo asked by many, a room in which one speaks to all."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Literal

from bench.loads.commands import run
from bench.model import Sample
from bench.stage import Target


@dataclass(frozen=True, kw_only=True)
class Messages:
    """`depth` messages of `size` bytes in one write; binary, in one frame each."""

    mode: Literal["echo", "room"] = "echo"
    path: str = "/"
    connections: int = 64
    depth: int = 1
    size: int = 125

    def missing(self) -> str:
        return ""

    def check(self, target: Target) -> None:
        run(self._command(target, connections=min(self.connections, 16), seconds=0), timeout=30)

    def run(self, target: Target, seconds: int) -> Sample:
        done = run(self._command(target, connections=self.connections, seconds=seconds), timeout=seconds + 60)
        told = json.loads(done.output)
        return Sample(units=told["messages"], seconds=told["seconds"], load_cpu=done.cpu)

    def _command(self, target: Target, *, connections: int, seconds: int) -> list[str]:
        shape = [connections, self.depth, self.size, seconds]
        command = [sys.executable, "-m", "bench.loads.frames", target.host, str(target.port), self.path, self.mode]
        return [*command, *map(str, shape)]
