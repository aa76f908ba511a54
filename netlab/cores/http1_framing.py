"""What the fields of a head mean for message and connection: length, coding, persistence, expectation, upgrade."""

from __future__ import annotations

import re

from netlab.cores.fields import Fields
from netlab.cores.http1_events import Frame
from netlab.cores.http1_grammar import ABSOLUTE, Limits, is_host

DIGITS = re.compile(r"[0-9]+")
MAX_LENGTH = (1 << 63) - 1
EMPTY_STATUS = frozenset((204, 304))
"""Final responses that end with their head, whatever its fields say (RFC 9112 6.3)."""


class Refused(Exception):
    """Why a head that is well-formed cannot be meant; the core turns it into a RemoteProtocolError with its place."""

    def __init__(self, reason: str, rule: str, section: str, field: str | None = None, status: int = 400) -> None:
        super().__init__(reason)
        self.reason, self.rule, self.section, self.field, self.status = reason, rule, section, field, status


def frame_request(fields: Fields, minor: bool, limits: Limits) -> Frame:
    """The frame of a request whose minor version is 1 or more (`minor`) or 0; raises Refused."""
    get = fields.get
    host = get("host")
    if host is None:
        if minor:
            raise Refused("an HTTP/1.1 request needs a Host field", "host.missing", "RFC 9112 3.2")
    elif not is_host(host):
        raise refuse_host(fields, host)
    length, chunked = body_length(fields, minor, limits)
    has_body = chunked or bool(length)
    upgrade: tuple[str, ...] = ()
    connection = get("connection")
    if connection is None:
        keep_alive = minor
    elif connection.lower() == "keep-alive":
        keep_alive = True
    else:
        options = fields.tokens("connection")
        keep_alive = "close" not in options and (minor or "keep-alive" in options)  # RFC 9112 9.3
        # RFC 9110 7.8: Upgrade counts only together with the connection option, and not from an HTTP/1.0 client
        if minor and "upgrade" in options:
            upgrade = tuple(fields.tokens("upgrade"))
    expects, expectation = False, get("expect")
    if expectation is not None:
        # RFC 9110 10.1.1: ignored in an HTTP/1.0 request; where no content follows there is nothing to wait for
        known = expectation.lower() == "100-continue"
        expects = known and minor and has_body
        expectation = None if known or not minor else expectation
    return Frame(has_body, None if chunked else length or 0, chunked, keep_alive, expects, expectation, upgrade)


def frame_response(fields: Fields, minor: bool, status: int, method: str, limits: Limits) -> Frame:
    """The frame of a final response to a request with this method (RFC 9112 6.3); raises Refused."""
    if method == "CONNECT" and 200 <= status < 300:
        return Frame(False, None, False, True)  # 6.3 (2): a tunnel begins; framing fields are ignored
    options = fields.tokens("connection") if "connection" in fields else []
    keep_alive = "close" not in options and (minor or "keep-alive" in options)
    if method == "HEAD" or status in EMPTY_STATUS:  # 6.3 (1): the length is what a GET would have had
        declared = "" if "transfer-encoding" in fields else fields.get("content-length") or ""
        return Frame(False, int(declared) if is_length(declared) else None, False, keep_alive)
    length, chunked = body_length(fields, minor, limits)
    if chunked:
        return Frame(True, None, True, keep_alive)
    if length is None:
        return Frame(True, None, False, False)  # 6.3 (8): until the server closes
    return Frame(length > 0, length, False, keep_alive)


def body_length(fields: Fields, minor: bool, limits: Limits) -> tuple[int | None, bool]:
    """(Content-Length or None, chunked) of a message; every ambiguity is refused (RFC 9112 6.1 to 6.3)."""
    coding, declared = fields.get("transfer-encoding"), fields.get("content-length")
    if coding is not None:
        return None, is_chunked(coding, declared, minor)
    if declared is None:
        return None, False
    if not is_length(declared):
        raise refuse_length(fields, declared)
    length = int(declared)
    if limits.body is not None and length > limits.body:
        reason = f"the content is longer than {limits.body} bytes"
        raise Refused(reason, "body.too_large", "RFC 9110 15.5.14", "content-length", 413)
    return length, False


def is_length(declared: str) -> bool:
    """Whether this is a Content-Length: one number of at most 19 decimal digits, at most 2^63-1."""
    return len(declared) <= 19 and DIGITS.fullmatch(declared) is not None and int(declared) <= MAX_LENGTH


