"""Connections that have asked once and then say nothing: what they cost the server in memory."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass

from bench import meter
from bench.loads.commands import children_cpu, run
from bench.model import NotAnswering, Sample
from bench.stage import ROOT, Target, cores, pinned


@dataclass(frozen=True, kw_only=True)
class Idle:
    """`greeting` is sent on each connection; what comes back begins with `answer`. At the end some are asked again,
    with the same or with `again`.
    """

    greeting: bytes
    answer: bytes
    again: bytes = b""
    again_answer: bytes = b""
    connections: int = 10_000
    through: bool = False  # the target is a forward proxy: each connection is a tunnel to its upstream

    def missing(self) -> str:
        return ""

    def check(self, target: Target) -> None:
        run(self._opener(target, connections=1, once=True), timeout=20)

    def run(self, target: Target, seconds: int) -> Sample:
        """The time is that of the opening; the connections stay while the memory is read."""
        before, cpu, started = meter.memory(target.family()), children_cpu(), time.perf_counter()
        with subprocess.Popen(
            pinned(cores()[1], self._opener(target, connections=self.connections)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            start_new_session=True,
        ) as opener:
            try:
                assert opener.stdout is not None
                said = opener.stdout.readline().strip()
                opened = time.perf_counter() - started
                if said != f"open {self.connections}":
                    raise NotAnswering(f"the opener of {self.connections} connections said {said!r}")
                after = meter.memory(target.family())
                opener.communicate("again\n", timeout=60)
            finally:
                opener.kill()
        if opener.returncode:
            raise NotAnswering("an idle connection did not answer a second request")
        values = {"memory": after / 1e6, "each": (after - before) / self.connections / 1e3, "idle": before / 1e6}
        return Sample(units=float(self.connections), seconds=opened, load_cpu=children_cpu() - cpu, values=values)

    def _opener(self, target: Target, *, connections: int, once: bool = False) -> list[str]:
        command = [sys.executable, "-m", "bench.loads.opener", target.host, str(target.port), str(connections)]
        command += [self.greeting.hex(), self.answer.hex()]
        if self.again:
            command += ["--again", self.again.hex(), self.again_answer.hex()]
        if self.through:
            command += ["--tunnel", target.behind.authority]
        return [*command, "--once"] if once else command
