"""Put messages of mbox files, Maildirs and eml files into a sink, as if they had come."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from netlab.commands.mail.asking import Asking, MailApi
from netlab.config import positional
from netlab.errors import UsageError
from netlab.stores.mail_archive import LARGEST, read_archive
from netlab.text import counted

EXAMPLES = (
    ("netlab mail import ~/Mail/archive.mbox", "all messages of an mbox"),
    ("netlab mail import ~/Maildir bounce.eml", "of a Maildir, and one more"),
)


@dataclass(frozen=True, kw_only=True)
class Config(Asking):
    paths: Annotated[tuple[Path, ...], positional] = ()
    """Files in mbox or eml form, Maildirs, folders of eml files."""
    mailbox: str = ""
    """Into which mailbox, where the sink has several."""

    def __post_init__(self) -> None:
        if not self.paths:
            raise UsageError("netlab mail import needs a file or folder")


async def run(config: Config) -> int:
    """0; 1 where a message was too large."""
    api = await MailApi.find(config)
    count = large = 0
    for path in config.paths:
        for message in read_archive(path):
            if len(message.content) > LARGEST:
                large += 1
                print(f"{message.name} is larger than {LARGEST >> 20} MiB, and was left out")
                continue
            told = await api.call(
                "/api/v1/import",
                method="POST",
                content=message.content,
                mailbox=config.mailbox,
                received=message.received,
                **{"from": message.sender},
            )
            count += 1
            if message.read:
                seen = json.dumps({"IDs": [json.loads(told)["ID"]], "Read": True}).encode()
                await api.call("/api/v1/messages", method="PUT", content=seen)
    print(f"{counted(count, 'message')} imported into {api.url}")
    return 1 if large else 0
