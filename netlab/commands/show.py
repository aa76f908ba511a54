"""One flow in full: fields, times, the legs joined to it, raw bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any

from netlab.config import positional
from netlab.control.client import OneLab, reach
from netlab.inspect.record import FlowRecord
from netlab.inspect.redact import redacted
from netlab.inspect.show import page
from netlab.text import counted

EXAMPLES = (
    ("netlab show 17", "the flow that `netlab watch` calls 17"),
    ("netlab show 17 --raw", "with all of its bytes"),
    ("netlab show 17 --json | jq .flow.events", "for programs"),
)


@dataclass(frozen=True, kw_only=True)
class Config(OneLab):
    id: Annotated[str, positional]
    """The flow's id, as `netlab watch` and the terminal show it."""
    raw: bool = False
    """All raw bytes, not only their beginning."""
    json: bool = False
    """Print JSON: the flow, its parent and its children."""
    reveal: bool = False
    """Show passwords, cookies and TLS secrets as they are."""


async def run(config: Config) -> int:
    async with reach(config) as control:
        found = await control.call("flow", id=config.id)
    found = {key: _shown(value, config.reveal) for key, value in found.items()}
    if config.json:
        print(json.dumps(found))
        return 0
    parent = FlowRecord.from_json(found["parent"]) if found["parent"] else None
    children = [FlowRecord.from_json(child) for child in found["children"]]
    print(page(FlowRecord.from_json(found["flow"]), parent, children, raw=config.raw))
    if more := found["more_children"]:
        print(f"\n{counted(more, 'flow')} more that it caused: netlab export --jsonl --filter 'parent == {config.id}'")
    return 0


def _shown(value: Any, reveal: bool) -> Any:
    if reveal or not value or isinstance(value, int):
        return value
    return [redacted(item) for item in value] if isinstance(value, list) else redacted(value)
