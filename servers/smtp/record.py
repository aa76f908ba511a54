"""What is kept of a conversation: lines for the mailbox's transcript, events for the flows."""

from __future__ import annotations

from netlab.cores.smtp import SECTIONS, Command, Mail, Reply
from netlab.cores.smtp_replies import text_of
from netlab.flow import Flow
from netlab.stores.mailbox import Line
from netlab.tape import Side

MOST_LINES = 500
"""Lines of a transcript; a session that goes on for ever is not kept for ever."""


class Record:
    """One connection's. What comes before the first MAIL opens the transcript of each of its messages."""

    __slots__ = ("_before", "_here", "_said")

    def __init__(self) -> None:
        self._before: list[Line] = []
        self._here: list[Line] | None = None  # since the last MAIL
        self._said = 0  # octets of replies

    def command(self, flow: Flow, event: Command) -> None:
        """The client has said something."""
        section = SECTIONS[event.verb]
        text = event.text if event.verb != "message" else f"({event.end - event.start} octets)"
        if isinstance(event, Mail) and event.reply.positive:
            self._here = []
        self._keep(flow, "client", text, section)
        if flow.full:
            name = "message.received" if event.stage == "message" else "command.received"
            verb = event.verb or "unknown"
            flow.note(name, "client", start=event.start, end=event.end, line=text, verb=verb, section=section)

    def reply(self, flow: Flow, reply: Reply, section: str) -> None:
        """The server has answered."""
        self._keep(flow, "server", reply.text, "")
        start, self._said = self._said, self._said + len(reply.wire)
        if flow.full:
            flow.note("reply.sent", "server", start=start, end=self._said, code=reply.code, text=reply.text)

    def exchanged(self, flow: Flow, line: bytes, reply: bytes) -> None:
        """A usual command and its reply, of a flow that keeps no events."""
        verb = line[:4].upper().decode()
        if verb == "MAIL":
            self._here = []
        lines = self._before if self._here is None else self._here
        if len(lines) < MOST_LINES:
            log = flow.log
            now = log.wall(log.now())
            lines.append(_new(Line, (now, "client", line[:-2].decode(), SECTIONS[verb])))
            lines.append(_new(Line, (now, "server", text_of(reply), "")))

    def happened(self, flow: Flow, text: str, section: str) -> None:
        """Something that was not said: TLS is established, a fault was meant."""
        self._keep(flow, "netlab", text, section)

    def begin_stream(self) -> None:
        """Offsets count anew: inside of TLS."""
        self._said = 0

    def transcript(self) -> list[Line]:
        """From the beginning, without other messages."""
        return [*self._before, *(self._here or ())]

    def _keep(self, flow: Flow, side: Side, text: str, section: str) -> None:
        lines = self._before if self._here is None else self._here
        if len(lines) < MOST_LINES:
            log = flow.log
            lines.append(_new(Line, (log.wall(log.now()), side, text, section)))


_new = tuple.__new__
