"""What there is to run: services and clients, one line each."""

from __future__ import annotations

import json
from dataclasses import dataclass

from netlab import rooms

EXAMPLES = (("netlab list", "services and clients"), ("netlab list --json", "the same for programs"))


@dataclass(frozen=True, kw_only=True)
class Config:
    json: bool = False
    """Print JSON."""


def run(config: Config) -> int:
    kinds = {"services": rooms.services(), "clients": rooms.clients()}
    if config.json:
        print(
            json.dumps({kind: {name: entry.summary for name, entry in found.items()} for kind, found in kinds.items()})
        )
        return 0
    width = max((len(name) for found in kinds.values() for name in found), default=0)
    for kind, found in kinds.items():
        if found:
            print(f"{kind} ({'netlab serve NAME' if kind == 'services' else 'netlab NAME'}):")
        for name, entry in found.items():
            print(f"  {name:<{width}}  {entry.summary}")
    return 0
