"""Subscribe to topics, and show what comes with all its properties."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from clients.mqtt.reaching import Addresses, Reaching, connected
from netlab.config import Duration, Flag, positional
from netlab.cores.mqtt_codes import reason_name
from netlab.cores.mqtt_packets import Publish, Request
from netlab.cores.mqtt_topics import filter_error
from netlab.errors import UsageError
from netlab.text import escape

EXAMPLES = (
    ("netlab mqtt sub 'home/#'", "what is said below home, and where"),
    ("netlab mqtt sub 'home/#' 'office/+' -q 2 -v", "two filters; each packet of QoS 2 shown"),
    ("netlab mqtt sub '$share/workers/jobs' --json", "one of several workers, for a program"),
    ("netlab mqtt sub 'home/#' --count 1 --wait 5s", "one message, or nothing after 5 s (exit code 1)"),
)


@dataclass(frozen=True, kw_only=True)
class Config(Reaching):
    filters: Annotated[tuple[str, ...], positional]
    """Topic filters."""
    qos: Annotated[Literal[0, 1, 2], Flag("-q", "--qos")] = 0
    """The highest QoS that is wanted."""
    count: Annotated[int, Flag("-n", "--count")] = 0
    """End after so many messages; 0: never."""
    wait: Duration = 0.0
    """End when nothing has come for so long; 0: never."""
    no_local: bool = False
    """Leave out what we say ourselves."""
    retain_as_published: bool = False
    """Keep the retain flag of messages as it was."""
    retain_handling: Literal[0, 1, 2] = 0
    """What is retained: 0 send it, 1 only if the subscription is new, 2 do not."""
    identifier: int = 0
    """A subscription identifier, which comes with its messages."""
    json: bool = False
    """Print JSON lines."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for pattern in self.filters:
            if error := filter_error(pattern):
                raise UsageError(error)


async def run(config: Config, *, addresses: Addresses | None = None) -> int:
    """0; 1 where the broker refuses a subscription, or fewer messages came than were wanted."""
    requests = [
        Request(pattern, config.qos, config.no_local, config.retain_as_published, config.retain_handling)
        for pattern in config.filters
    ]
    properties = {"subscription_identifier": config.identifier} if config.identifier else {}
    async with connected(config, addresses) as (connection, _):
        answer = await connection.subscribe(*requests, properties=properties)
        for pattern, reason in zip(config.filters, answer.reasons, strict=True):
            if reason >= 0x80:
                sys.stderr.write(f"netlab: the broker refuses {pattern!r}: {reason_name(reason)}\n")
        if all(reason >= 0x80 for reason in answer.reasons):
            return 1
        got = 0
        while not config.count or got < config.count:
            try:
                async with asyncio.timeout(config.wait or None):
                    message = await connection.message()
            except TimeoutError:
                return 1 if config.count or not got else 0
            show(message, as_json=config.json)
            got += 1
    return 0


def show(message: Publish, *, as_json: bool) -> None:
    """One message in a line: topic, payload, and what else is said of it."""
    if as_json:
        print(json.dumps(record(message)), flush=True)
        return
    marks = [f"QoS {message.qos}"] if message.qos else []
    marks += ["retained"] if message.retain else []
    marks += [f"{name} {_plain(value)}" for name, value in message.properties.items() if name != "topic_alias"]
    payload = escape(message.payload.decode("utf-8", "backslashreplace"))
    told = f"  [{', '.join(marks)}]" if marks else ""
    print(f"{escape(message.topic)}  {payload}{told}", flush=True)


def record(message: Publish) -> dict[str, Any]:
    try:
        payload: dict[str, str] = {"payload": message.payload.decode()}
    except UnicodeDecodeError:
        payload = {"payload_hex": message.payload.hex()}
    return {
        "topic": message.topic,
        **payload,
        "qos": message.qos,
        "retain": message.retain,
        "dup": message.dup,
        "properties": {name: _plain(value) for name, value in message.properties.items()},
    }


def _plain(value: Any) -> Any:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
