"""The few shapes of HTML the inspection page is made of; what they are given as text, they escape."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape as _escape

from netlab.text import escape as harmless


def escape(text: str) -> str:
    """Text from anywhere as HTML: no markup, and nothing that turns the direction of what stands beside it."""
    return _escape(harmless(text), quote=True)


def code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def mark(word: str, *, bad: bool = False) -> str:
    """A small label."""
    return f'<span class="mark{" bad" if bad else ""}">{escape(word)}</span>'


def section_mark(section: str, tag: str = "td") -> str:
    """Where it stands; RFCs are named so that they can be found, not linked: this page leads nowhere outside."""
    return f'<{tag} class="section">{escape(section)}</{tag}>'


def row(*cells: str) -> str:
    return f"<tr>{''.join(cells)}</tr>\n"


def table(columns: Iterable[str], rows: str, kind: str = "") -> str:
    """A table; `rows` is HTML."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    return f'<div class="wide"><table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def details(summary: str, content: str, *, opened: bool = False) -> str:
    """Something to be unfolded; `content` is HTML."""
    return f"<details{' open' if opened else ''}><summary>{escape(summary)}</summary>{content}</details>"


def chips(items: Iterable[tuple[str, bool]]) -> str:
    """A row of short texts; those that mean nothing on purpose are pale."""
    shown = "".join(f"<li{' class=grease' if pale else ''}>{escape(text)}</li>" for text, pale in items)
    return f'<ul class="chips">{shown}</ul>'


def cards(items: Iterable[tuple[str, str, str]]) -> str:
    """Facts side by side: a name, its value as HTML, and a remark."""
    shown = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{value}{f'<small>{escape(remark)}</small>' if remark else ''}</dd></div>"
        for name, value, remark in items
    )
    return f'<dl class="cards">{shown}</dl>'
