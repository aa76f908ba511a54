"""The faults that are set, and whom they strike: by expression, then by lot, from a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

from netlab.errors import UsageError
from netlab.policy.faults.rule import Fault, Leg


class Lot(Protocol):
    """A source of randomness; `random.Random` is one."""

    def random(self) -> float: ...


class Strike(NamedTuple):
    """One conversation struck by one fault; its lots are its own, so that what goes on beside it changes nothing."""

    fault: Fault
    number: int  # of the fault's strikes, from 1
    lot: Callable[[str], Lot]  # one for each purpose


class Entry:
    """A fault that is set: its own lot, how many conversations it met, and how many of them it struck."""

    __slots__ = ("fault", "lot", "met", "struck")

    def __init__(self, fault: Fault, lot: Lot) -> None:
        self.fault, self.lot = fault, lot
        self.met = self.struck = 0


class Faults:
    """The faults of one process. Adding one changes nothing of how the lots of the others fall.

    make   a source of randomness from a text: `random.Random`
    seed   the same seed and the same conversations in the same order, the same strikes
    """

    def __init__(self, make: Callable[[str], Lot], seed: int = 0) -> None:
        self.seed = seed
        self._make = make
        self._entries: dict[str, Entry] = {}
        self._followers: list[Callable[[bool], None]] = []
        self._unnamed = 0

    # -- setting them ----------------------------------------------------------------------------------------------

    def add(self, fault: Fault) -> str:
        """Set a fault; its name. UsageError if there is one of that name."""
        if not fault.name:
            fault = replace(fault, name=self._free_name())
        if fault.name in self._entries:
            raise UsageError(f"there is a fault called {fault.name} already; remove it first")
        self._entries[fault.name] = Entry(fault, self._make(f"{self.seed}/{fault.name}"))
        if len(self._entries) == 1:
            self._tell()
        return fault.name

    def remove(self, name: str) -> None:
        """UsageError if there is none of that name."""
        if name not in self._entries:
            there_are = ", ".join(self._entries) or "there is none"
            raise UsageError(f"there is no fault called {name!r}; {there_are}")
        del self._entries[name]
        if not self._entries:
            self._tell()

    def clear(self) -> None:
        if self._entries:
            self._entries.clear()
            self._tell()

    def reseed(self, seed: int) -> None:
        """Begin the run anew: all lots and counts."""
        self.seed = seed
        self._entries = {
            name: Entry(entry.fault, self._make(f"{seed}/{name}")) for name, entry in self._entries.items()
        }

    def follow(self, switch: Callable[[bool], None]) -> None:
        """Call this whenever there are faults where were none, and the other way round; at once if there are."""
        self._followers.append(switch)
        if self._entries:
            switch(True)

    # -- asking them -----------------------------------------------------------------------------------------------

    def strike(self, leg: Leg, facts: Mapping[str, Any]) -> list[Strike]:
        """What strikes a conversation on this leg, in the order in which faults were set.

        `facts` is a flow's record (docs/contracts.md), as far as it is known when the conversation begins.
        """
        strikes = []
        for entry in self._entries.values():
            fault = entry.fault
            if fault.leg is leg and fault.when(facts):
                entry.met += 1
                if entry.lot.random() < fault.probability:
                    entry.struck += 1
                    strikes.append(Strike(fault, entry.struck, self._lots(f"{fault.name}/{entry.struck}")))
        return strikes

    def as_json(self) -> dict[str, Any]:
        """Seed and faults, with what they have met and struck so far."""
        faults = [
            {"name": name, "fault": entry.fault.text, "met": entry.met, "struck": entry.struck}
            for name, entry in self._entries.items()
        ]
        return {"seed": self.seed, "faults": faults}

    def _lots(self, strike: str) -> Callable[[str], Lot]:
        seed, make = self.seed, self._make
        return lambda purpose: make(f"{seed}/{strike}/{purpose}")

    def _free_name(self) -> str:
        while True:
            self._unnamed += 1
            if (name := f"f{self._unnamed}") not in self._entries:
                return name

    def _tell(self) -> None:
        for follower in self._followers:
            follower(bool(self._entries))

    def __iter__(self) -> Iterator[Fault]:
        return (entry.fault for entry in self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"<Faults {list(self._entries)}, seed {self.seed}>"
