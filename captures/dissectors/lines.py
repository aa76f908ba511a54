"""Lines of text protocols, passed as fields."""

from __future__ import annotations

import re
from collections.abc import Sequence

from captures.tree import Reader

Part = tuple[str, str, str, str]
"""Of one group of a line's form: name, label, meaning, section."""


def text(data: bytes) -> str:
    """Bytes as text, whatever they are."""
    return data.decode("utf-8", "backslashreplace")


def line_end(reader: Reader) -> int:
    """Bytes up to behind the next LF, or all that are left."""
    at, end = reader.at // 8, reader.end // 8
    index = reader.data.find(b"\n", at, end)
    return (index + 1 if index >= 0 else end) - at


def line(
    reader: Reader, form: re.Pattern[bytes], parts: Sequence[Part], name: str, label: str, section: str
) -> re.Match[bytes] | None:
    """Pass a line in the parts of its form; None, and one malformed field, where it has not that form."""
    size, at = line_end(reader), reader.at // 8
    match = form.fullmatch(reader.data, at, at + size)
    if match is None:
        reader.spoil(name, label, "this line is not of the form it should have", section, size=size)
        return None
    mark = len(reader.fields)
    for piece, (part, part_label, meaning, where) in zip(match.groups(b""), parts, strict=True):
        reader.take(len(piece), part, part_label, meaning, where, value=text(piece))
    reader.fold(mark, name, label, text(match[0].rstrip(b"\r\n")), "", section)
    return match


def rest(reader: Reader, name: str, label: str, meaning: str = "", section: str = "") -> None:
    """Pass all that is left as one field of text."""
    if reader.left:
        at = reader.at // 8
        reader.take(reader.left, name, label, meaning, section, value=text(reader.data[at : reader.end // 8]))
