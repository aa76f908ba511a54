"""Domain names in wire form: bytes that end with the root's empty label, equal when equal in lower case.

Lengths of labels are below 64 and capital letters above, so `name.lower()` folds a name in wire form just as it is
(RFC 4343); names that are compared or kept as keys are folded so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from netlab.errors import RemoteProtocolError, UsageError

ROOT = b"\0"
LONGEST_NAME = 255  # bytes in wire form (RFC 1035 2.3.4)
LONGEST_LABEL = 63
FORMERR = 1
DOT = 0x2E

PLAIN_NAME = re.compile(rb"[!#%&'*+,\-./0-9:<=>?A-Z\[\]^_`a-z{|}~]*")
PLAIN = re.compile(rb"[!#%&'*+,\-/0-9:<=>?A-Z\[\]^_`a-z{|}~]+")
ESCAPED = re.compile(r"\\(?:([0-9]{3})|([^0-9])|)|([^\\]+)", re.DOTALL)


def malformed(reason: str, at: int, rule: str, section: str) -> RemoteProtocolError:
    """A message that cannot be read past this offset."""
    return RemoteProtocolError(reason, offset=at, rule=rule, section=section, status=FORMERR)


def read(message: bytes, at: int, seen: dict[int, bytes] | None = None) -> tuple[bytes, int]:
    """The name at an index of a message, and the index behind it; RemoteProtocolError if none is there.

    Pointers have to lead strictly backwards, so that none can lead in a circle (RFC 1035 4.1.4). `seen` keeps what the
    pointers of a message lead to, so that thousands of them to one long name cost no more than that name.
    """
    begin = at
    try:
        while 0 < (length := message[at]) < 64:
            at += 1 + length
        if not length and at - begin < LONGEST_NAME:  # it stands there as a whole
            return message[begin : at + 1], at + 1
    except IndexError:
        pass  # it ends with the message, and no name does: told below, by what is wrong first
    return _read_compressed(message, begin, seen)


def _read_compressed(message: bytes, at: int, seen: dict[int, bytes] | None) -> tuple[bytes, int]:
    """A name that ends with a pointer, or is none."""
    labels: list[bytes] = []
    size, behind, before, pointed, kept = 1, 0, at, 0, 0
    try:
        while length := message[at]:
            if length < 64:
                stop = at + 1 + length
                labels.append(message[at:stop])
                size += length + 1
                if size > LONGEST_NAME:
                    raise malformed("a name longer than 255 bytes", at, "name.long", "RFC 1035 2.3.4")
                at = stop
            elif length >= 192:
                target = (length & 63) << 8 | message[at + 1]
                if target >= before:
                    reason = "a compression pointer that does not lead backwards"
                    raise malformed(reason, at, "name.pointer", "RFC 1035 4.1.4")
                if not behind:
                    behind, pointed, kept = at + 2, target, len(labels)
                    known = None if seen is None else seen.get(target)
                    if known is not None:
                        if size + len(known) - 1 > LONGEST_NAME:
                            raise malformed("a name longer than 255 bytes", at, "name.long", "RFC 1035 2.3.4")
                        return b"".join(labels) + known, behind
                at = before = target
            else:
                reason = f"a label of type {length >> 6:02b}, which is not in use"
                raise malformed(reason, at, "name.label", "RFC 6891 5")
    except IndexError:
        raise malformed("a name that runs past the end", at, "name.cut", "RFC 1035 3.1") from None
    if seen is not None and behind:
        seen[pointed] = b"".join(labels[kept:]) + ROOT
    return b"".join(labels) + ROOT, behind or at + 1


def from_text(text: str, origin: bytes | None = None) -> bytes:
    """A name as people write it: relative to `origin` unless it ends with a dot; `@` is the origin itself.

    Without an origin every name is absolute. UsageError says what is wrong with it.
    """
    if text == "@" and origin is not None:
        return origin
    if text == ".":
        return ROOT
    labels, absolute = _labels_of(text)
    for label in labels:
        if not label:
            raise UsageError(f"{text!r} has an empty label: two dots in a row, or one in front")
        if len(label) > LONGEST_LABEL:
            raise UsageError(f"{text!r} has a label of {len(label)} bytes; 63 is the most")
    name = b"".join(b"%c%b" % (len(label), label) for label in labels)
    name += ROOT if absolute or origin is None else origin
    if len(name) > LONGEST_NAME:
        raise UsageError(f"{text[:80]!r} makes a name of {len(name)} bytes; 255 is the most")
    return name


def _labels_of(text: str) -> tuple[list[bytes], bool]:
    """Its labels, and whether it ends with a dot (RFC 1035 5.1: `\\.` and `\\046` are no separators)."""
    if text.isascii() and "\\" not in text:
        labels = text.encode("ascii").split(b".")
    else:
        labels = [b""]
        for number, character, plain in ESCAPED.findall(text):
            if plain:
                first, *rest = _encoded(plain, text).split(b".")
                labels[-1] += first
                labels += rest
            else:
                labels[-1] += unescaped(number, character, text)
    if labels[-1] == b"" and len(labels) > 1:
        return labels[:-1], True
    return labels, False


def _encoded(plain: str, text: str) -> bytes:
    try:
        return plain.encode("ascii") if plain.isascii() else plain.encode("idna")
    except UnicodeError as error:
        raise UsageError(f"{text!r} is no name: {error}") from None


def unescaped(number: str, character: str, text: str) -> bytes:
    """What `\\DDD` or `\\X` stands for (RFC 1035 5.1)."""
    if number:
        if int(number) > 255:
            raise UsageError(f"\\{number} in {text!r} is no byte: 255 is the largest")
        return bytes((int(number),))
    if not character or not character.isascii():
        raise UsageError(f"a backslash in {text!r} stands before nothing that it could escape")
    return character.encode("ascii")


def to_text(name: bytes) -> str:
    """As people write it, absolute, with what is special escaped."""
    if name == ROOT:
        return "."
    text, at, dots = bytearray(name), 0, -1
    while length := name[at]:
        text[at] = DOT
        at += 1 + length
        dots += 1
    del text[0], text[-1]
    if PLAIN_NAME.fullmatch(text) and text.count(b".") == dots:
        return text.decode("ascii") + "."
    return "".join(f"{_label_text(label)}." for label in labels(name))


def _label_text(label: bytes) -> str:
    if PLAIN.fullmatch(label):
        return label.decode("ascii")
    return "".join(
        f"\\{byte:03}" if byte <= 32 or byte >= 127 else f"\\{byte:c}" if byte in b'."\\();@$' else chr(byte)
        for byte in label
    )


def labels(name: bytes) -> list[bytes]:
    """Its labels without the root's, the leftmost first."""
    found, at = [], 0
    while length := name[at]:
        found.append(name[at + 1 : at + 1 + length])
        at += 1 + length
    return found


