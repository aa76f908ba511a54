"""Brokers to be killed: a process that has imported all and forks one for each line `PATH` that it reads.

It answers with the child's process id and port. The child ends with SIGKILL, or with this process.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys

from netlab.config import Address
from netlab.service import Context, running
from servers.mqtt import Config, Server

PR_SET_PDEATHSIG = 1


async def serve(path: str) -> None:
    server = Server(Config(listen=Address("127.0.0.1", 0), store=path), Context())
    async with running(server) as endpoints:
        sys.stdout.write(f"{os.getpid()} {endpoints[0].port}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def main() -> None:
    child = 0
    for line in sys.stdin:
        if child:
            os.waitpid(child, 0)  # until then it holds its store
        child = os.fork()
        if not child:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            asyncio.run(serve(line.strip()))


if __name__ == "__main__":
    main()
