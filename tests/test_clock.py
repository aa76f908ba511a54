"""The lab's clock: frozen, jumped, hurried, over a source the test holds."""

from __future__ import annotations

import pytest

from netlab.clock import LabClock, SystemClock


class Hand:
    """A source of time moved by hand."""

    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return self.at


def test_follows_its_source() -> None:
    hand = Hand()
    clock = LabClock(hand)
    hand.at += 5
    assert clock.now() == 1005


def test_frozen_it_stands_and_running_it_goes_on_from_there() -> None:
    hand = Hand()
    clock = LabClock(hand)
    clock.freeze()
    hand.at += 60
    assert (clock.now(), clock.frozen) == (1000, True)
    clock.run()
    hand.at += 1
    assert (clock.now(), clock.frozen) == (1001, False)


def test_jumps_forward_and_back_frozen_or_not() -> None:
    hand = Hand()
    clock = LabClock(hand)
    clock.jump(3600)
    assert clock.now() == 4600
    clock.freeze(at=10)
    clock.jump(-4)
    hand.at += 1
    assert (clock.now(), clock.frozen) == (6, True)


def test_hurries() -> None:
    hand = Hand()
    clock = LabClock(hand)
    clock.run(rate=60)
    hand.at += 2
    assert clock.now() == 1120
    with pytest.raises(ValueError, match="-1"):
        clock.run(rate=-1)


def test_the_system_clock_is_the_systems() -> None:
    import time

    assert abs(SystemClock().now() - time.time()) < 5
