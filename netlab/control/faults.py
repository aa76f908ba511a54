"""What `netlab faults` may change in a running lab: all that is asked for, or nothing."""

from __future__ import annotations

from collections.abc import Sequence

from netlab.errors import UsageError
from netlab.policy.faults import Fault, Faults, parse_fault


def change_faults(
    faults: Faults,
    *,
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
    clear: bool = False,
    seed: int | None = None,
) -> None:
    """Cleared, then removed by name, then added as written, then seeded; UsageError leaves everything as it was."""
    found = [read(text) for text in add]
    kept = [] if clear else [fault.name for fault in faults]
    for name in remove:
        if name not in kept:
            raise UsageError(f"there is no fault called {name!r}; {', '.join(kept) or 'there is none'}")
        kept.remove(name)
    for fault in found:
        if fault.name in kept:
            raise UsageError(f"there is a fault called {fault.name} already; remove it first")
        kept += [fault.name] if fault.name else []
    if clear:
        faults.clear()
    for name in remove:
        faults.remove(name)
    for fault in found:
        faults.add(fault)
    if seed is not None:
        faults.reseed(int(seed))


def read(text: str) -> Fault:
    """A fault as it was written, or what is wrong with it."""
    try:
        return parse_fault(str(text))
    except ValueError as error:
        raise UsageError(f"the fault {text!r} {error}") from None
