"""Requests that repeat themselves: what was answered to the same fields for the same file needs no second thought."""

from __future__ import annotations

from netlab.cores.fields import Fields
from netlab.http.delivery import AT_ONCE
from netlab.http.found import FoundFile
from netlab.http.representation import Representation

DECIDING = frozenset(("if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range", "range"))
"""Fields that may turn a 200 into something else."""
MOST = 1024
"""Pairs of fields and file that are remembered."""


class Repeats:
    """Whole answers from memory, by the identity of a request's fields.

    A connection on which the same field block comes again hands out the same Fields object, so nothing is compared.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], tuple[Fields, FoundFile, float, Representation]] = {}

    def get(self, fields: Fields, found: FoundFile) -> Representation | None:
        known = self._known.get((id(fields), id(found)))  # both are kept below: no other can have their identity
        if known is None or known[2] != found.looked:  # since then its neighbours were looked at
            return None
        return known[3]

    def put(self, fields: Fields, found: FoundFile, representation: Representation) -> None:
        """A GET of a file that is kept was answered with all of this, if nothing in its fields forbids that."""
        if representation.body is None or len(representation.body) > AT_ONCE or not found.path:
            return
        for name in DECIDING:
            if name in fields:
                return
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[id(fields), id(found)] = fields, found, found.looked, representation

    def clear(self) -> None:
        self._known.clear()
