"""How messages of an application are found in TCP's streams: each protocol says it as a script that asks for bytes.

A script is a generator for one side of a conversation: it takes what it needs from its `Source` and emits messages;
a `yield` in it means that more bytes are needed. It returns where its protocol ends and another begins.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, Literal, NamedTuple

Side = Literal["client", "server"]
Script = Generator[None, None, None]
Asking = Generator[None, None, int]

LONGEST = 1 << 20
"""The most bytes that wait for their message to be complete, and of one that is decoded."""


HELD = 1 << 18
"""The most bytes of a message that may be long: beyond, it is shown in parts."""


class NotThis(Exception):
    """The bytes are not of the protocol that they were taken for."""


class Ended(Exception):
    """The stream ended, or a part of it is missing, before a message was complete."""


class Decoded(NamedTuple):
    """What a message says once its coding is taken off: a buffer of its own, and the protocol in it, if any."""

    label: str
    data: bytes
    protocol: str = ""


class Coded(NamedTuple):
    """Where in a stream bytes begin that say what they say once a coding is taken off: HTTP's content, WebSocket.

    codings  what was done to the content, in the order in which it was done; of WebSocket its extensions
    length   of content, where the head tells it
    """

    protocol: str
    start: int
    codings: tuple[str, ...] = ()
    length: int | None = None
    chunked: bool = False


class Message(NamedTuple):
    """One message: its protocol, where it begins in its side's stream, its bytes, and what they cannot say themselves.

    `context` is what its dissector has to know besides: the version agreed on, the request that is answered.
    """

    protocol: str
    offset: int
    data: bytes
    context: Mapping[str, Any] = {}
    decoded: tuple[Decoded, ...] = ()
    side: Side = "client"


class Source:
    """One side's bytes in order, and the messages found in them since they were last taken."""

    __slots__ = ("at", "buffer", "coded", "ended", "found", "scanned", "side", "start")

    def __init__(self, side: Side) -> None:
        self.side = side
        self.buffer = bytearray()
        self.start = 0  # the stream's offset of the buffer's first byte
        self.at = 0  # where the message begins that is being read, in the buffer
        self.scanned = 0  # how far a mark was looked for already, from `at` on
        self.ended = False
        self.found: list[Message] = []
        self.coded: list[Coded] = []  # what has begun with the last bytes

    def add(self, data: bytes) -> None:
        if self.at:
            del self.buffer[: self.at]
            self.start += self.at
            self.at = 0
        self.buffer += data

    def need(self, size: int) -> Script:
        """Wait until the message has so many bytes."""
        if size > LONGEST:
            raise NotThis(f"a message of {size} bytes")
        while len(self.buffer) - self.at < size:
            if self.ended:
                raise Ended
            yield

    def find(self, mark: bytes, behind: int = 0, longest: int = LONGEST) -> Asking:
        """Wait for these bytes from index `behind` of the message on; returns the index behind them."""
        self.scanned = max(self.scanned, behind)
        while True:
            index = self.buffer.find(mark, self.at + self.scanned)
            if index >= 0:
                self.scanned = 0
                return index - self.at + len(mark)
            held = len(self.buffer) - self.at
            if held > longest:
                raise NotThis(f"no end within {longest} bytes")
            if self.ended:
                raise Ended
            self.scanned = max(behind, held - len(mark) + 1)
            yield

    def find_far(self, mark: bytes, protocol: str, behind: int = 0) -> Asking:
        """Like `find`, of a message that may be long: what is too much to be held goes ahead in pieces."""
        while True:
            try:
                return (yield from self.find(mark, behind, HELD))
            except NotThis:
                self.emit(protocol, self.left - len(mark) + 1)
                behind = 0

    def peek(self, size: int, at: int = 0) -> bytes:
        """Bytes of the message from index `at` on, as many of these as there are."""
        return bytes(self.buffer[self.at + at : self.at + at + size])

    @property
    def left(self) -> int:
        """Bytes that are there and in no message yet."""
        return len(self.buffer) - self.at

    def begin(
        self,
        protocol: str,
        behind: int = 0,
        codings: tuple[str, ...] = (),
        *,
        length: int | None = None,
        chunked: bool = False,
    ) -> None:
        """Say that from index `behind` of the message on, bytes are coded."""
        self.coded.append(Coded(protocol, self.start + self.at + behind, codings, length, chunked))

    def emit(
        self, protocol: str, size: int, context: Mapping[str, Any] | None = None, decoded: tuple[Decoded, ...] = ()
    ) -> None:
        """The next so many bytes are a message."""
        data = bytes(self.buffer[self.at : self.at + size])
        self.found.append(Message(protocol, self.start + self.at, data, context or {}, decoded, self.side))
        self.at += size
        self.scanned = 0

    def emit_pieces(self, protocol: str, size: int | None, context: Mapping[str, Any]) -> Script:
        """The next so many bytes, or all that come, are of one message too long to wait for: in pieces as they come."""
        while size is None or size:
            if not self.left:
                if self.ended:
                    raise Ended
                yield
                continue
            piece = self.left if size is None else min(size, self.left)
            self.emit(protocol, piece, context)
            size = None if size is None else size - piece


class Talk:
    """What both sides of a conversation know together.

    protocol  what is spoken now; a script that sees it change to another than its own returns
    facts     what one message says about later ones, by names of each protocol's own
    """

    __slots__ = ("facts", "failures", "ports", "protocol")

    def __init__(self, ports: tuple[int, int]) -> None:
        self.ports = ports  # the client's and the server's
        self.protocol = ""
        self.failures = 0
        self.facts: dict[str, Any] = {}

    def switch(self, protocol: str = "", *, port: int | None = None) -> None:
        """Both sides speak another protocol from here on; without a name it has to be recognized.

        `port` where a tunnel begins: what is called at its far end may tell the protocol, and the proxy's own does not.
        """
        self.protocol = protocol
        if port is not None:
            self.ports = 0, port
        self.facts = {}
