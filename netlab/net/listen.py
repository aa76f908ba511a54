"""Listening: from what a service wants bound to sockets that accept, all of them or none."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from netlab.errors import AddressInUse, UsageError
from netlab.net.gate import Gate
from netlab.text import host_port

BACKLOG = 2048


Prepare = Callable[[socket.socket], None]
"""Sets options on a socket before it listens."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """An address that is being served, for people and programs."""

    name: str
    scheme: str
    host: str
    port: int
    path: str = ""

    @property
    def url(self) -> str:
        if not self.host:
            return f"{self.scheme}://{self.path}"  # a Unix socket's
        return f"{self.scheme}://{host_port(self.host, self.port)}{self.path}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Listener:
    """What a service wants bound: where, and what to make of each connection.

    `localhost` is bound on 127.0.0.1 and ::1. `prepare` may set options on a socket before it listens. Connections go
    to a protocol of `factory`, or, with `accept`, to whoever takes the listening socket itself, until that is closed.
    With `accept_proxy_protocol` each of the former begins with a PROXY header. `unix` is the path of a Unix socket, in
    place of host and port.
    """

    name: str
    scheme: str
    host: str = ""
    port: int = 0
    unix: Path | None = None
    factory: Callable[[], asyncio.Protocol] | None = None
    accept: Callable[[socket.socket], Accepting] | None = None
    gate: Gate
    path: str = ""
    accept_proxy_protocol: bool = False
    reuse_port: bool = False
    prepare: Prepare | None = None


class Accepting(Protocol):
    """One who accepts the connections of a listening socket, which it closes with itself."""

    def close(self) -> None: ...


class DatagramListener(Protocol):
    """What a service wants bound for datagrams: `netlab.net.udp.UdpListener`, which stands on this module."""

    @property
    def name(self) -> str: ...

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...

    def bind(self, beside: Sequence[Endpoint] = ()) -> tuple[Endpoint, Sequence[Any]]: ...


class Bound:
    """Listeners that stand: their endpoints, their servers, and the gates behind which their connections are."""

    def __init__(self) -> None:
        self.endpoints: list[Endpoint] = []
        self.gates: list[Gate] = []
        self._servers: list[Accepting] = []
        self._paths: list[Path] = []
        self._datagrams: list[Any] = []

    async def add(self, listener: Listener | DatagramListener) -> None:
        if not isinstance(listener, Listener):
            endpoint, sockets = listener.bind(self.endpoints)
            self.endpoints.append(endpoint)
            self._datagrams += sockets
            return
        if listener.unix is not None:
            await self._add_unix(listener, listener.unix)
            return
        port = listener.port
        for index, (family, host) in enumerate(addresses(listener.host)):
            try:
                sock = bind(family, host, port, listener)
            except OSError as error:
                if index and error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    continue  # a machine without IPv6 still serves `localhost`
                raise explain(error, host, port) from error
            port = sock.getsockname()[1]
            self._servers.append(await _accept(listener, sock))
            if not index:
                self.endpoints.append(
                    Endpoint(
                        name=listener.name, scheme=listener.scheme, host=listener.host, port=port, path=listener.path
                    )
                )
        if listener.gate not in self.gates:
            self.gates.append(listener.gate)

    async def _add_unix(self, listener: Listener, path: Path) -> None:
        sock = bind_unix(path)
        self._paths.append(path)
        self._servers.append(await _accept(listener, sock))
        self.endpoints.append(Endpoint(name=listener.name, scheme=listener.scheme, host="", port=0, path=str(path)))
        if listener.gate not in self.gates:
            self.gates.append(listener.gate)

    def stop_accepting(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()
        for path in self._paths:
            path.unlink(missing_ok=True)
        self._paths.clear()

    async def drain(self, grace: float) -> None:
        """Let what is under way come to its end, at most `grace` seconds; then end it."""
        self.stop_accepting()
        for gate in self.gates:
            gate.drain()
        try:
            async with asyncio.timeout(grace):
                for gate in self.gates:
                    await gate.emptied()
        except TimeoutError:
            pass
        finally:
            for gate in self.gates:
                gate.abort()
                gate.close()
            self.close_datagrams()

    def close_datagrams(self) -> None:
        """Last of all: until here, an answer to a datagram that came before can still leave."""
        for sock in self._datagrams:
            sock.close()
        self._datagrams.clear()


async def listen(
    listeners: Sequence[Listener | DatagramListener], *, taken: Callable[[AddressInUse], bool] | None = None
) -> Bound:
    """Bind all listeners, or none: a bind that fails releases what was bound before it.

    With `taken`, an address in use is told to it and left out, as long as another one can be had; or, if it says True,
    a free port is taken instead.
    """
    bound = Bound()
    missing: AddressInUse | None = None
    try:
        for listener in listeners:
            try:
                await bound.add(listener)
            except AddressInUse as error:
                if taken is None:
                    raise
                if taken(error):
                    await bound.add(replace(listener, port=0))  # type: ignore[type-var]  # each kind is a dataclass
                    error.instead = bound.endpoints[-1].port
                else:
                    missing = error
        if missing is not None and not bound.endpoints:
            raise missing
    except BaseException:
        bound.stop_accepting()
        bound.close_datagrams()
        raise
    return bound


async def _accept(listener: Listener, sock: socket.socket) -> Accepting:
    loop = asyncio.get_running_loop()
    if listener.accept is not None:
        return listener.accept(sock)
    factory = listener.factory
    assert factory is not None
    if listener.accept_proxy_protocol:
        from netlab.net.proxied import HeaderFirst

        return await loop.create_server(lambda: HeaderFirst(factory(), listener.gate), sock=sock, backlog=BACKLOG)
    return await loop.create_server(factory, sock=sock, backlog=BACKLOG)


def addresses(host: str) -> list[tuple[socket.AddressFamily, str]]:
    """The literal addresses a name of ours stands for; listening never asks a resolver."""
    if host == "localhost":
        return [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return [(family, host)]
    raise UsageError(f"cannot listen on {host!r}: give an IP address or localhost")


def bind(family: socket.AddressFamily, host: str, port: int, listener: Listener) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if listener.reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if listener.prepare is not None:
            listener.prepare(sock)
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def bind_unix(path: Path) -> socket.socket:
    """A Unix socket for this user and group; one that nobody listens on any more is replaced."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket() and not _answers(path):
            path.unlink()
        sock.setblocking(False)
        sock.bind(str(path))
        path.chmod(0o660)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise UsageError(f"{path} is there already: it is no socket, or somebody listens on it") from None
        raise UsageError(f"cannot listen on {path}: {error.strerror or error}") from None
    return sock


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def explain(error: OSError, host: str, port: int, protocol: str = "tcp") -> Exception:
    """A bind's failure in words."""
    if error.errno == errno.EADDRINUSE:
        return AddressInUse(host, port, holder(port, protocol))
    if error.errno == errno.EACCES:
        return UsageError(f"{host} port {port} needs root: ports below 1024 are privileged; choose a higher one")
    if error.errno == errno.EADDRNOTAVAIL:
        return UsageError(f"{host} is not an address of this machine")
    return UsageError(f"cannot listen on {host} port {port}: {error.strerror or error}")


def refusal(host: str, port: int) -> Exception | None:
    """Why nothing can listen there, in words; None if it can."""
    for family, address in addresses(host):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                return explain(error, host, port)
    return None


def holder(port: int, protocol: str = "tcp") -> str | None:
    """The process that holds a TCP or UDP port, as `name (pid N)`, where Linux lets us see it."""
    inodes = set()
    state = {"tcp": "0A", "udp": "07"}[protocol]  # LISTEN; unconnected
    for table in (f"/proc/net/{protocol}", f"/proc/net/{protocol}6"):
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            if columns[3] == state and int(columns[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{columns[9]}]")
    return _owner_of(inodes) if inodes else None


def _owner_of(sockets: set[str]) -> str | None:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            for descriptor in (process / "fd").iterdir():
                if os.readlink(descriptor) in sockets:
                    name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
                    return f"{name} (pid {process.name})"
        except OSError:  # another user's process, or one that has just ended
            continue
    return None
