"""A message's header fields (RFC 5322, 2047, 2231): unfolded, decoded, and taken apart, at a bounded cost."""

from __future__ import annotations

import binascii
import codecs
import re
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

LONGEST_VALUE = 64 << 10
"""Characters of a field that are looked at; the rest is shown as it is in the source."""
LONGEST_STRUCTURED = 4 << 10
"""The same, for fields with parameters."""

_FOLD = re.compile(rb"\r?\n(?=[ \t])")
_LINE = re.compile(rb"\r?\n")
_WORD = re.compile(r"=\?([\w.:+-]{1,40})(?:\*[\w-]{0,20})?\?([bBqQ])\?([^?\s]{0,2000})\?=")
_BETWEEN_WORDS = re.compile(r"(\?=)[ \t]+(?==\?[\w.:+-]{1,40}(?:\*[\w-]{0,20})?\?[bBqQ]\?)")
_PARAMETER = re.compile(r';\s*([^\s=;]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)')
_QUOTED = re.compile(r"\\(.)")
_NOT_BASE64 = bytes(byte for byte in range(256) if not (chr(byte).isalnum() and byte < 128) and byte not in b"+/")

# Codecs of Python that no mail program knows, some of them quadratic in what they are given.
_NO_CHARSETS = frozenset({"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape", "mbcs", "oem"})


class Field(NamedTuple):
    """One header field; `start` and `end` are its bytes in the message."""

    name: str
    value: str  # unfolded, not decoded
    start: int
    end: int


def parse_fields(content: bytes, start: int, end: int, most: int) -> tuple[list[Field], list[str]]:
    """The fields of a header block, and what is wrong with it."""
    fields: list[Field] = []
    defects: list[str] = []
    position = start
    for line in _lines(content[start:end]):
        size, text = len(line), as_text(_FOLD.sub(b"", line.rstrip(b"\r\n")))
        name, colon, value = text.partition(":")
        if colon and name and " " not in name.rstrip() and name.isascii():
            fields.append(Field(name.rstrip(), value.strip(), position, position + size))
        elif text and not (position == start and text.startswith(("From ", ">From "))):  # mbox's own line
            defects.append(f"line {text[:60]!r} of the header is no field (RFC 5322 2.2)")
        position += size
        if len(fields) >= most or len(defects) > 20:
            defects.append(f"the header has more than {most} fields: the rest is not looked at")
            break
    return fields, defects


def _lines(block: bytes) -> list[bytes]:
    """The block cut before every line that does not continue the one before."""
    ends = [match.end() for match in _LINE.finditer(block)]
    cuts = [0, *(end for end in ends if end < len(block) and block[end] not in b" \t")]
    return [block[begin:end] for begin, end in zip(cuts, [*cuts[1:], len(block)], strict=True)]


def as_text(data: bytes) -> str:
    """Bytes of a header: UTF-8 (RFC 6532), or else whatever they are, one character each."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def decode_words(value: str) -> str:
    """A value with its encoded words read (RFC 2047); what cannot be read stays as it is."""
    if "=?" not in value:
        return value
    return _WORD.sub(_decode_word, _BETWEEN_WORDS.sub(r"\1", value[:LONGEST_VALUE]))


def _decode_word(match: re.Match[str]) -> str:
    charset, coding, text = match.groups()
    data = text.encode("utf-8", "replace")
    return decode_charset(from_base64(data) if coding in "bB" else binascii.a2b_qp(data, header=True), charset)[0]


def from_base64(data: bytes) -> bytes:
    """Base64 as mail programs read it: what is not of its alphabet is passed over, missing ends are made up."""
    data = data.partition(b"=")[0].translate(None, _NOT_BASE64) if b"=" in data else data.translate(None, _NOT_BASE64)
    if len(data) % 4 == 1:
        data = data[:-1]
    return binascii.a2b_base64(data + b"=" * (-len(data) % 4))


def decode_charset(data: bytes, charset: str) -> tuple[str, str]:
    """The text, and what is wrong with it: nothing, mostly."""
    try:
        codec = codecs.lookup(charset or "us-ascii")
        if codec.name in ("ascii", "us-ascii"):
            codec = codecs.lookup("utf-8")  # what calls itself ASCII and is not is mostly this
        if codec.name.replace("_", "-") in _NO_CHARSETS or not getattr(codec, "_is_text_encoding", True):
            raise LookupError
    except (LookupError, ValueError, UnicodeError):
        return as_text(data), f"charset {charset[:40]!r} is not known"
    try:
        text = data.decode(codec.name)
        problem = ""
    except UnicodeError:
        text, problem = data.decode(codec.name, "replace"), f"not all bytes are {charset[:40]}"
    return text.encode("utf-8", "replace").decode() if not text.isascii() else text, problem


def seconds(date: str) -> float | None:
    """A date field (RFC 5322 3.3) as seconds since 1970; None where it is none."""
    try:
        return parsedate_to_datetime(date[:200]).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def parameters(value: str) -> tuple[str, dict[str, str]]:
    """The value before the first semicolon, and the parameters behind it by lower-case name (RFC 2045 5.1, 2231)."""
    value = value[:LONGEST_STRUCTURED]
    found: dict[str, str] = {}
    split: dict[str, dict[int, tuple[str, bool]]] = {}
    for name, text in _PARAMETER.findall(value):
        text = (
            _QUOTED.sub(r"\1", text[1:-1]) if text[:1] == '"' and text[-1:] == '"' and len(text) > 1 else text.strip()
        )
        base, star, rest = name.lower().partition("*")
        number = rest.rstrip("*") or "0"
        if star and number.isdecimal() and len(number) < 4:
            split.setdefault(base, {})[int(number)] = text, name.endswith("*")
        else:
            found.setdefault(base, decode_words(text))
    found.update({base: _joined(pieces) for base, pieces in split.items()})
    return value.partition(";")[0].strip(), found


def _joined(pieces: dict[int, tuple[str, bool]]) -> str:
    """A value that came in numbered pieces, percent-coded where a star says so (RFC 2231 3, 4)."""
    charset, data = "utf-8", b""
    for number in sorted(pieces):
        text, coded = pieces[number]
        if coded and number == 0 and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        data += unquote_to_bytes(text) if coded else text.encode("utf-8", "replace")
    return decode_charset(data, charset)[0]
