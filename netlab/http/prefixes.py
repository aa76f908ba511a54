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
            if path.startswith(prefix) and (len(path) == len(prefix) or path[len(prefix)] == "/"):
                return thing
        return None

    def all(self, path: str) -> list[Thing]:
        """Everything that is said of a path, in either of its spellings."""
        spellings = {path, canonical(path)}
        return [
            thing
            for prefix, thing in self._parts
            if any(spelling == prefix or spelling.startswith(prefix + "/") for spelling in spellings)
        ]


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
