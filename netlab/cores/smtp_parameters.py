"""What stands behind the paths of MAIL and RCPT: SIZE, BODY, SMTPUTF8, RET, ENVID, AUTH; NOTIFY and ORCPT."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast

from netlab.cores.smtp_replies import Refused, refused

Body = Literal["7BIT", "8BITMIME", "BINARYMIME"]

KEYWORD = re.compile(rb"[A-Za-z0-9][A-Za-z0-9-]*")  # RFC 5321 4.1.2
VALUE = re.compile(rb"[!-<>-~\x80-\xff]+")
XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")  # RFC 3461 4
ORIGINAL = re.compile(rf"[A-Za-z0-9-]+;(?=.){XTEXT.pattern}|(?i:utf-8);.+")  # RFC 3461 4.2, RFC 6533 3
DIGITS = re.compile(r"[0-9]{1,20}")  # RFC 1870 3
BODIES = ("7BIT", "8BITMIME", "BINARYMIME")
NOTIFY = ("SUCCESS", "FAILURE", "DELAY")


@dataclass(slots=True)
class MailParameters:
    """What MAIL said besides the reverse path."""

    size: int | None = None
    body: Body = "7BIT"
    smtputf8: bool = False
    ret: str = ""
    envelope_id: str = ""
    author: str | None = None  # AUTH=, "" for <> (RFC 4954 5)


@dataclass(slots=True)
class RecipientParameters:
    """What RCPT said besides the forward path."""

    notify: str = ""
    original: str = ""


def split_parameters(data: bytes) -> dict[str, str | None] | Refused:
    """` KEY=VALUE KEY`: keywords in upper case; values may be UTF-8 (RFC 6531 3.3)."""
    found: dict[str, str | None] = {}
    for word in data.split():
        key, equals, value = word.partition(b"=")
        if KEYWORD.fullmatch(key) is None or (equals and VALUE.fullmatch(value) is None):
            return refused(501, "5.5.4", "A parameter is KEYWORD or KEYWORD=VALUE (RFC 5321 4.1.2)")
        name = key.decode().upper()
        if name in found:
            return refused(501, "5.5.4", f"{name[:40]} is there twice (RFC 5321 4.1.1.11)")
        found[name] = value.decode("utf-8", "replace") if equals else None
    return found


def mail_parameters(data: bytes, *, most: int) -> MailParameters | Refused:
    """`most` octets may a message have; one that says it has more is refused early (RFC 1870 6.1)."""
    given = split_parameters(data)
    if isinstance(given, Refused):
        return given
    found = MailParameters()
    for name, value in given.items():
        problem = _set_mail(found, name, value)
        if problem is not None:
            return problem
    if found.size is not None and most and found.size > most:
        words = f"The message would have {found.size} octets, the most is {most} (RFC 1870 6.1)"
        return refused(552, "5.3.4", words)
    return found


def _set_mail(found: MailParameters, name: str, value: str | None) -> Refused | None:
    text, upper = value or "", (value or "").upper()
    if name == "SIZE" and DIGITS.fullmatch(text):
        found.size = int(text)
    elif name == "BODY" and upper in BODIES:  # RFC 6152 2, RFC 3030 3
        found.body = cast("Body", upper)
    elif name == "SMTPUTF8" and value is None:  # RFC 6531 3.4
        found.smtputf8 = True
    elif name == "RET" and upper in ("FULL", "HDRS"):  # RFC 3461 4.3
        found.ret = upper
    elif name == "ENVID" and text and len(text) <= 100 and XTEXT.fullmatch(text):  # RFC 3461 4.4
        found.envelope_id = from_xtext(text)
    elif name == "AUTH" and text and len(text) <= 500 and (text == "<>" or XTEXT.fullmatch(text)):  # RFC 4954 5
        found.author = "" if text == "<>" else from_xtext(text)
    else:
        return _unknown(name, value, MAIL_SECTIONS)
    return None


def recipient_parameters(data: bytes) -> RecipientParameters | Refused:
    given = split_parameters(data)
    if isinstance(given, Refused):
        return given
    found = RecipientParameters()
    for name, value in given.items():
        text, upper = value or "", (value or "").upper()
        if name == "NOTIFY" and _is_notify(upper):  # RFC 3461 4.1
            found.notify = upper
        elif name == "ORCPT" and len(text) <= 500 and ORIGINAL.fullmatch(text):  # RFC 3461 4.2
            kind, _, address = text.partition(";")
            found.original = f"{kind};{from_xtext(address)}"
        else:
            return _unknown(name, value, RECIPIENT_SECTIONS)
    return found


def _is_notify(text: str) -> bool:
    words = text.split(",")
    return text == "NEVER" or (all(word in NOTIFY for word in words) and len(set(words)) == len(words))


MAIL_SECTIONS = {
    "SIZE": "RFC 1870 3",
    "BODY": "RFC 6152 2",
    "SMTPUTF8": "RFC 6531 3.4",
    "RET": "RFC 3461 4.3",
    "ENVID": "RFC 3461 4.4",
    "AUTH": "RFC 4954 5",
}
RECIPIENT_SECTIONS = {"NOTIFY": "RFC 3461 4.1", "ORCPT": "RFC 3461 4.2"}


def _unknown(name: str, value: str | None, sections: dict[str, str]) -> Refused:
    """A keyword that is not known is one thing, a value that is not allowed another (RFC 5321 4.1.1.11)."""
    if name in sections:
        shown = "nothing" if value is None else repr(value[:40])
        return refused(501, "5.5.4", f"{name} cannot be {shown} ({sections[name]})")
    return refused(555, "5.5.4", f"The parameter {name[:40]} is not known here (RFC 5321 4.1.1.11)")


def from_xtext(text: str) -> str:
    """`+2B` becomes `+` (RFC 3461 4)."""
    return re.sub(r"\+([0-9A-F]{2})", lambda match: chr(int(match[1], 16)), text)


def to_xtext(text: str) -> str:
    return "".join(char if "!" <= char <= "~" and char not in "+=" else f"+{ord(char):02X}" for char in text)
