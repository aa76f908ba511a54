"""The rows of the bench: every module here gives its ROWS; found by listing."""

from __future__ import annotations

import fnmatch
import importlib
import pkgutil
from collections.abc import Sequence

from bench.model import Row


def all_rows() -> dict[str, Row]:
    """By name, in the order of the modules and of each module's ROWS."""
    modules = sorted(module.name for module in pkgutil.iter_modules(__path__))
    rows = [row for name in modules for row in importlib.import_module(f"{__name__}.{name}").ROWS]
    found = {row.name: row for row in rows}
    if len(found) != len(rows):
        raise ValueError(f"two rows have one name: {sorted(row.name for row in rows)}")
    return found


def chosen(names: Sequence[str]) -> list[Row]:
    """Rows by name, by their first word ("http"), or by a pattern ("http.*-1*"); all without names.

    Raises LookupError, naming the word that fits no row.
    """
    rows = all_rows()
    if not names:
        return list(rows.values())
    picked: dict[str, Row] = {}
    for wanted in names:
        fitting = [
            name
            for name in rows
            if name == wanted or name.startswith(f"{wanted}.") or fnmatch.fnmatchcase(name, wanted)
        ]
        if not fitting:
            raise LookupError(f"there is no row {wanted!r}; there are: {', '.join(rows)}")
        picked.update((name, rows[name]) for name in fitting)
    return list(picked.values())
