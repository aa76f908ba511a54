"""Parts of a server's path space: `/private` is that path and all below it, however a request spells it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Generic, TypeVar
from urllib.parse import unquote

Thing = TypeVar("Thing")

ODD = re.compile(r"%|//|/\.")


class Prefixes(Generic[Thing]):
    """What is said of parts of the path space; of several that hold, the longest counts."""

    def __init__(self, parts: Iterable[tuple[str, Thing]]) -> None:
        pairs = [(canonical(prefix).rstrip("/"), thing) for prefix, thing in parts]
        self._parts = sorted(pairs, key=lambda pair: -len(pair[0]))

    def find(self, path: str) -> Thing | None:
        """What is said of a path (without query)."""
        for prefix, thing in self._parts:
            if below(prefix, path):
                return thing
        return None

    def readings(self, path: str) -> list[Thing]:
        """What is said of a path as it stands, and of what the file system makes of it; mostly one and the same."""
        found = [self.find(path)] if not ODD.search(path) else [self.find(path), self.find(canonical(path))]
        kept = [thing for thing in found if thing is not None]
        return kept[:1] if len(kept) == 2 and kept[0] is kept[1] else kept

    def all(self, path: str) -> list[Thing]:
        """Everything that is said of a path, in either of its spellings."""
        spelled = (path,) if not ODD.search(path) else (path, canonical(path))
        return [thing for prefix, thing in self._parts if any(below(prefix, spelling) for spelling in spelled)]


def below(prefix: str, path: str) -> bool:
    """Whether a path is the prefix, or continues it with a slash."""
    return path.startswith(prefix) and (len(path) == len(prefix) or path[len(prefix)] == "/")


def canonical(path: str) -> str:
    """A path as the file system reads it: escapes decoded, no empty segments, dot segments resolved."""
    if not ODD.search(path):
        return path
    names: list[str] = []
    for name in unquote(path).split("/"):
        if name == "..":
            del names[-1:]
        elif name not in ("", "."):
            names.append(name)
    return "/" + "/".join(names) + ("/" if path.endswith("/") and names else "")
