"""Asks for known names at a constant rate over UDP: a process of its own.

    python -m bench.loads.questions HOST PORT RATE SECONDS

Prints JSON: how many were asked for in how many seconds, how many per cent were answered within one second, p50 and p99
in milliseconds.
"""

from __future__ import annotations

import gc
import json
import socket
import sys
import time
from itertools import cycle

from bench.peers.dns import asked
from netlab.cores.dns_codes import A
from netlab.cores.dns_message import RD, Edns, Message, Question, serialize
from netlab.cores.dns_names import from_text

PATIENCE = 1.0  # seconds


def main() -> int:
    host, port, rate, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    bodies = [serialize(Message(0, RD, question=[Question(from_text(name), A)], edns=Edns()))[2:] for name in asked()]
    gc.disable()  # its pauses would be taken for the server's
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((host, port))
        started = time.perf_counter()
        waits = ask(sock, bodies, rate, rate * seconds)
        took = time.perf_counter() - started
    found = sorted(waits)
    count = rate * seconds
    shown = {f"p{part}": found[len(found) * part // 100] * 1e3 if found else PATIENCE * 1e3 for part in (50, 99)}
    print(json.dumps({"asked": count, "seconds": took, "answered": 100 * len(found) / count, **shown}))
    return 0


def ask(sock: socket.socket, bodies: list[bytes], rate: int, count: int) -> list[float]:
    """How long each answer took that came within its second."""
    names, sent, waits = cycle(bodies), dict[bytes, float](), list[float]()
    begin = time.perf_counter()
    for number in range(count):
        due = begin + number / rate
        while (left := due - time.perf_counter()) > 0:
            take(sock, left, sent, waits)
        identity = (number & 0xFFFF).to_bytes(2, "big")
        sent[identity] = time.perf_counter()
        sock.send(identity + next(names))
    until = time.perf_counter() + PATIENCE
    while len(waits) < count and (left := until - time.perf_counter()) > 0:
        take(sock, left, sent, waits)
    return waits


def take(sock: socket.socket, seconds: float, sent: dict[bytes, float], waits: list[float]) -> None:
    """One answer, or the end of so many seconds."""
    sock.settimeout(max(seconds, 0.0001))
    try:
        data = sock.recv(4096)
    except OSError:
        return
    asked_at = sent.pop(data[:2], None)
    if asked_at is not None and (wait := time.perf_counter() - asked_at) < PATIENCE:
        waits.append(wait)


if __name__ == "__main__":
    sys.exit(main())
