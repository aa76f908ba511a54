"""See a broker's topics as a tree, with their last values and how often they change."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import deque
from dataclasses import dataclass
from typing import Annotated, Any

from clients.mqtt.reaching import Addresses, Reaching, connected
from netlab.config import Duration, positional
from netlab.cores.mqtt_packets import Publish, Request
from netlab.text import escape

EXAMPLES = (
    ("netlab mqtt tree", "what there is within two seconds"),
    ("netlab mqtt tree '$SYS/#' --seconds 15", "what the broker tells of itself"),
    ("netlab mqtt tree --follow --values 5", "drawn anew every second, with the last five values of each topic"),
)
MOST_TOPICS = 10_000
SHOWN = 60
"""Characters of a value."""


@dataclass(frozen=True, kw_only=True)
class Config(Reaching):
    filters: Annotated[tuple[str, ...], positional] = ("#",)
    """Topic filters; $SYS is only seen when asked for."""
    seconds: Duration = 2.0
    """How long to listen."""
    follow: bool = False
    """Go on, and draw it anew every second."""
    values: int = 1
    """So many of the last values of each topic."""
    json: bool = False
    """Print JSON: topic → values, count and flags."""


@dataclass(slots=True)
class Topic:
    """What came on one topic."""

    values: deque[tuple[float, bytes]]  # seconds since the beginning, and what
    count: int = 0
    retained: bool = False


async def run(config: Config, *, addresses: Addresses | None = None) -> int:
    topics: dict[str, Topic] = {}
    async with connected(config, addresses) as (connection, _):
        await connection.subscribe(*(Request(pattern, 1) for pattern in config.filters))
        loop = asyncio.get_running_loop()
        began, drawn = loop.time(), loop.time()
        while config.follow or loop.time() < began + config.seconds:
            end = drawn + 1.0 if config.follow else began + config.seconds
            try:
                async with asyncio.timeout_at(end):
                    keep(topics, await connection.message(), loop.time() - began, config.values)
            except TimeoutError:
                drawn = loop.time()
                if config.follow:
                    sys.stdout.write("\x1b[H\x1b[J" + drawing(topics) + "\n")
                    sys.stdout.flush()
    print(json.dumps(records(topics)) if config.json else drawing(topics))
    return 0 if topics else 1


def keep(topics: dict[str, Topic], message: Publish, seconds: float, values: int) -> None:
    topic = topics.get(message.topic)
    if topic is None:
        if len(topics) >= MOST_TOPICS:
            return
        topic = topics[message.topic] = Topic(deque(maxlen=max(values, 1)))
    topic.values.append((seconds, message.payload))
    topic.count += 1
    topic.retained = topic.retained or message.retain


def drawing(topics: dict[str, Topic]) -> str:
    """Levels below levels, sorted; a topic's last values beside it."""
    lines: list[str] = []
    before: list[str] = []
    for name, topic in sorted(topics.items(), key=lambda item: item[0].split("/")):
        levels = name.split("/")
        same = 0
        while same < min(len(before), len(levels) - 1) and before[same] == levels[same]:
            same += 1
        lines += ["  " * depth + escape(levels[depth]) for depth in range(same, len(levels) - 1)]
        shown = "  ".join(escape(value.decode("utf-8", "backslashreplace"))[:SHOWN] for _, value in topic.values)
        marks = f"  ({topic.count}×{', retained' if topic.retained else ''})"
        lines.append("  " * (len(levels) - 1) + f"{escape(levels[-1])} = {shown}{marks}")
        before = levels
    return "\n".join(lines)


def records(topics: dict[str, Topic]) -> dict[str, Any]:
    return {
        name: {
            "count": topic.count,
            "retained": topic.retained,
            "values": [
                {"seconds": round(when, 3), "payload": value.decode("utf-8", "backslashreplace")}
                for when, value in topic.values
            ],
        }
        for name, topic in sorted(topics.items())
    }
