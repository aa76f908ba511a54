"""HTTP's fields: what each name means, who sends it, its place in IANA's registry and in its specification."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import NamedTuple

SOURCE = "field_table.tsv"
"""A line each: name, status, side, section, meaning, separated by tabs, sorted by name."""

STATUSES = {
    "permanent": "a registered field",
    "provisional": "provisionally registered",
    "deprecated": "registered as deprecated",
    "obsoleted": "registered as obsolete",
    "unregistered": "not in IANA's registry",
}


class KnownField(NamedTuple):
    """A field's name as it is usually written, and what is known of it.

    status   one of STATUSES
    side     who sends it: request, response or both
    section  where it is specified: an RFC with its section, or another specification's name
    meaning  one sentence
    """

    name: str
    status: str
    side: str
    section: str
    meaning: str

    @property
    def dated(self) -> bool:
        """Whether it should no longer be sent."""
        return self.status in ("deprecated", "obsoleted")


@cache
def field_table() -> Mapping[str, KnownField]:
    """The fields by their name in lower case; read when first asked for."""
    text = resources.files("netlab.http").joinpath(SOURCE).read_text(encoding="utf-8")
    known = (KnownField(*line.split("\t")) for line in text.splitlines())
    return {field.name.lower(): field for field in known}


def meanings(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """What these fields mean and where that stands, by the names as they are given; unknown ones are left out."""
    known = {name: field_table().get(name.lower()) for name in names}
    return {name: {"meaning": field.meaning, "section": field.section} for name, field in known.items() if field}
