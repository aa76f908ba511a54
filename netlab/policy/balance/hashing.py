"""Balancers that go by a key: the same key to the same upstream, and few keys elsewhere when one leaves or comes."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import md5
from typing import Any, Generic

from netlab.policy.balance.contract import Balancer, C, Decision
from netlab.policy.balance.turns import RoundRobin

SHOWN = 64
"""Candidates whose score a decision tells; of more than these, only the winner's."""


class _Hashing(Generic[C]):
    """What hashing balancers share: who is a candidate, and what becomes of requests without a key."""

    __slots__ = ("_known", "_members", "_there", "_turns")

    def __init__(self) -> None:
        self._known: tuple[C, ...] = ()
        self._there: set[C] = set()  # the same as a set
        self._members: tuple[C, ...] = ()
        self._turns: RoundRobin[C] = RoundRobin()

    def arrange(self, members: Sequence[C]) -> None:
        self._members = tuple(member for member in members if member.weight > 0)
        self._lay_out()

    def pick(
        self, candidates: tuple[C, ...], key: bytes = b"", now: float = 0.0, decision: Decision | None = None
    ) -> C:
        if candidates is not self._known:
            self._known, self._there = candidates, set(candidates)
            if not self._members:
                self.arrange(candidates)
        if key and (found := self._of(key)) is not None:
            if decision is not None:
                self._explain(key, found, decision)
            return found
        picked = self._turns.pick(candidates, key, now, decision)
        if decision is not None:
            decision.rule = f"the request has nothing to hash; {decision.rule}"
        return picked

    def _lay_out(self) -> None:
        raise NotImplementedError

    def _of(self, key: bytes) -> C | None:
        """Whose the key is; None where all whom it could belong to are out."""
        return next((owner for _, owner in self._walk(key) if owner in self._there), None)

    def _walk(self, key: bytes) -> Iterator[tuple[float, C]]:
        """Whose the key would be in turn if those before were out, and how far away: a share of the whole."""
        raise NotImplementedError

    def _explain(self, key: bytes, found: C, decision: Decision) -> None:
        wanted = len(self._there) if len(self._there) <= SHOWN else 0
        for distance, owner in self._walk(key):
            if owner in self._there:
                decision.scores.setdefault(owner.name, distance)
            if found.name in decision.scores and len(decision.scores) >= wanted:
                break


class RingHash(_Hashing[C]):
    """Points on a ring of 2³², a key belongs to the next one's upstream.

    For equal weights it is libketama's continuum: 40 MD5 digests of `name-0` … `name-39`, four points each. A weight
    of 2 has twice as many; libketama would also change those of the others with it, which moves keys for nothing.
    """

    __slots__ = ("_digests", "_owners", "_points")

    def __init__(self, digests: int = 40) -> None:
        super().__init__()
        self._digests = digests
        self._points: array[int] = array("L")
        self._owners: list[C] = []

    def _lay_out(self) -> None:
        digests, total = self._digests, sum(member.weight for member in self._members)
        most = MOST_DIGESTS / total if total * digests > MOST_DIGESTS else digests
        counts = ((place, max(round(member.weight * most), 1)) for place, member in enumerate(self._members))
        ring = sorted(
            (point, place)
            for place, count in counts
            for number in range(count)
            for point in _four_points(f"{self._members[place].name}-{number}")
        )
        self._points = array("L", [point for point, _ in ring])
        self._owners = [self._members[place] for _, place in ring]

    def _of(self, key: bytes) -> C | None:
        point = int.from_bytes(md5(key, usedforsecurity=False).digest()[:4], "little")
        at = bisect_left(self._points, point)
        owner = self._owners[at if at < len(self._owners) else 0]
        return owner if owner in self._there else super()._of(key)

    def _walk(self, key: bytes) -> Iterator[tuple[float, C]]:
        point = int.from_bytes(md5(key, usedforsecurity=False).digest()[:4], "little")
        points, owners = self._points, self._owners
        at = bisect_left(points, point)
        for place in (*range(at, len(points)), *range(at)):
            yield (points[place] - point) % RING / RING, owners[place]

    def _explain(self, key: bytes, found: C, decision: Decision) -> None:
        decision.rule = "way on the ring from the key's point to the candidate's next one; the shortest wins"
        super()._explain(key, found, decision)


