"""TCP (RFC 9293): the header and its options."""

from __future__ import annotations

from collections.abc import Callable

from captures.checksum import judge
from captures.dissectors import tcp_options
from captures.dissectors.ports import port
from captures.tree import Layer, Reader, Row, Short

HEADER = "RFC 9293 3.1"
PROTOCOL = 6


def _flag(meaning: str) -> Callable[[int], str]:
    return lambda number: meaning if number else "not set"


BEFORE_FLAGS = (
    Row("tcp.srcport", "Source Port", 16, port, HEADER),
    Row("tcp.dstport", "Destination Port", 16, port, HEADER),
    Row("tcp.seq_raw", "Sequence Number", 32, "the number of the first byte; in a SYN, where counting begins", HEADER),
    Row("tcp.ack_raw", "Acknowledgment Number", 32, "the next byte that is awaited, if ACK is set", HEADER),
)
OFFSET = Row(
    "tcp.hdr_len", "Data Offset", 4, lambda n: f"{n} words of 32 bits: a header of {n * 4} bytes", HEADER, scale=4
)
FLAGS = (
    Row("tcp.flags.res", "Reserved", 3, "must be zero", HEADER),
    Row("tcp.flags.ae", "AE", 1, _flag("accurate ECN"), "RFC 9768 3.1"),
    Row(
        "tcp.flags.cwr", "CWR", 1, _flag("the congestion window was reduced; in a SYN, ECN is offered"), "RFC 3168 6.1"
    ),
    Row("tcp.flags.ece", "ECE", 1, _flag("congestion was met on the way; in a SYN, ECN is offered"), "RFC 3168 6.1"),
    Row("tcp.flags.urg", "URG", 1, _flag("the urgent pointer counts"), HEADER),
    Row("tcp.flags.ack", "ACK", 1, _flag("the acknowledgment number counts"), HEADER),
    Row("tcp.flags.push", "PSH", 1, _flag("hand it to the program at once"), HEADER),
    Row("tcp.flags.reset", "RST", 1, _flag("the connection is ended at once"), HEADER),
    Row("tcp.flags.syn", "SYN", 1, _flag("begins a connection and its numbering"), HEADER),
    Row("tcp.flags.fin", "FIN", 1, _flag("the sender has no more to send"), HEADER),
)
BEHIND_FLAGS = (
    Row("tcp.window_size_value", "Window", 16, "bytes the sender will take, not scaled in a SYN", HEADER),
    Row("tcp.checksum", "Checksum", 16, "", HEADER),
    Row("tcp.urgent_pointer", "Urgent Pointer", 16, "the end of urgent data, if URG is set", HEADER),
)


def dissect(data: bytes, start: int = 0, end: int | None = None, below: Layer | None = None) -> Layer:
    """The header at `start`; `below` is the IP layer, whose addresses the checksum covers."""
    reader = Reader(data, start, len(data) if end is None else end)
    behind = reader.end // 8
    payload = (behind, behind)
    try:
        header = _fixed_part(reader)
        tcp_options.read(reader, min(start + header, behind))
        if start + header <= behind:
            payload = (reader.at // 8, behind)
        else:
            reader.amend("tcp.hdr_len", meaning=f"{header} bytes, and the segment ends before them", malformed=True)
    except Short:
        pass
    else:
        reader.amend("tcp.checksum", meaning=judge(data[start:behind], 16, below, PROTOCOL))
    return Layer("tcp", "Transmission Control Protocol", start * 8, reader.at, tuple(reader.fields), "", payload)


def _fixed_part(reader: Reader) -> int:
    """Pass the first 20 bytes; returns the header's length."""
    reader.numbers(BEFORE_FLAGS)
    length = 4 * reader.number(OFFSET)
    mark = len(reader.fields)
    flags = reader.numbers(FLAGS)
    number = 0
    for row, flag in zip(FLAGS, flags, strict=True):
        number = number << row.bits | flag
    names = [row.label for row, flag in zip(FLAGS, flags, strict=True) if flag]
    reader.fold(mark, "tcp.flags", "Flags", number, ", ".join(reversed(names)) or "none", HEADER)
    reader.numbers(BEHIND_FLAGS)
    if length < 20:
        reader.amend("tcp.hdr_len", meaning=f"{length} bytes are too few: a header has at least 20", malformed=True)
    return max(length, 20)
