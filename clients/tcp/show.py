"""How `netlab tcp` shows what happens: data on standard output, the rest beside it, or all of it as JSON lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from captures.tree import Layer
from clients.tcp.packets import Packets, line
from netlab.errors import NetlabError
from netlab.net.packet_watch import Passing
from netlab.net.tcp_facts import agreed
from netlab.text import duration, escape, host_port, in_json, size

if TYPE_CHECKING:
    from clients.tcp import Config

STATES = {
    "SYN-SENT": "our SYN is out, its answer is awaited",
    "SYN-RECEIVED": "both said SYN at once",
    "ESTABLISHED": "SYN, SYN-ACK, ACK: both sides may send",
    "FIN-WAIT-1": "we have no more to send and said so (FIN)",
    "FIN-WAIT-2": "our FIN is acknowledged; the other side may still send",
    "CLOSE-WAIT": "the other side has no more to send (FIN); we may still",
    "LAST-ACK": "both have said FIN; the acknowledgement of ours is awaited",
    "CLOSING": "both said FIN at once; the acknowledgement of ours is awaited",
    "TIME-WAIT": "over; for a minute these ports stay taken, so that late segments meet nobody",
    "CLOSED": "over",
}
"""RFC 9293 3.3.2, in a sentence each."""
COLUMN = 16


class Show:
    """Prints; times are counted from the first event."""

    def __init__(self, config: Config, now: Callable[[], float]) -> None:
        self.config, self._now = config, now
        self._started = now()
        self._terminal = sys.stdout.isatty()
        self._words = not (config.quiet or config.json)
        self._packets = Packets()

    # -- what happens --------------------------------------------------------------------------------------------

    def state(self, state: str, time: float, remark: str) -> None:
        self._json("state", time, state=state, meaning=STATES.get(state, ""), remark=remark)
        self._tell(f"{state:<13}{STATES.get(state, '')}{f' ({escape(remark)})' if remark else ''}", time)

    def connected(self, local: tuple[str, int], remote: tuple[str, int], info: Mapping[str, int]) -> None:
        self._json("connected", self._now(), local=list(local), remote=list(remote), info=dict(info))
        self._tell(f"{'':13}{host_port(*local)} to {host_port(*remote)}")
        if info:
            words = ", ".join(agreed(info)) or "nothing"
            self._tell(f"{'':13}round trip {duration(info['rtt'] / 1e6)}, MSS {info['snd_mss']}, agreed on {words}")

    def packet(self, tcp: Layer, passing: Passing, *, ours: bool) -> None:
        facts = self._packets.read(tcp, passing, ours=ours)
        self._json("packet", self._now(), **facts)
        self._tell(f"{'':11}{line(facts)}")

    def info(self, info: Mapping[str, int]) -> None:
        if not info:
            return
        self._json("info", self._now(), **info)
        self._tell(
            f"{'':13}round trip {duration(info['rtt'] / 1e6)} ± {duration(info['rttvar'] / 1e6)}, "
            f"congestion window {info['snd_cwnd']}, {info['unacked']} under way, {info['total_retrans']} sent again, "
            f"{size(info.get('bytes_sent', 0))} out, {size(info.get('bytes_received', 0))} in, "
            f"windows {size(info.get('snd_wnd', 0))} theirs, {size(info.get('rcv_wnd', 0))} ours"
        )

    def sent(self, data: bytes, offset: int) -> None:
        self._json("sent", self._now(), size=len(data), **in_json(data))
        if self.config.hex and not self.config.json:
            self._print(hex_lines(">", data, offset))

    def received(self, data: bytes, offset: int) -> None:
        if self.config.json:
            self._json("received", self._now(), size=len(data), **in_json(data))
        elif self.config.hex:
            self._print(hex_lines("<", data, offset))
        elif self._terminal:
            lines = data.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
            self._print("\n".join(map(escape, lines)))
        else:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()

    def end(self, sent: int, received: int, error: Exception | None, *, gave_up: bool) -> None:
        self._json("end", self._now(), sent=sent, received=received, error=str(error or ""), gave_up=gave_up)
        self._tell(f"{'':13}{size(sent)} sent, {size(received)} received")
        if error is not None:
            why = str(error) if isinstance(error, NetlabError) else getattr(error, "strerror", "") or str(error)
            sys.stderr.write(f"netlab: the connection was cut: {why[:1].lower() + why[1:]}\n")
        elif gave_up:
            seconds = duration(self.config.wait)
            sys.stderr.write(f"netlab: the other side said nothing for {seconds} and did not end its half (--wait)\n")

    # -- where it goes -------------------------------------------------------------------------------------------

    def _tell(self, words: str, time: float | None = None) -> None:
        if self._words:
            since = "" if time is None else f"+{duration(time - self._started)}"
            sys.stderr.write(f"{since:>9}  {words}\n")
            sys.stderr.flush()

    def _json(self, event: str, time: float, **facts: Any) -> None:
        if self.config.json:
            print(json.dumps({"event": event, "time": round(time - self._started, 6), **facts}), flush=True)

    def _print(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def hex_lines(side: str, data: bytes, offset: int) -> str:
    """Sixteen bytes a line: whose, where in that side's stream, in hexadecimal, and what is printable."""
    lines = []
    for at in range(0, len(data), COLUMN):
        piece = data[at : at + COLUMN]
        printable = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in piece)
        lines.append(f"{side} {offset + at:08x}  {piece[:8].hex(' '):<23}  {piece[8:].hex(' '):<23}  {printable}\n")
    return "".join(lines)
