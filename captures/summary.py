"""A packet in a line: which protocol speaks, and what it says in a few words."""

from __future__ import annotations

from typing import NamedTuple

from captures import applications
from captures.dissectors import icmp, icmpv6
from captures.dissectors.numbers import NAMES
from captures.inspector import Seen
from captures.skim import ICMP, ICMPV6, TCP, UDP
from netlab.text import counted

FLAGS = ((2, "SYN"), (1, "FIN"), (4, "RST"), (8, "PSH"), (16, "ACK"), (32, "URG"), (64, "ECE"), (128, "CWR"))
_FLAG_TEXT = {bits: ", ".join(name for bit, name in FLAGS if bits & bit) for bits in range(256)}
NOTES = {
    "retransmission": "retransmission",
    "fast_retransmission": "fast retransmission",
    "spurious_retransmission": "spurious retransmission: it had arrived",
    "out_of_order": "out of order",
    "lost_segment": "a segment before this was not captured",
    "ack_lost_segment": "acknowledges a segment that was not captured",
    "duplicate_ack": "duplicate ACK",
    "zero_window": "zero window: no room at the receiver",
    "zero_window_probe": "zero window probe",
    "zero_window_probe_ack": "answer to a zero window probe",
    "window_full": "window full: nothing more may be sent now",
    "window_update": "window update",
    "keep_alive": "keep-alive",
    "keep_alive_ack": "answer to a keep-alive",
    "reset": "reset",
    "checksum_bad": "bad checksum",
    "malformed": "malformed",
}
"""What is odd about a packet, in words; the names are those of Wireshark's tcp.analysis."""


class Summary(NamedTuple):
    """The innermost protocol, and what is to be said; text from the wire is not yet harmless to a terminal."""

    protocol: str
    info: str


def summarize(seen: Seen) -> Summary:
    """What Wireshark's list has in its last columns."""
    told = _conversation(seen) or _packet(seen)
    if not seen.notes:
        return told
    return told._replace(info=f"[{'; '.join(NOTES[note] for note in seen.notes)}] {told.info}")


def _conversation(seen: Seen) -> Summary | None:
    """The messages that the packet completes, or its segment."""
    if seen.messages:
        words = [applications.summary(message) for message in seen.messages[:4]]
        if len(seen.messages) > 4:
            words.append(f"and {len(seen.messages) - 4} more")
        return Summary(applications.label(seen.messages[-1].protocol), " | ".join(words))
    return Summary("TCP", _tcp(seen)) if seen.part is not None else None


def _packet(seen: Seen) -> Summary:
    """Of what no conversation tells anything."""
    skimmed = seen.skimmed
    if skimmed.fragment is not None:
        name = NAMES.get(skimmed.protocol, f"protocol {skimmed.protocol}")
        state = "the last of them: reassembled" if seen.reassembled is not None else "of several"
        identification, offset, _ = skimmed.fragment
        return Summary("IP", f"fragment of {name}, {state}: identification 0x{identification:04x}, offset {offset}")
    data = seen.packet.data
    kind, code = data[skimmed.start : skimmed.start + 1], data[skimmed.start + 1 : skimmed.start + 2]
    if skimmed.protocol == ICMP and kind:
        return Summary("ICMP", _icmp(icmp.TYPES, kind[0], code, data[skimmed.start + 4 : skimmed.start + 8], icmp.ECHO))
    if skimmed.protocol == ICMPV6 and kind:
        rest = data[skimmed.start + 4 : skimmed.start + 8]
        return Summary("ICMPv6", _icmp(icmpv6.TYPES, kind[0], code, rest, {128, 129}))
    if skimmed.protocol == UDP:
        length = max(skimmed.length - 8, 0)
        return Summary("UDP", f"{seen.ports[0]} → {seen.ports[1]}, {counted(length, 'byte')}")
    if skimmed.protocol >= 0:
        name = NAMES.get(skimmed.protocol, f"protocol {skimmed.protocol}")
        return Summary(name, "cut short" if skimmed.protocol == TCP else counted(max(skimmed.length, 0), "byte"))
    if skimmed.network == "ARP":
        return Summary("ARP", _arp(data[skimmed.start :]))
    return Summary(skimmed.network, counted(len(data), "byte"))


def _tcp(seen: Seen) -> str:
    part, tcp = seen.part, seen.tcp
    assert part is not None
    assert tcp is not None
    ports, flags = seen.ports, part.flags
    ack = f" Ack={tcp.acknowledgement}" if flags & 16 else ""
    options = ""
    if flags & 2:
        options = (f" MSS={part.mss}" if part.mss else "") + (f" WS={1 << part.scale}" if part.scale >= 0 else "")
    return (
        f"{ports[0]} → {ports[1]} [{_FLAG_TEXT[flags]}] Seq={tcp.sequence}{ack}"
        f" Win={tcp.window} Len={part.length}{options}"
    )


def _icmp(types: dict[int, str], kind: int, code: bytes, rest: bytes, echoes: set[int]) -> str:
    words = types.get(kind, f"type {kind}")
    if kind in echoes and len(rest) == 4:
        return f"{words}, id 0x{rest[:2].hex()}, seq {int.from_bytes(rest[2:], 'big')}"
    tables = {(3, True): icmp.UNREACHABLE, (1, False): icmpv6.UNREACHABLE}
    table = tables.get((kind, types is icmp.TYPES), ())
    return f"{words}: {table[code[0]]}" if code and code[0] < len(table) else words


def _arp(data: bytes) -> str:
    if len(data) < 28 or data[4:6] != b"\6\4":
        return "ARP of another kind"
    asker, target = (".".join(map(str, data[at : at + 4])) for at in (14, 24))
    if data[7] == 2:
        return f"{asker} is at {data[8:14].hex(':')}"
    return f"who has {target}? Tell {asker}"
