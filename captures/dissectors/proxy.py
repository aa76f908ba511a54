"""The PROXY protocol, versions 1 and 2 (HAProxy's specification): who was there before the proxy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from captures.dissectors import lines
from captures.messages import NotThis, Script, Source, Talk
from captures.tree import Field, Layer, Reader, Row, Short

NAME = "proxy"
V1, V2, TLV = "PROXY protocol 2.1", "PROXY protocol 2.2", "PROXY protocol 2.2"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LONGEST_LINE = 107
LINE = re.compile(
    rb"(PROXY)( )(TCP4|TCP6|UNKNOWN)"
    rb"(?:( )([0-9A-Fa-f.:]+)( )([0-9A-Fa-f.:]+)( )([0-9]{1,5})( )([0-9]{1,5}))?([^\r\n]*)(\r\n)"
)
COMMANDS = {0: "LOCAL: the proxy's own connection", 1: "PROXY: for somebody else"}
FAMILIES = {0: "unspecified", 1: "IPv4", 2: "IPv6", 3: "Unix sockets"}
TRANSPORTS = {0: "unspecified", 1: "stream", 2: "datagram"}
TLVS = {1: "ALPN", 2: "Authority", 3: "CRC32C", 4: "No Operation", 5: "Unique ID", 32: "SSL", 48: "Network Namespace"}
SIZES = {1: 4, 2: 16, 3: 108}


def recognize(data: bytes) -> bool:
    """Whether a stream that begins so has a PROXY header."""
    return data.startswith((b"PROXY ", SIGNATURE))


def messages(source: Source, talk: Talk) -> Script:
    """One header; what follows is another protocol's, on both sides."""
    yield from source.need(1)
    if source.side == "server":
        if recognize(source.peek(len(SIGNATURE))):  # taken for one it would be recognized again, without end
            raise NotThis("only whoever opens a connection says for whom")
        talk.switch()
        return
    yield from source.need(8)
    if source.peek(6) == b"PROXY ":
        source.emit(NAME, (yield from source.find(b"\r\n", longest=LONGEST_LINE)))
    else:
        yield from source.need(16)
        if source.peek(12) != SIGNATURE:
            raise NotThis("no PROXY header")
        size = 16 + int.from_bytes(source.peek(2, 14), "big")
        yield from source.need(size)
        source.emit(NAME, size)
    talk.switch()


def summarize(data: bytes, context: Mapping[str, Any]) -> str:
    """Who was there before."""
    layer = dissect(data)
    source = layer.value("proxy.src.ipv4") or layer.value("proxy.src.ipv6")
    target = layer.value("proxy.dst.ipv4") or layer.value("proxy.dst.ipv6")
    if source is None:
        return f"PROXY v{layer.value('proxy.version') or '?'}, nobody named"
    ports = layer.value("proxy.srcport"), layer.value("proxy.dstport")
    return f"PROXY v{layer.value('proxy.version')}, {source} port {ports[0]} → {target} port {ports[1]}"


def dissect(
    data: bytes, start: int = 0, end: int | None = None, below: Layer | None = None, context: Mapping[str, Any] = {}
) -> Layer:
    """The header between `start` and `end`."""
    reader = Reader(data, start, len(data) if end is None else end)
    derived: tuple[Field, ...] = ()
    try:
        if data[start : start + 5] == b"PROXY":
            derived = (Field("proxy.version", "Version", 1, 0, 0, "a line of text", V1),)
            _line(reader)
        else:
            _binary(reader)
    except Short:
        pass
    if reader.left:
        reader.spoil("proxy.rest", "Rest", "behind the header", V2)
    behind = reader.at // 8
    return Layer(NAME, "PROXY Protocol", start * 8, reader.at, tuple(reader.fields), "", (behind, behind), derived)


def _line(reader: Reader) -> None:
    at = reader.at // 8
    family = "ipv6" if b"TCP6" in reader.data[at : at + 11] else "ipv4"
    space = ("proxy.sp", "Space", "", V1)
    parts = (
        ("proxy.v1.magic", "Signature", "", V1),
        space,
        ("proxy.v1.proto", "Protocol", "", V1),
        space,
        (f"proxy.src.{family}", "Source Address", "the client", V1),
        space,
        (f"proxy.dst.{family}", "Destination Address", "where it meant to go", V1),
        space,
        ("proxy.srcport", "Source Port", "", V1),
        space,
        ("proxy.dstport", "Destination Port", "", V1),
        ("proxy.v1.rest", "Rest", "to be ignored", V1),
        ("proxy.crlf", "Line End", "", V1),
    )
    match = lines.line(reader, LINE, parts, "proxy.v1", "Header", V1)
    if match is not None:
        field = reader.fields[-1]
        numbers = {"proxy.srcport", "proxy.dstport"}
        ports = tuple(p._replace(value=int(p.value)) if p.name in numbers else p for p in field.parts)
        reader.fields[-1] = field._replace(parts=ports)


def _binary(reader: Reader) -> None:
    reader.take(12, "proxy.magic", "Signature", "no protocol begins so", V2)
    reader.number(Row("proxy.version", "Version", 4, "", V2))
    command = reader.number(Row("proxy.v2.command", "Command", 4, lambda n: COMMANDS.get(n, "not known"), V2))
    family = reader.number(Row("proxy.v2.family", "Address Family", 4, lambda n: FAMILIES.get(n, "not known"), V2))
    reader.number(Row("proxy.v2.transport", "Transport", 4, lambda n: TRANSPORTS.get(n, "not known"), V2))
    length = reader.number(Row("proxy.v2.length", "Length", 16, "bytes that follow", V2))
    inner = reader.within(length)
    try:
        _addresses(inner, family if command else 0)
        while inner.left:
            _tlv(inner)
    finally:
        reader.adopt(inner)


def _addresses(reader: Reader, family: int) -> None:
    size = SIZES.get(family, 0)
    if not size or reader.left < 2 * size:
        return
    name = {1: "ipv4", 2: "ipv6"}.get(family, "unix")
    for end, label in (("src", "Source Address"), ("dst", "Destination Address")):
        at = reader.at // 8
        raw = reader.data[at : at + size]
        value = str(ip_address(raw)) if family < 3 else lines.text(raw.rstrip(b"\0"))
        reader.take(size, f"proxy.{end}.{name}", label, "", V2, value=value)
    if family < 3:
        reader.number(Row("proxy.srcport", "Source Port", 16, "", V2))
        reader.number(Row("proxy.dstport", "Destination Port", 16, "", V2))


def _tlv(reader: Reader) -> None:
    mark = len(reader.fields)
    kind = reader.number(Row("proxy.v2.tlv.type", "Type", 8, lambda n: TLVS.get(n, f"type {n}"), TLV))
    size = reader.number(Row("proxy.v2.tlv.length", "Length", 16, "", TLV))
    at = reader.at // 8
    raw = reader.data[at : at + size]
    value = lines.text(raw) if kind in (1, 2, 48) else None
    reader.take(size, "proxy.v2.tlv.value", "Value", "", TLV, value=value)
    reader.fold(mark, "proxy.v2.tlv", TLVS.get(kind, "TLV"), kind, "", TLV)
