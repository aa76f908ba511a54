"""Packets of a live interface, from the kernel's ring buffer (Linux, AF_PACKET, TPACKET_V3; wants CAP_NET_RAW)."""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import select
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from captures import bpf
from captures.blocks import Interface, LinkType, Packet
from captures.capture_filter import compile_capture_filter
from netlab.errors import NetlabError

ETH_P_ALL, SO_ATTACH_FILTER, SOL_PACKET, SIOCGIFHWADDR = 0x0003, 26, 263, 0x8927
PACKET_RX_RING, PACKET_STATISTICS, PACKET_VERSION, TPACKET_V3 = 5, 6, 10, 2
BLOCK, BLOCKS, FRAME = 1 << 20, 16, 1 << 16
RETIRE_AFTER = 50  # milliseconds after which a block is handed over though it is not full
STATUS_USER, VLAN_VALID, VLAN_TPID_VALID = 1, 1 << 4, 1 << 6
OUTGOING = 4
ARPHRD_ETHERNET, ARPHRD_LOOPBACK = 1, 772
ANY = "any"
"""All interfaces at once: packets without their links' headers, with a cooked one instead."""
WITHOUT_LINK = {519, 65534, 768, 769, 776, 778}  # tunnels and WireGuard: packets begin with IP

_BLOCK_HEAD = struct.Struct("=IIIIII")  # version, offset to private, status, packets, offset to the first, length
_PACKET_HEAD = struct.Struct("=IIIIIIHHIIH")  # next, sec, nsec, kept, length, status, mac, net, hash, tci, tpid
_ADDRESS = 48  # where a packet's struct sockaddr_ll stands: behind struct tpacket3_hdr
_LINK_ADDRESS = struct.Struct("=H2siHBB8s")  # family, protocol as on the wire, interface, hardware, way, size, address
_COOKED = struct.Struct("!2sHiHBB8s")
PERMIT = (
    "packets may be seen by root only: run it with sudo, or let this Python see them with "
    "`sudo setcap cap_net_raw+ep {python}`"
)


def interfaces() -> list[str]:
    """The names of this machine's interfaces."""
    return [name for _, name in socket.if_nameindex()]


