"""One connection's packets in a line each: numbers relative to its SYNs, windows in bytes, options where they count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from captures.tree import Layer
from netlab.net.packet_watch import Passing

SHORT = {"mss": "MSS", "wscale": "window scale", "sack_perm": "SACK", "timestamp": "timestamps", "tfo": "Fast Open"}


@dataclass(slots=True)
class Half:
    """What one side's SYN said: where its numbers begin, and in which units its windows are."""

    first: int | None = None
    shift: int | None = None


class Packets:
    """Reads packets in their order; what stood in the SYNs is needed for all that follow."""

    def __init__(self) -> None:
        self._halves = {"client": Half(), "server": Half()}

    def read(self, tcp: Layer, passing: Passing, *, ours: bool) -> dict[str, Any]:
        """A packet's facts; `sequence` and `acknowledgement` are relative where the SYNs were seen."""
        side, other = ("client", "server") if ours else ("server", "client")
        own, peer = self._halves[side], self._halves[other]
        flags = tcp.get("tcp.flags")
        names = flags.meaning.split(", ") if flags is not None else []
        sequence, acknowledgement = tcp.value("tcp.seq_raw"), tcp.value("tcp.ack_raw")
        if "SYN" in names:
            own.first, own.shift = sequence, tcp.value("tcp.options.wscale.shift")
        window = tcp.value("tcp.window_size_value")
        if "SYN" not in names and own.shift is not None and peer.shift is not None:  # RFC 7323 2.2: only if both offer
            window <<= own.shift
        return {
            "side": side,
            "flags": names,
            "sequence": _relative(sequence, own.first),
            "acknowledgement": _relative(acknowledgement, peer.first) if "ACK" in names else None,
            "window": window,
            "payload": max(passing.length - tcp.payload[0], 0),
            "options": list(_options(tcp)),
            "headers": passing.data[: tcp.payload[0]].hex(),
        }


def line(facts: dict[str, Any]) -> str:
    """The same for people; options are shown with a SYN, where they are agreed on."""
    arrow = ">" if facts["side"] == "client" else "<"
    words = [f"{', '.join(facts['flags'])}: seq {facts['sequence']}"]
    if facts["acknowledgement"] is not None:
        words.append(f"ack {facts['acknowledgement']}")
    words.append(f"window {facts['window']}")
    if facts["payload"]:
        words.append(f"payload {facts['payload']}")
    if "SYN" in facts["flags"] and facts["options"]:
        words.append(f"({', '.join(facts['options'])})")
    return f"{arrow} {' '.join(words)}"


def _relative(number: int, first: int | None) -> int:
    return number if first is None else (number - first) & 0xFFFF_FFFF


def _options(tcp: Layer) -> Iterator[str]:
    """What is offered, in short: MSS 1460, SACK, timestamps, window scale 7."""
    for field in tcp.fields:
        name = field.name.removeprefix("tcp.options.")
        if name in ("mss", "wscale"):
            yield f"{SHORT[name]} {field.parts[-1].value}"
        elif field.parts and field.name.startswith("tcp.options."):
            yield SHORT.get(name, field.label)
