"""What Linux tells about processes and cores: CPU time, memory, and who else was at work."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


def family(pid: int) -> list[int]:
    """The process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid]
    for member in found:  # grows while it is walked
        found.extend(children.get(member, ()))
    return found


def cpu_seconds(pids: list[int]) -> float:
    """User and system time of these processes and of children they have waited for (proc(5), fields 14 to 17)."""
    return sum(sum(map(int, fields[11:15])) * TICK for pid in pids if (fields := _stat(pid)))


def memory(pids: list[int]) -> float:
    """Their proportional set size in bytes: shared pages count once, divided among those that share them."""
    return sum(_kilobytes(pid, "smaps_rollup", "Pss") * 1024 for pid in pids)


def resident(pids: list[int]) -> float:
    return sum(_kilobytes(pid, "status", "VmRSS") * 1024 for pid in pids)


def peak_resident(pids: list[int]) -> float:
    """The most that was resident since `forget_peak`, in bytes."""
    return sum(_kilobytes(pid, "status", "VmHWM") * 1024 for pid in pids)


def forget_peak(pids: list[int]) -> None:
    for pid in pids:
        (PROC / str(pid) / "clear_refs").write_text("5")  # proc(5): resets VmHWM to the present size


@dataclass(frozen=True)
class Core:
    """Seconds one core has spent since the machine came up (proc(5), /proc/stat)."""

    processes: float  # in user and system mode, of any process
    interrupts: float  # among them the network's: on loopback the sender's core does the receiving too
    stolen: float  # taken by the host of a virtual machine
    idle: float

    def __sub__(self, earlier: Core) -> Core:
        return Core(
            self.processes - earlier.processes,
            self.interrupts - earlier.interrupts,
            self.stolen - earlier.stolen,
            self.idle - earlier.idle,
        )


def core(number: int) -> Core:
    for line in (PROC / "stat").read_text().splitlines():
        name, *times = line.split()
        if name == f"cpu{number}":
            user, nice, system, idle, waiting, hard, soft, stolen = (int(time) * TICK for time in times[:8])
            return Core(user + nice + system, hard + soft, stolen, idle + waiting)
    raise LookupError(f"/proc/stat knows no core {number}")


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the name (which may hold blanks): state, parent …; empty if it is gone."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _kilobytes(pid: int, file: str, key: str) -> int:
    try:
        text = (PROC / str(pid) / file).read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith(f"{key}:")), 0)
