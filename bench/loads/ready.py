"""Starting: how long it takes from the command to the line that says where it serves."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

from bench.model import NotAnswering, Sample
from bench.stage import Target


@dataclass(frozen=True, kw_only=True)
class Ready:
    """`netlab ARGUMENTS`, again and again; the median wait for its first line, in ms, as p50."""

    arguments: tuple[str, ...]

    def missing(self) -> str:
        return ""

    def check(self, target: Target) -> None:
        with tempfile.TemporaryDirectory(prefix="nl") as folder:
            self._start(folder)  # the first start also compiles the modules

    def run(self, target: Target, seconds: int) -> Sample:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="nl") as folder:
            waits = [self._start(folder)]
            while time.perf_counter() - began < seconds:
                waits.append(self._start(folder))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        values = {"p50": statistics.median(waits) * 1000}
        return Sample(units=len(waits), seconds=time.perf_counter() - began, load_cpu=cpu, values=values)

    def _start(self, folder: str) -> float:
        own = {"NETLAB_STATE": f"{folder}/state", "XDG_RUNTIME_DIR": folder}
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | own
        began = time.perf_counter()
        command = [sys.executable, "-m", "netlab", *self.arguments]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            waited = time.perf_counter() - began
            process.terminate()
        if "://" not in line:
            raise NotAnswering(f"netlab {' '.join(self.arguments)} said {line!r} and not where it serves")
        return waited
