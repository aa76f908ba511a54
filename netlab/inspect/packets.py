"""Flows' raw bytes as a packet capture that Wireshark opens, decrypted: records joined with captures.synth."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from math import inf
from typing import Any, BinaryIO

from captures.blocks import Interface, LinkType
from captures.pcapng import Writer
from captures.synth import LABEL, Conversation, Piece, Side, synthesize_all
from netlab import __version__
from netlab.errors import NetlabError
from netlab.flow import Event, Outcome
from netlab.inspect.record import FlowRecord, peer_address, read_flows
from netlab.tape import Chunk
from netlab.text import counted

SECRETS_PER_BLOCK = 4096
"""Key log lines in one block, so that none grows past what readers take."""

_KEY_LOG_LINE = re.compile(r"[A-Z0-9_]+ [0-9a-fA-F]+ [0-9a-fA-F]+")

_STAND_INS = ("192.0.2.1", 1), ("192.0.2.2", 2)
"""Client and server where a conversation had no IP addresses: from the block for documentation (RFC 5737)."""


def write_pcapng(
    records: Iterable[Mapping[str, Any]], out: BinaryIO, *, names: Mapping[str, Sequence[str]] | None = None
) -> str:
    """Writes every flow that has raw bytes as synthesized packets, merged in time order; says how many.

    The bytes of a request are on its connection: that record must be among those given; the request's own record
    gives the comments. `names` is address → names, for readers that show them. TLS secrets of the flows stand before
    the packets. NetlabError, in one sentence, where no flow has raw bytes.
    """
    flows = read_flows(records)
    carriers = [flow for flow in flows if flow.wire is not None and (flow.wire or flow.client)]
    if not any(chunk.data for flow in carriers for chunk in flow.wire or ()):
        raise NetlabError(_nothing(flows))
    notes = notes_of(flows)
    conversations = [
        conversation(flow, (note for seen in (flow, *others) for note in notes[seen.id]), others)
        for flow, others in seen_once(carriers)
    ]
    writer = Writer(out)
    interface = begin(writer, names)
    write_secrets(writer, [line for flow in carriers for line in key_log(flow)])
    count = 0
    for packet in synthesize_all(conversations):
        writer.packet(interface, packet.time, packet.data, comments=packet.comments)
        count += 1
    return f"{counted(len(conversations), 'conversation')} in {counted(count, 'packet')}"


def begin(writer: Writer, names: Mapping[str, Sequence[str]] | None = None) -> Interface:
    """What every capture of flows begins with: what it is, its one interface, names."""
    writer.section(comment=LABEL, application=f"netlab {__version__}")
    interface = writer.interface(LinkType.RAW_IP, name="netlab", description="synthesized")
    known = {address: its_names for address, its_names in (names or {}).items() if _is_address(address)}
    if known:
        writer.names(known)
    return interface


def write_secrets(writer: Writer, lines: Sequence[str]) -> None:
    """Key log lines, in blocks of a bounded size; they must stand before the packets they decrypt."""
    for batch in _batches(lines):
        writer.secrets("".join(f"{line}\n" for line in batch).encode("ascii"))


def _nothing(flows: Sequence[FlowRecord]) -> str:
    if any(flow.wire is not None for flow in flows):
        return (
            f"the raw bytes of the {len(flows)} flows given were not kept: none passed, or newer ones took their room"
        )
    return (
        f"none of the {len(flows)} flows given has raw bytes: they are kept at level full only, "
        "so start with `--record full` or `netlab up`"
    )


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _batches(lines: Sequence[str]) -> Iterator[Sequence[str]]:
    return (lines[start : start + SECRETS_PER_BLOCK] for start in range(0, len(lines), SECRETS_PER_BLOCK))


def key_log(flow: FlowRecord) -> list[str]:
    """The NSS key log lines among a flow's secrets; none where they were redacted."""
    secrets = flow.details.get("secrets") or ""
    lines = secrets.splitlines() if isinstance(secrets, str) else map(str, secrets)
    return [line.strip() for line in lines if _KEY_LOG_LINE.fullmatch(line.strip())]


def seen_once(flows: Sequence[FlowRecord]) -> list[tuple[FlowRecord, list[FlowRecord]]]:
    """Each connection once, with the other flows that saw it: a lab records both ends of what its parts say.

    Of two flows between the same sockets at the same time the one is kept that has more bytes.
    """
    kept: dict[tuple[Any, ...], list[tuple[FlowRecord, list[FlowRecord]]]] = {}
    for flow in sorted(flows, key=lambda flow: -sum(len(chunk.data) for chunk in flow.wire or ())):
        same = kept.setdefault((is_datagrams(flow), flow.client, flow.server), [])
        other = (
            next((others for one, others in same if meet(open_between(one), open_between(flow))), None)
            if flow.client
            else None
        )
        if other is None:
            same.append((flow, []))
        else:
            other.append(flow)
    return sorted((pair for same in kept.values() for pair in same), key=lambda pair: pair[0].started)


