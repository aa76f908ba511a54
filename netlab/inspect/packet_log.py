"""Flows of a running lab as packets while it runs, each when it ends: to a file, a row of files or a pipe."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from captures.blocks import Interface
from captures.pcapng import Writer
from captures.rolling import Counted, Rolling, block_size
from captures.synth import synthesize
from netlab.errors import NetlabError
from netlab.inspect.packets import (
    begin,
    conversation,
    is_datagrams,
    key_log,
    meet,
    notes_of,
    open_between,
    write_secrets,
)
from netlab.inspect.record import FlowRecord

WAITING = 1000
"""Connections whose requests' comments wait for them to end; those of the oldest are left out."""

SECRETS = 64
"""Bytes of a block of TLS secrets, besides them."""


class PacketLog:
    """Writes what has bytes of its own as packets; requests become comments on the connection that they came on."""

    def __init__(self, target: str, names: Mapping[str, Sequence[str]], *, limit: int = 0, keep: int = 10) -> None:
        self._names = names
        self._requests: OrderedDict[str, list[FlowRecord]] = OrderedDict()
        self._written: OrderedDict[tuple[Any, ...], tuple[float, float]] = OrderedDict()
        self._rolling: Rolling | None = None
        if target == "-":
            self._writer = Writer(Counted(sys.stdout.buffer, flush=True))  # type: ignore[arg-type]  # only write is asked for
            self._begin(self._writer)
            return
        try:
            self._rolling = Rolling(Path(target), self._begin, limit=limit, keep=keep)
        except OSError as error:
            raise NetlabError(f"cannot write {target}: {error.strerror}") from None

    def _begin(self, writer: Writer) -> None:
        self._interface: Interface = begin(writer, self._names)

    def add(self, record: Mapping[str, Any]) -> None:
        """A flow that has ended."""
        flow = FlowRecord.from_json(record)
        if flow.parent is not None and flow.events:
            self._requests.setdefault(flow.parent, []).append(flow)
            if len(self._requests) > WAITING:
                self._requests.popitem(last=False)
        if not flow.wire or self._seen(flow):
            return
        notes = notes_of(self._requests.pop(flow.id, []))
        packets, secrets = list(synthesize(conversation(flow, notes[flow.id]))), key_log(flow)
        sizes = [block_size(packet.data, packet.comments) for packet in packets]
        writer = self._next(sum(sizes) + sum(len(line) + 1 for line in secrets) + SECRETS)
        write_secrets(writer, secrets)
        for packet, size in zip(packets, sizes, strict=True):
            if (following := self._next(size)) is not writer:  # a flow that no file has room for
                writer = following
                write_secrets(writer, secrets)
            writer.packet(self._interface, packet.time, packet.data, comments=packet.comments)

    def _next(self, size: int) -> Writer:
        return self._rolling.writer(size) if self._rolling is not None else self._writer

    def _seen(self, flow: FlowRecord) -> bool:
        """Whether its other end, which the lab recorded too, is written already."""
        key = (is_datagrams(flow), flow.client, flow.server)
        other = self._written.get(key)
        times = open_between(flow)
        if flow.client and other is not None and meet(other, times):
            return True
        self._written[key] = times
        if len(self._written) > WAITING:
            self._written.popitem(last=False)
        return False

    def __enter__(self) -> PacketLog:
        return self

    def __exit__(self, *_: object) -> None:
        if self._rolling is not None:
            self._rolling.close()
