"""docs/reference.md says what the source says."""

from __future__ import annotations

import re
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


def test_every_service_and_client_has_a_page_that_leads_to_its_options() -> None:
    pages = [page.read_text(encoding="utf-8") for page in PAGE.parent.glob("*.md") if page != PAGE]
    linked = {anchor for text in pages for anchor in re.findall(r"reference\.md#([\w-]+)", text)}
    headings = {
        title.replace(" ", "-") for title in re.findall(r"^### (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert linked <= headings
    of_clients = {
        heading for heading in headings for name in rooms.clients() if f"{heading}-".startswith(f"netlab-{name}-")
    }
    assert not {*rooms.services(), *of_clients} - linked
