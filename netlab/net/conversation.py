"""For programs without an event loop of ours: a control socket asked, its answer waited for; a port that is free."""

from __future__ import annotations

import json
import socket
from typing import IO, Any

from netlab.errors import NetlabError


class Conversation:
    """One connection to a control socket; every answer is waited for at most `patience` seconds."""

    def __init__(self, path: str, patience: float) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(patience)
        self._socket.connect(path)
        self._lines: IO[bytes] = self._socket.makefile("rb")
        self._asked = 0

    def call(self, name: str, /, **arguments: Any) -> Any:
        """The answer; NetlabError with the other side's sentence."""
        self._asked += 1
        request = {"id": self._asked, "call": name, "args": arguments}
        self._socket.sendall(json.dumps(request, default=str).encode() + b"\n")
        answer = json.loads(self._lines.readline() or b'{"error": "the other side has ended"}')
        if "error" in answer:
            raise NetlabError(answer["error"])
        return answer["result"]

    def close(self) -> None:
        self._lines.close()
        self._socket.close()


def free_port(host: str) -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
