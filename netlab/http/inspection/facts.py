"""Gathering: the SYN, the kernel's counters, the ClientHello and the request of one exchange, read and explained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from captures.dissect import packet
from captures.dissectors.addresses import scope
from captures.tree import Layer
from netlab.cores.http1 import Request
from netlab.cores.tls_hello_details import HelloDetails, read
from netlab.flow import Level
from netlab.http.exchange import Exchange
from netlab.http.field_table import KnownField, field_table
from netlab.http.lint import Finding, Head, lint
from netlab.net.tcp_facts import saved_syn, tcp_info

SECRET = {"authorization", "proxy-authorization", "cookie", "cookie2", "dpop", "sec-token-binding", "x-csrf-token"}
"""Fields whose values let whoever reads them act as the visitor."""

Port = tuple[str, int]


@dataclass(frozen=True, slots=True)
class FieldNote:
    """One field line of the request, with what the table knows of its name."""

    name: str
    value: str
    known: KnownField | None
    secret: bool


@dataclass(frozen=True, slots=True)
class RawHead:
    """The request's head. `exact`: the bytes as they came; else written anew from what was read of `size` bytes."""

    data: bytes
    exact: bool
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """All there is to say; what is not known is empty or None."""

    client: Port
    client_scope: str
    server: Port
    age: float  # seconds since the connection was opened
    flow: str
    level: str
    syn: bytes
    layers: tuple[Layer, ...]  # the SYN's
    info: Mapping[str, int]  # TCP_INFO
    tls: Mapping[str, Any] | None  # version, cipher, alpn, sni, resumed
    hello: HelloDetails | None
    hello_message: bytes
    request: Request
    raw: RawHead
    fields: tuple[FieldNote, ...]
    findings: tuple[Finding, ...]


def gather(exchange: Exchange) -> Inspection:
    """What is known of an exchange and its connection."""
    connection, request = exchange.connection, exchange.request
    flow = connection.flow
    assert flow is not None  # open since the connection was let in
    syn = syn_of(exchange)
    message: bytes = connection.transport.get_extra_info("client_hello") or b""
    hello = read(message) if message else None
    head = Head(
        request.method,
        request.target,
        request.version,
        request.fields,
        has_body=request.frame.has_body,
        secure=connection.secure,
    )
    return Inspection(
        client=_port(flow.client),
        client_scope=_scope(flow.client),
        server=_port(flow.server),
        age=flow.log.now() - flow.started,
        flow=f"{flow.log.prefix}{flow.id}",
        level=Level(flow.level).name.lower(),
        syn=syn,
        layers=packet(syn) if syn else (),
        info=tcp_info(connection.transport),
        tls=(flow.details or {}).get("tls"),
        hello=hello if isinstance(hello, HelloDetails) else None,
        hello_message=message,
        request=request,
        raw=raw_head(exchange),
        fields=tuple(note(name, value) for name, value in request.fields),
        findings=tuple(lint(head)),
    )


def syn_of(exchange: Exchange) -> bytes:
    """The connection's SYN. The kernel hands it out once, so it is kept with the flow of who has asked."""
    flow = exchange.connection.flow
    assert flow is not None
    kept = (flow.details or {}).get("syn")
    if kept is not None:
        return bytes.fromhex(kept)
    syn = saved_syn(exchange.connection.transport)
    if syn:
        flow.detail(syn=syn.hex())
    return syn


def raw_head(exchange: Exchange) -> RawHead:
    """The head as it came, where the connection is recorded in full; else written anew, optional blanks normalized."""
    request, tape = exchange.request, exchange.connection.tape
    size = request.end - request.start
    if tape is not None and size > 0:
        data = tape.read("client", request.start, request.end)
        if len(data) == size:  # the tape may have come to its bound
            return RawHead(data, True, size)
    lines = [f"{request.method} {request.target} HTTP/{request.version}"]
    lines += [f"{name}: {value}" for name, value in request.fields]
    return RawHead("".join(f"{line}\r\n" for line in (*lines, "")).encode("latin-1"), False, max(size, 0))


def note(name: str, value: str) -> FieldNote:
    return FieldNote(name, value, field_table().get(name.lower()), name.lower() in SECRET)


def _port(peer: Any) -> Port:
    return (str(peer[0]), int(peer[1])) if isinstance(peer, tuple) and len(peer) > 1 else (str(peer or ""), 0)


def _scope(peer: Any) -> str:
    try:
        return scope(ip_address(_port(peer)[0].partition("%")[0]))
    except ValueError:  # a Unix socket's path
        return ""
