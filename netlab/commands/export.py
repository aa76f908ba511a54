"""Flows of a running lab as a file: HAR for browsers, pcapng for Wireshark, JSON lines for programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, BinaryIO

from netlab.config import Flag, positional
from netlab.control.client import Control, OneLab, reach
from netlab.errors import NetlabError, UsageError
from netlab.filter import Filter, compile_filter
from netlab.inspect.packet_names import names_by_address
from netlab.inspect.redact import redacted

EXAMPLES = (
    ("netlab export --pcapng lab.pcapng", "opens in Wireshark, TLS decrypted"),
    ("netlab export --har lab.har", "opens in a browser's network panel"),
    ("netlab export --jsonl | jq .label", "to a program"),
    ("netlab export lab.har --filter 'status >= 500'", "only some; the name tells the form"),
)
FORMS = ("har", "pcapng", "jsonl")

Form = Callable[[Iterable[Mapping[str, Any]], BinaryIO], str]
"""Writes records, and says what it wrote."""


@dataclass(frozen=True, kw_only=True)
class Config(OneLab):
    file: Annotated[Path | None, positional] = None
    """Where to write; - or nothing is standard output."""
    har: bool = False
    """HTTP requests as HAR 1.2."""
    pcapng: bool = False
    """Raw bytes as synthesized packets, with the TLS secrets, credentials and cookies in them."""
    jsonl: bool = False
    """Everything, one JSON object a line, in the form of docs/contracts.md."""
    filter: Annotated[str, Flag("-f")] = ""
    """Only flows that match (docs/cli.md has the language)."""
    last: int = 0
    """Only so many of the newest; 0 is all that are kept."""
    reveal: bool = False
    """Write passwords, cookies and TLS secrets as they are; a pcapng always has them."""

    def __post_init__(self) -> None:
        if sum((self.har, self.pcapng, self.jsonl)) > 1:
            raise UsageError("netlab export writes one form at a time: --har, --pcapng or --jsonl")
        if self.form not in FORMS:
            raise UsageError(
                "netlab export needs a form: --har, --pcapng, --jsonl, or a file name that ends in one of them"
            )

    @property
    def form(self) -> str:
        asked = [form for form in FORMS if getattr(self, form)]
        return asked[0] if asked else self.file.suffix.removeprefix(".") if self.file else ""

    @property
    def to_stdout(self) -> bool:
        return self.file is None or str(self.file) == "-"


async def run(config: Config) -> int:
    if config.to_stdout and config.form == "pcapng" and sys.stdout.isatty():
        raise UsageError("a capture is nothing for a terminal; name a file: netlab export --pcapng FILE")
    wanted = compile_filter(config.filter)
    async with reach(config) as control:
        records = await collect(control, config, wanted)
        form = writer(config.form, names_by_address(await control.call("addresses")))
    if config.form != "pcapng" and not config.reveal:
        records = [redacted(record) for record in records]
    write(records, form, None if config.to_stdout else config.file)
    return 0


async def collect(control: Control, config: Config, wanted: Filter) -> list[Mapping[str, Any]]:
    """The flows that match, oldest first, and before them the connections they came on."""
    stream = control.stream("flows", filter=config.filter, last=config.last, whole=True)
    records = [record async for record in stream if wanted(record)]
    if config.form == "jsonl":
        return records
    known = {record["id"] for record in records}
    parents = {record["parent"] for record in records} - known - {None}
    found = [await _flow(control, parent) for parent in sorted(parents)]
    return [record for record in found if record is not None] + records


async def _flow(control: Control, name: str) -> Mapping[str, Any] | None:
    try:
        record: Mapping[str, Any] = (await control.call("flow", id=name))["flow"]
    except NetlabError:  # the ring has let go of it meanwhile
        return None
    return record


def writer(form: str, names: Mapping[str, Sequence[str]]) -> Form:
    """What writes this form; only the one asked for is imported."""
    if form == "har":
        from netlab.inspect.har import write_har

        return write_har
    if form == "pcapng":
        from netlab.inspect.packets import write_pcapng

        return partial(write_pcapng, names=names)
    from netlab.inspect.jsonl import write_jsonl

    return write_jsonl


def write(records: list[Mapping[str, Any]], form: Form, file: Path | None) -> None:
    """Into the file, whole or not at all, and say what; or to standard output."""
    if file is None:
        form(records, sys.stdout.buffer)
        return
    beside = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as out:
            written = form(records, out)
        beside.replace(file)
    except OSError as error:
        raise NetlabError(f"cannot write {file}: {error.strerror}") from None
    finally:
        beside.unlink(missing_ok=True)
    print(f"{file}: {written}", file=sys.stderr)