class Sniffer:
    """Reads packets as they pass an interface, in their order; what the ring has no room for is counted as dropped."""

    def __init__(self, interface: str, capture_filter: str = "") -> None:
        """NetlabError in a sentence where packets may not be seen, or there is no such interface."""
        if not sys.platform.startswith("linux"):
            raise NetlabError("packets of live interfaces can be seen on Linux only; capture files everywhere")
        self._cooked = interface == ANY
        kind = ARPHRD_LOOPBACK if self._cooked else _hardware(interface)
        self.link_type = LinkType.RAW_IP if kind in WITHOUT_LINK else LinkType.ETHERNET
        if self._cooked:
            self.link_type = LinkType.LINUX_COOKED_2
        self.interface = Interface.nanoseconds(0, self.link_type, name=interface)
        self._skip_outgoing = kind == ARPHRD_LOOPBACK  # there, each packet passes twice
        program = compile_capture_filter(capture_filter, 14 if self.link_type == LinkType.ETHERNET else 0)
        self._socket = self._open()
        try:
            self._arm(interface, program)
        except OSError as error:
            self._socket.close()
            raise NetlabError(f"cannot capture on {interface}: {error.strerror}") from None
        self._block = 0
        self.dropped = self.passed = 0

    def _open(self) -> socket.socket:
        try:
            kind = socket.SOCK_DGRAM if self._cooked else socket.SOCK_RAW
            return socket.socket(socket.AF_PACKET, kind, 0)  # no protocol: nothing comes before the filter
        except PermissionError:
            raise NetlabError(PERMIT.format(python=Path(sys.executable).resolve())) from None

    def _arm(self, interface: str, program: list[bpf.Instruction]) -> None:
        code = ctypes.create_string_buffer(bpf.assembled(program))
        described = struct.pack("HP", len(program), ctypes.addressof(code))  # struct sock_fprog, with its own padding
        self._socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, described)
        self._socket.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V3)
        ring = struct.pack("=IIIIIII", BLOCK, BLOCKS, FRAME, BLOCK // FRAME * BLOCKS, RETIRE_AFTER, 0, 0)
        self._socket.setsockopt(SOL_PACKET, PACKET_RX_RING, ring)
        self._ring = mmap.mmap(self._socket.fileno(), BLOCK * BLOCKS)
        if self._cooked:
            self._bind_to_all()
        else:
            self._socket.bind((interface, ETH_P_ALL))

    def _bind_to_all(self) -> None:
        """What socket.bind cannot say: packets of every interface, number 0 (packet(7))."""
        libc = ctypes.CDLL(None, use_errno=True)
        address = struct.pack("=HH", socket.AF_PACKET, socket.htons(ETH_P_ALL)) + bytes(16)  # struct sockaddr_ll
        if libc.bind(self._socket.fileno(), address, len(address)):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def packets(self, patience: float | None = None) -> Iterator[Packet]:
        """Packets as they come; ends after so many seconds without one, if that is given."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN | select.POLLERR)
        while True:
            at = self._block * BLOCK
            _, _, status, count, first, _ = _BLOCK_HEAD.unpack_from(self._ring, at)
            if not status & STATUS_USER:
                if not poll.poll(None if patience is None else patience * 1000):
                    return
                continue
            yield from self._read(at + first, count)
            self._ring[at + 8 : at + 12] = b"\0\0\0\0"  # the block is the kernel's again
            self._block = (self._block + 1) % BLOCKS

    def _read(self, at: int, count: int) -> Iterator[Packet]:
        for _ in range(count):
            following, seconds, fraction, kept, length, status, mac, _, _, tag, kind = _PACKET_HEAD.unpack_from(
                self._ring, at
            )
            self.passed += 1
            address = _LINK_ADDRESS.unpack_from(self._ring, at + _ADDRESS)
            loops = self._skip_outgoing and (not self._cooked or address[3] == ARPHRD_LOOPBACK)
            if not (loops and address[4] == OUTGOING):
                data = self._ring[at + mac : at + mac + kept]
                tagged = b""
                if status & VLAN_VALID and self.link_type != LinkType.RAW_IP:  # the kernel has taken the tag off
                    tagged = struct.pack("!HH", kind if status & VLAN_TPID_VALID else 0x8100, tag & 0xFFFF)
                if self._cooked:
                    data, length = _cooked(address, tagged) + data, length + _COOKED.size + len(tagged)
                elif tagged:
                    data, length = data[:12] + tagged + data[12:], length + len(tagged)
                yield Packet(self.interface, seconds * 1_000_000_000 + fraction, data, length)
            at += following

    def lost(self) -> int:
        """Packets that found no room in the ring, so far."""
        counts = self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 12)
        self.dropped += struct.unpack("=III", counts)[1]
        return self.dropped

    def close(self) -> None:
        self._ring.close()
        self._socket.close()

    def __enter__(self) -> Sniffer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _cooked(address: tuple[Any, ...], tagged: bytes) -> bytes:
    """The header of a cooked capture, version 2, of what the kernel says of a packet's link; a tag behind it."""
    _, protocol, interface, hardware, way, size, source = address
    head = _COOKED.pack(tagged[:2] or protocol, 0, interface, hardware, way, size, source)
    return head + tagged[2:] + (protocol if tagged else b"")


def _hardware(interface: str) -> int:
    """The kind of link, as the kernel numbers them; it is asked, since /sys may be of another network namespace."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            answer = fcntl.ioctl(asking, SIOCGIFHWADDR, struct.pack("16s24x", interface.encode()[:15]))
    except OSError:
        raise NetlabError(f"there is no interface {interface!r}; there are {', '.join(interfaces())}") from None
    return int(struct.unpack_from("=H", answer, 16)[0])  # sa_family of struct ifreq's address (netdevice(7))
