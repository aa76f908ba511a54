"""S3-FIFO: which of many things to keep in so many bytes; one pass over a lot of new ones drives no old ones out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Protocol


class Kept(Protocol):
    """A thing that is kept. Whoever uses it counts that by itself: `kept.uses += 1`, and no more."""

    name: Hashable
    cost: int  # bytes
    uses: int


MOST_USES = 3
"""Uses that count; one more means nothing."""


class S3Fifo:
    """Three queues (Yang et al., SOSP 2023): *small*, a tenth of the room, for what is new; *main* for what was used
    while it was there; and the *ghosts*, names of what has just left, which go to main when they come back.

    Nothing is moved when something is used, so that a use costs an addition. `evicted` is told what had to go.
    """

    def __init__(self, room: int, evicted: Callable[[Kept], None]) -> None:
        self.room, self.held = room, 0
        self._evicted = evicted
        self._small: OrderedDict[Hashable, Kept] = OrderedDict()
        self._main: OrderedDict[Hashable, Kept] = OrderedDict()
        self._ghosts: OrderedDict[Hashable, None] = OrderedDict()
        self._small_held = 0

    def add(self, kept: Kept) -> bool:
        """Keep a thing, in place of what has its name; False where it is larger than all the room there is."""
        self.remove(kept.name)
        if kept.cost > self.room:
            return False
        if kept.name in self._ghosts:
            del self._ghosts[kept.name]
            self._main[kept.name] = kept
        else:
            self._small[kept.name] = kept
            self._small_held += kept.cost
        self.held += kept.cost
        while self.held > self.room:
            self._make_room()
        return True

    def remove(self, name: Hashable) -> Kept | None:
        """Let go of a thing; it leaves no ghost."""
        kept = self._main.pop(name, None)
        if kept is None:
            kept = self._small.pop(name, None)
            if kept is None:
                return None
            self._small_held -= kept.cost
        self.held -= kept.cost
        return kept

    def recost(self, kept: Kept, cost: int) -> None:
        """A thing has become larger or smaller."""
        if kept.name in self._small:
            self._small_held += cost - kept.cost
        self.held += cost - kept.cost
        kept.cost = cost
        while self.held > self.room:
            self._make_room()

    def resize(self, room: int) -> None:
        """More room, or less."""
        self.room = room
        while self.held > room:
            self._make_room()

    def __len__(self) -> int:
        return len(self._small) + len(self._main)

    def __contains__(self, name: Hashable) -> bool:
        return name in self._small or name in self._main

    def __iter__(self) -> Iterator[Kept]:
        yield from self._small.values()
        yield from self._main.values()

    # -- making room ---------------------------------------------------------------------------------------------

    def _make_room(self) -> None:
        """One step: something goes, or goes elsewhere."""
        if self._small and (self._small_held > self.room // 10 or not self._main):
            self._leave_small()
        else:
            self._leave_main()

    def _leave_small(self) -> None:
        name, kept = self._small.popitem(last=False)
        self._small_held -= kept.cost
        if kept.uses > 1:
            kept.uses = 0
            self._main[name] = kept
            return
        self._ghosts[name] = None
        while len(self._ghosts) > max(len(self._main), 64):
            self._ghosts.popitem(last=False)
        self._let_go(kept)

    def _leave_main(self) -> None:
        name, kept = self._main.popitem(last=False)
        if kept.uses > 0:
            kept.uses = min(kept.uses, MOST_USES) - 1
            self._main[name] = kept
            return
        self._let_go(kept)

    def _let_go(self, kept: Kept) -> None:
        self.held -= kept.cost
        self._evicted(kept)

    def __repr__(self) -> str:
        queues = f"{len(self._small)} new, {len(self._main)} used, {len(self._ghosts)} ghosts"
        return f"<S3Fifo {self.held} of {self.room} bytes: {queues}>"
