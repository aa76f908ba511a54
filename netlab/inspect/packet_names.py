"""Names of the lab's addresses, for captures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def names_by_address(names: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """The lab's address map the other way round: address → names."""
    found: dict[str, list[str]] = {}
    for name, addresses in names.items():
        for address in addresses:
            found.setdefault(address, []).append(name)
    return found
