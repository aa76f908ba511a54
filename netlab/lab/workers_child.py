"""One worker: a lab of one service on ports its parent chose, told what to do on its standard input."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import pickle
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netlab import rooms
from netlab.errors import NetlabError
from netlab.lab.options import Options
from netlab.lab.process import Lab, live, loop_factory, raise_descriptor_limit, say
from netlab.lab.reload import Reader
from netlab.service import Context, Service


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What a worker is to do."""

    number: int
    service: str
    config: Any
    options: Options
    ports: Sequence[int]
    socket: Path
    seed: int
    reader: Reader

    @property
    def prefix(self) -> str:
        """What stands before the ids of its flows."""
        return f"w{self.number}."


class Placed:
    """A service on ports that were chosen before, shared with the other workers."""

    def __init__(self, service: Service, ports: Sequence[int]) -> None:
        self._service, self._ports = service, ports

    def listeners(self) -> Sequence[Any]:
        listeners: Sequence[Any] = self._service.listeners()  # dataclasses, for streams or for datagrams
        own = zip(listeners, self._ports, strict=True)
        return [dataclasses.replace(listener, port=port, reuse_port=True) for listener, port in own]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._service, name)  # tasks, background, closing: as the service has them


def main() -> int:
    """Serve until the parent says stop, or is gone."""
    order: Order = pickle.load(sys.stdin.buffer)  # noqa: S301  our own parent wrote it
    raise_descriptor_limit()
    server = rooms.services()[order.service].load().Server
    lab = Lab(order.service, order.options, prefix=order.prefix, seed=order.seed, reader=order.reader)

    def factory(context: Context) -> Service:
        config = order.reader.fresh(order.service, order.config)  # they may have changed since the parent started
        placed: Any = Placed(server(config, context), order.ports)
        return placed  # type: ignore[no-any-return]  # it has what the service has

    try:
        with asyncio.Runner(loop_factory=loop_factory(order.options.loop)) as runner:
            return runner.run(live(lab, {order.service: factory}, order.socket, while_up=_tell_parent))
    except NetlabError as error:
        say(f"worker {order.number}: {error}")
        return 1
    except asyncio.CancelledError:
        return 0  # told twice to stop
    except BrokenPipeError:
        return 0  # the parent was gone before we were up


@contextmanager
def _tell_parent(lab: Lab) -> Iterator[None]:
    """Say that connections are welcome; a parent that is gone, however it went, closes our standard input."""
    loop, lifeline = asyncio.get_running_loop(), sys.stdin.fileno()
    os.write(sys.stdout.fileno(), b"ready\n")
    loop.add_reader(lifeline, lab.stop)
    try:
        yield
    finally:
        loop.remove_reader(lifeline)
