"""What WebSocket messages and control frames leave on a flow at level full; nothing of this runs at summary."""

from __future__ import annotations

import base64
from typing import Any

from netlab.cores.websocket import TEXT, Close, Event, Frame, Message, Ping
from netlab.cores.websocket_close import meaning
from netlab.errors import RemoteProtocolError
from netlab.flow import Flow
from netlab.tape import Side

KEPT = 64 << 10
"""Bytes of each message that are kept."""


def open_flow(asked: Flow, path: str) -> Flow:
    """The conversation's flow; like the request for it, it runs on the connection, whose tapes have its bytes."""
    flow = asked.log.open("websocket", asked.service, asked.parent or asked)
    flow.client, flow.server, flow.label = asked.client, asked.server, f"WebSocket {path}"
    return flow


class Recorder:
    """Notes what is said on a flow in full: so much of each message, and so much in all, for it may talk for weeks."""

    __slots__ = ("_kept", "_left", "flow")

    def __init__(self, flow: Flow, kept: int = KEPT) -> None:
        self.flow, self._kept, self._left = flow, kept, flow.log.flow_bytes

    def note(self, side: Side, event: Event) -> None:
        """What one side has said."""
        if self.flow.events is None:
            return
        kept = min(self._kept, self._left)
        if isinstance(event, Message):
            self._left -= min(len(event.data), kept)
        note_event(self.flow, side, event, kept)


def note_event(flow: Flow, side: Side, event: Event, kept: int) -> None:
    """An event by its own name; seen from the server, whoever looks on."""
    how = "received" if side == "client" else "sent"
    if isinstance(event, RemoteProtocolError):
        flow.note("protocol.violated", side, **event.facts())
    elif isinstance(event, Message):
        flow.note(f"message.{how}", side, start=event.start, end=event.end, **message_facts(event, kept))
    elif isinstance(event, Close):
        facts = {"code": event.code, "reason": event.reason, "meaning": meaning(event.code)}
        flow.note(f"close.{how}", side, start=event.start, end=event.end, **facts)
    else:
        name = "ping" if isinstance(event, Ping) else "pong"
        flow.note(f"{name}.{how}", side, start=event.start, end=event.end, data=event.data.hex())


def message_facts(message: Message, kept: int) -> dict[str, Any]:
    """A message as an event's fields: what it says, how long it is, and what it was on the wire."""
    size = len(message.data)
    facts: dict[str, Any] = {"opcode": "text" if message.opcode == TEXT else "binary", "size": size}
    if message.opcode == TEXT:
        facts["text"] = message.data[:kept].decode("utf-8", "ignore")
    else:
        facts["base64"] = base64.b64encode(message.data[:kept]).decode()
    if size > kept:
        facts["truncated"] = True
    if message.payload != size:
        facts["payload"] = message.payload
        facts["ratio"] = round(message.payload / size, 3) if size else 0
    if message.frames > 1:
        facts["frames"] = message.frames
    return facts


def sent_message(opcode: int, data: bytes, frames: list[Frame]) -> Message:
    """A message of ours as the peer will see it, from the frames it left in."""
    payload = sum(frame.length for frame in frames)
    return Message(opcode, data, frames[0].start, frames[-1].end, payload, len(frames))
