"""List the clients of the lab's broker: who is there, what they subscribe to, what waits for them; disconnect one."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Annotated

from netlab.config import positional
from netlab.control.client import OneLab, reach
from netlab.errors import UsageError
from netlab.text import counted, escape

EXAMPLES = (
    ("netlab mqtt clients", "who is connected, and who is away"),
    ("netlab mqtt clients home-hall-temperature", "one of them"),
    ("netlab mqtt clients home-hall-temperature --disconnect", "end its connection (0x98)"),
)


@dataclass(frozen=True, kw_only=True)
class Config(OneLab):
    client: Annotated[str, positional] = ""
    """Only this client."""
    disconnect: bool = False
    """End its connection."""
    json: bool = False
    """Print JSON."""

    def __post_init__(self) -> None:
        if self.disconnect and not self.client:
            raise UsageError("--disconnect needs CLIENT")


async def run(config: Config) -> int:
    """0; 1 where there is no such client. Who was disconnected may be away, or back."""
    async with reach(config, "broker") as control:
        if config.disconnect:
            await control.call("mqtt", action="disconnect", of=config.client)
        told = await control.call("mqtt", action="clients")
    clients = [one for one in told["clients"] if config.client in ("", one["client"])]
    if config.client and not clients:
        sys.stderr.write(f"netlab: there is no session of a client {escape(config.client)!r}\n")
    if config.json:
        print(json.dumps(clients))
    for one in clients if not config.json else ():
        state = f"{one['version']} from {one['peer']}" if one["connected"] else "away"
        print(f"{escape(one['client'])}  {state}{_as(one['user'])}")
        print(f"    {one['in_flight']} of {one['window']} in flight, {counted(one['waiting'], 'message')} waiting")
        for pattern, wishes in one["subscriptions"].items():
            told_of = ", ".join(f"{key} {value}" for key, value in wishes.items())
            print(f"    {escape(pattern)}  {told_of}")
    return 0 if clients or config.disconnect or not config.client else 1


def _as(user: str) -> str:
    return f"  as {escape(user)}" if user else ""
