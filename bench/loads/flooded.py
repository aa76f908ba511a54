"""Known names asked for at a modest rate while a flood of distinct ones comes: how many of them are answered."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench import meter
from bench.loads.commands import children_cpu, run
from bench.loads.dnsperf import Dnsperf, distinct
from bench.model import Sample
from bench.stage import Target, cores, pinned


@dataclass(frozen=True, kw_only=True)
class Flooded:
    """`flood` names a second that are not there, and `rate` known ones, each waited for up to a second."""

    flood: int = 20_000
    rate: int = 500
    zone: str = "bench.test"

    def missing(self) -> str:
        return Dnsperf().missing()

    def check(self, target: Target) -> None:
        Dnsperf().check(target)

    def run(self, target: Target, seconds: int) -> Sample:
        before, cpu = meter.resident(target.family()), children_cpu()
        with tempfile.TemporaryDirectory(prefix="netlab-bench-") as folder:
            path = Path(folder) / "questions"
            path.write_text("".join(f"{name} A\n" for name in distinct(self.flood * (seconds + 1), self.zone)))
            command = ["dnsperf", "-e", "-s", target.host, "-p", str(target.port), "-d", str(path), "-n", "1"]
            command += ["-Q", str(self.flood), "-q", str(self.flood), "-t", "1", "-l", str(seconds + 1), "-c", "8"]
            with subprocess.Popen(pinned(cores()[1], command), stdout=subprocess.DEVNULL) as flood:
                asking = [sys.executable, "-m", "bench.loads.questions", target.host, str(target.port)]
                done = run([*asking, str(self.rate), str(seconds)], timeout=seconds + 30)
                flood.terminate()
        told = json.loads(done.output)
        values = {name: told[name] for name in ("answered", "p50", "p99")}
        values["growth"] = (meter.resident(target.family()) - before) / 1e6
        return Sample(units=told["asked"], seconds=told["seconds"], load_cpu=children_cpu() - cpu, values=values)
