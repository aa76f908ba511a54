"""Flows of a running lab as they end, from another terminal."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from dataclasses import dataclass
from typing import Annotated, Any

from netlab.config import Count, Flag, Size
from netlab.control.client import Control, OneLab, reach
from netlab.errors import ConnectionLost, UsageError
from netlab.filter import Filter, compile_filter
from netlab.inspect.redact import redacted
from netlab.inspect.terminal import Lines
from netlab.text import counted

EXAMPLES = (
    ("netlab watch", "every request and answer"),
    ("netlab watch --filter 'http.status >= 400'", "only those that were refused"),
    ("netlab watch --filter 'kind == tcp'", "the connections themselves"),
    ("netlab watch --full --json", "with all events, one JSON object a line"),
    ("netlab watch --pcapng - | wireshark -k -i -", "connections as packets, each when it ends, decrypted"),
    ("netlab watch --pcapng lab.pcapng --file-size 10MB --files 5", "the newest 50 MB of them"),
)


@dataclass(frozen=True, kw_only=True)
class Config(OneLab):
    filter: Annotated[str, Flag("-f")] = ""
    """Only flows that match, such as `http.status >= 400 and host contains "shop"` (docs/cli.md has the language)."""
    json: bool = False
    """One JSON object a line, in the form of docs/contracts.md."""
    full: bool = False
    """Record new flows in full while watching; with --json their events and bytes are printed too."""
    pcapng: str = ""
    """Write connections as synthesized packets, each when it ends: a file, or - for a pipe into Wireshark."""
    file_size: Size = 0
    """With --pcapng FILE: go on in another file (FILE-2, FILE-3 …) when one has so many bytes; 0 never does."""
    files: Count = 10
    """With --file-size: keep only so many of the newest files."""
    reveal: bool = False
    """Print passwords, cookies and TLS secrets as they are."""


async def run(config: Config) -> int:
    """Until the lab ends or Ctrl-C; both are a good end."""
    wanted = compile_filter(config.filter)
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, task.cancel)
    try:
        async with reach(config) as control:
            await _watch(control, config, wanted)
    except ConnectionLost as end:
        print(f"netlab: {end}", file=sys.stderr)
    except asyncio.CancelledError:
        print(file=sys.stderr)  # behind the ^C
    return 0


async def _watch(control: Control, config: Config, wanted: Filter) -> None:
    if config.pcapng:
        await _capture(control, config, wanted)
        return
    services = {endpoint["name"].partition(" ")[0] for endpoint in await control.call("endpoints")}
    lines = Lines(services, colour=sys.stdout.isatty())
    items = control.stream(
        "watch",
        filter=config.filter,
        level="full" if config.full else None,
        whole=config.full and config.json,
    )
    async for item in items:
        if "dropped" in item:
            more = f"... {counted(item['dropped'], 'flow')} more, too fast to be read here"
            print(json.dumps(item) if config.json else more, flush=True)
        elif wanted(record := item["flow"]):
            print(_json(record, config.reveal) if config.json else lines.line(record), flush=True)


async def _capture(control: Control, config: Config, wanted: Filter) -> None:
    """Packets, until the lab ends or the reader has gone."""
    from netlab.inspect.packet_log import PacketLog
    from netlab.inspect.packet_names import names_by_address

    if config.pcapng == "-" and sys.stdout.isatty():
        raise UsageError(
            "a capture is nothing for a terminal; name a file, or pipe it: netlab watch --pcapng - | wireshark -k -i -"
        )
    names = names_by_address(await control.call("addresses"))
    items = control.stream("watch", filter=config.filter, level="full", whole=True, connections=True)
    with PacketLog(config.pcapng, names, limit=config.file_size, keep=config.files) as log:
        async for item in items:
            if "dropped" in item:
                print(f"... {counted(item['dropped'], 'flow')} more, too fast to be read here", file=sys.stderr)
            elif wanted(item["flow"]):
                log.add(item["flow"])


def _json(record: dict[str, Any], reveal: bool) -> str:
    return json.dumps(record if reveal else redacted(record))
