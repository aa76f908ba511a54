"""Tables of faults for tests, and what flows tell of them."""

from __future__ import annotations

import random

from netlab.flow import FlowLog
from netlab.policy.faults import Faults, parse_fault


def set_faults(*texts: str, seed: int = 1, table: Faults | None = None) -> Faults:
    """These faults, in a new table or added to one."""
    faults = Faults(random.Random, seed) if table is None else table
    for text in texts:
        faults.add(parse_fault(text))
    return faults


def effects(flows: FlowLog) -> list[tuple[str, str]]:
    """(fault, effect) of everything that was injected, in the order of the flows."""
    return [
        (event.fields["fault"], event.fields["effect"])
        for flow in flows
        for event in flow.events or ()
        if event.name == "fault.injected"
    ]
