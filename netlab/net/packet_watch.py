"""The packets of TCP connections to one port, as they pass this machine's interfaces (Linux, with CAP_NET_RAW)."""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

ETH_P_ALL = 0x0003  # linux/if_ether.h: only who asks for all protocols also sees what this machine sends
SO_ATTACH_FILTER = 26
PACKET_OUTGOING = 4  # linux/if_packet.h
HEADERS = 160  # bytes kept of a packet: the longest IP and TCP headers are 120, and IPv6 extensions are rare

LOAD_BYTE, LOAD_HALF, LOAD_HALF_BEHIND, HEADER_LENGTH = 0x30, 0x28, 0x48, 0xB1
SHIFT_RIGHT, JUMP_IF_EQUAL, RETURN = 0x74, 0x15, 0x06
TCP = 6


class Passing(NamedTuple):
    """A packet from its IP header on, cut after the headers, and its whole length. `ours`: sent by this machine."""

    data: bytes
    length: int
    ours: bool


class PacketWatch:
    """A packet socket with a filter in the kernel: nothing but TCP from or to the port is ever copied to us.

    On loopback every packet passes twice, going out and coming in; it is seen once.
    """

    def __init__(self, port: int, notice: Callable[[Passing], None]) -> None:
        """Raises PermissionError where packets may not be seen, OSError where there is no such thing."""
        if sys.platform != "linux":
            raise OSError("packets can be seen on Linux only")
        self._notice = notice
        self._last = b""
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        try:
            self._socket.setblocking(False)
            _attach(self._socket, port_filter(port))
            while True:  # what came before the filter stood
                self._socket.recv(1)
        except BlockingIOError:
            pass
        except BaseException:
            self._socket.close()
            raise
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self.read)

    def read(self) -> None:
        """Take what has passed."""
        try:
            while self._socket.fileno() >= 0:
                data, _, _, origin = self._socket.recvmsg(1 << 16)
                if data != self._last:
                    self._last = data
                    self._notice(Passing(data[:HEADERS], len(data), origin[2] == PACKET_OUTGOING))
        except BlockingIOError:
            pass

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()

    def __enter__(self) -> PacketWatch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def port_filter(port: int) -> Sequence[tuple[int, int, int, int]]:
    """Classic BPF, as (code, jump if true, jump if false, constant): TCP over IPv4 or IPv6, from or to the port."""
    take, drop = (RETURN, 0, 0, 1 << 16), (RETURN, 0, 0, 0)
    return (
        (LOAD_BYTE, 0, 0, 0),
        (SHIFT_RIGHT, 0, 0, 4),
        (JUMP_IF_EQUAL, 0, 7, 4),  # IPv4?
        (LOAD_BYTE, 0, 0, 9),
        (JUMP_IF_EQUAL, 0, 13, TCP),
        (HEADER_LENGTH, 0, 0, 0),  # the header's length, options and all, to the index register
        (LOAD_HALF_BEHIND, 0, 0, 0),
        (JUMP_IF_EQUAL, 9, 0, port),
        (LOAD_HALF_BEHIND, 0, 0, 2),
        (JUMP_IF_EQUAL, 7, 8, port),
        (JUMP_IF_EQUAL, 0, 7, 6),  # IPv6?
        (LOAD_BYTE, 0, 0, 6),
        (JUMP_IF_EQUAL, 0, 5, TCP),
        (LOAD_HALF, 0, 0, 40),
        (JUMP_IF_EQUAL, 2, 0, port),
        (LOAD_HALF, 0, 0, 42),
        (JUMP_IF_EQUAL, 0, 1, port),
        take,
        drop,
    )


def _attach(sock: socket.socket, program: Sequence[tuple[int, int, int, int]]) -> None:
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    described = struct.pack("HP", len(program), ctypes.addressof(code))  # struct sock_fprog, with its own padding
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, described)
