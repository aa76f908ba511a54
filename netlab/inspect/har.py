"""HTTP flows as a HAR 1.2 file, which browsers' network panels load (http://www.softwareishard.com/blog/har-12-spec/)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, BinaryIO

from netlab import __version__
from netlab.errors import NetlabError
from netlab.inspect.har_message import UNKNOWN, request, response
from netlab.inspect.record import SUMMARY, FlowRecord, Record, peer_address, read_flows
from netlab.text import counted

Stages = Mapping[str, float]
"""A dial's `timings`: seconds of resolve, connect and tls, 0 for a stage that did not happen."""


def write_har(records: Iterable[Mapping[str, Any]], out: BinaryIO) -> str:
    """Writes the HTTP flows among `records`, by their start, one entry in memory at a time; says how many.

    The connections they came on should be among the records too: their addresses and times of connecting come from
    there. A flow recorded at summary becomes an entry that says so. NetlabError where no flow is HTTP.
    """
    flows = read_flows(records)
    exchanges = sorted((flow for flow in flows if flow.kind == "http"), key=lambda flow: flow.started)
    if not exchanges:
        raise NetlabError(f"none of the {len(flows)} flows given is an HTTP request: there is nothing to write as HAR")
    connections = {flow.id: flow for flow in flows if flow.kind != "http"}
    creator = {"name": "netlab", "version": __version__}
    head = {"version": "1.2", "creator": creator, "pages": [], "comment": "times as netlab saw them"}
    out.write(b'{"log": ' + json.dumps(head).encode()[:-1] + b', "entries": [\n')
    talks = conversations(flows, exchanges)
    opening: set[str] = set()  # connections whose first request was written: it bears the time of connecting
    for number, flow in enumerate(exchanges):
        connection = connections.get(flow.parent or "")
        first = connection is not None and connection.id not in opening
        opening.add(flow.parent or "")
        item = entry(flow, connection, first=first)
        if flow.id in talks:
            item["request"]["url"] = "ws" + item["request"]["url"].removeprefix("http")  # as browsers have it
            item |= {"_resourceType": "websocket", "_webSocketMessages": messages(talks[flow.id])}
        out.write((b",\n" if number else b"") + json.dumps(item).encode())
    out.write(b"\n]}}\n")
    return counted(len(exchanges), "request")


def entry(flow: FlowRecord, connection: FlowRecord | None, *, first: bool) -> Record:
    """One HTTP flow as a HAR entry; `first` on its connection bears the time of connecting."""
    began, timings = _timings(flow, connection if first else None)
    known = [time for stage, time in timings.items() if time != UNKNOWN and stage != "ssl"]  # ssl is part of connect
    server = peer_address(flow.server or (connection.server if connection else None))
    item = {
        "startedDateTime": datetime.fromtimestamp(began, UTC).isoformat(timespec="microseconds"),
        "time": round(sum(known), 3),
        "request": request(flow, connection),
        "response": response(flow),
        "cache": {},
        "timings": timings,
        "_connectionId": flow.parent or flow.id,
        "comment": _comment(flow),
    }
    if server is not None:  # `connection` is the server's port in what browsers write, and is shown as that
        item |= {"serverIPAddress": server[0], "connection": str(server[1])}
    return item


def conversations(flows: Iterable[FlowRecord], exchanges: Iterable[FlowRecord]) -> Mapping[str, FlowRecord]:
    """The WebSocket that each request has led to: the one on its connection, whose last request it was."""
    asked = {flow.parent: flow for flow in exchanges}  # by their start: the last one stays
    talks = (flow for flow in flows if flow.kind == "websocket" and flow.parent in asked)
    return {asked[flow.parent].id: flow for flow in talks}


def messages(talk: FlowRecord) -> list[Record]:
    """A WebSocket's messages as browsers write them: opcode 1 with text, 2 with base64; times since 1970."""
    return [
        {
            "type": "send" if event.side == "client" else "receive",
            "time": event.time,
            "opcode": 1 if event.fields["opcode"] == "text" else 2,
            "data": event.fields.get("text", event.fields.get("base64", "")),
        }
        for event in talk.events
        if event.name in ("message.received", "message.sent")
    ]


def _comment(flow: FlowRecord) -> str:
    comment = f"flow {flow.id}: {flow.outcome or 'still open'}"
    if flow.level == SUMMARY:
        comment += "; recorded at level summary: fields and bodies are not known"
    return comment


def _timings(flow: FlowRecord, connection: FlowRecord | None) -> tuple[float, Record]:
    """When the entry began, and HAR's stages in milliseconds."""
    times = {event.name: event.time for event in flow.events}
    end = flow.ended or (flow.events[-1].time if flow.events else flow.started)
    sent = times.get("request.ended", times.get("request.received", flow.started))
    answered = times.get("response.sent", end)
    timings = {
        "send": _milliseconds(sent - flow.started),
        "wait": _milliseconds(answered - sent),
        "receive": _milliseconds(end - answered),
    }
    if connection is not None and connection.details.get("timings"):
        stages = _connecting(connection.details["timings"])
        spent = sum(stages[stage] for stage in ("dns", "connect") if stages[stage] != UNKNOWN)
        blocked = _milliseconds(flow.started - connection.started) - spent
        return connection.started, {"blocked": round(max(blocked, 0.0), 3), **stages, **timings}
    return flow.started, {"blocked": UNKNOWN, **_connecting(flow.details.get("timings") or {}), **timings}


def _connecting(stages: Stages) -> dict[str, float]:
    tls = _stage(stages, "tls")
    connect = _stage(stages, "connect")
    if connect != UNKNOWN and tls != UNKNOWN:
        connect = round(connect + tls, 3)  # HAR counts the TLS handshake to the connection as well
    return {"dns": _stage(stages, "resolve"), "connect": connect, "ssl": tls}


def _stage(stages: Stages, name: str) -> float:
    seconds = stages.get(name, 0)
    return _milliseconds(seconds) if seconds else UNKNOWN


def _milliseconds(seconds: float) -> float:
    return round(max(seconds, 0) * 1000, 3)
