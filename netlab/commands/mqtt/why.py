"""Say why a client does, or does not, get the messages of a topic."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Annotated

from netlab.config import positional
from netlab.control.client import OneLab, reach

EXAMPLES = (
    (
        "netlab mqtt why home-hall-temperature home/lamp",
        "subscriptions, rights, state; with --record full, the last messages",
    ),
    ("netlab mqtt why home-hall-temperature home/lamp --json", "the same for a program"),
)


@dataclass(frozen=True, kw_only=True)
class Config(OneLab):
    client: Annotated[str, positional]
    """The client's identifier."""
    topic: Annotated[str, positional]
    """The topic."""
    json: bool = False
    """Print JSON."""


async def run(config: Config) -> int:
    async with reach(config, "broker") as control:
        told = await control.call("mqtt", action="why", of=config.client, topic=config.topic)
    if config.json:
        print(json.dumps(told))
        return 0
    for step in told["steps"]:
        print(step)
    for message in told["messages"]:
        moment = time.strftime("%H:%M:%S", time.localtime(message["time"]))
        said = f"{moment}  message {message['number']} of {message['publisher'] or 'the broker'}, QoS {message['qos']}"
        print(f"{said}: {'; '.join(message['verdicts'])}")
    return 0
