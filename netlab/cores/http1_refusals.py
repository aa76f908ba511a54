"""Why a head is refused: its first offending byte, the rule it breaks and the section where that rule stands.

Every function here reads a beginning, which may go on: it answers None while that could still become right, and once
it names a violation no further byte changes it. So a violation is the same wherever the network cut the bytes.
"""

from __future__ import annotations

import re

from netlab.cores.http1_grammar import CHUNK_EXTENSIONS, FORBIDDEN, TOKEN, Limits, show, violation
from netlab.errors import RemoteProtocolError

METHOD = re.compile(TOKEN)
TARGET = re.compile(rb"[!-\"$-~]*")
BLANKS = re.compile(rb"[ \t]*")
HEX_DIGITS = re.compile(rb"[0-9A-Fa-f]*")
MAX_SIZE_DIGITS = 16  # of a chunk size; RFC 9112 7.1 wants overflow to be prevented
VERSION = rb"HTTP/0.0"
"""Its shape; each 0 stands for a digit."""


class Passage:
    """Bytes being read against a rule, and where they stood on the connection."""

    __slots__ = ("base", "data", "section")

    def __init__(self, data: bytes, base: int, section: str) -> None:
        self.data, self.base, self.section = data, base, section

    def no(self, reason: str, at: int, rule: str, section: str = "", status: int = 400) -> RemoteProtocolError:
        return violation(
            reason, self.data, at, base=self.base, rule=rule, section=section or self.section, status=status
        )

    def control(self, at: int, where: str, rule: str) -> RemoteProtocolError | None:
        """What is wrong with a byte that ends text: nothing, if it is the CR of CR LF, or may become it."""
        bad = FORBIDDEN.match(self.data, at)
        if bad is None:
            return None
        name, kind = CONTROLS.get(bad[0], (f"control byte 0x{bad[0].hex()}", "control"))
        section = "RFC 9112 2.2" if bad[0] in b"\r\n" else "RFC 9110 5.5"
        return self.no(f"{name} {where}", at, f"{rule}.{kind}", section)

    def ends(self, at: int) -> bool:
        """Whether the line, or what is here of it, ends at this index."""
        return self.data[at : at + 2] in (b"", b"\r", b"\r\n")


CONTROLS = {b"\n": ("LF without CR", "bare_lf"), b"\r": ("CR without LF", "bare_cr"), b"\x00": ("NUL", "nul")}


# -- whole heads -------------------------------------------------------------------------------------------------


def refuse_request_head(data: bytes, base: int, limits: Limits) -> RemoteProtocolError | None:
    """The first thing wrong with a request's head, or with what is here of it."""
    data = data[: limits.head + 1]
    stop = data.find(b"\n") + 1 or len(data)
    size = limits.request_line
    if error := refuse_request_line(Passage(data[: min(stop, size)], base, "RFC 9112 3")):
        return error
    if stop > size:
        reason, rule = f"the request line is longer than {size} bytes", "request_line.too_long"
        return violation(reason, data, size, base=base, rule=rule, section="RFC 9110 15.5.15", status=414)
    return refuse_fields(data, stop, base, limits.head, limits.fields, folded=False)


def refuse_response_head(data: bytes, base: int, limits: Limits) -> RemoteProtocolError | None:
    """The first thing wrong with a response's head, or with what is here of it."""
    data = data[: limits.head + 1]
    stop = data.find(b"\n") + 1 or len(data)
    size = limits.request_line
    if error := refuse_status_line(Passage(data[: min(stop, size)], base, "RFC 9112 4")):
        return error
    if stop > size:
        reason, rule = f"the status line is longer than {size} bytes", "status_line.too_long"
        return violation(reason, data, size, base=base, rule=rule, section="RFC 9112 4")
    return refuse_fields(data, stop, base, limits.head, limits.fields, folded=True)


# -- first lines -------------------------------------------------------------------------------------------------


def refuse_request_line(line: Passage) -> RemoteProtocolError | None:
    """What is wrong with a request line, line end included (RFC 9112 3)."""
    data = line.data
    method = METHOD.match(data)
    if method is None:
        return _refuse_first_byte(line) if data else None
    at = method.end()
    if line.ends(at):
        if data[at : at + 2] == b"\r\n":
            return line.no("the request line has no target and no version", at, "request_line.incomplete")
        return None
    if data[at : at + 1] != b" ":
        reason = f"{show(data[at : at + 1])} in the method, or no single space behind it"
        return line.control(at, "in the method", "request_line") or line.no(
            reason, at, "method.invalid", "RFC 9110 9.1"
        )
    target = TARGET.match(data, at + 1)
    assert target is not None
    stop = target.end()
    if data[stop : stop + 1] != b" " or stop == at + 1:
        return _refuse_target(line, at + 1, stop)
    return refuse_version(line, stop + 1) or _refuse_line_end(line, stop + 1 + len(VERSION))


