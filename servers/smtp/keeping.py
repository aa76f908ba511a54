"""Where the sink's messages are kept, for how long, and where they are read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from netlab.config import Address, Duration, Size
from netlab.errors import StoreFailed, UsageError
from netlab.net.certs import state_directory
from netlab.service import Context
from netlab.stores.mail import SqliteStore
from netlab.stores.mail_tables import Retention
from netlab.stores.mailbox import MailStore, NoStore

MOST_IN_MEMORY = 256 << 20


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """The settings of it."""

    store: str = "memory"
    """Where messages are kept: the path of a SQLite file, state (mail.db in the state directory), memory, or none."""
    durable: bool = False
    """Keep what was acknowledged also when the power fails: each commit waits for the disk."""
    keep_messages: int = 100_000
    """How many messages are kept; the oldest goes first. 0 is no limit, here and below."""
    keep_time: Duration = 0.0
    """How long they are kept."""
    keep_size: Size = 4 << 30
    """How many bytes of them are kept; in memory never more than 256 MiB."""
    web: bool = True
    """Show the mail at a page of its own, and to programs by an API with Mailpit's paths and names."""
    web_listen: Address = Address("127.0.0.1", 8025)
    """Where to do so; a free port when that of --listen is free."""

    def retention(self) -> Retention:
        size = self.keep_size
        if self.store == "memory":
            size = min(size or MOST_IN_MEMORY, MOST_IN_MEMORY)
        return Retention(messages=self.keep_messages, seconds=self.keep_time, bytes=size)


def open_mail(config: Keeping, context: Context) -> MailStore:
    """The store that the settings name; UsageError says why it cannot be."""
    if config.store == "none":
        return NoStore()
    path = None if config.store == "memory" else Path(config.store).expanduser()
    if config.store == "state":
        path = (context.state or state_directory()) / "mail.db"
    try:
        return SqliteStore(path, durable=config.durable, retention=config.retention(), now=context.clock.now)
    except StoreFailed as error:
        raise UsageError(f"--store: {error}") from None
