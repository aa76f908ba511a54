"""One large download or upload by curl: how fast, and by how much the server's memory grew meanwhile."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from tempfile import NamedTemporaryFile

from bench import meter
from bench.loads.commands import Finished, run
from bench.model import NotAnswering, Sample
from bench.stage import Target


@dataclass(frozen=True, kw_only=True)
class Download:
    """`first` is something small of the same kind: what the server loads or allocates once is not growth."""

    path: str
    size: int
    first: str
    limit_rate: str = ""  # curl's --limit-rate: a reader slower than the server
    through: bool = False  # the target is a forward proxy, asked for what its upstream has

    def missing(self) -> str:
        return "" if shutil.which("curl") else "curl"

    def check(self, target: Target) -> None:
        status = run([*self._curl(target), self._url(target, self.first)], timeout=20).output.split()[0]
        if status != "200":
            raise NotAnswering(f"{self._url(target, self.first)} answered {status}, not 200")

    def run(self, target: Target, seconds: int) -> Sample:
        """The whole of it, however long that takes."""
        self.check(target)
        members = target.family()
        meter.forget_peak(members)
        before = meter.resident(members)
        done = self._transfer(target)
        if done.output != f"200 {self.size}":
            raise NotAnswering(f"curl got {done.output} (status, bytes), not 200 {self.size}")
        grown = meter.peak_resident(members) - before
        return Sample(units=self.size / 1e6, seconds=done.seconds, load_cpu=done.cpu, values={"growth": grown / 1e6})

    def _transfer(self, target: Target) -> Finished:
        return run([*self._curl(target), self._url(target, self.path)], timeout=300)

    def _curl(self, target: Target, counted: str = "size_download") -> list[str]:
        command = ["curl", "-sS", "-k", "--http1.1", "-o", "/dev/null", "-w", f"%{{http_code}} %{{{counted}}}"]
        if self.limit_rate:
            command += ["--limit-rate", self.limit_rate]
        return [*command, "--proxy", target.url("")] if self.through else [*command, "--noproxy", "*"]

    def _url(self, target: Target, path: str) -> str:
        return target.behind.url(path) if self.through else target.url(path)


@dataclass(frozen=True, kw_only=True)
class Upload(Download):
    """PUT so many bytes of zeros."""

    def _transfer(self, target: Target) -> Finished:
        with NamedTemporaryFile(prefix="netlab-bench-") as file:
            file.truncate(self.size)
            command = [*self._curl(target, "size_upload"), "-H", "Expect:", "-T", file.name]
            return run([*command, self._url(target, self.path)], timeout=300)