def _refuse_first_byte(line: Passage) -> RemoteProtocolError | None:
    first = line.data[:1]
    if first == b"\x16":  # the content type of a TLS handshake record, RFC 8446 5.1
        return line.no("this is a TLS handshake, and this port speaks plain HTTP", 0, "request_line.tls")
    if first in (b" ", b"\t"):
        return line.no("the request begins with a blank", 0, "request_line.blank", "RFC 9112 2.2")
    if line.ends(0):
        if len(line.data) < 2:
            return None
        return line.no("too many empty lines before the request", 0, "request_line.empty", "RFC 9112 2.2")
    return line.control(0, "where the method belongs", "request_line") or line.no(
        f"{show(first)} cannot begin a method", 0, "method.invalid", "RFC 9110 9.1"
    )


def _refuse_target(line: Passage, start: int, stop: int) -> RemoteProtocolError | None:
    byte = line.data[stop : stop + 1]
    if byte == b" ":
        return line.no("two spaces where one separates method and target", stop, "request_line.spaces")
    if byte == b"#":
        return line.no("a request target has no fragment (#…)", stop, "target.fragment", "RFC 9112 3.2")
    if line.ends(stop):
        if line.data[stop:] != b"\r\n":
            return None
        missing = "version" if stop > start else "target and no version"
        return line.no(f"the request line has no {missing}", stop, "request_line.incomplete")
    reason = f"{show(byte)} in the request target; it must be percent-encoded"
    return line.control(stop, "in the request target", "request_line") or line.no(
        reason, stop, "target.invalid", "RFC 9112 3.2"
    )


def refuse_version(line: Passage, at: int) -> RemoteProtocolError | None:
    """What is wrong with the HTTP version at this index (RFC 9112 2.3)."""
    version = line.data[at : at + len(VERSION)]
    if version.translate(DIGITS_TO_0) != VERSION[: len(version)]:
        shown = show(line.data[at:].rstrip())
        return line.no(f"{shown} is not an HTTP version, HTTP/ DIGIT . DIGIT", at, "version.invalid", "RFC 9112 2.3")
    if len(version) == len(VERSION) and version[5:6] != b"1":
        reason = f"{version.decode()} is not spoken here; HTTP/1.1 is"
        return line.no(reason, at, "version.unsupported", "RFC 9110 15.6.6", 505)
    return None


DIGITS_TO_0 = bytes(0x30 if 0x30 <= byte <= 0x39 else byte for byte in range(256))


def _refuse_line_end(line: Passage, at: int) -> RemoteProtocolError | None:
    if line.ends(at):
        return None
    byte = line.data[at : at + 1]
    if byte in (b" ", b"\t"):
        return line.no("a blank behind the version", at, "request_line.blank")
    return line.control(at, "behind the version", "request_line") or line.no(
        f"{show(byte)} behind the version", at, "version.invalid", "RFC 9112 2.3"
    )


def refuse_status_line(line: Passage) -> RemoteProtocolError | None:
    """What is wrong with a status line, line end included (RFC 9112 4)."""
    data = line.data
    if error := refuse_version(line, 0):
        return error
    at = len(VERSION)
    status = data[at : at + 4]
    if status[:2] == b" 0":
        return line.no(f"{show(data[at + 1 : at + 4])} is not a status code", at + 1, "status.invalid", "RFC 9110 15")
    if status.translate(DIGITS_TO_0) != b" 000"[: len(status)]:
        return line.no(f"{show(data.rstrip())} is not a status line", at, "status_line.invalid")
    at += 4
    if line.ends(at):
        return None
    if data[at : at + 1] != b" ":
        reason = f"{show(data[at : at + 1])} behind the status code"
        return line.control(at, "behind the status code", "status_line") or line.no(reason, at, "status_line.invalid")
    bad = FORBIDDEN.search(data, at)
    return None if bad is None else line.control(bad.start(), "in the reason", "status_line")


# -- field lines -------------------------------------------------------------------------------------------------


