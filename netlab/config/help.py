"""The help of one command: usage, every setting with what it means and its default, and the examples."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator

from netlab.config import Setting, docs, settings
from netlab.config.command_line import CommandLine, Part

COLUMN = 30
"""Where the descriptions begin."""


def help_text(line: CommandLine) -> str:
    """The page that `--help` prints, as wide as the terminal but never wider than lines are read easily."""
    width = max(60, min(shutil.get_terminal_size().columns, 110))
    arguments = " ".join(_argument(setting) for setting in line.settings() if setting.positional)
    blocks = [f"Usage: {line.name} [flags] {arguments}".rstrip(), textwrap.fill(line.summary, width)]
    blocks += ["\n".join([_heading(part), *_entries(part, width)]) for part in line.parts]
    if line.examples:
        longest = max(len(example) for example, _ in line.examples)
        lines = [f"  {example:<{longest}}  {what}" for example, what in line.examples]
        blocks.append("Examples:\n" + "\n".join(lines))
    return "\n\n".join(blocks)


def _heading(part: Part) -> str:
    example = next((setting for setting in settings(part.config) if not setting.positional), None)
    where = [f"table [{part.table}] of the file"] if part.in_file else []
    where += [f"variables like {example.variable(part.table)}"] if example else []
    return f"{part.heading} (also: {', '.join(where)})" if where else part.heading


def _entries(part: Part, width: int) -> Iterator[str]:
    texts = docs(part.config)
    for setting in sorted(settings(part.config), key=lambda setting: not setting.positional):
        text = " ".join(texts.get(setting.name, "").split())
        remarks = [f"default {setting.shown_default}"] if setting.shown_default else []
        remarks += ["required"] if setting.required else []
        remarks += ["repeatable"] if setting.many and not setting.positional else []
        if remarks:
            text = f"{text} [{'; '.join(remarks)}]".lstrip()
        yield _row(_label(setting), text, width)


def _row(label: str, text: str, width: int) -> str:
    lines = textwrap.wrap(text, width - COLUMN, break_on_hyphens=False)
    first = f"  {label}"
    if len(first) + 2 > COLUMN:
        lines.insert(0, "")
    rest = [" " * COLUMN + line for line in lines[1:]]
    return "\n".join([f"{first:<{COLUMN}}{lines[0] if lines else ''}".rstrip(), *rest])


def _label(setting: Setting) -> str:
    if setting.positional:
        return _argument(setting)
    names = ", ".join(sorted(setting.flags, key=len))
    if setting.switch:
        return f"{names}, {setting.negative}" if setting.default else names
    return f"{names} {setting.kind.metavar}"


def _argument(setting: Setting) -> str:
    name = setting.name.upper() + ("..." if setting.many else "")
    return name if setting.required else f"[{name}]"
