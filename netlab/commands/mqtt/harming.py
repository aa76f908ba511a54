"""Lose, repeat or delay chosen packets of a client, to see what MQTT makes of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from netlab.config import Count, Duration, positional
from netlab.control.client import OneLab, reach
from netlab.text import counted

EXAMPLES = (
    ("netlab mqtt faults", "what is still to strike"),
    ("netlab mqtt faults home-hall-temperature puback drop", "the broker's next PUBACK to it is lost"),
    (
        "netlab mqtt faults home-hall-temperature publish duplicate --way received --count 3",
        "its next three messages come twice",
    ),
    ("netlab mqtt faults home-hall-temperature pubrel delay --seconds 2s", "PUBREL is two seconds late"),
    ("netlab mqtt faults --clear", "no more"),
)


@dataclass(frozen=True, kw_only=True)
class Config(OneLab):
    client: Annotated[str, positional] = ""
    """The client's identifier."""
    packet: Annotated[str, positional] = ""
    """Which packet: publish, puback, pubrec, pubrel, pubcomp, suback …"""
    what: Annotated[Literal["drop", "duplicate", "delay"], positional] = "drop"
    """What happens to it."""
    way: Literal["sent", "received"] = "sent"
    """Whether the broker sends or receives it."""
    seconds: Duration = 1.0
    """How late."""
    count: Count = 1
    """How often."""
    clear: bool = False
    """Let go of all faults."""
    json: bool = False
    """Print JSON."""


async def run(config: Config) -> int:
    wish: dict[str, Any] = {"clear": True} if config.clear else {}
    if config.packet:
        wish |= {"packet": config.packet, "what": config.what, "way": config.way}
        wish |= {"seconds": config.seconds, "count": config.count}
    async with reach(config, "broker") as control:
        told = await control.call("mqtt", action="faults", of=config.client, **wish)
    if config.json:
        print(json.dumps(told))
        return 0
    if not told["faults"]:
        print("no faults are to strike")
    for one in told["faults"]:
        late = f" by {one['seconds']:g} s" if one["what"] == "delay" else ""
        whose = {"sent": "the broker's", "received": "the client's"}[one["way"]]
        print(
            f"{one['client'] or 'any client'}: {one['what']} {whose} next {counted(one['left'], one['packet'])}{late}"
        )
    return 0
