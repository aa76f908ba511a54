"""What `netlab get --json` prints: the whole exchange as one object."""

from __future__ import annotations

from typing import Any

from clients.get.hop import Hop
from netlab.errors import DeadlineExceeded, NetlabError, PeerUnreachable, RemoteProtocolError
from netlab.http.decoding import CodingError


def report(hop: Hop, tls: dict[str, Any] | None) -> dict[str, Any]:
    """One hop: request, response, timings in seconds, connection, TLS with its chain."""
    return {
        "url": str(hop.request.url),
        "request": _request(hop),
        "response": _response(hop),
        "timings": {stage: round(seconds, 6) for stage, seconds in hop.timings().items()},
        "connection": _connection(hop),
        "tls": tls,
    }


def _request(hop: Hop) -> dict[str, Any] | None:
    if hop.exchange is None:
        return None
    line, *fields = hop.exchange.head_sent.decode("latin-1").split("\r\n")[:-2]
    method, target, version = line.split(" ")
    return {
        "method": method,
        "target": target,
        "version": version.removeprefix("HTTP/"),
        "fields": [field.split(": ", 1) for field in fields],
        "size": hop.exchange.sent,
    }


def _response(hop: Hop) -> dict[str, Any] | None:
    head = hop.response
    if head is None or hop.exchange is None:
        return None
    interim = [
        {"status": early.status, "reason": early.reason, "fields": [list(pair) for pair in early.fields]}
        for early in hop.exchange.interim
    ]
    return {
        "version": head.version,
        "status": head.status,
        "reason": head.reason,
        "fields": [list(pair) for pair in head.fields],
        "interim": interim,
        "trailers": [list(pair) for pair in hop.exchange.trailers],
        "size": hop.exchange.received,
    }


def _connection(hop: Hop) -> dict[str, Any] | None:
    if hop.connection is None:
        return None
    flow = hop.connection.flow
    return {"client": _address(flow.client), "server": _address(flow.server), "reused": hop.reused}


def _address(address: Any) -> list[Any] | None:
    return list(address[:2]) if isinstance(address, tuple) else None


def failure(error: NetlabError) -> dict[str, Any]:
    """An error as JSON: how far the request came, and what was wrong."""
    facts: dict[str, Any] = {"stage": stage(error), "reason": str(error)}
    if isinstance(error, RemoteProtocolError):
        facts |= {"rule": error.rule, "section": error.section, "offset": error.offset}
    return facts


def stage(error: NetlabError) -> str:
    """How far a request came: resolve, policy, connect, tls, proxy, answer or content."""
    match error:
        case PeerUnreachable():
            return error.stage
        case DeadlineExceeded():
            return "content" if "content" in error.stage else "answer"
        case CodingError():
            return "content"
    return "answer"


def sentence(error: NetlabError) -> str:
    """An error for people: `connect: nothing listens on 127.0.0.1 port 81 (connection refused)`."""
    section = f" ({error.section})" if isinstance(error, RemoteProtocolError) else ""
    return f"{stage(error)}: {error}{section}"