def refuse_fields(
    data: bytes, at: int, base: int, size: int, count: int, *, folded: bool
) -> RemoteProtocolError | None:
    """The first thing wrong with the field lines from index `at` on (RFC 9112 5).

    Only the first `size` bytes of `data`, and `count` lines, may be used; `folded` lets obs-fold through.
    """
    block = Passage(data[:size], base, "RFC 9112 5")
    first, end, lines = at, min(len(data), size), 0
    while at < end:
        stop = block.data.find(b"\n", at) + 1 or end
        if block.data[at:stop] == b"\r\n":
            return None
        fold = block.data[at] in b" \t"
        if error := _refuse_fold(block, at, stop, at == first, folded) if fold else refuse_field_line(block, at, stop):
            return error
        lines += not fold and block.data[stop - 1 : stop] == b"\n"
        if lines > count:
            return block.no(f"more than {count} field lines", at, "fields.too_many", "RFC 6585 5", 431)
        at = stop
    if len(data) <= size:
        return None
    return block.no(f"the fields go beyond {size} bytes", size, "fields.too_large", "RFC 6585 5", 431)


def _refuse_fold(block: Passage, at: int, stop: int, first: bool, folded: bool) -> RemoteProtocolError | None:
    if first:
        return block.no("a blank before the first field", at, "field.leading_blank", "RFC 9112 2.2")
    if not folded:
        return block.no("a folded field line (obs-fold) is refused", at, "field.obs_fold", "RFC 9112 5.2")
    return refuse_field_value(block, at, stop)


def refuse_field_line(block: Passage, at: int, stop: int) -> RemoteProtocolError | None:
    """What is wrong with the field line, or the beginning of one, between two indexes."""
    data = block.data
    name = METHOD.match(data, at, stop)
    colon = name.end() if name else at
    if data[colon : colon + 1] != b":":
        return _refuse_name(block, at, colon, stop)
    if colon == at:
        return block.no("a field without a name", at, "field.no_name")
    return refuse_field_value(block, colon, stop)


def refuse_field_value(block: Passage, at: int, stop: int) -> RemoteProtocolError | None:
    """What is wrong with a field value, line end included."""
    bad = FORBIDDEN.search(block.data, at, stop)
    return None if bad is None else block.control(bad.start(), "in a field value", "field")


def _refuse_name(block: Passage, at: int, end: int, stop: int) -> RemoteProtocolError | None:
    data = block.data
    blanks = BLANKS.match(data, end, stop)
    assert blanks is not None
    if blanks.end() == stop or (end == stop - 1 and data[end:] == b"\r"):
        return None  # what comes next decides
    if end > at and data[blanks.end() : blanks.end() + 1] == b":":
        return block.no("a blank between field name and colon", end, "field.blank_before_colon", "RFC 9112 5.1")
    if block.ends(end):
        return block.no(f"{show(data[at:end])} has no colon: not a field line", at, "field.no_colon")
    return block.control(end, "in a field name", "field") or block.no(
        f"{show(data[end : end + 1])} in a field name", end, "field.name_invalid", "RFC 9110 5.1"
    )


# -- chunks ------------------------------------------------------------------------------------------------------


def refuse_chunk_line(data: bytes, base: int, limit: int) -> RemoteProtocolError | None:
    """What is wrong with the first line of a chunk, line end included (RFC 9112 7.1); `data` is cut at `limit`."""
    line = Passage(data, base, "RFC 9112 7.1")
    size = HEX_DIGITS.match(data)
    assert size is not None
    at = size.end()
    if at > MAX_SIZE_DIGITS:
        return line.no(f"a chunk size of more than {MAX_SIZE_DIGITS} digits", 0, "chunk.size_overflow")
    if at == 0:
        reason = f"{show(data.rstrip())} is not a chunk size"
        return line.no(reason, 0, "chunk.size_invalid") if data else None
    blanks = BLANKS.match(data, at)
    assert blanks is not None
    after = data[blanks.end() : blanks.end() + 1]
    if after not in (b";", b"") and blanks.end() > at:
        return line.no("a blank behind the chunk size", at, "chunk.size_blank")
    if after not in (b";", b"") and not line.ends(at):
        reason = f"{show(after)} in a chunk size"
        return line.control(at, "behind the chunk size", "chunk") or line.no(reason, at, "chunk.size_invalid")
    if data[-1:] != b"\n":
        reason = f"a chunk's first line is longer than {limit} bytes"
        return line.no(reason, 0, "chunk.line_too_long", "RFC 9112 7.1.1") if len(data) >= limit else None
    extensions = CHUNK_EXTENSIONS.match(data, at)
    assert extensions is not None
    at = extensions.end()
    if line.ends(at):
        return None
    reason = f"{show(data[at:].rstrip())} is not a chunk extension"
    return line.control(at, "behind a chunk extension", "chunk") or line.no(
        reason, at, "chunk.extension", "RFC 9112 7.1.1"
    )