def open_between(flow: FlowRecord) -> tuple[float, float]:
    """When a flow began and ended; one that is open has no end in sight."""
    return flow.started, inf if flow.ended is None else flow.ended


def meet(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether both were open at some time."""
    return one[0] <= other[1] and other[0] <= one[1]


def conversation(
    flow: FlowRecord, notes: Iterable[tuple[Event, str]] = (), others: Iterable[FlowRecord] = ()
) -> Conversation:
    """A flow with raw bytes in the form that packets are made from; `notes` become comments where their bytes are."""
    client, server = peer_address(flow.client), peer_address(flow.server)
    comments = [
        f"{also}flow {each.id}: {' '.join(filter(None, (each.service, each.kind, each.label)))}"
        for also, each in (("", flow), *(("also ", other) for other in others))
    ]
    if client is None or server is None:
        comments.append(f"no IP addresses: {flow.client or 'unknown'} to {flow.server or 'unknown'}")
        client, server = _STAND_INS
    comments.append("still open" if flow.ended is None else f"outcome: {flow.outcome} {flow.result}".rstrip())
    reset = next(flow.all("connection.reset"), None)
    return Conversation(
        client=client,
        server=server,
        pieces=_pieces(flow, notes),
        started=flow.started,
        ended=flow.ended,
        transport="udp" if is_datagrams(flow) else "tcp",
        unanswered=flow.outcome == Outcome.UNREACHABLE,
        reset=reset is not None or flow.outcome == Outcome.CUT,
        closed_by="server" if reset is not None and reset.side == "server" else "client",
        comments=tuple(comments),
        syn=_real_syn(flow),
    )


def _real_syn(flow: FlowRecord) -> bytes:
    """The client's SYN, where somebody has asked the kernel for it."""
    try:
        return bytes.fromhex(str(flow.details.get("syn") or ""))
    except ValueError:
        return b""


def is_datagrams(flow: FlowRecord) -> bool:
    """Whether its pieces were datagrams; over TCP, a DNS flow has no bytes of its own."""
    return flow.kind in ("udp", "dns") or flow.details.get("transport") == "udp"


def notes_of(flows: Sequence[FlowRecord]) -> Mapping[str, list[tuple[Event, str]]]:
    """By connection: the events of the requests on it that have bytes, with what a comment should say of each."""
    notes: defaultdict[str, list[tuple[Event, str]]] = defaultdict(list)
    for flow in flows:
        for event in flow.events:
            if flow.parent is not None and event.end > event.start:
                about = flow.label if event.name.startswith("request.") else flow.result
                notes[flow.parent].append((event, f"flow {flow.id} {event.name}: {about}"))
    return notes


def _pieces(flow: FlowRecord, notes: Iterable[tuple[Event, str]]) -> list[Piece]:
    chunks = flow.wire or ()
    comments: defaultdict[int, list[str]] = defaultdict(list)
    streams = _Streams(chunks, flow.plain)
    for event, text in notes:
        comments[streams.carrier_of(event)].append(text)
    return [
        Piece(chunk.time, _side(chunk.side), chunk.offset, chunk.data, tuple(comments[number]))
        for number, chunk in enumerate(chunks)
    ]


def _side(side: str) -> Side:
    return "server" if side == "server" else "client"


class _Streams:
    """Which chunk on the wire carried an event: found by its offset, and through TLS by the time of the plain chunk."""

    def __init__(self, wire: Sequence[Chunk], plain: Sequence[Chunk] | None) -> None:
        self._encrypted = plain is not None
        self._plain: defaultdict[str, list[Chunk]] = defaultdict(list)
        self._wire: defaultdict[str, list[tuple[int, Chunk]]] = defaultdict(list)
        for chunk in plain or ():
            self._plain[chunk.side].append(chunk)
        for number, chunk in enumerate(wire):
            self._wire[chunk.side].append((number, chunk))

    def carrier_of(self, event: Event) -> int:
        """The chunk's number, -1 if there is none."""
        carriers = self._wire[event.side]
        if self._encrypted:
            place = bisect_right(self._plain[event.side], event.start, key=lambda chunk: chunk.offset)
            return _nearest(carriers, self._plain[event.side][place - 1].time) if place else -1
        place = bisect_right(carriers, event.start, key=lambda carrier: carrier[1].offset)
        return carriers[place - 1][0] if place else -1


def _nearest(carriers: Sequence[tuple[int, Chunk]], time: float) -> int:
    """Bytes are decrypted at once after they came, and encrypted at once before they go."""
    place = bisect_right(carriers, time, key=lambda carrier: carrier[1].time)
    around = carriers[max(place - 1, 0) : place + 1]
    return min(around, key=lambda carrier: abs(carrier[1].time - time), default=(-1, None))[0]
