"""One large download by curl: how fast, and by how much the server's memory grew meanwhile."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from bench import meter
from bench.loads.commands import run
from bench.loads.wrk import ask
from bench.model import NotAnswering, Sample
from bench.stage import Target


@dataclass(frozen=True, kw_only=True)
class Download:
    """`first` is a small file of the same kind: what the server loads or allocates once is not growth."""

    path: str
    size: int
    first: str
    limit_rate: str = ""  # curl's --limit-rate: a reader slower than the server

    def missing(self) -> str:
        return "" if shutil.which("curl") else "curl"

    def check(self, target: Target) -> None:
        answer = ask(target, self.first, {})
        if answer.status != 200:
            raise NotAnswering(f"{target.url(self.first)} answered {answer.status}, not 200")

    def run(self, target: Target, seconds: int) -> Sample:
        """The whole file, however long that takes."""
        self.check(target)
        members = target.family()
        meter.forget_peak(members)
        before = meter.resident(members)
        command = ["curl", "-sS", "-k", "--http1.1", "-o", "/dev/null", "-w", "%{http_code} %{size_download}"]
        if self.limit_rate:
            command += ["--limit-rate", self.limit_rate]
        done = run([*command, target.url(self.path)], timeout=300)
        if done.output != f"200 {self.size}":
            raise NotAnswering(f"curl got {done.output} (status, bytes), not 200 {self.size}")
        grown = meter.peak_resident(members) - before
        return Sample(units=self.size / 1e6, seconds=done.seconds, load_cpu=done.cpu, values={"growth": grown / 1e6})