def is_chunked(coding: str, declared: str | None, minor: bool) -> bool:
    """True if Transfer-Encoding is exactly chunked, once, in an HTTP/1.1 message; else Refused."""
    if declared is not None:
        reason = "Content-Length and Transfer-Encoding together: two lengths for one message"
        raise Refused(reason, "framing.two_lengths", "RFC 9112 6.3", "transfer-encoding")
    if not minor:
        reason = "Transfer-Encoding in an HTTP/1.0 message"
        raise Refused(reason, "transfer_encoding.http10", "RFC 9112 6.1", "transfer-encoding")
    codings = [part.strip(" \t").lower() for part in coding.split(",")]
    if codings == ["chunked"]:
        return True
    if codings[-1] != "chunked":
        reason = f"the final transfer coding is {codings[-1][:40]!r}, not chunked: the length is unknown"
        raise Refused(reason, "transfer_encoding.not_final", "RFC 9112 6.3", "transfer-encoding")
    if "chunked" in codings[:-1]:
        raise Refused("chunked more than once", "transfer_encoding.repeated", "RFC 9112 6.1", "transfer-encoding")
    if "" in codings:
        reason = "an empty element in Transfer-Encoding"
        raise Refused(reason, "transfer_encoding.empty", "RFC 9110 5.6.1", "transfer-encoding")
    reason = f"transfer coding {codings[0][:40]!r} is not supported"
    raise Refused(reason, "transfer_encoding.unsupported", "RFC 9112 6.1", "transfer-encoding", 501)


def refuse_length(fields: Fields, declared: str) -> Refused:
    section = "RFC 9110 8.6"
    if len(fields.all("content-length")) > 1:
        return Refused("Content-Length is given more than once", "content_length.repeated", section, "content-length")
    if "," in declared:
        return Refused("Content-Length is a list", "content_length.list", section, "content-length")
    if DIGITS.fullmatch(declared):
        reason = "Content-Length has more than 19 digits, or is larger than 2^63-1"
        return Refused(reason, "content_length.overflow", section, "content-length")
    reason = f"Content-Length {declared[:40]!r} is not a number of decimal digits"
    return Refused(reason, "content_length.invalid", section, "content-length")


def refuse_host(fields: Fields, host: str) -> Refused:
    section = "RFC 9112 3.2"
    if len(fields.all("host")) > 1:
        return Refused("Host is given more than once", "host.repeated", section, "host")
    if "@" in host:
        return Refused("Host holds user information", "host.userinfo", "RFC 9110 4.2.4", "host")
    if "/" in host:
        return Refused("Host holds a path or scheme", "host.path", section, "host")
    return Refused(f"{host[:60]!r} is not a host and port", "host.invalid", section, "host")


def check_target(method: str, target: str, frame: Frame) -> None:
    """Raise Refused unless the target has one of the four forms and the method fits it (RFC 9112 3.2)."""
    if method == "CONNECT":
        check_connect(target, frame)
    elif target == "*":
        if method != "OPTIONS":
            raise Refused("only OPTIONS may ask for *", "target.asterisk_form", "RFC 9112 3.2.4")
    elif not target.startswith("/"):
        check_absolute(target)


def check_connect(target: str, frame: Frame) -> None:
    host, _, port = target.rpartition(":")
    if not host or not is_host(target) or not port.strip("0").isdecimal():  # an empty port, or 0, cannot be reached
        reason = f"CONNECT names host:port, not {target[:60]!r}"
        raise Refused(reason, "target.authority_form", "RFC 9110 9.3.6")
    if frame.has_body:
        raise Refused("a CONNECT request has no content", "connect.content", "RFC 9110 9.3.6")


def check_absolute(target: str) -> None:
    match = ABSOLUTE.match(target)
    if match is None:
        host, _, port = target.rpartition(":")
        if host and port.isdecimal() and is_host(target):
            raise Refused(f"only CONNECT may name {target[:60]!r} alone", "target.authority_form", "RFC 9112 3.2.3")
        reason = f"the target {target[:60]!r} begins neither with / nor with a scheme"
        raise Refused(reason, "target.invalid", "RFC 9112 3.2")
    if match[1].lower() in ("http", "https"):
        authority = match[2]
        if "@" in authority:
            raise Refused("the target holds user information", "target.userinfo", "RFC 9110 4.2.4")
        if not authority or not is_host(authority):  # an empty host has to be rejected
            raise Refused("the target names no valid host", "target.host", "RFC 9110 4.2.1")
