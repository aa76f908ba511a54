"""One conversation of a capture: what both sides said, in order, and its TCP connection state by state."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from captures.conversations import ACK, FIN, RST, SYN, Conversation, Given
from captures.dissect import dissect, outermost
from captures.inspector import Seen
from captures.messages import Side
from captures.skim import address_text
from captures.summary import NOTES
from captures.tree import Layer
from netlab.inspect.packet_names import KnownNames
from netlab.text import counted, duration, escape, host_port

CLOSED, LISTEN, SYN_SENT, SYN_RECEIVED, ESTABLISHED = "CLOSED", "LISTEN", "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED"
FIN_WAIT_1, FIN_WAIT_2, CLOSING, CLOSE_WAIT, LAST_ACK = "FIN-WAIT-1", "FIN-WAIT-2", "CLOSING", "CLOSE-WAIT", "LAST-ACK"
TIME_WAIT = "TIME-WAIT"
SENT = {
    (CLOSED, "SYN"): SYN_SENT,
    (LISTEN, "SYN"): SYN_RECEIVED,
    (ESTABLISHED, "FIN"): FIN_WAIT_1,
    (SYN_RECEIVED, "FIN"): FIN_WAIT_1,
    (CLOSE_WAIT, "FIN"): LAST_ACK,
}
"""(state, what is sent) → state (RFC 9293 3.3.2)."""
RECEIVED = {
    (SYN_SENT, "SYN"): ESTABLISHED,
    (SYN_RECEIVED, "ACK"): ESTABLISHED,
    (ESTABLISHED, "FIN"): CLOSE_WAIT,
    (FIN_WAIT_1, "FIN"): CLOSING,
    (FIN_WAIT_2, "FIN"): TIME_WAIT,
    (FIN_WAIT_1, "ACK"): FIN_WAIT_2,
    (CLOSING, "ACK"): TIME_WAIT,
    (LAST_ACK, "ACK"): CLOSED,
}
"""(state, what is received) → state. ACK of a FIN counts where it covers it."""


def place(end: tuple[bytes, int], names: KnownNames | None = None) -> str:
    """A socket's address for people, or its name."""
    host = address_text(end[0])
    return host_port((names and names.get(host)) or host, end[1])


class Follow:
    """What the two sides of one conversation said: bytes in their order, from one change of sides to the next."""

    def __init__(self) -> None:
        self.conversation: Conversation | None = None

    def add(self, seen: Seen) -> Iterator[Given]:
        """The pieces that can be told behind this packet."""
        if seen.part is not None:
            self.conversation = seen.conversation
            yield from seen.given
        elif payload := payload_of(seen):
            yield Given(seen.side, 0, payload)

    def finish(self) -> Iterator[Given]:
        """What still waited for bytes that never came."""
        if self.conversation is not None:
            for half in self.conversation.halves.values():
                for data, missing in half.stream.finish():
                    yield Given(half.source.side, half.given + missing, data, missing)
                    half.given += missing + len(data)


def payload_of(seen: Seen) -> bytes:
    """What a segment or datagram carries."""
    whole = seen.packet.data if seen.reassembled is None else seen.reassembled
    if seen.part is not None:
        return whole[seen.part.at : seen.part.end]
    start = seen.skimmed.start if seen.reassembled is None else 0
    return whole[start + 8 : seen.skimmed.end if seen.reassembled is None else len(whole)]


def piece_text(piece: Given, *, as_hex: bool) -> Iterator[str]:
    """A piece in lines, each with whose it is."""
    arrow = ">" if piece.side == "client" else "<"
    if piece.missing:
        yield f"{arrow} [{counted(piece.missing, 'byte')} missing in the capture]"
    if as_hex:
        for at in range(0, len(piece.data), 16):
            row = piece.data[at : at + 16]
            printable = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
            yield f"{arrow} {at:08x}  {row.hex(' '):<47}  {printable}"
        return
    lines = piece.data.decode("utf-8", "backslashreplace").replace("\r\n", "\n").split("\n")
    yield from (f"{arrow} {escape(words)}" for words in (lines[:-1] if not lines[-1] else lines))


def piece_record(piece: Given) -> dict[str, Any]:
    return {"side": piece.side, "missing": piece.missing, "data": base64.b64encode(piece.data).decode("ascii")}


