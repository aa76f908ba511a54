"""Names of addresses: those of the lab for captures, and those that a capture has for its readers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from captures.blocks import Names

KNOWN = 100_000
"""Addresses whose names are remembered."""
WIDTH = 21


class KnownNames:
    """The first name that a capture has for each address; its own word, which nobody has checked."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def learn(self, block: Names) -> None:
        """What a block says, as far as there is room."""
        for address, name in block:
            if len(self._names) < KNOWN:
                self._names.setdefault(address, name)

    def column(self, address: str) -> str:
        """A name as a list has room for it, or the address."""
        name = self._names.get(address)
        if name is None:
            return address
        return name if len(name) <= WIDTH else f"{name[: WIDTH - 1]}…"

    def get(self, address: str) -> str | None:
        return self._names.get(address)


def names_by_address(names: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """The lab's address map the other way round: address → names."""
    found: dict[str, list[str]] = {}
    for name, addresses in names.items():
        for address in addresses:
            found.setdefault(address, []).append(name)
    return found
