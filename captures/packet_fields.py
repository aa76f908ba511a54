"""A packet's fields by the names of Wireshark's display filters: cheap ones at once, the others from its trees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from captures import applications
from captures.applications import LABELS
from captures.blocks import Packet
from captures.dissect import DISSECTORS
from captures.inspector import Buffer, Seen, buffers
from captures.skim import ICMP, ICMPV6, TCP, UDP, address_text
from captures.tree import walk

PROTOCOLS = {"frame", "data", "padding", *LABELS, *DISSECTORS} - {"sll2"}
"""What a field's name may begin with, and what may be asked for alone."""
ALIASES = {
    "tls.sni": ("tls.handshake.extensions_server_name",),
    "ip.addr": ("ip.src", "ip.dst"),
    "ipv6.addr": ("ipv6.src", "ipv6.dst"),
    "eth.addr": ("eth.src", "eth.dst"),
    "tcp.port": ("tcp.srcport", "tcp.dstport"),
    "udp.port": ("udp.srcport", "udp.dstport"),
}
ALSO_RETRANSMISSION = {"fast_retransmission", "spurious_retransmission"}


class Facts:
    """What can be asked of a packet; its trees are made when something is asked that only they tell."""

    __slots__ = ("_buffers", "_first", "_index", "_layers", "seen")

    def __init__(self, seen: Seen, first: int) -> None:
        self.seen, self._first = seen, first
        self._buffers: list[Buffer] | None = None
        self._index: dict[str, list[Any]] = {}
        self._layers: dict[str, list[bytes]] = {}

    @property
    def buffers(self) -> list[Buffer]:
        """The packet's trees."""
        if self._buffers is None:
            self._buffers = buffers(self.seen)
            for buffer in self._buffers:
                for layer in buffer.layers:
                    behind = max(layer.end // 8, layer.payload[1])  # to Wireshark, what a protocol carries is in it
                    self._layers.setdefault(layer.name, []).append(buffer.data[layer.start // 8 : behind])
                    for field in (*walk(layer.fields), *layer.derived):
                        self._index.setdefault(field.name, []).append(field.value)
        return self._buffers

    @property
    def since(self) -> float:
        """Seconds since the capture's first packet."""
        return (self.seen.time - self._first) / 10**9

    def values(self, name: str) -> list[Any]:
        """Every value of a field."""
        if name in ALIASES:
            return [value for alias in ALIASES[name] for value in self.values(alias)]
        quick = QUICK.get(name)
        if quick is not None and not (name in QUOTED and self.seen.skimmed.protocol in (ICMP, ICMPV6)):
            return quick(self)
        assert self.buffers is not None
        return self._index.get(name, [])

    def contents(self, name: str) -> list[Any]:
        """Every value of a field, or the bytes of every layer of a protocol, with what it carries."""
        if name == "frame":
            return [self.seen.packet.data]
        if "." in name:
            return self.values(name)
        assert self.buffers is not None
        return self._layers.get(name, [])

    def has(self, name: str) -> bool:
        """Whether the packet has the field, or speaks the protocol."""
        if "." in name:
            return bool(self.values(name))
        seen = self.seen
        if name == "frame":
            return True
        if name in ("ip", "ipv6") and seen.skimmed.network == name:
            return True
        if name in BY_NUMBER and seen.skimmed.protocol == BY_NUMBER[name]:
            return seen.skimmed.fragment is None or seen.reassembled is not None or seen.part is not None
        if name in LABELS and seen.skimmed.protocol not in (ICMP, ICMPV6):
            return any(message.protocol.partition(".")[0] == name for message in seen.messages) or (
                any(each.protocol == name for message in seen.messages for each in applications.decoded(message))
            )
        return bool(self.contents(name))


BY_NUMBER = {"tcp": TCP, "udp": UDP, "icmp": ICMP, "icmpv6": ICMPV6}


def _tcp(read: Callable[[Seen], Any]) -> Callable[[Facts], list[Any]]:
    return lambda facts: [read(facts.seen)] if facts.seen.tcp is not None else []


def _address(network: str, end: str) -> Callable[[Facts], list[Any]]:
    def read(facts: Facts) -> list[Any]:
        skimmed = facts.seen.skimmed
        return [address_text(getattr(skimmed, end))] if skimmed.network == network else []

    return read


def _port(protocol: int, place: int) -> Callable[[Facts], list[Any]]:
    def read(facts: Facts) -> list[Any]:
        seen = facts.seen
        return [seen.ports[place]] if seen.skimmed.protocol == protocol and seen.conversation is not None else []

    return read


def _stream(kind: str) -> Callable[[Facts], list[Any]]:
    def read(facts: Facts) -> list[Any]:
        conversation = facts.seen.conversation
        return [conversation.index] if conversation is not None and conversation.kind == kind else []

    return read


def _noted(*names: str) -> Callable[[Facts], list[Any]]:
    return lambda facts: [1 for note in facts.seen.notes if note in names]


def _payload(protocol: int) -> Callable[[Facts], list[Any]]:
    """What a segment or a datagram carries, where it carries something."""

    def read(facts: Facts) -> list[Any]:
        seen = facts.seen
        if seen.skimmed.protocol != protocol or seen.conversation is None:
            return []
        data = seen.packet.data if seen.reassembled is None else seen.reassembled
        start = seen.skimmed.start if seen.reassembled is None else 0
        start, end = start + 8, seen.skimmed.end if seen.reassembled is None else len(data)
        if seen.part is not None:
            start, end = seen.part.at, seen.part.end
        return [data[start:end]] if end > start else []

    return read


def _rtt(facts: Facts) -> list[Any]:
    tcp = facts.seen.tcp
    return [tcp.rtt / 10**9] if tcp is not None and tcp.rtt >= 0 else []


QUICK: dict[str, Callable[[Facts], list[Any]]] = {
    "frame.number": lambda facts: [facts.seen.number],
    "frame.len": lambda facts: [facts.seen.length],
    "frame.cap_len": lambda facts: [len(facts.seen.packet.data)],
    "frame.time_epoch": lambda facts: [facts.seen.time / 10**9],
    "frame.time_relative": lambda facts: [facts.since],
    "frame.comment": lambda facts: list(facts.seen.packet.comments) if isinstance(facts.seen.packet, Packet) else [],
    "frame.interface_name": lambda facts: [facts.seen.packet.interface.name],
    "ip.src": _address("ip", "source"),
    "ip.dst": _address("ip", "destination"),
    "ipv6.src": _address("ipv6", "source"),
    "ipv6.dst": _address("ipv6", "destination"),
    "tcp.srcport": _port(TCP, 0),
    "tcp.dstport": _port(TCP, 1),
    "udp.srcport": _port(UDP, 0),
    "udp.dstport": _port(UDP, 1),
    "tcp.stream": _stream("tcp"),
    "udp.stream": _stream("udp"),
    "tcp.seq": _tcp(lambda seen: seen.tcp.sequence if seen.tcp else 0),
    "tcp.ack": _tcp(lambda seen: seen.tcp.acknowledgement if seen.tcp else 0),
    "tcp.window_size": _tcp(lambda seen: seen.tcp.window if seen.tcp else 0),
    "tcp.len": _tcp(lambda seen: seen.part.length if seen.part else 0),
    "data.len": lambda facts: [len(data) for data in facts.contents("data")],
    "tcp.payload": _payload(TCP),
    "udp.payload": _payload(UDP),
    "tcp.analysis.flags": lambda facts: [1] if set(facts.seen.notes) - {"reset"} else [],
    "tcp.analysis.retransmission": _noted("retransmission", *ALSO_RETRANSMISSION),
    "tcp.analysis.ack_rtt": _rtt,
    **{
        f"tcp.analysis.{note}": _noted(note)
        for note in (
            "fast_retransmission", "spurious_retransmission", "out_of_order", "lost_segment", "ack_lost_segment",
            "duplicate_ack", "zero_window", "zero_window_probe", "zero_window_probe_ack", "window_full",
            "window_update", "keep_alive", "keep_alive_ack",
        )
    },
}  # fmt: skip
"""Fields that are known without a tree."""
QUOTED = {f"{network}.{end}" for network in ("ip", "ipv6") for end in ("src", "dst")} | {
    f"{transport}.{end}port" for transport in ("tcp", "udp") for end in ("src", "dst")
}
"""Those of them that an ICMP error has once more, of the packet that it quotes."""
