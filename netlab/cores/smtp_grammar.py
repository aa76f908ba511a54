"""The grammar of SMTP's arguments: reverse and forward paths, domains, address literals (RFC 5321 4.1.2, 4.1.3)."""

from __future__ import annotations

import ipaddress
import re

from netlab.cores.smtp_replies import Refused, refused

ATEXT = rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\xff-]"
ATOM = ATEXT + rb"+"
DOT_STRING = ATOM + rb"(?:\." + ATOM + rb")*"
QUOTED_STRING = rb'"(?:[ !#-\[\]-~\x80-\xff]|\\[ -~])*"'
LABEL = rb"[A-Za-z0-9\x80-\xff](?:[A-Za-z0-9\x80-\xff-]*[A-Za-z0-9\x80-\xff])?"
DOMAIN = LABEL + rb"(?:\." + LABEL + rb")*"
LITERAL = rb"\[[!-Z^-~]+\]"

LOCAL_PART = re.compile(rb"(?:" + DOT_STRING + rb"|" + QUOTED_STRING + rb")")
HOST = re.compile(rb"(?:" + DOMAIN + rb"|" + LITERAL + rb")")
SOURCE_ROUTE = re.compile(rb"@" + DOMAIN + rb"(?:,@" + DOMAIN + rb")*:")
CLIENT_NAME = re.compile(rb"[A-Za-z0-9_\x80-\xff-]+(?:\.[A-Za-z0-9_\x80-\xff-]+)*\.?")
GENERAL_LITERAL = re.compile(r"[A-Za-z0-9-]*[A-Za-z0-9]:[!-Z^-~]+")  # Standardized-tag ":" 1*dcontent

PLAIN_ATOM = rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
PLAIN_LABEL = rb"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
PLAIN_PATH = rb"<(" + PLAIN_ATOM + rb"(?:\." + PLAIN_ATOM + rb")*)@(" + PLAIN_LABEL + rb"(?:\." + PLAIN_LABEL + rb")*)>"
"""Most paths are such: ASCII, nothing quoted, no route."""

LOOSE_LABEL = rb"[A-Za-z0-9_\x80-\xff](?:[A-Za-z0-9_\x80-\xff-]*[A-Za-z0-9_\x80-\xff])?"
LOOSE_PATH = re.compile(rb"<(" + DOT_STRING + rb")(?:@(" + LOOSE_LABEL + rb"(?:\." + LOOSE_LABEL + rb")*))?>")
"""What programs send that the grammar does not have: no domain (`root`), or a name that is none in DNS (`app_1`)."""

MAX_LOCAL_PART, MAX_DOMAIN, MAX_PATH = 64, 255, 256  # RFC 5321 4.5.3.1.1 to 4.5.3.1.3, in octets


def parse_path(data: bytes, *, utf8: bool, null: bool = False) -> tuple[str, int] | Refused:
    """The address of a path at the beginning of `data`, and where the path ends; a source route is ignored (C).

    `utf8` lets it be Unicode (RFC 6531 3.3); `null` lets it be `<>`, a bounce's reverse path (RFC 5321 4.5.5).
    """
    if data[:1] != b"<":
        return refused(501, "5.1.7" if null else "5.1.3", "An address stands in <angle brackets> (RFC 5321 4.1.2)")
    if null and data[:2] == b"<>":
        return "", 2
    at = 1
    route = SOURCE_ROUTE.match(data, at)
    if route is not None:
        at = route.end()
    return _mailbox(data, at, utf8, "5.1.7" if null else "5.1.3", null)


def parse_loose_path(data: bytes, *, utf8: bool) -> tuple[str, int] | Refused | None:
    """Likewise for a path that most servers take although it is against the grammar; None: it is not even that."""
    match = LOOSE_PATH.match(data)
    if match is None:
        return None
    problem = _too_long(match[1], match[2] or b"", "5.1.7")
    if problem is not None:
        return problem
    address = match[0][1:-1]
    return (address.decode("ascii"), match.end()) if address.isascii() else _unicode(address, match.end(), utf8)


