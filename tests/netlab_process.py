"""netlab's commands for tests, in processes of their own or in this one: each test has a socket folder to itself."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from netlab.cli import main

PATIENCE = 30.0
"""Seconds after which a process that hangs is killed, so that its test fails instead of hanging too."""


def call(*arguments: str, given: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """One netlab command in this process, to its end, with this on its standard input and these variables besides.

    It is for what the start of a process has nothing to do with, and which would be most of what the test costs.
    """
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with (
        patch.dict(os.environ, variables),
        patch("sys.stdin", io.TextIOWrapper(io.BytesIO(given.encode()))),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        code = main(arguments)
    texts = [stream.buffer.getvalue().decode() for stream in (out, err)]  # type: ignore[attr-defined]  # a BytesIO
    return subprocess.CompletedProcess(arguments, code, *texts)


@dataclass(frozen=True)
class Place:
    """A folder for control sockets and state, and the environment that says so."""

    folder: Path
    environment: Mapping[str, str]

    @property
    def sockets(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob("netlab/*"))

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """One netlab command, to its end."""
        return subprocess.run(
            [sys.executable, "-m", "netlab", *arguments],
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The same in this process, for what starts no server."""
        with patch.dict(os.environ, self.environment, clear=True):
            return call(*arguments)

    @contextmanager
    def start(self, *arguments: str, **variables: str) -> Iterator[Process]:
        """A netlab process that goes on; it is killed if the test leaves it behind."""
        process = subprocess.Popen(
            [sys.executable, "-m", "netlab", *arguments],
            env={**self.environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        watchdog = threading.Timer(PATIENCE, process.kill)
        watchdog.start()
        try:
            yield Process(process)
        finally:
            watchdog.cancel()
            if process.poll() is None:
                process.kill()
            process.communicate()

    @contextmanager
    def serve(self, *arguments: str, **variables: str) -> Iterator[Process]:
        """`netlab serve http` on a free port, ready."""
        with self.start("serve", "http", "--listen", "127.0.0.1:0", *arguments, **variables) as process:
            process.wait_until_ready()
            yield process


@dataclass
class Process:
    """A running netlab."""

    popen: subprocess.Popen[str]
    endpoints: dict[str, str] = field(default_factory=dict)

    def line(self) -> str:
        """The next line of its standard output."""
        assert self.popen.stdout is not None
        return self.popen.stdout.readline().rstrip("\n")

    def wait_until_ready(self) -> None:
        line = self.line()
        if not line:
            assert self.popen.stderr is not None
            raise AssertionError(f"netlab did not start: {self.popen.stderr.read()}")
        name, url, *_ = line.split()
        self.endpoints[name] = url

    @property
    def url(self) -> str:
        return next(iter(self.endpoints.values()))

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def pid(self) -> int:
        return self.popen.pid

    def interrupt(self) -> None:
        self.popen.send_signal(signal.SIGINT)

    def end(self) -> tuple[int, str, str]:
        """Ctrl-C if it still runs; its exit code and what it had left to say on both outputs."""
        if self.popen.poll() is None:
            self.interrupt()
        return self.wait()

    def wait(self) -> tuple[int, str, str]:
        out, err = self.popen.communicate()
        return self.popen.returncode, out, err


@contextmanager
def place() -> Iterator[Place]:
    """A place for one test; its path is short, for a socket's path has room for about a hundred characters."""
    with tempfile.TemporaryDirectory(prefix="nl") as name:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("NETLAB_")}
        yield Place(Path(name), {**clean, "XDG_RUNTIME_DIR": name, "NETLAB_STATE": f"{name}/state", "COLUMNS": "100"})
