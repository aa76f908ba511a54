"""Draw the packets of a client as a ladder: what it and the broker said to each other, and when."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from netlab.config import Count, positional
from netlab.control.client import OneLab, reach
from netlab.cores.mqtt_codes import reason_name
from netlab.text import escape

EXAMPLES = (
    (
        "netlab mqtt ladder home-hall-temperature",
        "PUBLISH, PUBREC, PUBREL, PUBCOMP of its connection, as they went to and fro",
    ),
    ("netlab mqtt ladder home-hall-temperature --last 10", "the last ten packets"),
    ("netlab mqtt ladder home-hall-temperature --json | jq", "the same for a program"),
)
WIDE = 56
"""Characters of an arrow."""


@dataclass(frozen=True, kw_only=True)
class Config(OneLab):
    client: Annotated[str, positional]
    """The client's identifier."""
    last: Count = 100
    """So many of the last packets."""
    json: bool = False
    """Print JSON."""


async def run(config: Config) -> int:
    """0; 1 where no connection of the client is known, or its packets were not recorded."""
    found: dict[str, Any] | None = None
    async with reach(config) as control:
        async for record in control.stream("flows", filter="kind == mqtt", whole=True):
            if record["label"].rpartition(" ")[0] == config.client:
                found = record  # the newest comes last
    if found is None:
        sys.stderr.write(f"netlab: no connection of an MQTT client {escape(config.client)!r} is known here\n")
        return 1
    if "events" not in found:
        sys.stderr.write("netlab: its packets were not recorded: that needs --record full (`netlab up` does so)\n")
        return 1
    events = found["events"][-config.last :]
    if config.json:
        print(json.dumps(events))
        return 0
    print(f"{escape(found['label'])} from {found['client']}, flow {found['id']}")
    print("\n".join(ladder(events, found["started"])))
    return 0


def ladder(events: list[dict[str, Any]], started: float) -> Iterator[str]:
    """A line for each packet; times are from the beginning of the connection."""
    yield f"{'':>12}  {'client':<{WIDE - 6}}broker"
    for event in events:
        moment = f"+{(event['time'] - started) * 1000:.1f} ms"
        words = escape(said(event["name"], event["fields"]))
        if event["side"] == "client":
            rung = f"── {words} ".ljust(WIDE - 1, "─") + "▶"
        elif event["side"] == "server":
            rung = "◀" + f" {words} ──".rjust(WIDE - 1, "─")
        else:
            rung = f"✗ {words}"
        yield f"{moment:>12}  {rung}"


def said(name: str, fields: dict[str, Any]) -> str:
    """A packet in few words: type, identifier, QoS, topic, and why not."""
    kind = name.partition(".")[0].upper()
    if kind == "FAULT":
        late = {"received": "of the client", "sent": "of the broker"}[fields["way"]]
        return f"fault: {fields['what']} {fields['packet']} {late}"
    words = [kind]
    if fields.get("packet_id"):
        words.append(str(fields["packet_id"]))
    if kind == "PUBLISH":
        words += [f"QoS {fields['qos']}", *(mark for mark in ("dup", "retain") if fields[mark]), fields["topic"]]
    words += [one["filter"] for one in fields.get("requests", ())]
    words += fields.get("filters", ())
    if fields.get("reason"):
        words.append(reason_name(fields["reason"]))
    return " ".join(words)
