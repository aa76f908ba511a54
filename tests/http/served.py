"""The http server with a state directory of the test's own, and what a test needs to be let in."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from netlab.clock import LabClock
from netlab.config import Address
from netlab.flow import FlowLog, Level
from netlab.policy.auth.users import HASHES, User, make_digest, make_scrypt
from netlab.service import Context, running
from netlab.stores.users import write_users
from servers.http import Config, Server
from tests.http.endpoints.site import Site

CHEAP = (4, 1, 1)
"""A cost of scrypt that no test waits for."""


class Served(Site):
    """A running http server, and its clock."""

    def __init__(self, server: Server, ports: list[int], clock: LabClock) -> None:
        super().__init__(server, ports[0])
        self.ports, self.clock = ports, clock

    def notes(self, name: str) -> list[dict[str, Any]]:
        """The fields of each event of this name, in the order of the flows."""
        return [event.fields for flow in self.flows() for event in flow.events or () if event.name == name]


@asynccontextmanager
async def served(state: Path, *, grace: float = 5.0, **options: Any) -> AsyncIterator[Served]:
    """A server on free ports, its clock frozen; afterwards no task of it is left."""
    clock = LabClock()
    clock.freeze()
    context = Context(flows=FlowLog(Level.FULL), clock=clock, random=random.Random(1), state=state)
    server = Server(Config(listen=Address("127.0.0.1", 0), **options), context)
    async with running(server, grace=grace) as endpoints:
        yield Served(server, [endpoint.port for endpoint in endpoints], clock)
    assert not server.tasks


def user(name: str, password: str, *roles: str, realm: str = "netlab", cost: tuple[int, int, int] = CHEAP) -> User:
    digests = [make_digest(algorithm, name, realm, password) for algorithm in HASHES]
    return User(name, roles, (make_scrypt(password, b"salt", cost), *digests))


def users_file(folder: Path, *users: User) -> Path:
    path = folder / "users"
    write_users(path, list(users))
    return path
