"""The kernel's packet filter language (classic BPF): instructions, their form for the kernel, and an interpreter.

A program reads a packet and ends with how many of its bytes are wanted: none, or all. It only jumps forward, so that
it always ends.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple

LOAD_WORD, LOAD_HALF, LOAD_BYTE, LOAD_HALF_INDEXED, LOAD_HEADER_LENGTH = 0x20, 0x28, 0x30, 0x48, 0xB1
JUMP, JUMP_EQUAL, JUMP_GREATER, JUMP_AT_LEAST, JUMP_ANY_BIT = 0x05, 0x15, 0x25, 0x35, 0x45
AND, SHIFT_RIGHT, RETURN = 0x54, 0x74, 0x06
PROTOCOL = 0xFFFFF000
"""Where a program finds the packet's EtherType, whatever its link is (linux/filter.h: SKF_AD_PROTOCOL)."""
ALL = 0x40000
LONGEST = 4096
"""The most instructions that the kernel takes."""

_STEP = struct.Struct("=HBBI")
_SIZES = {LOAD_WORD: 4, LOAD_HALF: 2, LOAD_BYTE: 1, LOAD_HALF_INDEXED: 2}


class Instruction(NamedTuple):
    """What to do; how many instructions to jump over if a test holds or not; a constant."""

    code: int
    if_true: int = 0
    if_false: int = 0
    constant: int = 0


def assembled(program: Sequence[Instruction]) -> bytes:
    """The program as the kernel reads it: an array of struct sock_filter."""
    return b"".join(_STEP.pack(*step) for step in program)


def wanted(program: Sequence[Instruction], packet: bytes, ether_type: int) -> int:
    """How many bytes of the packet the program wants; a load from behind its end ends it with none."""
    accumulator = index = at = 0
    while True:
        code, if_true, if_false, constant = program[at]
        at += 1
        if code in _SIZES:
            start = constant + (index if code == LOAD_HALF_INDEXED else 0)
            if constant == PROTOCOL:
                accumulator = ether_type
                continue
            if start + _SIZES[code] > len(packet):
                return 0
            accumulator = int.from_bytes(packet[start : start + _SIZES[code]], "big")
        elif code == LOAD_HEADER_LENGTH:
            if constant >= len(packet):
                return 0
            index = (packet[constant] & 15) * 4
        elif code == AND:
            accumulator &= constant
        elif code == SHIFT_RIGHT:
            accumulator >>= constant
        elif code == JUMP:
            at += constant
        elif code == RETURN:
            return constant
        else:
            at += if_true if _TESTS[code](accumulator, constant) else if_false


_TESTS: dict[int, Callable[[int, int], bool]] = {
    JUMP_EQUAL: lambda a, k: a == k,
    JUMP_GREATER: lambda a, k: a > k,
    JUMP_AT_LEAST: lambda a, k: a >= k,
    JUMP_ANY_BIT: lambda a, k: bool(a & k),
}
