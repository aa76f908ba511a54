"""Header and trailer fields as they stood on the wire: order, case and repetition kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

Pair = tuple[str, str]


class Fields:
    """An immutable sequence of (name, value); both are `str` holding latin-1, so the bytes can be had back exactly.

    Look-ups take the name in lower case. `get` joins the values of repeated lines with ", " (RFC 9110 5.3), `all`
    gives each line, which is what Set-Cookie needs.
    """

    __slots__ = ("_index", "_pairs")

    def __init__(self, pairs: Iterable[Pair] = (), index: dict[str, str] | None = None) -> None:
        self._pairs = tuple(pairs)
        self._index = index_of(self._pairs) if index is None else index

    def get(self, name: str, default: str | None = None) -> str | None:
        return self._index.get(name, default)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self._pairs if key.lower() == name]

    def tokens(self, name: str) -> list[str]:
        """The lower-case members of a comma-separated field whose members are tokens (Connection, Upgrade, TE …)."""
        value = self._index.get(name)
        return [] if value is None else [part for raw in value.split(",") if (part := raw.strip(" \t").lower())]

    def without(self, *names: str) -> Fields:
        return Fields(pair for pair in self._pairs if pair[0].lower() not in names)

    def __contains__(self, name: object) -> bool:
        return name in self._index

    def __iter__(self) -> Iterator[Pair]:
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> Pair:
        return self._pairs[index]

    def __eq__(self, other: object) -> bool:
        return self._pairs == other._pairs if isinstance(other, Fields) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._pairs)

    def __repr__(self) -> str:
        return f"<Fields {', '.join(name for name, _ in self._pairs)}>"


def index_of(pairs: Iterable[Pair]) -> dict[str, str]:
    """Lower-case name → value, repeated lines joined."""
    index: dict[str, str] = {}
    for name, value in pairs:
        key = name.lower()
        index[key] = f"{index[key]}, {value}" if key in index else value
    return index


EMPTY = Fields()
