"""Servers to be killed: a process that has imported all and forks one for each path of a store that it is told.

It answers with the child's process id and port. The child ends with SIGKILL, or with this process.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from netlab.config import Address
from netlab.service import Context, running

PR_SET_PDEATHSIG = 1
SECONDS = 30.0


@asynccontextmanager
async def zygote(module: str) -> AsyncIterator[Process]:
    """The parent of any number of servers of that module."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", __name__, module, stdin=PIPE, stdout=PIPE)
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


async def born(parent: Process, path: Path) -> tuple[int, int]:
    """A server on that store: its process id and port."""
    assert parent.stdin is not None
    assert parent.stdout is not None
    parent.stdin.write(f"{path}\n".encode())
    async with asyncio.timeout(SECONDS):
        pid, port = (await parent.stdout.readline()).split()
    return int(pid), int(port)


async def serve(module: Any, path: str) -> None:
    server = module.Server(module.Config(listen=Address("127.0.0.1", 0), store=path), Context())
    async with running(server) as endpoints:
        sys.stdout.write(f"{os.getpid()} {endpoints[0].port}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def main() -> None:
    module = import_module(sys.argv[1])
    child = 0
    for line in sys.stdin:
        if child:
            os.waitpid(child, 0)  # until then it holds its store
        child = os.fork()
        if not child:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            asyncio.run(serve(module, line.strip()))


if __name__ == "__main__":
    main()