def parent(name: bytes) -> bytes:
    """The name without its first label; the root is its own."""
    return name[1 + name[0] :] or ROOT


def ancestors(name: bytes) -> Iterator[bytes]:
    """The name itself, its parent, and so on up to the root."""
    while name[0]:
        yield name
        name = name[1 + name[0] :]
    yield ROOT


def is_below(name: bytes, zone: bytes) -> bool:
    """Whether a name is that of a zone or below it; both folded."""
    excess = len(name) - len(zone)
    if excess < 0 or not name.endswith(zone):
        return False
    at = 0
    while at < excess:  # the end may be equal and yet begin inside of a label
        at += 1 + name[at]
    return at == excess


def count(name: bytes) -> int:
    """How many labels it has, the root's not counted."""
    found = at = 0
    while length := name[at]:
        found += 1
        at += 1 + length
    return found


def upper(name: bytes, keep: int) -> bytes:
    """The rightmost `keep` labels of a name."""
    for _ in range(count(name) - keep):
        name = name[1 + name[0] :]
    return name


def order(name: bytes) -> tuple[bytes, ...]:
    """A key that sorts names canonically: by labels from the right, folded (RFC 4034 6.1)."""
    return tuple(reversed(labels(name.lower())))


def reverse(address: str) -> bytes:
    """The name under in-addr.arpa or ip6.arpa at which an address has its PTR record."""
    from ipaddress import ip_address

    return from_text(ip_address(address).reverse_pointer)
