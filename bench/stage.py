"""Where servers under measurement run: pinned, on free ports of loopback, in a folder that goes with them."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType

from bench import meter

PORTS = range(20_000, 32_000)  # below what Linux gives to outgoing connections, so that no client takes one first
READY_SECONDS = 20.0
GRACE_SECONDS = 5.0
SPARSE = 1 << 30
ROOT = Path(__file__).resolve().parent.parent


class StartFailed(Exception):
    """A server that did not come up; the text has its last words."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a load is pointed at."""

    port: int
    scheme: str = "http"
    host: str = "127.0.0.1"
    processes: tuple[int, ...] = ()  # whose CPU and memory are counted; their children come with them
    upstream: Target | None = None  # what it asks, or is to be asked for, if it is a proxy
    twin: Target | None = None  # of an upstream: the second one, where a balancer has two

    def url(self, path: str) -> str:
        return f"{self.scheme}://{self.authority}{path}"

    @property
    def authority(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def behind(self) -> Target:
        """The upstream of a proxy."""
        if self.upstream is None:
            raise StartFailed("this load is for a proxy, and the server has no upstream")
        return self.upstream

    def family(self) -> list[int]:
        return [pid for process in self.processes for pid in meter.family(process)]


@cache
def cores() -> tuple[int, int]:
    """The core of the servers and the core of the load; the same one twice where there is only one.

    Asked first before this process pins itself, and kept.
    """
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[1] if len(allowed) > 1 else allowed[0]


def pinned(core: int, command: list[str]) -> list[str]:
    """On one core, and ended with us even if we are killed."""
    return ["setpriv", "--pdeathsig", "TERM", "taskset", "-c", str(core), *command]


def free_port() -> int:
    for port in random.sample(PORTS, 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise StartFailed(f"no free port found between {PORTS.start} and {PORTS.stop}")


class Stage:
    """The processes of one server (and of what stands behind it), and their folder; leaving ends and removes all."""

    def __init__(self, *, core: int | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="netlab-bench-"))
        self.core = cores()[0] if core is None else core
        self._processes: list[subprocess.Popen[bytes]] = []
        self._behind: list[Stage] = []

    def __enter__(self) -> Stage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def behind(self) -> Stage:
        """A stage for what stands behind the server: on the load's core, ended with this one."""
        self._behind.append(Stage(core=cores()[1]))
        return self._behind[-1]

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def file(self, name: str, content: int | bytes) -> Path:
        """With this content, or with so many bytes of any; from 1 GiB on it is sparse."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            if isinstance(content, int) and content >= SPARSE:
                file.truncate(content)
            else:
                file.write(os.urandom(content) if isinstance(content, int) else content)
        return path

    def start(self, command: list[str], *, environment: dict[str, str] | None = None) -> int:
        """Start a process on the stage's core; its output goes to a log in the folder. Returns its id."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("NETLAB_")}
        with (self.folder / f"log.{len(self._processes)}").open("wb") as log:
            process = subprocess.Popen(
                pinned(self.core, command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=inherited | (environment or {}),
                start_new_session=True,  # Ctrl-C in the terminal is for us; we end them in order
            )
        self._processes.append(process)
        return process.pid

    def python(self, arguments: list[str], *, environment: dict[str, str] | None = None) -> int:
        return self.start([sys.executable, *arguments], environment=environment)

    def wait_until_ready(self, target: Target) -> None:
        """Until the target accepts a connection; StartFailed with the last words of what ended before."""
        give_up = time.monotonic() + READY_SECONDS
        while True:
            try:
                socket.create_connection((target.host, target.port), timeout=1).close()
                return
            except OSError:
                pass
            for number, process in enumerate(self._processes):
                if process.poll() is not None:
                    raise StartFailed(f"ended with code {process.returncode}: {self._last_words(number)}")
            if time.monotonic() > give_up:
                raise StartFailed(f"not reachable within {READY_SECONDS:g} s: {self._last_words(0)}")
            time.sleep(0.01)  # between two attempts to connect

    def _last_words(self, number: int) -> str:
        lines = (self.folder / f"log.{number}").read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "(it said nothing)"

    def close(self) -> None:
        """End every process by its id, the last one first, and remove the folder."""
        held = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave half of them behind
        try:
            while self._processes:
                _end(self._processes.pop())
            while self._behind:
                self._behind.pop().close()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
            signal.signal(signal.SIGINT, held)


def _end(process: subprocess.Popen[bytes]) -> None:
    members = meter.family(process.pid) if process.poll() is None else []
    process.terminate()
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid in members[1:]:
        try:
            if os.getsid(pid) == process.pid:  # still one of ours: a worker its master has left behind
                os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
