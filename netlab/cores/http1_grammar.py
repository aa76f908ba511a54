"""The grammar of HTTP/1.1 heads: one expression says whether, a slower reading says why not.

A head that is right passes two compiled expressions and is never looked at byte by byte. Only one that fails them is
read again, line by line, to find the first offending byte, the rule it breaks and the section where that rule stands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from netlab.cores.fields import Fields
from netlab.errors import RemoteProtocolError

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # RFC 9110 5.6.2
FIELD_LINE = TOKEN + rb":[\t\x20-\x7e\x80-\xff]*\r\n"  # RFC 9112 5; obs-text allowed (RFC 9110 5.5), obs-fold not

REQUEST_START = re.compile(rb"(" + TOKEN + rb") ([!-\"$-~]+) ")  # RFC 9112 3; a target has no fragment: no "#"
REQUEST_REST = re.compile(rb"HTTP/(\d)\.(\d)\r\n((?:" + FIELD_LINE + rb")*)\r\n")
STATUS_REST = re.compile(rb"HTTP/(\d)\.(\d) (\d{3})(?: ([\t\x20-\x7e\x80-\xff]*))?\r\n((?:" + FIELD_LINE + rb")*)\r\n")
FIELD_BLOCK = re.compile(rb"(?:" + FIELD_LINE + rb")*")
QUOTED_STRING = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"'  # RFC 9110 5.6.4
FORBIDDEN = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

HOST = re.compile(  # uri-host [ ":" port ], RFC 9110 7.2 and RFC 3986 3.2.2; no user information
    r"(?:\[[0-9A-Fa-f:.]+\]|\[v[0-9A-Fa-f]+\.[\w.~!$&'()*+,;=:-]+\]|(?:[\w.~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::\d*)?",
    re.ASCII,
)
ABSOLUTE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?]*)")
AUTHORITY_FORM = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.~!$&'()*+,;=%-]+):(\d{1,5})", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Bounds, in bytes unless said otherwise."""

    request_line: int = 16 << 10  # 414
    head: int = 64 << 10  # 431
    fields: int = 128  # lines; 431
    body: int | None = None  # 413
    chunk_line: int = 4 << 10
    chunk_extensions: int = 16 << 10  # of all chunks of a message together
    trailers: int = 16 << 10
    memo: int = 4 << 10  # a field block up to this size is remembered until the connection's next request; 0: never


def parse_fields(block: bytes) -> Fields:
    """Fields of a block that FIELD_BLOCK has passed."""
    pairs: list[tuple[str, str]] = []
    index: dict[str, str] = {}
    if block:
        for line in block[:-2].decode("latin-1").split("\r\n"):
            name, _, value = line.partition(":")
            value = value.strip(" \t")
            pairs.append((name, value))
            key = name.lower()
            index[key] = f"{index[key]}, {value}" if key in index else value
    return Fields(pairs, index)


def violation(
    reason: str, data: bytes, at: int, *, base: int, rule: str, section: str, status: int = 400
) -> RemoteProtocolError:
    """A violation at index `at` of `data`, which begins at offset `base` of the connection."""
    begin = max(at - 40, 0)
    return RemoteProtocolError(
        reason,
        offset=base + at,
        rule=rule,
        section=section,
        status=status,
        excerpt=bytes(data[begin : at + 40]),
        caret=at - begin,
    )


def show(data: bytes) -> str:
    """Bytes as a person can read them in a sentence."""
    text = repr(bytes(data[:40]))[1:]
    return text if len(data) <= 40 else text + "…"


# -- why a head is refused ---------------------------------------------------------------------------------------


def refuse_request_head(data: bytes, base: int, limits: Limits) -> RemoteProtocolError:
    """The first thing wrong with a request head that did not match, or is not even complete."""
    end = data.find(b"\n")
    line = data if end < 0 else data[: end + 1]
    if len(line) > limits.request_line:
        reason = f"the request line is longer than {limits.request_line} bytes"
        return violation(
            reason,
            data,
            limits.request_line,
            base=base,
            rule="request_line.too_long",
            section="RFC 9110 15.5.15",
            status=414,
        )
    return refuse_request_line(line, base) or refuse_field_block(data, len(line), base, limits)


def refuse_request_line(line: bytes, base: int) -> RemoteProtocolError | None:
    """What is wrong with a request line, line end included (RFC 9112 3)."""

    def no(reason: str, at: int, rule: str, section: str = "RFC 9112 3", status: int = 400) -> RemoteProtocolError:
        return violation(reason, line, at, base=base, rule=rule, section=section, status=status)

    if line[:2] == b"\x16\x03":
        return no("this is a TLS handshake, and this port speaks plain HTTP", 0, "request_line.tls")
    method = re.match(TOKEN, line)
    if method is None:
        if line[:1] in (b" ", b"\t"):
            return no("the request begins with a blank", 0, "request_line.blank", "RFC 9112 2.2")
        if bad := FORBIDDEN.match(line):
            return no(f"{_named(bad)} where the method belongs", 0, "request_line.control", "RFC 9110 9.1")
        return no(f"{show(line[:1])} cannot begin a method", 0, "method.invalid", "RFC 9110 9.1")
    at = method.end()
    if line[at : at + 1] != b" ":
        if line[at : at + 2] == b"\r\n" or line[at : at + 1] == b"\n":
            return no("the request line has no target and no version", at, "request_line.incomplete")
        return no(
            f"{show(line[at : at + 1])} in the method, or no single space behind it",
            at,
            "method.invalid",
            "RFC 9110 9.1",
        )
    start = REQUEST_START.match(line)
    if start is None:
        return _refuse_target(line, at + 1, no)
    return _refuse_version(line, start.end(), no)


