"""The lab's small Internet: its nameservers, its broken corners and what each teaches; or the file it is made of."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from netlab.cores.dns_names import to_text

EXAMPLES = (
    ("netlab world", "who serves what, and the gallery of broken zones"),
    ("netlab world --print > mine.toml", "the file; change it, and serve it with"),
    ("netlab serve nameserver --world mine.toml", "a world of your own"),
    ("netlab world --file mine.toml", "see whether it is right before"),
)


@dataclass(frozen=True, kw_only=True)
class Config:
    print: bool = False
    """Print the file that comes with netlab."""
    file: Path | None = None
    """Read this world instead of netlab's own."""
    json: bool = False
    """Print JSON."""


def run(config: Config) -> int:
    from servers.nameserver.world import read_world, world_text

    if config.print:
        print(world_text(), end="")
        return 0
    world = read_world(config.file)
    places = [
        {"name": place.name, "address": place.address, "zones": [to_text(zone.origin) for zone in place.zones]}
        for place in world.places
    ]
    lessons = [{"ask": each.ask, "expect": each.expect, "teaches": each.teaches} for each in world.lessons]
    if config.json:
        print(json.dumps({"servers": places, "lessons": lessons}))
        return 0
    width = max(len(place.name) for place in world.places)
    for place in world.places:
        zones = " ".join(to_text(zone.origin) for zone in place.zones)
        print(f"{place.address:<12}  {place.name:<{width}}  {zones}{f'  ({place.behaviour})' * bool(place.behaviour)}")
    for each in world.lessons:
        print(f"\nnetlab dig {each.ask}\n  {each.expect}: {each.teaches}")
    return 0
