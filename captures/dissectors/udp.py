"""UDP (RFC 768): ports, a length and a checksum."""

from __future__ import annotations

from captures.checksum import judge
from captures.dissectors.ports import UDP, port
from captures.tree import Layer, Reader, Row, Short

HEADER = "RFC 768"
PROTOCOL = 17
PORTS = (Row("udp.srcport", "Source Port", 16, port, HEADER), Row("udp.dstport", "Destination Port", 16, port, HEADER))
LENGTH = Row("udp.length", "Length", 16, "bytes of the datagram, header and payload", HEADER)
CHECKSUM = Row("udp.checksum", "Checksum", 16, "", HEADER)


def dissect(data: bytes, start: int = 0, end: int | None = None, below: Layer | None = None) -> Layer:
    """The header at `start`; `below` is the IP layer, whose addresses the checksum covers."""
    reader = Reader(data, start, len(data) if end is None else end)
    behind = reader.end // 8
    carries, payload = "", (behind, behind)
    try:
        source, destination = reader.numbers(PORTS)
        length = reader.number(LENGTH)
        found = reader.number(CHECKSUM)
    except Short:
        pass
    else:
        stop = min(start + length, behind) if length >= 8 else behind
        if length < 8:
            reader.amend("udp.length", meaning=f"{length} is too little: the header alone has 8", malformed=True)
        carries, payload = UDP.get(destination) or UDP.get(source, ""), (reader.at // 8, stop)
        if not found:
            reader.amend("udp.checksum", meaning="none was made: over IPv4 that is allowed")
        elif length <= behind - start:
            reader.amend("udp.checksum", meaning=judge(data[start:stop], 6, below, PROTOCOL))
    return Layer("udp", "User Datagram Protocol", start * 8, reader.at, tuple(reader.fields), carries, payload)
