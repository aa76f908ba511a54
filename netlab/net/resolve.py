"""From a host's name to the addresses to dial: what is laid down first, the system's resolver last."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from netlab.errors import PeerUnreachable
from netlab.net.addresses import AddressMap, Overrides, canonical, interleave, is_literal

Resolver = Callable[[str], Awaitable[Sequence[str]]]
"""Gives the addresses of a name, in the order to try them; raises OSError or PeerUnreachable if there are none."""

LOOPBACK = ("127.0.0.1", "::1")
MAX_LOOKUPS = 64
"""Lookups of the system's resolver under way at once; each holds a thread."""


class Resolved(NamedTuple):
    """The addresses of a host, in the order to try them, and who said so."""

    addresses: Sequence[str]
    source: str  # override, map, literal, localhost or resolver


def known(host: str, port: int, addresses: AddressMap, overrides: Overrides) -> Resolved | None:
    """The addresses of a host that needs no resolver; None if it needs one."""
    if found := overrides.addresses(host, port):
        return Resolved(found, "override")
    if found := addresses.addresses(host):
        return Resolved(interleave(found), "map")
    if is_literal(host):
        return Resolved((host,), "literal")
    name = canonical(host)
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761 6.3: never asked for in the DNS
        return Resolved(LOOPBACK, "localhost")
    if name.endswith(".test"):  # RFC 6761 6.2, and the lab's own: nobody outside could know it
        raise PeerUnreachable(
            f"no host {name} in this lab; names under .test are looked up in the lab's address map alone",
            stage="resolve",
        )
    if name.endswith(".invalid"):  # RFC 6761 6.4
        raise PeerUnreachable(f"{name} cannot exist: .invalid is reserved for names that do not", stage="resolve")
    return None


async def resolve(host: str, resolver: Resolver) -> Resolved:
    """Ask a resolver; its failure in words."""
    try:
        found = await resolver(host)
    except socket.gaierror as error:
        raise PeerUnreachable(explain(error, host), stage="resolve") from error
    except UnicodeError:  # a label that is empty or longer than 63 octets
        raise PeerUnreachable(f"{host!r} is not the name of a host", stage="resolve") from None
    except OSError as error:
        raise PeerUnreachable(f"cannot look up {host}: {error.strerror or error}", stage="resolve") from error
    if not found:
        raise PeerUnreachable(f"the name {host} has no address", stage="resolve")
    return Resolved(interleave(found), "resolver")


def explain(error: socket.gaierror, host: str) -> str:
    match error.errno:
        case socket.EAI_NONAME:
            return f"the name {host} does not exist"
        case socket.EAI_AGAIN:
            return f"no resolver answers for {host}"
        case socket.EAI_NODATA:
            return f"the name {host} has no address"
    return f"cannot look up {host}: {error.strerror}"


class SystemResolver:
    """getaddrinfo in threads of its own.

    The loop's executor would do, but its threads are waited for when the loop ends: a resolver that hangs would hold
    a command long after its deadline. These are daemons, and no more than `MAX_LOOKUPS`.
    """

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(MAX_LOOKUPS)

    async def __call__(self, host: str) -> Sequence[str]:
        await self._room.acquire()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sequence[str]] = loop.create_future()

        def settle(found: Sequence[str], error: Exception | None) -> None:
            self._room.release()  # the thread has ended, which may be long after its asker gave up
            if answer.done():
                return
            if error is None:
                answer.set_result(found)
            else:
                answer.set_exception(error)

        def look() -> None:
            found: Sequence[str] = ()
            problem: Exception | None = None
            try:
                found = _getaddrinfo(host)
            except (OSError, UnicodeError) as error:
                problem = error
            try:
                loop.call_soon_threadsafe(settle, found, problem)
            except RuntimeError:  # the loop has ended meanwhile: nobody waits
                pass

        try:
            threading.Thread(target=look, name=f"lookup {host}", daemon=True).start()
        except RuntimeError as error:  # the system gives no more threads
            self._room.release()
            raise OSError(str(error)) from error
        return await answer


def _getaddrinfo(host: str) -> Sequence[str]:
    infos: list[tuple[Any, ...]] = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in infos))
