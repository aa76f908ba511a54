"""Whether a field's value has the form its specification gives it: a check by name, None or what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable

# Possessive quantifiers: what is matched is not tried again in shorter forms, so that time is linear in the size.
WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"  # a token, RFC 9110 5.6.2
QUOTED = r'"(?:[^"\\]|\\.)*+"'  # RFC 9110 5.6.4
PARAMETERS = rf"(?:[ \t]*+;[ \t]*+(?:{WORD}=(?:{WORD}|{QUOTED}))?)*+"  # RFC 9110 5.6.6
WEIGHT = re.compile(r"0(?:\.\d{0,3})?|1(?:\.0{0,3})?")  # RFC 9110 12.4.2
ETAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'  # RFC 9110 8.8.3
DAY, MONTH, TIME = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)", "[A-Z][a-z]{2}", r"\d\d:\d\d:\d\d"
DATE = re.compile(rf"{DAY}, \d\d {MONTH} \d{{4}} {TIME} GMT")  # RFC 9110 5.6.7
OLD_DATE = re.compile(rf"[A-Z][a-z]+day, \d\d-{MONTH}-\d\d {TIME} GMT|{DAY} {MONTH} [ \d]\d {TIME} \d{{4}}")

Problem = tuple[str, str]
"""What is wrong, as the rest of a sentence that begins with the field's name, and the section that says so."""
Check = Callable[[str], Problem | None]


def check_value(name: str, value: str) -> Problem | None:
    """What is wrong with a value; None if nothing is, or nobody here knows its form. `name` in lower case."""
    if value == "" and name not in MAY_BE_EMPTY:
        return "has no value", "RFC 9110 5.5"
    check = CHECKS.get(name)
    problem = check(value) if check is not None else None
    if problem is None and not value.isascii() and name not in ("if-match", "if-none-match"):
        return "has bytes outside ASCII, which every reader may take differently", "RFC 9110 5.5"
    return problem


MAY_BE_EMPTY = {"host", "accept", "accept-encoding", "te"}


def _matching(pattern: str, problem: str, section: str, flags: int = 0) -> Check:
    compiled = re.compile(pattern, flags)
    return lambda value: None if compiled.fullmatch(value) else (problem, section)


def _members(value: str) -> list[str]:
    """A list's members (RFC 9110 5.6.1), commas within quotes left alone."""
    members, begin, quoted, escaped = [], 0, False, False
    for at, character in enumerate(value):
        if quoted:
            quoted = character != '"' or escaped
            escaped = character == "\\" and not escaped
        elif character == '"':
            quoted = True
        elif character == ",":
            members.append(value[begin:at])
            begin = at + 1
    members.append(value[begin:])
    return [member for part in members if (member := part.strip(" \t"))]


def _short(text: str) -> str:
    """A piece of the value for a sentence."""
    return repr(text if len(text) <= 60 else text[:59] + "…")


def _weighted(item: str, what: str, section: str) -> Check:
    """Lists whose members may have a weight, q."""
    compiled = re.compile(rf"(?:{item}){PARAMETERS}")

    def check(value: str) -> Problem | None:
        for member in _members(value):
            if not compiled.fullmatch(member):
                return f"lists {_short(member)}, which is not {what}", section
            weight = re.search(r";[ \t]*q=([^;]*)", member, re.IGNORECASE)
            if weight and not WEIGHT.fullmatch(weight[1].strip()):
                return (
                    f"has the weight {_short(weight[1].strip())}; weights are 0 to 1 with up to three digits",
                    "RFC 9110 12.4.2",
                )
        return None

    return check


def _listed(item: str, what: str, section: str, *, any_of_it: bool = False) -> Check:
    compiled = re.compile(item)

    def check(value: str) -> Problem | None:
        if any_of_it and value == "*":
            return None
        wrong = next((member for member in _members(value) if not compiled.fullmatch(member)), None)
        return None if wrong is None else (f"lists {_short(wrong)}, which is not {what}", section)

    return check


def _date(value: str) -> Problem | None:
    if DATE.fullmatch(value):
        return None
    if OLD_DATE.fullmatch(value):
        return "has a date in one of the two old forms, which must not be written any more", "RFC 9110 5.6.7"
    return "is not a date such as Sun, 06 Nov 1994 08:49:37 GMT", "RFC 9110 5.6.7"


def _range(value: str) -> Problem | None:
    unit, equals, ranges = value.partition("=")
    if not equals or not re.fullmatch(WORD, unit):
        return "is not of the form bytes=0-99", "RFC 9110 14.2"
    for part in _members(ranges) if unit.lower() == "bytes" else []:
        match = re.fullmatch(r"(\d*)-(\d*)", part)
        if match is None or not (match[1] or match[2]):
            return f"has {_short(part)}, which is no range of bytes", "RFC 9110 14.1.2"
        if match[1] and match[2] and _size(match[1]) > _size(match[2]):
            return f"has {_short(part)}, whose last byte is before its first", "RFC 9110 14.1.1"
    return None


