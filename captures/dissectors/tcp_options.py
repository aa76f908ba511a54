"""TCP options: what the ends of a connection agree on in their SYNs, and carry along afterwards."""

from __future__ import annotations

from typing import NamedTuple

from captures.tree import Reader, Row

KINDS = "RFC 9293 3.2"


class Option(NamedTuple):
    """A kind of option: its name, the lengths it may have with kind and length counted, its fields, its RFC."""

    name: str
    label: str
    lengths: frozenset[int]
    rows: tuple[Row, ...]
    section: str


def _shift(number: int) -> str:
    if number > 14:  # RFC 7323 2.3
        return f"{number} is too much: it counts as 14"
    return f"windows are in units of {1 << number} bytes once both have offered this"


def _segment(number: int) -> str:
    known = {1460: "what Ethernet's 1,500 bytes leave", 1440: "what Ethernet's 1,500 bytes leave over IPv6"}
    known |= {65495: "what loopback's 65,535 bytes leave", 65476: "what loopback leaves over IPv6"}
    return f"the most payload a segment to this end may have: {known.get(number, f'{number} bytes')}"


MSS = Option(
    "tcp.options.mss",
    "Maximum Segment Size",
    frozenset({4}),
    (Row("tcp.options.mss_val", "MSS", 16, _segment, "RFC 9293 3.7.1"),),
    "RFC 9293 3.7.1",
)
WINDOW_SCALE = Option(
    "tcp.options.wscale",
    "Window Scale",
    frozenset({3}),
    (Row("tcp.options.wscale.shift", "Shift", 8, _shift, "RFC 7323 2.2"),),
    "RFC 7323 2.2",
)
SACK_PERMITTED = Option("tcp.options.sack_perm", "SACK Permitted", frozenset({2}), (), "RFC 2018 2")
TIMESTAMPS = Option(
    "tcp.options.timestamp",
    "Timestamps",
    frozenset({10}),
    (
        Row(
            "tcp.options.timestamp.tsval", "TSval", 32, "the sender's clock, which its peer sends back", "RFC 7323 3.2"
        ),
        Row("tcp.options.timestamp.tsecr", "TSecr", 32, "the peer's clock, sent back; zero in a SYN", "RFC 7323 3.2"),
    ),
    "RFC 7323 3.2",
)
USER_TIMEOUT = Option(
    "tcp.options.user_to",
    "User Timeout",
    frozenset({4}),
    (
        Row("tcp.options.user_to_granularity", "Granularity", 1, lambda n: "minutes" if n else "seconds", "RFC 5482 3"),
        Row("tcp.options.user_to_val", "User Timeout", 15, "how long data may stay unacknowledged", "RFC 5482 3"),
    ),
    "RFC 5482 3",
)
SACK_EDGES = (
    Row("tcp.options.sack_le", "Left Edge", 32, "the first byte of a block that arrived", "RFC 2018 3"),
    Row("tcp.options.sack_re", "Right Edge", 32, "the byte behind that block", "RFC 2018 3"),
)

OPTIONS = {2: MSS, 3: WINDOW_SCALE, 4: SACK_PERMITTED, 8: TIMESTAMPS, 28: USER_TIMEOUT}
SACK, FAST_OPEN = 5, 34
OTHERS = {
    SACK: ("tcp.options.sack", "SACK", "RFC 2018 3"),
    19: ("tcp.options.md5", "MD5 Signature", "RFC 2385 2"),
    29: ("tcp.options.ao", "Authentication", "RFC 5925 2.2"),
    30: ("tcp.options.mptcp", "Multipath TCP", "RFC 8684 3"),
    FAST_OPEN: ("tcp.options.tfo", "Fast Open Cookie", "RFC 7413 4.1.1"),
    69: ("tcp.options.eno", "Encryption Negotiation", "RFC 8547 4.1"),
    172: ("tcp.options.acc_ecn", "Accurate ECN", "RFC 9768 3.2.3"),
}


def read(reader: Reader, end: int) -> None:
    """Pass the options up to the byte `end`, where the header ends."""
    while reader.at < end * 8:
        kind = reader.peek()
        if kind == 0:
            _single(reader, "tcp.options.eol", "End of Option List", "the options end here")
            reader.take(end - reader.at // 8, "tcp.options.padding", "Padding", "fills the header's last word", KINDS)
        elif kind == 1:
            _single(reader, "tcp.options.nop", "No-Operation", "pads to the next word")
        else:
            _read_option(reader, kind, end)


def _single(reader: Reader, name: str, label: str, meaning: str) -> None:
    """Pass an option that is its kind alone."""
    mark = len(reader.fields)
    kind = reader.number(Row("tcp.option_kind", "Kind", 8, label, KINDS))
    reader.fold(mark, name, label, kind, meaning, KINDS)


def _read_option(reader: Reader, kind: int, end: int) -> None:
    mark = len(reader.fields)
    known = OPTIONS.get(kind)
    name, label, section = (known.name, known.label, known.section) if known else OTHERS.get(kind, _unknown(kind))
    reader.number(Row("tcp.option_kind", "Kind", 8, label, section))
    if reader.at == end * 8:
        reader.amend("tcp.option_kind", meaning=f"{label}, cut short: no length follows", malformed=True)
        return
    length = reader.number(Row("tcp.option_len", "Length", 8, "bytes of this option, kind and length counted", section))
    left = end - reader.at // 8
    if length < 2 or length - 2 > left:
        reader.amend("tcp.option_len", meaning=f"{length} cannot be here: {left} bytes are left", malformed=True)
        reader.take(left, f"{name}.data", "Data", "", section)
    elif known is not None and length in known.lengths:
        reader.numbers(known.rows)
    else:
        _read_data(reader, kind, length - 2, name, section)
    reader.fold(mark, name, label, kind, "", section)


def _read_data(reader: Reader, kind: int, size: int, name: str, section: str) -> None:
    """Pass the data of an option that has no fixed form, or not the one it should have."""
    if kind == SACK and size % 8 == 0:
        reader.numbers(SACK_EDGES * (size // 8))
    elif kind in OPTIONS:
        reader.spoil(f"{name}.data", "Data", f"{size} bytes are not what this option has", section, size=size)
    else:
        reader.take(size, f"{name}.data", "Data", _cookie(size) if kind == FAST_OPEN else "", section)


def _unknown(kind: int) -> tuple[str, str, str]:
    return f"tcp.options.{kind}", f"option {kind}", KINDS


def _cookie(size: int) -> str:
    return "data in the SYN is taken with this cookie" if size else "a cookie is asked for"
