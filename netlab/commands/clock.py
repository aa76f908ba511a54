"""The lab's clock, by which TTLs, caches, tokens and sessions expire: stopped, moved, set going."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from netlab.config import positional
from netlab.control.client import OneLab, reach
from netlab.errors import UsageError
from netlab.units import parse_duration, write_duration

EXAMPLES = (
    ("netlab clock", "what time it is in the lab"),
    ("netlab clock jump 1h", "an hour later at once: see what has expired"),
    ("netlab clock back 1h", "and back"),
    ("netlab clock freeze", "nothing expires from here on"),
    ("netlab clock run 60", "a minute each second; without a number, as usual"),
)


@dataclass(frozen=True, kw_only=True)
class Config(OneLab):
    action: Annotated[Literal["show", "freeze", "jump", "back", "run"], positional] = "show"
    """What to do with it."""
    by: Annotated[str, positional] = ""
    """For jump and back: how far (90s, 1h). For run: lab seconds to the second."""
    json: bool = False
    """Print JSON."""

    def change(self) -> dict[str, Any]:
        """The arguments of the call."""
        change: dict[str, Any] = {"action": self.action}
        if self.action in ("jump", "back"):
            change = {"action": "jump", "seconds": self._seconds() * (1 if self.action == "jump" else -1)}
        elif self.action == "run" and self.by:
            change["rate"] = self._rate()
        elif self.by:
            raise UsageError(f"netlab clock {self.action} takes nothing behind it, not {self.by!r}")
        return change

    def _seconds(self) -> float:
        try:
            return parse_duration(self.by)
        except ValueError:
            raise UsageError(
                f"netlab clock {self.action} needs a duration such as 90s or 1h, not {self.by!r}"
            ) from None

    def _rate(self) -> float:
        try:
            return float(self.by)
        except ValueError:
            raise UsageError(f"netlab clock run needs a number such as 60, not {self.by!r}") from None


async def run(config: Config) -> int:
    async with reach(config) as control:
        found = await control.call("clock", **config.change())
    print(json.dumps(found) if config.json else sentence(found))
    return 0


def sentence(found: Mapping[str, Any]) -> str:
    moment = datetime.fromtimestamp(found["now"], UTC).isoformat(sep=" ", timespec="seconds")
    ahead = round(found["ahead"])
    apart = (
        f", {write_duration(float(abs(ahead)))} {'ahead of' if ahead > 0 else 'behind'} the system's" if ahead else ""
    )
    return f"{moment}{apart}{', frozen' if found['frozen'] else ''}"
