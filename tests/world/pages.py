"""The commands that README and docs/ tell people to type: the lines of their shell blocks, and of README's table.

In a block fenced as `sh` every line is a command; in other fenced blocks those behind `$ `, which show what they print.
A comment that has `(untested)` in it says that a line is for people alone: it wants a screen, the Internet, or an hour.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| `([^|]*)` \|.*\| `((?:[^`|]|\\\|)+)` \|$", re.MULTILINE)
COMMENT = re.compile(r"\s+#\s+(.*)$")
TYPED = re.compile(r"^ {4}(?:sudo |\$ )?(?:netlab|curl|dig|make|\.venv/bin/\S+) ", re.MULTILINE)
"""What must not stand outside of fences, where nobody would run it."""


@dataclass(frozen=True, slots=True)
class Command:
    page: str
    text: str
    untested: bool = False


Block = tuple[Command, ...]
"""What is typed in turn."""


def pages() -> Iterator[tuple[str, list[Block]]]:
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = path.read_text(encoding="utf-8")
        found = [tuple(commands(path.name, match[2], match[3])) for match in FENCED.finditer(text)]
        if path.name == "README.md":
            found += [block for row in ROW.finditer(text) for block in row_blocks(path.name, row[1], row[2])]
        yield path.name, [block for block in found if block]


def row_blocks(page: str, command: str, line: str) -> Iterator[Block]:
    """A line to try, beside the lab, and beside the server alone that its row tells of."""
    tried = Command(page, line.replace("\\|", "|"))
    if command.startswith("netlab serve"):
        yield Command(page, command), tried
    if "--listen" not in command:
        yield (tried,)


def commands(page: str, language: str, text: str) -> Iterator[Command]:
    for line in text.replace("\\\n", " ").splitlines():
        if language == "sh" or line.startswith("$ "):
            comment = COMMENT.search(line)
            typed = line[: comment.start()] if comment else line
            if typed := typed.removeprefix("$ ").strip():
                yield Command(page, typed.replace(".venv/bin/", ""), bool(comment and "(untested)" in comment[1]))


def unfenced() -> list[str]:
    """Commands in indented blocks, where no test sees them."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")}
    return [f"{page}: {line}" for page, text in texts.items() for line in TYPED.findall(text)]
