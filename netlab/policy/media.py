"""Content negotiation by media type: which of the types at hand an Accept field prefers (RFC 9110 12.5.1)."""

from __future__ import annotations

import re
from collections.abc import Sequence

TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105  RFC 9110 5.6.2, no password
RANGE = re.compile(rf"[ \t]*({TOKEN}/{TOKEN})[ \t]*((?:;[^;]*)*)")
WEIGHT = re.compile(r";[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*(?:;|$)")
MEMBER = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')  # a quoted parameter may hold a comma


def choose_type(accept: str | None, available: Sequence[str]) -> str | None:
    """The media type to send, out of `available` (the server's favourite first); None: no one will do (406).

    The highest weight wins; then the type that is named most closely; then the one named first. Parameters but for
    the weight are not looked at.
    """
    if accept is None or not accept.strip():
        return available[0]
    ranges = parse(accept)
    best, best_rank = None, (0.0, 0, 0)
    for media_type in available:
        rank = _rank(media_type, ranges)
        if rank[0] and (best is None or rank > best_rank):
            best, best_rank = media_type, rank
    return best


def parse(accept: str) -> dict[str, tuple[float, int]]:
    """Range (lower case) → its weight and place in the field; malformed members are passed over, the first counts."""
    ranges: dict[str, tuple[float, int]] = {}
    for place, member in enumerate(MEMBER.findall(accept)):
        match = RANGE.fullmatch(member)
        if match is not None:
            weight = WEIGHT.search(match[2])
            ranges.setdefault(match[1].lower(), (float(weight[1]) if weight is not None else 1.0, place))
    return ranges


def _rank(media_type: str, ranges: dict[str, tuple[float, int]]) -> tuple[float, int, int]:
    """Weight, closeness and place of the range that covers a type most closely (RFC 9110 12.5.1)."""
    kind = media_type.partition("/")[0]
    for closeness, name in ((3, media_type), (2, f"{kind}/*"), (1, "*/*")):
        found = ranges.get(name)
        if found is not None:
            return found[0], closeness, -found[1]
    return 0.0, 0, 0