def _refuse_target(line: bytes, at: int, no: _No) -> RemoteProtocolError:
    target = re.match(rb"[!-\"$-~]*", line[at:])
    assert target is not None
    stop = at + target.end()
    byte = line[stop : stop + 1]
    if stop == at and byte == b" ":
        return no("two spaces where one separates method and target", at, "request_line.spaces")
    if byte == b"#":
        return no("a request target has no fragment (#…)", stop, "target.fragment", "RFC 9112 3.2")
    if byte in (b"\r", b"\n"):
        return no("the request line has no HTTP version", stop, "request_line.no_version", "RFC 9112 3")
    return no(f"{show(byte)} in the request target; it must be percent-encoded", stop, "target.invalid", "RFC 9112 3.2")


def _refuse_version(line: bytes, at: int, no: _No) -> RemoteProtocolError | None:
    version = re.match(rb"HTTP/(\d)\.(\d)", line[at:])
    if version is None:
        if re.match(rb"HTTP/\d+(?:\.\d+)?\r?\n", line[at:]):
            return no(f"{show(line[at:].rstrip())} is not spelled DIGIT.DIGIT", at, "version.invalid", "RFC 9112 2.3")
        return no(f"{show(line[at:].rstrip())} is not an HTTP version", at, "version.invalid", "RFC 9112 2.3")
    if version[1] != b"1":
        reason = f"HTTP/{version[1].decode()}.{version[2].decode()} is not spoken here; HTTP/1.1 is"
        return no(reason, at, "version.unsupported", "RFC 9110 15.6.6", 505)
    rest = line[at + version.end() :]
    if rest == b"\r\n":
        return None
    if rest == b"\n":
        return no(
            "the line ends with LF alone; CR LF is required", at + version.end(), "line_end.bare_lf", "RFC 9112 2.2"
        )
    if rest[:1] in (b" ", b"\t"):
        return no("a blank behind the version", at + version.end(), "request_line.blank")
    return no(f"{show(rest[:1])} behind the version", at + version.end(), "version.invalid", "RFC 9112 2.3")


def refuse_field_block(data: bytes, at: int, base: int, limits: Limits) -> RemoteProtocolError:
    """The first thing wrong with the field lines from index `at` on (RFC 9112 5)."""
    count = 0
    while at < len(data):
        end = data.find(b"\n", at)
        line = data[at:] if end < 0 else data[at : end + 1]
        if line == b"\r\n":
            break
        if error := refuse_field_line(line, first=count == 0, data=data, at=at, base=base):
            return error
        count += 1
        at += len(line)
        if count > limits.fields:
            reason = f"more than {limits.fields} field lines"
            return violation(
                reason, data, at - len(line), base=base, rule="fields.too_many", section="RFC 6585 5", status=431
            )
    reason = f"the fields are longer than {limits.head} bytes"
    at = min(limits.head, len(data))
    return violation(reason, data, at, base=base, rule="fields.too_large", section="RFC 6585 5", status=431)


def refuse_field_line(line: bytes, *, first: bool, data: bytes, at: int, base: int) -> RemoteProtocolError | None:
    """What is wrong with one field line, line end included."""

    def no(reason: str, where: int, rule: str, section: str = "RFC 9112 5") -> RemoteProtocolError:
        return violation(reason, data, at + where, base=base, rule=rule, section=section)

    if line[:1] in (b" ", b"\t"):
        if first:
            return no("a blank before the first field", 0, "field.leading_blank", "RFC 9112 2.2")
        return no("a folded field line (obs-fold) is refused", 0, "field.obs_fold", "RFC 9112 5.2")
    name = re.match(TOKEN, line)
    stop = name.end() if name else 0
    if not line[stop:].strip(b" \t"):
        return None  # the line is not all here yet, and so far nothing is wrong with it
    colon = line.find(b":")
    if line[stop : stop + 1] != b":":
        if name and line[stop : stop + 1] in (b" ", b"\t") and line[stop:].lstrip(b" \t")[:1] == b":":
            return no("a blank between field name and colon", stop, "field.blank_before_colon", "RFC 9112 5.1")
        if bad := FORBIDDEN.search(line[: colon if colon > 0 else len(line)]):
            return no(f"{_named(bad)} in a field name", bad.start(), f"field.{_rule(bad)}", _section(bad))
        if colon < 0:
            return no(f"{show(line.rstrip())} has no colon: not a field line", 0, "field.no_colon")
        if colon == 0:
            return no("a field without a name", 0, "field.no_name")
        return no(f"{show(line[stop : stop + 1])} in a field name", stop, "field.name_invalid", "RFC 9110 5.1")
    if bad := FORBIDDEN.search(line):
        return no(f"{_named(bad)} in a field value", bad.start(), f"field.{_rule(bad)}", _section(bad))
    return None


def _named(match: re.Match[bytes]) -> str:
    return {b"\n": "LF without CR", b"\r": "CR without LF", b"\x00": "NUL"}.get(
        match[0], f"control byte 0x{match[0].hex()}"
    )


def _rule(match: re.Match[bytes]) -> str:
    return {b"\n": "bare_lf", b"\r": "bare_cr", b"\x00": "nul"}.get(match[0], "control")


def _section(match: re.Match[bytes]) -> str:
    return "RFC 9112 2.2" if match[0] in (b"\n", b"\r") else "RFC 9110 5.5"


class _No(Protocol):
    """The shape of the `no` closures above, for the type checker."""

    def __call__(
        self, reason: str, at: int, rule: str, section: str = "", status: int = 400
    ) -> RemoteProtocolError: ...
