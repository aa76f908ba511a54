"""Another load while the server is held by connections that never finish a request's head (slowloris)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from bench.loads.commands import children_cpu
from bench.model import Load, NotAnswering, Sample
from bench.stage import ROOT, Target, cores, pinned

ENDED_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Beset:
    """`head` is sent on each of the connections at once, then one byte a second."""

    load: Load
    head: bytes
    connections: int = 2_000

    def missing(self) -> str:
        return self.load.missing()

    def check(self, target: Target) -> None:
        with self._slow_clients(target, connections=1):
            self.load.check(target)

    def run(self, target: Target, seconds: int) -> Sample:
        before = children_cpu()
        with self._slow_clients(target, connections=self.connections):
            sample = self.load.run(target, seconds)
        return replace(sample, load_cpu=children_cpu() - before)

    @contextmanager
    def _slow_clients(self, target: Target, *, connections: int) -> Iterator[None]:
        """While they are there; NotAnswering unless all of them were until the end."""
        command = [sys.executable, "-m", "bench.loads.dripper", target.host, str(target.port), str(connections)]
        with subprocess.Popen(
            pinned(cores()[1], [*command, self.head.hex()]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            start_new_session=True,
        ) as dripper:
            try:
                assert dripper.stdout is not None
                _expect(dripper.stdout.readline(), f"open {connections}")
                yield
                said, _ = dripper.communicate("enough\n", timeout=ENDED_SECONDS)
                _expect(said, f"held {connections}")
            except subprocess.TimeoutExpired:
                raise NotAnswering(f"the slow clients did not end within {ENDED_SECONDS} s") from None
            finally:
                dripper.kill()


def _expect(said: str, wanted: str) -> None:
    if said.strip() != wanted:
        raise NotAnswering(f"the slow clients said {said.strip()!r}, not {wanted!r}")
