"""Both ends of an HTTP/1.1 conversation for tests: what a core says to bytes, in a form that can be compared."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from netlab.cores.http1 import ClientCore, Closed, Data, End, Informational, Limits, Request, Response, ServerCore
from netlab.errors import RemoteProtocolError

ANSWER = (200, [("Content-Type", "text/plain")], b"hello")


def serve(core: Any, pieces: Iterable[bytes], *, end: bool = True) -> list[Any]:
    """Feed a server core, answer each request when it is complete, and return every event with bodies joined.

    A request that ended in a switch, or a violation, is answered (or not) like any other: what follows is seen.
    """
    events: list[Any] = []
    for piece in pieces:
        _answer(core, core.receive(piece), events)
    if end:
        _answer(core, core.receive(b""), events)
    return joined(events)


def _answer(core: Any, new: list[Any], events: list[Any]) -> None:
    while new:
        events += new
        last = new[-1]
        complete = isinstance(last, End) or (isinstance(last, Request) and not last.frame.has_body)
        new = []
        if isinstance(last, RemoteProtocolError):
            if core.answerable:
                core.respond(last.status, [], b"no")
        elif complete and core.answerable:
            request = next(event for event in reversed(events) if isinstance(event, Request))
            respond(core, request)
            new = core.resume()


def respond(core: Any, request: Request) -> None:
    """200 with a few bytes, or what stands for it where that would begin a tunnel."""
    core.respond(405 if request.method == "CONNECT" else ANSWER[0], ANSWER[1], ANSWER[2])


def ask(
    core: Any, pieces: Iterable[bytes], *, method: str = "GET", upgrade: bool = False, end: bool = True
) -> list[Any]:
    """Send one request from a client core, feed what is answered, return every event with bodies joined."""
    target = "example.com:443" if method == "CONNECT" else "/"
    fields = [("Host", "example.com")] + ([("Upgrade", "echo")] if upgrade else [])
    core.request(method, target, fields, upgrade=upgrade)
    core.outgoing()
    events = [event for piece in pieces for event in core.receive(piece)]
    return joined(events + core.receive(b"") if end else events)


def joined(events: Iterable[Any]) -> list[Any]:
    """Events with neighbouring pieces of content put together, spans of content left out: cuts fall anywhere."""
    out: list[Any] = []
    for event in events:
        if isinstance(event, Data):
            if out and isinstance(out[-1], bytes):
                out[-1] += event.data
            else:
                out.append(event.data)
        else:
            out.append(event)
    return out


def cuts(data: bytes, places: Iterable[int]) -> list[bytes]:
    """Data cut at these indexes (any order, any value)."""
    at = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[start:stop] for start, stop in pairwise(at) if stop > start]


__all__ = [
    "ANSWER",
    "ClientCore",
    "Closed",
    "Data",
    "End",
    "Informational",
    "Limits",
    "Request",
    "Response",
    "ServerCore",
    "ask",
    "cuts",
    "joined",
    "respond",
    "serve",
]
