"""What `netlab ws` prints: messages on standard output, the rest on standard error; or all of it as JSON lines."""

from __future__ import annotations

import base64
import json
import os
import sys
from typing import Any

from netlab.cores.websocket import TEXT, Close, Frame, Message
from netlab.cores.websocket_close import meaning
from netlab.cores.websocket_events import frame_facts
from netlab.http.client import ClientExchange
from netlab.text import duration, escape, size

SHOWN = 32
"""Bytes of a binary message that a person is shown."""


class Show:
    """One run's output."""

    def __init__(self, *, as_json: bool, verbose: bool) -> None:
        self._json, self._verbose = as_json, verbose
        self._terminal = sys.stdout.isatty()
        self._colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")

    def handshake(self, exchange: ClientExchange) -> None:
        """Both heads, as they were on the wire."""
        response = exchange.response
        assert response is not None
        if self._json:
            fields = [list(pair) for pair in response.fields]
            self._line(type="handshake", status=response.status, fields=fields)
        elif self._verbose:
            for line in exchange.head_sent.decode("latin-1").rstrip().split("\r\n"):
                self._tell(f"> {line}")
            self._tell(f"< HTTP/{response.version} {response.status} {response.reason}")
            for name, value in response.fields:
                self._tell(f"< {name}: {value}")

    def opened(self, place: str, subprotocol: str | None, *, compressed: bool) -> None:
        if self._json:
            self._line(type="open", peer=place, subprotocol=subprotocol, compression=compressed)
            return
        chosen = f", subprotocol {subprotocol}" if subprotocol else ""
        self._note(f"connected to {place}{chosen}{', compression' if compressed else ''}")

    def frame(self, frame: Frame) -> None:
        """A frame, before what it leads to."""
        if not self._verbose:
            return
        if self._json:
            self._line(type="frame", by="us" if frame.sent else "server", **frame_facts(frame))
            return
        bits = ["FIN"] if frame.final else []
        bits += [f"RSV{3 - n}" for n in (2, 1, 0) if frame.rsv >> n & 1]
        mask = f"mask {frame.mask.hex()}" if frame.mask else "no mask"
        header = frame.end - frame.start - frame.length
        self._tell(
            f"{'>' if frame.sent else '<'} {frame.name:<12} {' '.join(bits):<8} {mask:<13} "
            f"{header} + {frame.length} bytes{', compressed' if frame.rsv & 4 else ''}"
        )

    def message(self, message: Message) -> None:
        """A message that came."""
        count = len(message.data)
        if self._json:
            said: dict[str, Any] = {"text": message.text} if message.opcode == TEXT else {}
            if not said:
                said = {"base64": base64.b64encode(message.data).decode()}
            kind = "text" if message.opcode == TEXT else "binary"
            facts = {"size": count, "payload": message.payload, "frames": message.frames}
            self._line(type="message", opcode=kind, **said, **facts)
            return
        if self._verbose and message.payload != count:
            self._note(f"{size(count)} from {size(message.payload)}, {message.payload / max(count, 1):.0%}")
        if message.opcode == TEXT:
            print(escape(message.text) if self._terminal else message.text, flush=True)
        elif self._terminal:
            more = " …" if count > SHOWN else ""
            print(f"{size(count)}: {message.data[:SHOWN].hex(' ')}{more}", flush=True)
        else:
            sys.stdout.buffer.write(message.data)
            sys.stdout.buffer.flush()

    def pong(self, number: int, seconds: float) -> None:
        if self._json:
            self._line(type="pong", number=number, seconds=round(seconds, 6))
        else:
            print(f"pong {number}: {duration(seconds)}", flush=True)

    def closed(self, close: Close, by: str) -> None:
        if self._json:
            self._line(type="close", code=close.code, reason=close.reason, meaning=meaning(close.code), by=by)
            return
        reason = f": {escape(close.reason)}" if close.reason else ""
        who = f", begun by {by}" if by else ""
        self._note(f"closed with {meaning(close.code)}{reason}{who}")

    def again(self, why: str, seconds: float) -> None:
        if self._json:
            self._line(type="reconnect", why=why, seconds=seconds)
        else:
            self._note(f"{escape(why)}; once more in {duration(seconds)}")

    def _line(self, **facts: Any) -> None:
        print(json.dumps(facts, ensure_ascii=False), flush=True)

    def _note(self, text: str) -> None:
        self._tell(f"* {text}")

    def _tell(self, line: str) -> None:
        line = escape(line)
        print(f"\x1b[2m{line}\x1b[0m" if self._colour and line[0] == "*" else line, file=sys.stderr, flush=True)
