"""S3-FIFO: bounded in bytes, kept is what was used, and one pass over many new things drives out none of that."""

from __future__ import annotations

from collections.abc import Hashable

from hypothesis import given
from hypothesis import strategies as st

from netlab.policy.s3fifo import Kept, S3Fifo


class Thing:
    def __init__(self, name: Hashable, cost: int = 1) -> None:
        self.name, self.cost, self.uses = name, cost, 0


def queue(room: int) -> tuple[S3Fifo, list[Kept]]:
    gone: list[Kept] = []
    return S3Fifo(room, gone.append), gone


def test_a_scan_drives_out_nothing_that_was_used() -> None:
    fifo, _ = queue(100)
    used = [Thing(number) for number in range(50)]
    for thing in used:
        fifo.add(thing)
        thing.uses += 2
    for number in range(1000, 11_000):
        fifo.add(Thing(number))
    assert [thing.name for thing in used if thing.name not in fifo] == []
    assert fifo.held <= 100


def test_what_comes_back_soon_is_kept_longer() -> None:
    fifo, gone = queue(100)
    for number in range(120):
        fifo.add(Thing(number))
    again = Thing(gone[-1].name)
    fifo.add(again)
    for number in range(1000, 1095):
        fifo.add(Thing(number))
    assert again.name in fifo


def test_what_is_not_used_any_more_goes() -> None:
    fifo, _ = queue(10)
    old = Thing("old")
    fifo.add(old)
    old.uses = 1000
    for round_ in range(50):
        for number in range(10):
            thing = Thing((round_, number))
            fifo.add(thing)
            thing.uses = 2
    assert "old" not in fifo


def test_what_is_larger_than_all_the_room_is_not_kept() -> None:
    fifo, gone = queue(10)
    fifo.add(Thing("small"))
    assert not fifo.add(Thing("large", 11))
    assert "small" in fifo
    assert gone == []


def test_one_that_grows_makes_room() -> None:
    fifo, gone = queue(10)
    first, second = Thing("first", 4), Thing("second", 4)
    fifo.add(first)
    fifo.add(second)
    fifo.recost(second, 8)
    assert fifo.held == 8
    assert [thing.name for thing in gone] == ["first"]


def test_less_room() -> None:
    fifo, gone = queue(10)
    for number in range(10):
        fifo.add(Thing(number))
    fifo.resize(4)
    assert (fifo.held, len(gone)) == (4, 6)


@given(st.lists(st.tuples(st.sampled_from("aru"), st.integers(0, 20), st.integers(1, 12))), st.integers(1, 40))
def test_the_books_are_right(steps: list[tuple[str, int, int]], room: int) -> None:
    fifo, gone = queue(room)
    there: dict[Hashable, Thing] = {}
    for what, name, cost in steps:
        gone.clear()
        if what == "a":
            there.pop(name, None)
            thing = Thing(name, cost)
            if fifo.add(thing):
                there[name] = thing
        elif what == "r":
            assert fifo.remove(name) is there.pop(name, None)
        elif name in there:
            there[name].uses += 1
        for evicted in gone:
            assert there.pop(evicted.name) is evicted
        assert {thing.name for thing in fifo} == set(there)
        assert len(fifo) == len(there)
        assert fifo.held == sum(thing.cost for thing in there.values()) <= room
