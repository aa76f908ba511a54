"""Whether a peer that has ended its side of a connection still holds its socket, as far as this kernel knows."""

from __future__ import annotations

import ipaddress
import socket
import struct
from enum import Enum, auto
from typing import Any

SOCK_DIAG = 4  # linux/netlink.h: the protocol by which `ss` asks; Python does not name it
BY_FAMILY, REQUEST, ERROR = 20, 1, 2  # linux/sock_diag.h and linux/netlink.h: the question's type, its flag, a refusal
ALL_STATES = NO_COOKIE = 0xFFFF_FFFF
HEADER, INODE = 16, 16 + 68  # where the answer's body begins, and where in it the inode stands (linux/inet_diag.h)
LARGEST = 4096


class Presence(Enum):
    """Of a peer whose FIN has come."""

    THERE = auto()  # a program holds its socket, and may still read: a half-close
    GONE = auto()  # nobody holds it: the program has closed it, or has ended
    UNKNOWN = auto()  # it is not of this machine, or of this container; or this is no Linux


DEPARTED = "it has closed its socket, as the kernel knows: there is nobody who could read an answer"


def presence(ours: Any, peer: Any) -> Presence:
    """What is known of the peer of a TCP connection between these addresses. One question to the kernel, some 50 µs."""
    try:
        inode = _inode(peer, ours)
    except FileNotFoundError:  # where it cannot be elsewhere, there is nothing left of it
        return Presence.GONE if ipaddress.ip_address(peer[0]).is_loopback else Presence.UNKNOWN
    except (AttributeError, IndexError, OSError, TypeError, ValueError, struct.error):  # no netlink, not TCP, not IP
        return Presence.UNKNOWN
    return Presence.THERE if inode else Presence.GONE


def _inode(source: Any, destination: Any) -> int:
    """Of the socket with these ends; 0 if no program holds it, FileNotFoundError if there is none."""
    family = socket.AF_INET6 if ":" in source[0] else socket.AF_INET
    ends = struct.pack("!HH", source[1], destination[1])
    ends += b"".join(socket.inet_pton(family, end[0]).ljust(16, b"\0") for end in (source, destination))
    question = struct.pack("=BBxxI", family, socket.IPPROTO_TCP, ALL_STATES) + ends
    question += struct.pack("=III", 0, NO_COOKIE, NO_COOKIE)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, SOCK_DIAG) as kernel:
        kernel.setblocking(False)  # the answer is there when `send` returns
        kernel.send(struct.pack("=IHHII", HEADER + len(question), BY_FAMILY, REQUEST, 1, 0) + question)
        answer = kernel.recv(LARGEST)
    (kind,) = struct.unpack_from("=H", answer, 4)
    if kind == ERROR:
        (number,) = struct.unpack_from("=i", answer, HEADER)
        raise OSError(-number, "the kernel knows nothing of it")
    (inode,) = struct.unpack_from("=I", answer, INODE)
    return int(inode)
