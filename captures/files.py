"""Any capture file as one stream of blocks: pcapng or pcap, compressed with gzip or not, from a file or a pipe."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

from captures import pcap, pcapng
from captures.blocks import Block
from netlab.errors import DamagedCapture

_GZIP = b"\x1f\x8b"
BUFFER = 1 << 18


def blocks(source: BinaryIO) -> Iterator[Block]:
    """Every block of a capture; a pcap gives its interface and packets. Holds one block, whatever the file's size.

    DamagedCapture, behind all that could be read, says where the file is damaged and what is wrong there.
    """
    buffered = io.BufferedReader(cast(io.RawIOBase, source), BUFFER) if not hasattr(source, "peek") else source
    beginning = buffered.peek(4)[:4]
    if beginning[:2] == _GZIP:
        yield from _unpacked(buffered)
        return
    yield from pcap.Reader(buffered) if pcap.is_pcap(beginning) else pcapng.Reader(buffered)


def _unpacked(source: BinaryIO) -> Iterator[Block]:
    with gzip.open(source) as inner:
        try:
            inner_source = io.BufferedReader(cast(io.RawIOBase, inner), BUFFER)
            yield from pcap.Reader(inner_source) if pcap.is_pcap(inner_source.peek(4)) else pcapng.Reader(inner_source)
        except (OSError, EOFError, zlib.error) as error:
            raise DamagedCapture(f"gzip: {error}", offset=source.tell() if source.seekable() else 0) from None
