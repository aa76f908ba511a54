"""Answers that are broken on purpose, under `/broken`: for people who test what their clients do with them."""

from __future__ import annotations

from functools import partial

from netlab.http.broken import codings, ends, framing, heads, index, timing
from netlab.http.broken.fault import Fault, play
from netlab.http.routes import Routes
from netlab.service import Context

FAULTS: tuple[Fault, ...] = (*framing.FAULTS, *codings.FAULTS, *heads.FAULTS, *ends.FAULTS, *timing.FAULTS)


def register(routes: Routes, context: Context) -> None:
    routes.add("GET", "/broken", partial(index.answer, FAULTS), "answers that are broken on purpose, by name")
    for fault in FAULTS:
        routes.add("GET POST", fault.path, partial(play, fault))
