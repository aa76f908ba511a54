"""Who may publish and subscribe where: an access list as mosquitto reads it.

    topic [read|write|readwrite|deny] FILTER      for who names no user, or for the user of the last `user` line
    user NAME
    pattern [read|write|readwrite|deny] FILTER    for everybody; %u is the user's name, %c the client's identifier

What a `deny` takes back, no other line gives; what no line gives is not allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from netlab.cores.mqtt_topics import filter_error, matches
from netlab.errors import UsageError

KINDS = {"read": "r", "write": "w", "readwrite": "rw", "deny": ""}
REMEMBERED = 50_000


class Line(NamedTuple):
    """One line's filter, and what it gives: r, w, both, or nothing where it denies."""

    pattern: str
    gives: str


class AccessList:
    """The lines of a file, and for each client and topic what came of them."""

    def __init__(self, lines: Iterable[str], name: str = "the access list") -> None:
        """UsageError names the line."""
        self._topics: dict[str, list[Line]] = {"": []}
        self._patterns: list[Line] = []
        user = ""
        for number, text in enumerate(lines, 1):
            words = text.strip()
            if not words or words.startswith("#"):
                continue
            keyword, _, rest = words.partition(" ")
            if keyword == "user" and rest.strip():
                user = rest.strip()
                self._topics.setdefault(user, [])
            elif keyword == "topic":
                self._topics[user].append(_line(rest, f"{name}:{number}"))
            elif keyword == "pattern":
                self._patterns.append(_line(rest, f"{name}:{number}"))
            else:
                raise UsageError(f"{name}:{number}: {words!r} begins with none of user, topic, pattern")
        self._verdicts: dict[tuple[str, str, str, str], bool] = {}

    @classmethod
    def read(cls, path: Path) -> AccessList:
        try:
            return cls(path.read_text(encoding="utf-8").splitlines(), str(path))
        except OSError as error:
            raise UsageError(f"--acl {path} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise UsageError(f"--acl {path} is no text: {error}") from None

    def may(self, wish: str, user: str, client_id: str, topic: str) -> bool:
        """Whether a message of this topic may be got (`r`) or published (`w`)."""
        key = (wish, user, client_id, topic)
        verdict = self._verdicts.get(key)
        if verdict is None:
            lines = [line for line in self._lines(user, client_id) if matches(line.pattern, topic)]
            verdict = all(line.gives for line in lines) and any(wish in line.gives for line in lines)
            if len(self._verdicts) >= REMEMBERED:
                self._verdicts.clear()
            self._verdicts[key] = verdict
        return verdict

    def may_subscribe(self, user: str, client_id: str, pattern: str) -> bool:
        """Whether the filter takes any topic that may be read, and is not denied as a whole."""
        lines = self._lines(user, client_id)
        if any(not line.gives and covers(line.pattern, pattern) for line in lines):
            return False
        return any("r" in line.gives and overlap(line.pattern, pattern) for line in lines)

    def _lines(self, user: str, client_id: str) -> list[Line]:
        """Those that are about a client. Who has a wildcard or a level in its name has no patterns of its own."""
        lines = list(self._topics.get(user, ()))
        for line in self._patterns:
            names = {"%u": user, "%c": client_id}
            used = [name for mark, name in names.items() if mark in line.pattern]
            if all(name and not re.search("[+#/]", name) for name in used):
                lines.append(Line(line.pattern.replace("%u", user).replace("%c", client_id), line.gives))
        return lines


def _line(rest: str, where: str) -> Line:
    kind, _, pattern = rest.strip().partition(" ")
    if kind not in KINDS or not pattern:
        kind, pattern = "readwrite", rest.strip()
    if error := filter_error(pattern):
        raise UsageError(f"{where}: {error}")
    return Line(pattern.strip(), KINDS[kind])


def overlap(one: str, other: str) -> bool:
    """Whether there is a topic that both filters take."""
    if {one[:1], other[:1]} & {"+", "#"} and "$" in (one[:1], other[:1]):
        return False
    first, second = one.split("/"), other.split("/")
    for place in range(max(len(first), len(second))):
        a = first[place] if place < len(first) else None
        b = second[place] if place < len(second) else None
        if "#" in (a, b):
            return True
        if a is None or b is None or ("+" not in (a, b) and a != b):
            return False
    return True


def covers(wide: str, narrow: str) -> bool:
    """Whether the first filter takes every topic that the second takes."""
    if wide[:1] in ("+", "#") and narrow[:1] == "$":
        return False
    levels, wanted = wide.split("/"), narrow.split("/")
    for place, level in enumerate(levels):
        if level == "#":
            return True
        if place >= len(wanted) or wanted[place] == "#" or (level not in ("+", wanted[place])):
            return False
    return len(levels) == len(wanted)
