"""Topic names and topic filters: what is allowed, what matches, and trees that find it fast (MQTT 5.0 4.7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, NamedTuple, TypeVar

Value = TypeVar("Value")


class Shared(NamedTuple):
    """A shared subscription's pattern, taken apart (4.8.2)."""

    group: str
    pattern: str


def name_error(topic: str) -> str:
    """Why this cannot be the name of a topic; empty where it can."""
    if not topic:
        return "a topic name has at least one character"
    if "+" in topic or "#" in topic:
        return f"topic name {topic!r} has a wildcard"
    return ""


def filter_error(pattern: str) -> str:
    """Why this cannot be a topic pattern; empty where it can [MQTT-4.7.1-1, MQTT-4.7.1-2, MQTT-4.7.3-1]."""
    if pattern.startswith("$share/"):
        parts = pattern.split("/", 2)
        if len(parts) < 3 or not parts[1] or not parts[2]:  # [MQTT-4.8.2-1]
            return f"shared subscription {pattern!r} is not $share/GROUP/FILTER"
        if "+" in parts[1] or "#" in parts[1]:  # [MQTT-4.8.2-2]
            return f"group {parts[1]!r} of a shared subscription has a wildcard"
        pattern = parts[2]
    if not pattern:
        return "a topic pattern has at least one character"
    if "#" in pattern and (pattern.index("#") != len(pattern) - 1 or pattern[-2:-1] not in ("", "/")):
        return f"# of {pattern!r} is not the whole last level"
    if "+" in pattern and any("+" in level and level != "+" for level in pattern.split("/")):
        return f"+ of {pattern!r} does not fill its level"
    return ""


def shared(pattern: str) -> Shared | None:
    """Group and pattern of a shared subscription; None for any other."""
    if not pattern.startswith("$share/"):
        return None
    _, group, rest = pattern.split("/", 2)
    return Shared(group, rest)


def matches(pattern: str, topic: str) -> bool:
    """Whether a pattern takes a topic; the trees say the same, faster."""
    levels, wanted = topic.split("/"), pattern.split("/")
    if topic[:1] == "$" and wanted[0] in ("+", "#"):  # [MQTT-4.7.2-1]
        return False
    for place, want in enumerate(wanted):
        if want == "#":
            return True  # also its parent: "sport/#" takes "sport" (4.7.1.2)
        if place >= len(levels) or want not in ("+", levels[place]):
            return False
    return len(levels) == len(wanted)


class Node(Generic[Value]):
    """One level of a tree: its values, and the levels below it by name."""

    __slots__ = ("below", "values")

    def __init__(self) -> None:
        self.below: dict[str, Node[Value]] = {}
        self.values: dict[str, Value] = {}


class Tree(Generic[Value]):
    """A tree of levels; each place holds values under keys of their own. It knows nothing of wildcards."""

    def __init__(self) -> None:
        self.root: Node[Value] = Node()
        self.count = 0

    def put(self, path: str, key: str, value: Value) -> bool:
        """Keep a value; whether its key was new there."""
        node = self.root
        for level in path.split("/"):
            below = node.below.get(level)
            if below is None:
                below = node.below[level] = Node()
            node = below
        new = key not in node.values
        node.values[key] = value
        self.count += new
        return new

    def remove(self, path: str, key: str) -> Value | None:
        """Let go of a value, and of the levels that were only there for it."""
        levels, nodes = path.split("/"), [self.root]
        for level in levels:
            below = nodes[-1].below.get(level)
            if below is None:
                return None
            nodes.append(below)
        value = nodes[-1].values.pop(key, None)
        if value is not None:
            self.count -= 1
            while levels and not nodes[-1].values and not nodes[-1].below:
                nodes.pop()
                del nodes[-1].below[levels.pop()]
        return value

    def get(self, path: str, key: str) -> Value | None:
        node: Node[Value] | None = self.root
        for level in path.split("/"):
            node = node.below.get(level) if node is not None else None
        return None if node is None else node.values.get(key)

    def __len__(self) -> int:
        return self.count


class FilterTree(Tree[Value]):
    """Topic filters; finds what a topic matches by walking its levels, however many filters there are."""

    def match(self, topic: str) -> Iterator[dict[str, Value]]:
        """The values of every pattern that takes the topic, pattern by pattern."""
        levels = topic.split("/")
        last = len(levels) - 1
        front = [self.root]
        for place, level in enumerate(levels):
            ahead: list[Node[Value]] = []
            wild = place > 0 or level[:1] != "$"  # [MQTT-4.7.2-1]
            for node in front:
                below = node.below
                if wild:
                    if (rest := below.get("#")) is not None:
                        yield rest.values
                    if (any_one := below.get("+")) is not None:
                        ahead.append(any_one)
                if (named := below.get(level)) is not None:
                    ahead.append(named)
            front = ahead
            if not front:
                return
            if place == last:
                for node in front:
                    if node.values:
                        yield node.values
                    if (rest := node.below.get("#")) is not None:  # "sport/#" takes "sport"
                        yield rest.values


class TopicTree(Tree[Value]):
    """Topics; finds those that a pattern takes."""

    def match(self, pattern: str) -> Iterator[Value]:
        """The values of every topic that the pattern takes, in the order in which their levels came to be."""
        levels = pattern.split("/")
        front: list[Node[Value]] = [self.root]
        for place, level in enumerate(levels):
            if level == "#":
                for node in front:
                    yield from self._whole(node, below_only=place == 0)
                return
            if level == "+":
                front = [
                    below
                    for node in front
                    for name, below in node.below.items()
                    if place or name[:1] != "$"  # [MQTT-4.7.2-1]
                ]
            else:
                front = [below for node in front if (below := node.below.get(level)) is not None]
        for node in front:
            yield from node.values.values()

    def _whole(self, top: Node[Value], *, below_only: bool) -> Iterator[Value]:
        """A node and all below it; of the root, what does not begin with $."""
        if below_only:
            waiting = [node for name, node in top.below.items() if name[:1] != "$"]
            waiting.reverse()
        else:
            waiting = [top]
        while waiting:
            node = waiting.pop()
            yield from node.values.values()
            waiting.extend(reversed(node.below.values()))

    def walk(self, visit: Callable[[Value], None]) -> None:
        """Every value there is, those of $ topics too."""
        for value in self._whole(self.root, below_only=False):
            visit(value)
