"""Pages of a person's own for what is refused: `502=sorry.html`, read once when the server starts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from netlab.config.values import Kind
from netlab.errors import UsageError
from netlab.http.media_types import media_type
from netlab.http.pages import Page

LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """The page for one status, or for a class of them. Written `STATUS=FILE`."""

    status: str  # "502", "5xx"
    path: Path

    kind: ClassVar[Kind]

    @classmethod
    def parse(cls, text: str) -> ErrorPage:
        status, _, path = text.partition("=")
        if not re.fullmatch(r"[45]([0-9]{2}|xx)", status) or not path:
            raise ValueError
        return cls(status, Path(path))

    def __str__(self) -> str:
        return f"{self.status}={self.path}"

    @property
    def statuses(self) -> range:
        first = int(self.status.replace("x", "0"))
        return range(first, first + (100 if "x" in self.status else 1))


ErrorPage.kind = Kind(
    parse=ErrorPage.parse, allowed="STATUS=FILE, such as 502=sorry.html or 5xx=sorry.html", metavar="STATUS=FILE"
)


def read_pages(pages: Iterable[ErrorPage]) -> dict[int, Page]:
    """Status → fields and content; one status goes before its class. UsageError names a file that cannot be read."""
    found: dict[int, Page] = {}
    for page in sorted(pages, key=lambda page: "x" not in page.status):
        content = _content(page.path)
        found |= dict.fromkeys(page.statuses, ([("Content-Type", media_type(page.path.name))], content))
    return found


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(f"--error-page {path} cannot be read: {error.strerror}") from None
    if len(content) > LARGEST:
        raise UsageError(f"--error-page {path} has more than {LARGEST} bytes")
    return content
