"""Somebody who types the commands of a block, one after the other, beside a lab or in a network of its own."""

from __future__ import annotations

import os
import re
import select
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tests.world import forking
from tests.world.conftest import World
from tests.world.forking import INTERRUPTED

SHELL = re.compile(r"[|<>$`&;~]")
QUOTED = re.compile(r"'[^']*'")
SERVES = re.compile(r"netlab (serve [\w-]+|up)\b")
ENDLESS = re.compile(
    r"(sudo )?(netlab (watch|mqtt sub(?!.*--count)|mqtt tree.*--follow|inspect (lo|eth0))|mosquitto_sub"
    r"|netlab ws.*--reconnect|netlab tcp.*--every)"
)
"""What goes on until somebody ends it: here for as long as its block."""
APART = ("unshare", "-n", "sh", "-c", "ip link set lo up && echo && exec cat")
PATIENCE = 90.0
"""Seconds for a line: many are typed at once, and others use the machine as well."""
GLANCE = 0.3
"""Seconds that what is endless may go on, at least: time enough to fail."""


def inside(process: int) -> tuple[str, ...]:
    return ("nsenter", "-t", str(process), "-U", "-n", "--preserve-credentials")


@dataclass
class Running:
    """A command that goes on while others are typed."""

    text: str
    waiting: socket.socket
    output: IO[bytes]
    begun: float = field(default_factory=time.monotonic)

    def end(self) -> tuple[int, str]:
        select.select([self.waiting], [], [], max(0.0, self.begun + GLANCE - time.monotonic()))
        try:
            self.waiting.shutdown(socket.SHUT_WR)  # Ctrl-C
        except OSError:
            pass  # it has ended already
        return self.wait()

    def wait(self) -> tuple[int, str]:
        with self.waiting, self.output:
            self.waiting.settimeout(PATIENCE)
            try:
                code = int(self.waiting.recv(100) or -1)
            except TimeoutError:
                code = -1  # and `accompany` ends it, now that nobody waits
            self.output.seek(0)
            return code, self.output.read().decode(errors="replace")


class Desk:
    """A folder, an environment, a network; what is started there is ended on leaving."""

    def __init__(self, world: World, forks: str, folder: Path, *, apart: bool) -> None:
        self.forks, self.folder, self.apart = forks, folder, apart
        self.servers: dict[str, Running] = {}
        self.endless: list[Running] = []
        self.pipes: list[int] = []
        self.trouble: list[str] = []
        self.environment = environment(world.here.environment, folder, apart=apart)
        self.holder: subprocess.Popen[bytes] | None = None
        if apart:
            self.holder = subprocess.Popen(
                (*inside(world.process.pid), *APART), stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            assert self.holder.stdout is not None
            self.holder.stdout.readline()
        (folder / "run").mkdir(exist_ok=True)
        self.network = self.holder.pid if self.holder else world.process.pid

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *exception: object) -> None:
        for running in (*self.endless, *self.servers.values()):
            self.judge(running.text, *running.end(), allowed=(0, INTERRUPTED, -signal.SIGINT))
        for pipe in self.pipes:
            os.close(pipe)
        if self.holder is not None:
            self.holder.communicate()

    def serves(self, text: str) -> bool:
        """Whether one of its kind runs here, told the same or more."""
        return any(running.text.startswith(text) for running in self.servers.values())

    def type(self, text: str, said: str = "", allowed: tuple[int, ...] = (0,)) -> None:
        """One line; what is wrong with it goes to `trouble`."""
        begun = time.monotonic()
        if served := SERVES.match(text):
            self.serve(served[1], text)
        elif ENDLESS.match(text) and not re.search(r"[|] head\b", text):
            self.endless.append(self.begin(text))
        else:
            self.judge(text, *self.begin(text, said).wait(), allowed=allowed)
        if os.environ.get("DESK_TIMES"):
            print(f"{time.monotonic() - begun:6.2f}  {text}", file=sys.stderr)

    def begin(self, text: str, said: str = "", stdout: int | None = None) -> Running:
        """Without the shell where nothing in the line is the shell's."""
        arguments = (
            ["bash", "-c", text] if SHELL.search(QUOTED.sub("", text)) else shlex.split(text.removeprefix("sudo "))
        )
        output = tempfile.TemporaryFile()  # noqa: SIM115  closed when its command has ended
        with open(f"/proc/{self.network}/ns/net") as network, tempfile.TemporaryFile() as typed:
            typed.write(said.encode())
            typed.seek(0)
            streams = (typed.fileno(), output.fileno() if stdout is None else stdout, output.fileno(), network.fileno())
            waiting = forking.ask(self.forks, arguments, str(self.folder), self.environment, streams)
        return Running(text, waiting, output)

    def serve(self, name: str, text: str) -> None:
        """Started, and waited for until it says where it is; it takes the place of one of its kind."""
        if before := self.servers.pop(name, None):
            self.judge(before.text, *before.end(), allowed=(0,))
        ready, stdout = os.pipe()
        self.pipes.append(ready)
        running = self.begin(text, stdout=stdout)
        os.close(stdout)
        if select.select([ready], [], [], PATIENCE)[0] and os.read(ready, 1 << 16):
            self.servers[name] = running
        else:
            self.trouble.append(f"$ {text}\n  did not start: {running.end()}")

    def judge(self, text: str, code: int, output: str, *, allowed: tuple[int, ...]) -> None:
        if code not in allowed or "Traceback" in output or "a bug in netlab" in output:
            self.trouble.append(f"$ {text}\n  ended with {code}: {output[-600:].strip()}")


def environment(usual: Mapping[str, str], folder: Path, *, apart: bool) -> dict[str, str]:
    """Commands found where `netlab` is the forking one; state of its own for who starts servers."""
    own = {"XDG_RUNTIME_DIR": str(folder / "run"), "NETLAB_STATE": str(folder / "state")} if apart else {}
    return {**usual, **own, "HOME": str(folder), "PATH": f"{folder / 'bin'}:{usual['PATH']}"}
