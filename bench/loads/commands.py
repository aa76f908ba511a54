"""Load programs: run one on the load's core, with its output, its wall time and the CPU time it took."""

from __future__ import annotations

import resource
import subprocess
import time
from dataclasses import dataclass

from bench.model import NotAnswering
from bench.stage import ROOT, cores, pinned


@dataclass(frozen=True, kw_only=True)
class Finished:
    output: str
    seconds: float
    cpu: float


def run(command: list[str], *, timeout: float) -> Finished:
    """NotAnswering with its last words if it fails or does not end."""
    before, started = children_cpu(), time.perf_counter()
    try:
        done = subprocess.run(
            pinned(cores()[1], command), capture_output=True, text=True, timeout=timeout, check=False, cwd=ROOT
        )
    except subprocess.TimeoutExpired:
        raise NotAnswering(f"{command[0]} did not end within {timeout:g} s") from None
    seconds = time.perf_counter() - started
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise NotAnswering(f"{command[0]} failed with code {done.returncode}: {words[-1] if words else ''}")
    return Finished(output=done.stdout, seconds=seconds, cpu=children_cpu() - before)


def children_cpu() -> float:
    """CPU seconds of all processes started here that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
