"""Everything that can go wrong, as one tree.

NetlabError
├── UsageError              what was asked for cannot be meant: a flag, a file, a name; the command line exits with 2
├── AddressInUse            a listener's address is taken; names it and, where the system tells, its holder
├── LocalProtocolError      our own code asked a core for something its protocol forbids (our bug)
├── RemoteProtocolError     the peer broke its protocol: what, where, which rule, which section, and what to answer
│   └── Truncated           the peer's bytes ended inside a message
├── PeerUnreachable         a dial that did not become a connection; `stage` says how far it came
├── DeadlineExceeded        a wait that came to its deadline; `stage` says which
├── ConnectionLost          the peer went away in the middle
├── BodyTooLarge            more content than this place takes
├── StoreFailed             what must survive could not be written or read: which file, and why
└── DamagedCapture          a capture file that cannot be read past a place: where, and what is wrong there

Local errors are bugs and show a traceback in the log; remote errors are facts about a peer, become the `outcome` of a
flow and an answer on the wire, and never a traceback.
"""

from __future__ import annotations

from typing import Any


class NetlabError(Exception):
    """The root; `str()` is always one sentence fit to show to a person."""


class UsageError(NetlabError):
    """What was asked for cannot be meant; names flag or file and line, the value and what is allowed."""


class AddressInUse(NetlabError):
    """A listener's address is taken."""

    def __init__(self, host: str, port: int, holder: str | None = None) -> None:
        self.host, self.port, self.holder = host, port, holder
        self.instead = 0  # the port that was taken in its place, if one was
        held = f", held by {holder}" if holder else ""
        super().__init__(f"{host} port {port} is in use{held}")


class LocalProtocolError(NetlabError):
    """A core was asked for what its protocol forbids."""


class RemoteProtocolError(NetlabError):
    """The peer broke its protocol. Also an event: cores hand it out as the last event of a connection.

    reason   one sentence
    offset   byte offset in everything received on this connection, where the offending bytes begin
    rule     a short stable name (`host.missing`), the same for every occurrence
    section  where the rule stands (`RFC 9112 3.2`)
    status   what to answer with: an HTTP status, reply code, reason code or close code, as the protocol has it
    excerpt  the offending bytes with a little of what stood before them, for a caret; `caret` is the index into it
    """

    def __init__(
        self,
        reason: str,
        *,
        offset: int,
        rule: str,
        section: str,
        status: int = 400,
        excerpt: bytes = b"",
        caret: int = 0,
    ) -> None:
        super().__init__(reason)
        self.reason, self.offset, self.rule, self.section = reason, offset, rule, section
        self.status, self.excerpt, self.caret = status, excerpt, caret

    def facts(self) -> dict[str, Any]:
        """What a flow notes of it (`protocol.violated`)."""
        return {"reason": self.reason, "rule": self.rule, "section": self.section, "offset": self.offset}

    def __eq__(self, other: object) -> bool:
        """The same rule broken at the same place; the sentence may show more or less of the bytes around it."""
        if not isinstance(other, RemoteProtocolError):
            return NotImplemented
        mine = (type(self), self.offset, self.rule, self.section, self.status)
        return mine == (type(other), other.offset, other.rule, other.section, other.status)

    def __hash__(self) -> int:
        return hash((self.rule, self.offset))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.rule} at {self.offset}: {self.reason} ({self.section})>"


class Truncated(RemoteProtocolError):
    """The peer's bytes ended inside a message."""


class PeerUnreachable(NetlabError):
    """A dial that did not become a connection.

    stage      how far it came: resolve, policy, connect, tls, proxy, or beyond (a proxy could not reach it either)
    timed_out  whether a deadline ended it, and not the network's own answer
    """

    def __init__(self, reason: str, *, stage: str, timed_out: bool = False) -> None:
        super().__init__(reason)
        self.stage, self.timed_out = stage, timed_out


class DeadlineExceeded(NetlabError):
    """A wait that came to its deadline; `stage` names the wait (header, body, idle, write, connect …)."""

    def __init__(self, stage: str, seconds: float) -> None:
        super().__init__(f"no {stage} within {seconds:g} s")
        self.stage, self.seconds = stage, seconds


class ConnectionLost(NetlabError):
    """The peer went away in the middle of a message or before its answer."""


class BodyTooLarge(NetlabError):
    """More content than this place takes; `limit` is in bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the content is larger than {limit} bytes")
        self.limit = limit


class StoreFailed(NetlabError):
    """What must survive could not be written or read; `full` where it is room that is missing, here or on the disk."""

    def __init__(self, reason: str, *, full: bool = False) -> None:
        super().__init__(reason)
        self.full = full


class DamagedCapture(NetlabError):
    """A capture file that cannot be read past `offset`; everything before it was read."""

    def __init__(self, reason: str, *, offset: int) -> None:
        super().__init__(f"the capture is damaged at byte {offset}: {reason}")
        self.reason, self.offset = reason, offset
