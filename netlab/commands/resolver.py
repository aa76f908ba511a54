"""See what a running resolver knows; make it forget a name, or keep what was known for later."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from netlab.config import positional
from netlab.control.client import OneLab, reach
from netlab.errors import UsageError
from netlab.text import size

EXAMPLES = (
    ("netlab resolver", "how much it knows, what it was asked and what came of it"),
    ("netlab resolver dump", "all of it, a record a line with its rank and what is left of its time"),
    ("netlab resolver flush www.shop.test", "forget one name"),
    ("netlab resolver flush-tree test", "and all below"),
    ("netlab resolver dump > known; netlab resolver load known", "keep it for later"),
)


@dataclass(frozen=True, kw_only=True)
class Config(OneLab):
    action: Annotated[Literal["status", "dump", "flush", "flush-tree", "load"], positional] = "status"
    """What to do: show its status, dump what it knows, flush a name, flush-tree it and all below, or load a dump."""
    what: Annotated[str, positional] = ""
    """The name to forget, or the file to load."""
    json: bool = False
    """Print JSON."""

    def __post_init__(self) -> None:
        if self.action in ("flush", "flush-tree", "load") and not self.what:
            wanted = "the file that dump wrote" if self.action == "load" else "a name"
            raise UsageError(f"netlab resolver {self.action} needs {wanted}")


async def run(config: Config) -> int:
    """0; 1 where there was nothing to forget or to learn."""
    lines = _lines(Path(config.what)) if config.action == "load" else []
    async with reach(config, "answering") as control:
        told = await control.call("resolver", action=config.action, of=config.what, lines=lines)
    if config.json:
        print(json.dumps(told))
    elif config.action == "dump":
        sys.stdout.writelines(f"{line}\n" for line in told["lines"])
    else:
        done = [f"{told[what]} {what}; " for what in ("forgotten", "learnt") if what in told]
        print(f"{''.join(done)}{told['entries']} entries known, {size(told['bytes'])}")
        if config.action == "status":
            print("\n".join(_counted(told)))
    return 1 if told.get("forgotten", told.get("learnt", 1)) == 0 else 0


def _counted(told: Mapping[str, Any]) -> Iterator[str]:
    """The statistics, a line for each kind."""
    hits, servers = told["hits"], dict(told["servers"])
    mean = servers.pop("mean_rtt")
    for kind in ("questions", "answers", "rcodes", "unanswered"):
        yield f"{kind:<10}  {', '.join(f'{count} {name}' for name, count in told[kind].items())}".rstrip()
    asked = ", ".join(f"{count} {name}" for name, count in servers.items())
    yield f"{'servers':<10}  {asked}{'' if mean is None else f', {mean * 1000:.1f} ms on average'}"
    if hits is not None:
        yield f"{'hits':<10}  {hits:.1%}"


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no text in UTF-8: byte {error.start}") from None
