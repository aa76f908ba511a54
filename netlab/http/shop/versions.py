"""Versions of the API: which one a request means, and how an old one takes its leave."""

from __future__ import annotations

import re
from email.utils import formatdate

from netlab.cores.fields import Fields
from netlab.http.shop.problems import Problem

BASE = "/api"
VERSIONS = (1, 2)
NEWEST = VERSIONS[-1]
FIELD = "accept-version"

MEANT = re.compile(r"[vV]?([0-9]{1,4})")
IN_PATH = re.compile(r"/v([0-9]{1,4})(?=/|\Z)")

DAY = 86_400.0
DEPRECATED_BEFORE, SUNSET_AFTER = 30 * DAY, 180 * DAY
"""Seconds from the shop's opening, back to version 1's deprecation and on to its end."""

Pairs = list[tuple[str, str]]


def meant(path: str, fields: Fields, query: dict[str, str]) -> tuple[int, str, Pairs]:
    """Version and resource path of a request, and the fields of its answer; Problem for a version there is none of.

    The path counts before the field Accept-Version, that before the parameter `version`; else it is the newest.
    """
    rest = path[len(BASE) :] or "/"
    in_path = IN_PATH.match(rest)
    if in_path is not None:
        return _known(in_path[1], "the path"), rest[in_path.end() :] or "/", []
    vary = [("Vary", "Accept-Version")]
    asked = fields.get(FIELD)
    if asked is not None:
        return _known(asked.strip(), "Accept-Version"), rest, vary
    asked = query.pop("version", None)
    return (NEWEST if asked is None else _known(asked, "the query")), rest, vary


def _known(text: str, where: str) -> int:
    match = MEANT.fullmatch(text)
    if match is None or int(match[1]) not in VERSIONS:
        raise Problem("version", f"{where} asks for version {text[:20]!r}; there are 1 and 2")
    return int(match[1])


class Farewell:
    """Version 1's end: announced in fields, and after its date an answer of its own. The lab's clock decides."""

    def __init__(self, opened: float) -> None:
        self.deprecated, self.sunset = int(opened - DEPRECATED_BEFORE), int(opened + SUNSET_AFTER)

    def fields(self, version: int, rest: str) -> Pairs:
        """Deprecation (RFC 9745), Sunset (RFC 8594), and where to go instead."""
        if version == NEWEST:
            return []
        return [
            ("Deprecation", f"@{self.deprecated}"),
            ("Sunset", formatdate(self.sunset, usegmt=True)),
            ("Link", f'<{BASE}>; rel="deprecation", <{BASE}/v{NEWEST}{_plain(rest)}>; rel="successor-version"'),
        ]

    def check(self, version: int, now: float) -> None:
        if version != NEWEST and now >= self.sunset:
            raise Problem("sunset", f"version {version} ended on {formatdate(self.sunset, usegmt=True)}")


def _plain(rest: str) -> str:
    """A path that can stand in a link; what cannot leads to the root."""
    return rest if re.fullmatch(r"[\w./~%-]*", rest, re.ASCII) else "/"
