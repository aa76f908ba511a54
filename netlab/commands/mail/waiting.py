"""Wait until a message is there that matches a search, and show it: for tests and scripts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated

from netlab.commands.mail.asking import Asking, MailApi, Refused, line
from netlab.config import Duration, positional

EXAMPLES = (
    ("netlab mail wait to:ada@shop.test subject:welcome", "until it is there, at most 30 seconds"),
    ("netlab mail wait --new --timeout 5s", "the next message that comes"),
    ("netlab mail wait --json to:ada | jq -r .ID", "its id, for `netlab mail show`"),
)


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
    try:
        found = await api.json("/api/v1/wait", query=" ".join(config.query), timeout=config.timeout, after=after)
    except Refused as refused:
        if refused.status != 404:
            raise
        print(json.dumps(None) if config.json else str(refused))
        return 1
    print(json.dumps(found) if config.json else line(found))
    return 0
