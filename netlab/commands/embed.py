"""A process for another program's labs, opened and closed over its control socket; ends with its standard input."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass

from netlab.control.client import own_folder
from netlab.control.server import ControlServer
from netlab.embedded import Embedded
from netlab.errors import UsageError
from netlab.lab.process import raise_descriptor_limit, stopped_by_signals

LOOP = "auto"
EXAMPLES = (("netlab embed", 'prints {"socket": …} when it is ready; docs/embedding.md has the calls'),)


@dataclass(frozen=True, kw_only=True)
class Config:
    pass


async def run(config: Config) -> int:
    """Until standard input ends, for then who started it is gone; or until told to stop."""
    raise_descriptor_limit()
    embedded = Embedded()
    loop = asyncio.get_running_loop()

    def look() -> None:
        """Standard input says nothing; its end says everything."""
        if not os.read(0, 4096):
            embedded.stopping.set()

    try:
        loop.add_reader(0, look)
    except PermissionError:  # a file, /dev/null too, has its end before it
        raise UsageError(
            "embed ends with its standard input, and that is a file; give it a pipe or a terminal"
        ) from None
    path = own_folder() / f"{os.getpid()}.embedded.sock"
    with stopped_by_signals(embedded.stopping.set, embedded.stopping):
        async with ControlServer(path, embedded.table()):
            print(json.dumps({"pid": os.getpid(), "socket": str(path)}), flush=True)
            await embedded.stopping.wait()
            await embedded.close_all()
    loop.remove_reader(0)
    return 0
