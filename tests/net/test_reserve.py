"""Ports reserved for several workers: streams, and datagrams on the same number."""

from __future__ import annotations

import socket
from typing import Any

from netlab.net.gate import Gate
from netlab.net.listen import Listener
from netlab.net.reserve import Reservation
from netlab.net.udp import UdpListener


def stream(port: int, name: str = "dns") -> Listener:
    return Listener(name=name, scheme="tcp", host="127.0.0.1", port=port, gate=Gate())


def datagrams(port: int) -> UdpListener:
    def nobody(*_: Any) -> None:
        raise AssertionError("nothing is received here")

    return UdpListener(name="dns", scheme="udp", host="127.0.0.1", port=port, handler=nobody)


def test_datagrams_have_their_stream_s_port() -> None:
    with Reservation([stream(0), datagrams(0), stream(0, "status")]) as reserved:
        tcp, udp, status = reserved.ports
        assert tcp == udp != status
    with Reservation([stream(tcp), datagrams(tcp)]) as reserved:
        assert reserved.ports == [tcp, tcp]
    socket.create_server(("127.0.0.1", tcp)).close()
