"""Delete messages by id, those that a search finds, or all."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated

from netlab.commands.mail.asking import Asking, MailApi
from netlab.config import positional
from netlab.errors import UsageError

EXAMPLES = (
    ("netlab mail delete 002ujWMIMeg3i2YlFFbxeO", "one message"),
    ("netlab mail delete --query before:2026-11-01", "what a search finds"),
    ("netlab mail delete --all", "everything"),
)


@dataclass(frozen=True, kw_only=True)
class Config(Asking):
    ids: Annotated[tuple[str, ...], positional] = ()
    """The messages."""
    query: str = ""
    """What those to be deleted match, as for `netlab mail list`."""
    all: bool = False
    """All messages."""

    def __post_init__(self) -> None:
        if (bool(self.ids), bool(self.query), self.all).count(True) != 1:
            raise UsageError("netlab mail delete needs ids, or --query, or --all")


async def run(config: Config) -> int:
    api = await MailApi.find(config)
    if config.query:
        await api.call("/api/v1/search", method="DELETE", query=config.query)
    else:
        content = json.dumps({"IDs": list(config.ids)}).encode()
        await api.call("/api/v1/messages", method="DELETE", content=content)
    return 0
