"""A command inside the lab: its proxy, its names and its certificates, set for that command alone."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Annotated

from netlab.config import positional
from netlab.control.client import OneLab
from netlab.errors import UsageError
from netlab.lab.surroundings import proxy_of, trusted_bundle, variables
from netlab.net.certs import Authority

EXAMPLES = (
    ("netlab run -- curl https://www.shop.test/", "names, ports and certificates are the lab's"),
    ("netlab run -- python fetch.py", "requests, httpx and urllib go through the lab's proxy"),
    ("netlab run -- bash", "a shell of which everything does"),
)
NOT_FOUND = 127
"""What shells answer for a command that is not there."""


@dataclass(frozen=True, kw_only=True)
class Config(OneLab):
    command: Annotated[tuple[str, ...], positional] = ()
    """The command and its arguments, behind `--`."""


def main(arguments: Sequence[str]) -> int:
    """Everything from the command's name on is its own, whether `--` stands before it or not."""
    from netlab.cli import run_module

    mine = list(arguments)
    if "--" not in mine:
        at = next((at for at, word in enumerate(mine) if word[:1] != "-" and mine[at - 1 : at] != ["--lab"]), len(mine))
        mine.insert(at, "--")
    return run_module("run", sys.modules[__name__], mine)


def run(config: Config) -> int:
    """The command's own exit code; as in a shell, 128 and the number of the signal that ended it."""
    if not config.command:
        raise UsageError("netlab run needs a command, such as: netlab run -- curl http://www.shop.test/")
    proxy = asyncio.run(proxy_of(config))
    authority = Authority.load()
    with trusted_bundle(authority.certificate_pem) as bundle:
        return spawned(config.command, variables(proxy, bundle, authority.certificate_path))


def spawned(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run to the end; signals to this process are the command's."""
    if shutil.which(command[0], path=environment.get("PATH")) is None:
        print(f"netlab: there is no command {command[0]!r}", file=sys.stderr)
        return NOT_FOUND
    process = subprocess.Popen(command, env=environment)
    with passing_on(process):
        code = process.wait()
    return 128 - code if code < 0 else code


@contextmanager
def passing_on(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """What a terminal says it says to both; what somebody says to this process alone is said on."""

    def pass_on(number: int, _: FrameType | None) -> None:
        if number != signal.SIGINT:  # which a terminal has sent to the command as well
            process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
