"""WebSockets that pass through a proxy or balancer: their frames counted, and shown where a flow is kept in full."""

from __future__ import annotations

from netlab.cores.fields import Fields
from netlab.cores.websocket_close import TOO_BIG
from netlab.cores.websocket_counter import FrameCounter
from netlab.cores.websocket_deflate import Deflate
from netlab.cores.websocket_events import Event
from netlab.cores.websocket_handshake import agreed_in
from netlab.cores.websocket_reader import Limits, Reader
from netlab.errors import RemoteProtocolError
from netlab.flow import Flow, Outcome
from netlab.http.websocket.recording import Recorder, open_flow
from netlab.tape import Side

LONGEST_HEAD = 16 << 10
"""Bytes of a head inside a tunnel; what is longer is no handshake that is looked into."""
LIMITS = Limits()
"""What is put together to be shown; the peers have limits of their own."""


class Watch:
    """Looks on while two peers talk; it changes nothing, and what it cannot read is passed on all the same."""

    __slots__ = ("_counters", "_extensions", "_first", "_readers", "_recorder", "flow")

    def __init__(self, asked: Flow, path: str, extensions: str | None) -> None:
        flow = self.flow = open_flow(asked, path)
        if extensions:
            flow.detail(compression=extensions)
        self._counters = {"client": FrameCounter(), "server": FrameCounter()}
        self._readers = readers(extensions) if flow.events is not None else None
        self._recorder = Recorder(flow)
        self._first: Side | None = None

    def passed(self, side: Side, data: bytes, ahead: int = 0) -> None:
        """Bytes of one side; b"" is their end. `ahead` are bytes that came with the first, and are none of them."""
        if not data:
            return
        counter = self._counters[side]
        counter.receive(data)
        if counter.close is not None and self._first is None:
            self._first = side
        if self._readers is None:
            return
        reader = self._readers[side]
        if not reader.received:
            reader.received = self._offset(side, len(data)) + ahead
        self._show(side, reader.receive(data))
        while reader.more:
            self._show(side, reader.receive(reader.rest()))

    def _show(self, side: Side, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, RemoteProtocolError) and event.status == TOO_BIG:
                self.flow.note("messages.unshown", side, reason=event.reason)  # no fault of theirs
            else:
                self._recorder.note(side, event)

    def _offset(self, side: Side, size: int) -> int:
        """Where a side's first frame stands in its bytes of the connection; a client's are on the tape already."""
        connection = self.flow.parent
        tape = None if connection is None else connection.plain or connection.wire
        if tape is None:
            return 0
        return tape.offsets[side] - (size if side == "client" else 0)

    def end(self, outcome: str) -> None:
        """Nothing passes any more."""
        flow, client, server = self.flow, self._counters["client"], self._counters["server"]
        if flow.ended:
            return
        flow.detail(
            messages_received=client.messages,
            messages_sent=server.messages,
            frames_received=client.frames,
            frames_sent=server.frames,
        )
        code = client.close if self._first == "client" else server.close
        if self._first is not None:
            flow.detail(closed_by=self._first)
        if outcome == Outcome.OK and code is None:
            outcome = Outcome.CUT
        flow.end(outcome, str(code or 1006))

    def count(self, received: int, sent: int) -> None:
        """Bytes in both directions."""
        self.flow.received, self.flow.sent = received, sent


def readers(extensions: str | None) -> dict[str, Reader]:
    """One for each direction, for what the answer says was agreed on."""
    agreed = agreed_in(extensions)
    theirs = None if agreed is None else Deflate(their_bits=agreed.our_bits, they_forget=agreed.we_forget)
    return {
        "client": Reader(masked=True, limits=LIMITS, deflate=agreed),
        "server": Reader(masked=False, limits=LIMITS, deflate=theirs),
    }


class Tunnelled:
    """A handshake inside a tunnel (CONNECT): both heads are looked at, and what follows them is watched."""

    __slots__ = ("_asked", "_heads", "_watch")

    def __init__(self, asked: Flow) -> None:
        self._asked = asked
        self._heads: dict[str, bytes] | None = {"client": b"", "server": b""}
        self._watch: Watch | None = None

    def passed(self, side: Side, data: bytes) -> None:
        if self._watch is not None:
            self._watch.passed(side, data)
            return
        heads = self._heads
        if heads is None:
            return
        heads[side] += data
        if len(heads[side]) > LONGEST_HEAD:
            self._heads = None
        elif b"\r\n\r\n" in heads["server"]:
            self._begin(heads)

    def _begin(self, heads: dict[str, bytes]) -> None:
        """The server has answered: 101 begins the conversation, anything else is none."""
        self._heads = None
        (request, _, said), (answer, _, heard) = (heads[side].partition(b"\r\n\r\n") for side in ("client", "server"))
        if not answer.startswith(b"HTTP/1.1 101 "):
            return
        target = request.split(b" ", 2)[1].decode("latin-1")
        self._watch = Watch(self._asked, target, fields_of(answer).get("sec-websocket-extensions"))
        self._watch.passed("client", said)
        self._watch.passed("server", heard, ahead=len(answer) + 4)

    def count(self, received: int, sent: int) -> None:
        if self._watch is not None:
            self._watch.count(received, sent)

    def end(self, outcome: str) -> None:
        if self._watch is not None:
            self._watch.end(outcome)


def fields_of(head: bytes) -> Fields:
    lines = head.decode("latin-1").split("\r\n")[1:]
    return Fields((name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines))


def recognise(asked: Flow, said: bytes) -> Tunnelled | None:
    """Whether what a client first says in a tunnel may become a WebSocket."""
    if not said.startswith(b"GET ") or b"upgrade: websocket" not in said.lower():
        return None
    return Tunnelled(asked)
