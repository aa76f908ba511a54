"""The life of a service: all listeners or none, a taken port explained, and nothing left at the end."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence

import pytest

from netlab.errors import AddressInUse, UsageError
from netlab.flow import FlowLog, Outcome
from netlab.net.connection import Connection
from netlab.net.gate import Gate
from netlab.net.listen import Listener
from netlab.net.tasks import Tasks
from netlab.service import running


class Mirror(Connection):
    """Says back what it is told."""

    __slots__ = ()

    def feed(self, data: bytes) -> None:
        if data:
            self.write(data)
        else:
            self.close()


class Mirrors:
    """A service of Mirrors on some addresses."""

    def __init__(self, *addresses: tuple[str, int]) -> None:
        self.addresses, self.tasks, self.gate, self.flows = addresses, Tasks("mirror"), Gate(interval=0.01), FlowLog()
        self.worked = self.was_closed = False

    def listeners(self) -> Sequence[Listener]:
        def connection() -> Mirror:
            return Mirror(self.gate, self.flows, "mirror")

        return [
            Listener(name="mirror", scheme="tcp", host=host, port=port, factory=connection, gate=self.gate)
            for host, port in self.addresses
        ]

    async def background(self) -> None:
        self.worked = True
        await asyncio.Event().wait()

    def closed(self) -> None:
        self.was_closed = True


def descriptors() -> set[str]:
    """What is open, but for the /dev/null that libuv holds in reserve once it listens."""
    targets = {name: f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")}
    return {name for name, link in targets.items() if os.path.islink(link) and os.readlink(link) != "/dev/null"}


async def test_serves_and_leaves_nothing() -> None:
    before = descriptors()
    service = Mirrors(("127.0.0.1", 0))
    async with running(service) as endpoints:
        assert endpoints[0].url.startswith("tcp://127.0.0.1:")
        reader, writer = await asyncio.open_connection("127.0.0.1", endpoints[0].port)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.close()
        await writer.wait_closed()
    assert service.worked
    assert service.was_closed
    assert not service.tasks
    assert descriptors() == before
    assert [flow.outcome for flow in service.flows] == [Outcome.OK]


async def test_a_taken_port_names_its_holder_and_releases_the_rest() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        before = descriptors()
        with pytest.raises(AddressInUse) as caught:
            async with running(Mirrors(("127.0.0.1", 0), ("127.0.0.1", port))):
                pass
        assert f"127.0.0.1 port {port} is in use, held by " in str(caught.value)
        assert f"(pid {os.getpid()})" in str(caught.value)
        await asyncio.sleep(0)
        assert descriptors() == before


async def test_localhost_is_served_on_both_families() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 on this machine")
    async with running(Mirrors(("localhost", 0))) as endpoints:
        for host in ("127.0.0.1", "::1"):
            reader, writer = await asyncio.open_connection(host, endpoints[0].port)
            writer.write(b"x")
            assert await reader.readexactly(1) == b"x"
            writer.close()


@pytest.mark.parametrize("host", ["example.test", "999.1.1.1", ""])
async def test_a_name_is_not_an_address(host: str) -> None:
    with pytest.raises(UsageError, match="give an IP address or localhost"):
        async with running(Mirrors((host, 0))):
            pass


async def test_an_address_of_another_machine() -> None:
    with pytest.raises(UsageError, match="is not an address of this machine"):
        async with running(Mirrors(("192.0.2.1", 0))):
            pass


async def test_connections_that_stay_are_ended_by_the_grace_period() -> None:
    service = Mirrors(("127.0.0.1", 0))

    def stay(connection: Mirror) -> None:
        """Does not end when it is asked to."""

    async with running(service, grace=0.05) as endpoints:
        reader, _writer = await asyncio.open_connection("127.0.0.1", endpoints[0].port)
        _writer.write(b"x")
        await reader.readexactly(1)
        (connection,) = service.gate.connections
        connection.__class__ = type("Stayer", (Mirror,), {"drain": stay, "__slots__": ()})
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    _writer.close()
