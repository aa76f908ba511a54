"""Structured dictionaries, as far as targeted cache control needs them: keys and their values (RFC 9651 4.2.2)."""

from __future__ import annotations

import re
from decimal import Decimal

KEY = re.compile(r"[a-z*][a-z0-9_\-.*]*")
NUMBER = re.compile(r"-?[0-9]{1,15}(?![0-9.])|-?[0-9]{1,12}\.[0-9]{1,3}(?![0-9.])")
STRING = re.compile(r'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
TOKEN = re.compile(r"[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*")
BYTES = re.compile(r":[A-Za-z0-9+/=]*:")
BOOLEAN = re.compile(r"\?([01])")
DATE = re.compile(r"@-?[0-9]{1,15}(?![0-9.])")
DISPLAY = re.compile(r'%"(?:[\x20-\x24\x26-\x7e]|%[0-9a-f]{2})*?"')
BLANKS = re.compile(r"[ \t]*")


class Token(str):
    """A token, which is not the string of the same characters."""

    __slots__ = ()


class Opaque:
    """A value of a type that says nothing here: an inner list, a byte sequence, a date, a display string."""


Value = bool | int | Decimal | str | Token | Opaque
OPAQUE = Opaque()


class Malformed(Exception):
    """The field is no structured dictionary."""


def parse_dictionary(text: str) -> dict[str, Value] | None:
    """Key → value, parameters dropped, the last of equal keys; None where the field is not well-formed as a whole."""
    try:
        return _dictionary(text)
    except Malformed:
        return None


def _dictionary(text: str) -> dict[str, Value]:
    found: dict[str, Value] = {}
    text = text.strip(" ")
    at = 0
    while at < len(text):
        key = KEY.match(text, at)
        if key is None:
            raise Malformed
        at = key.end()
        value: Value = True
        if text[at : at + 1] == "=":
            value, at = _member(text, at + 1)
        at = _parameters(text, at)
        found.pop(key[0], None)
        found[key[0]] = value
        at = _after(text, BLANKS, at)
        if at == len(text):
            return found
        if text[at] != ",":
            raise Malformed
        at = _after(text, BLANKS, at + 1)
        if at == len(text):
            raise Malformed  # a comma behind which nothing comes
    return found


def _member(text: str, at: int) -> tuple[Value, int]:
    return _inner_list(text, at + 1) if text[at : at + 1] == "(" else _bare(text, at)


def _inner_list(text: str, at: int) -> tuple[Value, int]:
    while True:
        start, at = at, _after(text, re.compile(" *"), at)
        if text[at : at + 1] == ")":
            return OPAQUE, at + 1
        if start == at and text[at - 1] != "(":
            raise Malformed  # items stand apart
        _, at = _bare(text, at)
        at = _parameters(text, at)


def _parameters(text: str, at: int) -> int:
    while text[at : at + 1] == ";":
        at = _after(text, re.compile(" *"), at + 1)
        key = KEY.match(text, at)
        if key is None:
            raise Malformed
        at = key.end()
        if text[at : at + 1] == "=":
            _, at = _bare(text, at + 1)
    return at


def _bare(text: str, at: int) -> tuple[Value, int]:
    """One item without its parameters, and where it ends."""
    if match := NUMBER.match(text, at):
        return (Decimal(match[0]) if "." in match[0] else int(match[0])), match.end()
    if match := STRING.match(text, at):
        return re.sub(r"\\(.)", r"\1", match[1]), match.end()
    if match := BOOLEAN.match(text, at):
        return match[1] == "1", match.end()
    if match := TOKEN.match(text, at):
        return Token(match[0]), match.end()
    for opaque in (BYTES, DATE, DISPLAY):
        if match := opaque.match(text, at):
            return OPAQUE, match.end()
    raise Malformed


def _after(text: str, pattern: re.Pattern[str], at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at