class Maglev(_Hashing[C]):
    """A table of prime size, filled by each upstream in turn with the next free slot of its own permutation (Eisenbud
    et al. 2016, 3.4): shares as even as the weights, one look-up, and nearly as few keys moved as on a ring.
    """

    __slots__ = ("_fresh", "_size", "_table")

    def __init__(self, size: int = 65537) -> None:
        super().__init__()
        self._size = size  # a prime, a hundred times the number of upstreams or more
        self._table: array[int] = array("l")
        self._fresh = False

    def _lay_out(self) -> None:
        self._fresh = False  # filling takes tens of milliseconds: not before it is needed

    def _of(self, key: bytes) -> C | None:
        if not self._fresh:
            self._table, self._fresh = _filled(self._members, self._size), True
        slot = int.from_bytes(md5(key, usedforsecurity=False).digest()[:8], "little") % self._size
        owner = self._members[self._table[slot]]
        return owner if owner in self._there else super()._of(key)

    def _walk(self, key: bytes) -> Iterator[tuple[float, C]]:
        """From slot to slot in steps that the key chooses, so that what one leaves is shared by all others."""
        slot, step = _offset_and_skip(key, self._size)
        for number in range(self._size):
            yield number / self._size, self._members[self._table[(slot + number * step) % self._size]]

    def _explain(self, key: bytes, found: C, decision: Decision) -> None:
        decision.rule = "steps through the table, as a share of it, to the candidate's first slot; the fewest win"
        super()._explain(key, found, decision)


class Modulo(_Hashing[C]):
    """`hash % n`, which is no consistent hashing: shown beside the others for the keys that it moves."""

    __slots__ = ()

    def _lay_out(self) -> None:
        """Nothing stands between the key and the candidates."""

    def _of(self, key: bytes) -> C | None:
        number = int.from_bytes(md5(key, usedforsecurity=False).digest()[:8], "little")
        return self._known[number % len(self._known)]


RING = 1 << 32
MOST_DIGESTS = 1 << 17
"""Digests on one ring: heavier weights than that are scaled down together."""


def _four_points(text: str) -> tuple[int, int, int, int]:
    digest = md5(text.encode(), usedforsecurity=False).digest()
    one, two, three, four = (int.from_bytes(digest[at : at + 4], "little") for at in (0, 4, 8, 12))
    return one, two, three, four


def _offset_and_skip(text: bytes, size: int) -> tuple[int, int]:
    digest = md5(text, usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "little") % size, int.from_bytes(digest[8:], "little") % (size - 1) + 1


def _filled(members: Sequence[Any], size: int) -> array[int]:
    """Maglev's table: which member has each slot. The heaviest takes one in every round, others as often as is due."""
    table = array("l", [-1]) * size
    heaviest = max(member.weight for member in members)
    shares = [member.weight / heaviest for member in members]
    due = [0.0] * len(members)
    places = [_offset_and_skip(member.name.encode(), size) for member in members]
    slots, skips = [slot for slot, _ in places], [skip for _, skip in places]
    free = size
    while True:
        for member, share in enumerate(shares):
            due[member] += share
            if due[member] < 1:
                continue
            due[member] -= 1
            slot, skip = slots[member], skips[member]
            while table[slot] >= 0:
                slot += skip
                if slot >= size:
                    slot -= size
            table[slot], slots[member] = member, slot
            free -= 1
            if not free:
                return table


def share_moved(
    make: Callable[[], Balancer[C]], before: Sequence[C], after: Sequence[C], keys: Iterable[bytes]
) -> float:
    """Which share of these keys belongs to another upstream when the members change; 0 to 1."""
    balancers = make(), make()
    for balancer, members in zip(balancers, (before, after), strict=True):
        balancer.arrange(members)
    old, new = tuple(before), tuple(after)
    moved = [balancers[0].pick(old, key) is not balancers[1].pick(new, key) for key in keys]
    return sum(moved) / len(moved)
