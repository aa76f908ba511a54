"""docs/reference.md says what the source says."""

from __future__ import annotations

from pathlib import Path

from netlab import rooms
from netlab.reference import reference

PAGE = Path(__file__).parent.parent / "docs" / "reference.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "python -m netlab.reference > docs/reference.md"


def test_everything_is_in_it() -> None:
    text = reference()
    for name in rooms.services():
        assert f"\n### {name}\n" in text
    for name in (*rooms.clients(), *rooms.commands()):
        assert f"### netlab {name}" in text or name in ("serve", "up")