def _size(digits: str) -> tuple[int, str]:
    """A number in an order that needs no number: whoever sends ten thousand digits gets no int() of them."""
    return len(digits.lstrip("0")), digits.lstrip("0")


def _if_range(value: str) -> Problem | None:
    if re.fullmatch(ETAG, value):
        return ("has a weak tag, which says nothing about parts", "RFC 9110 13.1.5") if value.startswith("W/") else None
    return _date(value)


def _cookie(value: str) -> Problem | None:
    for pair in value.split("; "):
        name, equals, content = pair.partition("=")
        if not equals or not re.fullmatch(WORD, name):
            return f"has {_short(pair)}, which is not name=value", "RFC 6265 4.2.1"
        if not re.fullmatch(r'"?[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*"?', content):
            return f"gives {_short(name)} a value with characters that cookies may not have", "RFC 6265 4.1.1"
    return None


def _referer(value: str) -> Problem | None:
    if "#" in value:
        return "has a fragment, which must not be sent", "RFC 9110 10.1.3"
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#]*@", value):
        return "has a user name, which must not be sent", "RFC 9110 10.1.3"
    if not re.fullmatch(r"[\x21-\x7e]+", value):
        return "has characters that no URI has", "RFC 3986 2"
    return None


def _user_agent(value: str) -> Problem | None:
    depth = 0
    for character in value:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            break
    return ("has a parenthesis without its other half", "RFC 9110 5.6.5") if depth else None


NUMBER = r"\d+"
LANGUAGE = r"\*|[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*"
DIRECTIVE = rf"{WORD}(?:=(?:{WORD}|{QUOTED}))?"
ORIGIN = r"null|[a-z][a-z0-9+.-]*://[^/?#@\s]+"

CHECKS: dict[str, Check] = {
    "accept": _weighted(rf"{WORD}/{WORD}", "a media range such as text/html", "RFC 9110 12.5.1"),
    "accept-charset": _weighted(WORD, "a character encoding", "RFC 9110 12.5.2"),
    "accept-encoding": _weighted(WORD, "a content coding such as gzip", "RFC 9110 12.5.3"),
    "accept-language": _weighted(LANGUAGE, "a language range such as de-CH", "RFC 9110 12.5.4"),
    "authorization": _matching(rf"{WORD}(?: .*)?", "is not a scheme and its credentials", "RFC 9110 11.4"),
    "cache-control": _listed(DIRECTIVE, "a directive", "RFC 9111 5.2"),
    "connection": _listed(WORD, "a connection option", "RFC 9110 7.6.1"),
    "content-length": _matching(NUMBER, "is not a number of bytes", "RFC 9110 8.6"),
    "content-type": _matching(rf"{WORD}/{WORD}{PARAMETERS}", "is not a media type", "RFC 9110 8.3.1"),
    "cookie": _cookie,
    "date": _date,
    "dnt": _matching("[01]", "is not 0 or 1", "Tracking Preference Expression"),
    "if-match": _listed(ETAG, "an entity tag in quotes", "RFC 9110 8.8.3", any_of_it=True),
    "if-modified-since": _date,
    "if-none-match": _listed(ETAG, "an entity tag in quotes", "RFC 9110 8.8.3", any_of_it=True),
    "if-range": _if_range,
    "if-unmodified-since": _date,
    "max-forwards": _matching(NUMBER, "is not a number", "RFC 9110 7.6.2"),
    "origin": _matching(ORIGIN, "is not null, or scheme, host and port", "RFC 6454 7"),
    "proxy-authorization": _matching(rf"{WORD}(?: .*)?", "is not a scheme and its credentials", "RFC 9110 11.4"),
    "range": _range,
    "referer": _referer,
    "sec-gpc": _matching("1", "is not 1, the only value there is", "Global Privacy Control"),
    "te": _weighted(WORD, "a transfer coding", "RFC 9110 10.1.4"),
    "traceparent": _matching(
        r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?",
        "is not of the form of version 00",
        "Trace Context 3.2",
    ),
    "upgrade": _listed(rf"{WORD}(?:/{WORD})?", "a protocol", "RFC 9110 7.8"),
    "upgrade-insecure-requests": _matching("1", "is not 1, the only value there is", "Upgrade Insecure Requests"),
    "user-agent": _user_agent,
}
"""Checks by the field's name in lower case."""
