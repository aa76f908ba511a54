"""End a running lab, as Ctrl-C in its terminal would."""

from __future__ import annotations

from dataclasses import dataclass

from netlab.config import Duration
from netlab.control.client import OneLab, choose, connect

EXAMPLES = (
    ("netlab stop", "the only lab that runs"),
    ("netlab stop --lab http", "the one that was started as `netlab serve http`"),
)


@dataclass(frozen=True, kw_only=True)
class Config(OneLab):
    wait: Duration = 15.0
    """How long to wait for the end; 0 only asks for it."""


async def run(config: Config) -> int:
    lab = await choose(config.lab)
    async with connect(lab.path) as control:
        await control.call("stop")
        if config.wait:
            await control.closed(config.wait)
    print(f"stopped {lab}" if config.wait else f"asked {lab} to stop")
    return 0