class Handshake:
    """A TCP connection packet by packet: flags, relative numbers, round trips, windows, options, both sides' states."""

    def __init__(self) -> None:
        self.states: dict[Side, str] = {"client": CLOSED, "server": LISTEN}
        self._fins: dict[Side, int] = {}

    def add(self, seen: Seen) -> dict[str, Any] | None:
        """What one packet of the connection did."""
        part, tcp, conversation = seen.part, seen.tcp, seen.conversation
        if part is None or tcp is None or conversation is None:
            return None
        self._move(seen.side, part.flags, tcp.sequence + part.length, tcp.acknowledgement)
        return {
            "number": seen.number,
            "since": (seen.time - conversation.first) / 10**9,
            "side": seen.side,
            "flags": [
                name
                for bit, name in ((SYN, "SYN"), (FIN, "FIN"), (RST, "RST"), (8, "PSH"), (ACK, "ACK"))
                if part.flags & bit
            ],
            "seq": tcp.sequence,
            "ack": tcp.acknowledgement if part.flags & ACK else None,
            "window": tcp.window,
            "length": part.length,
            "rtt": tcp.rtt / 10**9 if tcp.rtt >= 0 else None,
            "options": _options(seen) if part.flags & SYN else [],
            "notes": list(tcp.notes),
            "client": self.states["client"],
            "server": self.states["server"],
        }

    def _move(self, side: Side, flags: int, sequence: int, acknowledgement: int) -> None:
        other: Side = "server" if side == "client" else "client"
        if flags & RST:
            self.states = {"client": CLOSED, "server": CLOSED}
            return
        if not flags & SYN and self.states == {"client": CLOSED, "server": LISTEN}:  # it began before the capture
            self.states = {"client": ESTABLISHED, "server": ESTABLISHED}
        states = self.states
        if flags & ACK and (other not in self._fins or acknowledgement > self._fins[other]):
            states[other] = RECEIVED.get((states[other], "ACK"), states[other])
        for bit, name in ((SYN, "SYN"), (FIN, "FIN")):
            if flags & bit:
                states[side] = SENT.get((states[side], name), states[side])
                states[other] = RECEIVED.get((states[other], name), states[other])
        if flags & FIN:
            self._fins[side] = sequence


def _options(seen: Seen) -> list[str]:
    """What a SYN offers, in words."""
    data = seen.packet.data
    layer = next(
        (each for each in dissect(data, outermost(seen.packet.interface.link_type, data)) if each.name == "tcp"), None
    )
    return list(_offers(layer)) if layer is not None else []


def _offers(layer: Layer) -> Iterator[str]:
    for field in layer.fields:
        if field.parts and field.name.startswith("tcp.options."):
            values = [part.value for part in field.parts if part.name not in ("tcp.option_kind", "tcp.option_len")]
            yield f"{field.label} {values[0]}" if len(values) == 1 and isinstance(values[0], int) else field.label


def handshake_line(facts: dict[str, Any]) -> str:
    """The same for people."""
    arrow = "──▶" if facts["side"] == "client" else "◀──"
    words = [f"{', '.join(facts['flags'])}", f"seq {facts['seq']}"]
    words += [f"ack {facts['ack']}"] if facts["ack"] is not None else []
    words += [f"window {facts['window']}"] + ([f"{facts['length']} bytes"] if facts["length"] else [])
    words += [f"round trip {duration(facts['rtt'])}"] if facts["rtt"] is not None else []
    words += [f"({', '.join(facts['options'])})"] if facts["options"] else []
    words += [f"[{NOTES[note]}]" for note in facts["notes"]]
    states = f"{facts['client']:<12} {arrow} {facts['server']:<12}"
    return f"{facts['number']:>6} {'+' + duration(facts['since']):>9}  {states}  {' '.join(words)}"


def connection_line(conversation: Conversation, names: KnownNames | None = None) -> str:
    """A conversation in a line: who, how much, how long."""
    client, server = conversation.halves["client"], conversation.halves["server"]
    protocol = conversation.talk.protocol if conversation.talk.protocol != "data" else ""
    return (
        f"{conversation.kind} {conversation.index}: "
        f"{place(conversation.client, names)} → {place(conversation.server, names)}"
        f"{' ' + protocol if protocol else ''}, {client.packets}+{server.packets} packets, "
        f"{client.bytes}+{server.bytes} bytes, {duration((conversation.last - conversation.first) / 10**9)}"
        + (f", round trip {duration(conversation.rtt / 10**9)}" if conversation.rtt >= 0 else "")
    )
