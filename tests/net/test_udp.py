"""UDP: datagrams in, datagrams out, and what happens when nobody listens or the buffers are full."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from typing import Any

import pytest

from netlab.errors import AddressInUse, PeerUnreachable, UsageError
from netlab.net.udp import PER_TURN, UdpClient, UdpListener, UdpSocket


def echo(sock: UdpSocket, data: bytes, address: tuple[Any, ...]) -> None:
    sock.send(data, address)


def listener(host: str = "127.0.0.1", port: int = 0) -> UdpListener:
    return UdpListener(name="echo", scheme="udp", host=host, port=port, handler=echo)


async def test_an_echo_answers_python_and_others() -> None:
    endpoint, [sock] = listener().bind()
    with UdpClient("127.0.0.1", endpoint.port) as client:
        for payload in (b"hello", b"", b"x" * 65_507):
            client.send(payload)
            async with asyncio.timeout(5):
                assert await client.receive() == payload
    sock.close()


@pytest.mark.skipif(shutil.which("socat") is None, reason="socat is missing: apt-get install socat")
async def test_socat_is_answered() -> None:
    endpoint, [sock] = listener().bind()
    process = await asyncio.create_subprocess_exec(
        "socat", "-t", "0.3", "-", f"UDP4:127.0.0.1:{endpoint.port}", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    out, _ = await process.communicate(b"hello")
    assert out == b"hello"
    sock.close()


async def test_localhost_is_both_families_on_one_port() -> None:
    endpoint, socks = listener("localhost").bind()
    assert endpoint.url == f"udp://localhost:{endpoint.port}"
    for host in ("127.0.0.1", "::1"):
        with UdpClient(host, endpoint.port) as client:
            client.send(b"hello")
            async with asyncio.timeout(5):
                assert await client.receive() == b"hello"
    for sock in socks:
        sock.close()


async def test_a_port_in_use_names_its_holder_and_nothing_stays_bound() -> None:
    endpoint, [sock] = listener().bind()
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(AddressInUse) as caught:
        listener("localhost", endpoint.port).bind()
    assert len(os.listdir("/proc/self/fd")) == before
    if sys.platform == "linux":
        assert f"held by python{sys.version_info.major}" in str(caught.value) or f"pid {os.getpid()}" in str(
            caught.value
        )
    sock.close()
    with pytest.raises(UsageError, match="not an address of this machine"):
        listener("192.0.2.1").bind()


async def test_many_datagrams_are_read_in_turns_and_a_handler_may_close() -> None:
    received: list[bytes] = []
    turns: list[int] = []

    def count(sock: UdpSocket, data: bytes, address: tuple[Any, ...]) -> None:
        received.append(data)
        if data == b"last":
            sock.close()

    def turn() -> None:
        turns.append(len(received))
        if len(received) <= PER_TURN * 2:
            loop.call_soon(turn)

    loop = asyncio.get_running_loop()
    endpoint, [sock] = UdpListener(name="sink", scheme="udp", host="127.0.0.1", port=0, handler=count).bind()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for index in range(PER_TURN * 2):
            client.sendto(b"%d" % index, ("127.0.0.1", endpoint.port))
        client.sendto(b"last", ("127.0.0.1", endpoint.port))
        client.sendto(b"behind", ("127.0.0.1", endpoint.port))
    turn()
    async with asyncio.timeout(5):
        while b"last" not in received:
            await asyncio.sleep(0)
    assert received[-1] == b"last"
    assert any(0 < read <= PER_TURN for read in turns)  # other work had its chance in between
    assert repr(sock) == "<UdpSocket closed, 0 waiting, 0 dropped>"
    sock.close()


async def test_nobody_there_is_an_answer_too() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with UdpClient("127.0.0.1", port) as client:
        client.send(b"hello")
        with pytest.raises(PeerUnreachable, match=rf"nothing listens on 127\.0\.0\.1 port {port}"):
            async with asyncio.timeout(5):
                await client.receive()


async def test_a_client_takes_datagrams_from_its_peer_alone() -> None:
    endpoint, [sock] = listener().bind()
    with UdpClient("127.0.0.1", endpoint.port, source="127.0.0.2") as client:
        assert client.sock.getsockname()[0] == "127.0.0.2"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger:
            forger.sendto(b"forged", client.sock.getsockname())
        client.send(b"asked")
        async with asyncio.timeout(5):
            assert await client.receive() == b"asked"
    sock.close()


class Full:
    """A socket whose send buffer is full until it is emptied; everything else is the real socket's."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock, self.full = sock, True

    def sendto(self, data: bytes, address: Any) -> int:
        if self.full:
            raise BlockingIOError
        return self.sock.sendto(data, address)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sock, name)


async def test_a_full_send_buffer_is_waited_for_in_order_and_up_to_a_bound() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        raw = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        raw.bind(("127.0.0.1", 0))
        full = Full(raw)
        sock = UdpSocket(full, lambda data, address: None, queue=2)  # type: ignore[arg-type]  # behaves as one
        for payload in (b"1", b"2", b"3"):
            sock.send(payload, peer.getsockname())
        assert (len(sock._queue), sock.dropped) == (2, 1)
        full.full = False
        async with asyncio.timeout(5):
            while sock._queue:
                await asyncio.sleep(0)
        assert (peer.recv(10), peer.recv(10)) == (b"1", b"2")
        sock.send(b"x" * 70_000, peer.getsockname())  # larger than a datagram can be
        assert sock.dropped == 2
        sock.close()
        sock.close()


async def test_where_there_is_no_route() -> None:
    with pytest.raises(PeerUnreachable, match="cannot send to"):
        UdpClient("255.255.255.255", 53)
