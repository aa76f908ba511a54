"""The access log: one line a request, in the forms that other tools read."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from netlab.errors import UsageError
from netlab.http.exchange import Exchange

Line = Callable[[Exchange], str]


def common(exchange: Exchange) -> str:
    """The Common Log Format: host ident user [time] "request" status bytes."""
    user = _quoted(exchange.user).replace(" ", "\\x20") if exchange.user else "-"
    request, flow = exchange.request, exchange.flow
    at = time.strftime("%d/%b/%Y:%H:%M:%S %z", time.localtime(flow.log.wall(flow.started)))
    line = f"{request.method} {request.target} HTTP/{request.version}" if request.method else "-"
    return f'{_host(exchange)} - {user} [{at}] "{_quoted(line)}" {exchange.status} {exchange.sent or "-"}'


def combined(exchange: Exchange) -> str:
    """The Combined Log Format: common, and the Referer and User-Agent fields."""
    fields = exchange.request.fields
    return f'{common(exchange)} "{_quoted(fields.get("referer") or "-")}" "{_quoted(fields.get("user-agent") or "-")}"'


def as_json(exchange: Exchange) -> str:
    """One JSON object: the same facts by name, and how long it took in seconds."""
    request, flow = exchange.request, exchange.flow
    return json.dumps(
        {
            "time": round(flow.log.wall(flow.started), 6),
            "client": _host(exchange),
            "user": exchange.user,
            "method": request.method,
            "target": request.target,
            "version": request.version,
            "host": request.fields.get("host"),
            "status": exchange.status,
            "received": exchange.received,
            "sent": exchange.sent,
            "seconds": round(max(flow.ended - flow.started, 0), 6),
            "referer": request.fields.get("referer"),
            "user_agent": request.fields.get("user-agent"),
            "outcome": flow.outcome,
            "flow": flow.id,
        }
    )


FORMS: dict[str, Line] = {"common": common, "combined": combined, "json": as_json}


class AccessLog:
    """Writes a line for each answered exchange to a file, or to standard output for `-`."""

    def __init__(self, form: str, path: Path) -> None:
        self._line = FORMS[form]
        self._path = path
        self.lost = 0  # lines that could not be written
        self._file: TextIO = sys.stdout
        if str(path) != "-":
            try:
                self._file = path.open("a", buffering=1, encoding="utf-8")
            except OSError as error:
                raise UsageError(f"--access-log {path} cannot be written: {error.strerror or error}") from None

    def __call__(self, exchange: Exchange) -> None:
        """A full disk costs lines, never answers."""
        try:
            self._file.write(self._line(exchange) + "\n")
        except (OSError, ValueError) as error:
            if not self.lost:
                sys.stderr.write(f"netlab: the access log {self._path} cannot be written: {error}; lines are lost\n")
            self.lost += 1

    def close(self) -> None:
        try:
            self._file.flush()
            if self._file is not sys.stdout:
                self._file.close()
        except (OSError, ValueError):
            pass  # said already, when its first line was lost


def _host(exchange: Exchange) -> str:
    client = exchange.flow.client
    return str(client[0]) if isinstance(client, tuple) else str(client or "-")


def _quoted(text: str) -> str:
    """As Apache and nginx write it: quotes, backslashes and everything outside printable ASCII escaped."""
    return "".join(c if " " <= c <= "~" and c not in '"\\' else f"\\x{ord(c):02X}" for c in text)
