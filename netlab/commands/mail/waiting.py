"""Wait until a message is there that matches a search, and show it: for tests and scripts."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Annotated, Any

from netlab.commands.mail.asking import Asking, MailApi, Refused, line
from netlab.config import Duration, positional

EXAMPLES = (
    ("netlab mail wait to:ada@shop.test subject:welcome", "until it is there, at most 30 seconds"),
    ("netlab mail wait --new --timeout 5s", "the next message that comes"),
    ("netlab mail wait --json to:ada | jq -r .ID", "its id, for `netlab mail show`"),
)
ONE_CALL = 10.0
"""Seconds."""


@dataclass(frozen=True, kw_only=True)
class Config(Asking):
    query: Annotated[tuple[str, ...], positional] = ()
    """What it is to match, as for `netlab mail list`; without it any message will do."""
    timeout: Duration = 30.0
    """How long to wait."""
    new: bool = False
    """Only what comes from now on."""
    after: str = ""
    """Only what came behind the message with this id."""
    json: bool = False
    """Print JSON."""


async def run(config: Config) -> int:
    """0; 1 where none came in time."""
    api = await MailApi.find(config)
    after = config.after
    if config.new:
        newest = (await api.json("/api/v1/messages", limit=1))["messages"]
        after = newest[0]["ID"] if newest else ""
    found = await _wait(api, " ".join(config.query), after, config.timeout)
    if found is None:
        print(json.dumps(None) if config.json else f"no message matched within {config.timeout:g} s")
        return 1
    print(json.dumps(found) if config.json else line(found))
    return 0


async def _wait(api: MailApi, query: str, after: str, seconds: float) -> dict[str, Any] | None:
    """In calls that are shorter than a client's patience with an answer."""
    until = time.monotonic() + seconds
    while True:
        left = until - time.monotonic()
        try:
            found: dict[str, Any] = await api.json(
                "/api/v1/wait", query=query, timeout=max(min(left, ONE_CALL), 0.0), after=after
            )
        except Refused as refused:
            if refused.status != 404:
                raise
            if left <= ONE_CALL:
                return None
        else:
            return found
