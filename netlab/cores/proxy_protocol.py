"""The PROXY protocol, versions 1 and 2: who really opened a connection, told by a proxy in front of its bytes.

The specification is HAProxy's `doc/proxy-protocol.txt`; sections are its own. A receiver reads one `Header` from the
first bytes and takes what is behind them for the connection's; a sender writes one, at once and before anything else.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from netlab.cores.proxy_protocol_binary import FIXED, SIGNATURE, parse_binary, serialize_binary
from netlab.cores.proxy_protocol_header import Header, Malformed, Peer, Tlv
from netlab.errors import LocalProtocolError, RemoteProtocolError, Truncated

__all__ = ["LONGEST_LINE", "Header", "HeaderReader", "Peer", "Tlv", "serialize"]

LONGEST_LINE = 107
"""Characters of a version 1 line, CRLF included (2.1)."""
WORD = b"PROXY "
UNKNOWN = re.compile(rb"PROXY UNKNOWN(?: .*)?", re.DOTALL)  # 2.1: whatever comes before the CRLF is ignored
LINE = re.compile(rb"PROXY TCP([46]) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})")


class HeaderReader:
    """Reads a stream until its header is complete, however it was split; `rest` is what came behind it."""

    __slots__ = ("_buffer", "_done", "rest")

    def __init__(self) -> None:
        self._buffer, self._done, self.rest = b"", False, b""

    def receive(self, data: bytes) -> Header | RemoteProtocolError | None:
        """The header once it is complete, a violation when this cannot be one, None while bytes are missing.

        b"" is the end of the stream. A violation is found as early as it can be: such a connection is to be aborted,
        not answered (2.1).
        """
        if self._done:
            raise LocalProtocolError("this connection's header has been read")
        if not data:
            reason = "the connection ended before its PROXY header was complete"
            return Truncated(reason, offset=len(self._buffer), rule="proxy.truncated", section="PROXY protocol 2")
        self._buffer += data
        try:
            header = self._read(self._buffer)
        except Malformed as error:
            return self._violation(error)
        if header is not None:
            self._done, self.rest, self._buffer = True, self._buffer[header.size :], b""
        return header

    def _read(self, data: bytes) -> Header | None:
        if data[: len(SIGNATURE)] == SIGNATURE[: len(data)]:
            return parse_binary(data) if len(data) >= FIXED else None
        if data[: len(WORD)] == WORD[: len(data)]:
            return _read_line(data)
        raise Malformed("the connection does not begin with a PROXY header", 0, "proxy.missing", "2")

    def _violation(self, error: Malformed) -> RemoteProtocolError:
        self._done = True
        first = max(error.offset - 16, 0)
        return RemoteProtocolError(
            str(error),
            offset=error.offset,
            rule=error.rule,
            section=f"PROXY protocol {error.section}",
            excerpt=self._buffer[first : error.offset + 48],
            caret=error.offset - first,
        )


def _read_line(data: bytes) -> Header | None:
    """A version 1 line; None while its CRLF is missing and may still come."""
    stop = data.find(b"\r\n", 0, LONGEST_LINE)
    if stop < 0:
        if len(data) >= LONGEST_LINE:
            reason = f"no CRLF within the {LONGEST_LINE} bytes that a line may have"
            raise Malformed(reason, LONGEST_LINE, "proxy.line", "2.1")
        return None
    line, size = data[:stop], stop + 2
    if UNKNOWN.fullmatch(line):
        return Header(version=1, size=size)
    match = LINE.fullmatch(line)
    if match is None:
        reason = "the line is not `PROXY TCP4|TCP6 SOURCE DESTINATION PORT PORT` with single spaces"
        raise Malformed(reason, 0, "proxy.line", "2.1")
    hosts = [_host(match, group, family=match[1]) for group in (2, 3)]
    ports = [_port(match, group) for group in (4, 5)]
    return Header(
        version=1, source=(hosts[0], ports[0]), destination=(hosts[1], ports[1]), transport="stream", size=size
    )


def _host(match: re.Match[bytes], group: int, *, family: bytes) -> str:
    """An address in the form its family has (2.1): no leading zeros, no scope."""
    text = match[group].decode("ascii")
    try:
        return str(ipaddress.IPv4Address(text) if family == b"4" else ipaddress.IPv6Address(text))
    except ValueError:
        reason = f"{text!r} is not an IPv{family.decode()} address"
        raise Malformed(reason, match.start(group), "proxy.address", "2.1") from None


def _port(match: re.Match[bytes], group: int) -> int:
    port = int(match[group])
    if port > 65535:
        raise Malformed(f"{port} is not a port", match.start(group), "proxy.port", "2.1")
    return port


def serialize(
    version: int,
    source: Peer | None,
    destination: Peer | None,
    *,
    transport: str = "stream",
    tlvs: Sequence[Tlv] = (),
    checked: bool = False,
) -> bytes:
    """A header to be sent in front of everything else, in one write.

    Without endpoints it is LOCAL in version 2 (a connection of the proxy's own), UNKNOWN in version 1. Version 1 knows
    TCP only and carries no TLVs. Endpoints of two families are both written as IPv6. `checked` adds a CRC32c.
    """
    if (source is None) != (destination is None):
        raise LocalProtocolError("a PROXY header has both endpoints or none")
    if version == 2:
        return serialize_binary(source, destination, transport=transport, tlvs=tlvs, checked=checked)
    if tlvs or checked:
        raise LocalProtocolError("version 1 of the PROXY protocol carries addresses and nothing else")
    if source is None or destination is None or transport != "stream":
        return b"PROXY UNKNOWN\r\n"
    return _serialize_line(source, destination)


def _serialize_line(source: Peer, destination: Peer) -> bytes:
    if not isinstance(source, tuple) or not isinstance(destination, tuple):
        return b"PROXY UNKNOWN\r\n"  # Unix sockets: 2.1 has no family for them
    hosts = [ipaddress.ip_address(peer[0].partition("%")[0]) for peer in (source, destination)]
    if hosts[0].version == hosts[1].version == 4:
        line = f"PROXY TCP4 {hosts[0]} {hosts[1]} {source[1]} {destination[1]}\r\n"
    else:
        line = f"PROXY TCP6 {_groups(hosts[0])} {_groups(hosts[1])} {source[1]} {destination[1]}\r\n"
    return line.encode("ascii")


def _groups(host: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """An address in hexadecimal groups alone (2.1), an IPv4 one mapped (RFC 4291 2.5.5.2)."""
    if host.version == 4:
        high, low = divmod(int(host), 1 << 16)
        return f"::ffff:{high:x}:{low:x}"
    return str(host) if "." not in str(host) else host.exploded
