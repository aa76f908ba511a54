"""TCP (RFC 9293): the header and its options."""

from __future__ import annotations

from collections.abc import Callable

from captures.checksum import checksum, ones_complement_sum, pseudo_header
from captures.dissectors import tcp_options
from captures.tree import Layer, Reader, Row, Short

HEADER = "RFC 9293 3.1"
PROTOCOL = 6

WELL_KNOWN = {
    7: "echo",
    9: "discard",
    13: "daytime",
    19: "chargen",
    21: "FTP",
    22: "SSH",
    23: "Telnet",
    25: "SMTP",
    53: "DNS",
    80: "HTTP",
    110: "POP3",
    143: "IMAP",
    443: "HTTPS",
    465: "SMTP over TLS",
    587: "mail submission",
    853: "DNS over TLS",
    993: "IMAP over TLS",
    995: "POP3 over TLS",
    1080: "SOCKS",
    1883: "MQTT",
    3128: "Squid's proxy port",
    8080: "HTTP's other port",
    8443: "HTTPS' other port",
    8883: "MQTT over TLS",
}


def port(number: int) -> str:
    """What a port is for (RFC 6335 6)."""
    if number in WELL_KNOWN:
        return WELL_KNOWN[number]
    if number < 1024:
        return "a system port"
    # RFC 6335 lets systems choose above 49151; Linux has always begun at 32768
    return "a user port" if number < 32768 else "a high port, as clients are given by their system"


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
        _judge_checksum(reader, data[start:behind], below)
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


def _judge_checksum(reader: Reader, segment: bytes, below: Layer | None) -> None:
    """Say whether the checksum holds, where the addresses it covers are known and the segment is whole."""
    ends = [] if below is None else [below.get(f"{below.name}.{end}") for end in ("src", "dst")]
    addresses = [reader.data[field.start // 8 : field.end // 8] for field in ends if field is not None]
    if len(segment) < 20 or len(addresses) < 2:
        return
    source, destination = addresses
    covered = pseudo_header(source, destination, PROTOCOL, len(segment))
    wanted = checksum(covered + segment[:16] + b"\0\0" + segment[18:])
    found = int.from_bytes(segment[16:18], "big")
    if found == wanted:
        meaning = "correct"
    elif found == ones_complement_sum(covered):
        meaning = "only the addresses' part: the rest is left to the network card, and loopback has none"
    else:
        meaning = f"wrong: these bytes give 0x{wanted:04x}"
    reader.amend("tcp.checksum", meaning=meaning)