def _mailbox(data: bytes, at: int, utf8: bool, status: str, null: bool) -> tuple[str, int] | Refused:
    local = LOCAL_PART.match(data, at)
    if local is None:
        return refused(501, status, f"No local part at {_shown(data, at)} (RFC 5321 4.1.2)")
    end = local.end()
    if not null and data[end : end + 1] == b">" and local[0].lower() == b"postmaster":
        return local[0].decode("ascii"), end + 1  # RFC 5321 4.5.1: without a domain, alone of all
    if data[end : end + 1] != b"@":
        return refused(501, status, f"Here belongs @ and a domain: {_shown(data, end)} (RFC 5321 4.1.2)")
    host = HOST.match(data, end + 1)
    if host is None:
        return refused(501, status, f"No domain at {_shown(data, end + 1)} (RFC 5321 4.1.2)")
    if data[host.end() : host.end() + 1] != b">":
        return refused(501, status, f"Here belongs >: {_shown(data, host.end())} (RFC 5321 4.1.2)")
    problem = _too_long(local[0], host[0], status) or _bad_literal(host[0], status)
    if problem is not None:
        return problem
    address = data[at : host.end()]
    if not address.isascii():
        return _unicode(address, host.end() + 1, utf8)
    return address.decode("ascii"), host.end() + 1


def _too_long(local: bytes, domain: bytes, status: str) -> Refused | None:
    for part, name, most, section in (
        (local, "local part", MAX_LOCAL_PART, "4.5.3.1.1"),
        (domain, "domain", MAX_DOMAIN, "4.5.3.1.2"),
        (local + b"@" + domain + b"<>", "path", MAX_PATH, "4.5.3.1.3"),
    ):
        if len(part) > most:
            return refused(501, status, f"The {name} has {len(part)} octets, the most is {most} (RFC 5321 {section})")
    return None


def _bad_literal(domain: bytes, status: str) -> Refused | None:
    """What is wrong with an address literal (RFC 5321 4.1.3)."""
    if domain[:1] != b"[":
        return None
    text = domain[1:-1].decode("ascii")
    if is_literal(text):
        return None
    return refused(501, status, f"[{text[:60]}] is no address literal, as [192.0.2.1] is one (RFC 5321 4.1.3)")


def is_literal(text: str) -> bool:
    """What may stand in the brackets of an address literal."""
    try:
        if text[:5].lower() == "ipv6:":
            ipaddress.IPv6Address(text[5:])
            return "%" not in text
        if GENERAL_LITERAL.fullmatch(text):
            return True
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def _unicode(address: bytes, end: int, utf8: bool) -> tuple[str, int] | Refused:
    if not utf8:
        words = "An address that is not ASCII needs SMTPUTF8 with MAIL (RFC 6531 3.5)"
        return refused(553, "5.6.7", words)
    try:
        return address.decode("utf-8"), end
    except UnicodeDecodeError:
        return refused(501, "5.6.7", "The address is not UTF-8 (RFC 6531 3.3)")


def _shown(data: bytes, at: int) -> str:
    """What stands there, so that a person finds the place."""
    text = "".join(chr(byte) if 32 <= byte < 127 else "?" for byte in data[at : at + 20])
    return f'"{text}"' if text else "the end"


def parse_domain(data: bytes) -> str | None:
    """What a client calls itself: a domain or an address literal in ASCII or UTF-8; None for anything else.

    Names that are none in DNS (`app_1`, `-`) are let in: who checks them must not refuse mail for it (RFC 5321 4.1.4).
    """
    if data[:1] == b"[" and data[-1:] == b"]" and data.isascii():
        return data.decode() if is_literal(data[1:-1].decode()) else None
    if CLIENT_NAME.fullmatch(data) is None or len(data) > MAX_DOMAIN:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None
