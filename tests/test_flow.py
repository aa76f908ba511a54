"""Flows: what each level keeps, and that nothing grows without bound."""

from __future__ import annotations

import gc
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from netlab.flow import Flow, FlowLog, Level, Outcome
from netlab.tape import Budget, Tape


def test_off_counts_and_keeps_nothing() -> None:
    log = FlowLog(Level.OFF)
    flow = log.open("http")
    flow.note("request.received", "client")
    flow.end(Outcome.OK)
    assert (log.counters.opened, log.counters.ended, log.counters.outcomes) == (1, 1, {"ok": 1})
    assert len(log) == 0
    assert flow.events is None


def test_summary_keeps_a_record_and_no_events() -> None:
    log = FlowLog()
    flow = log.open("http", "web")
    flow.note("request.received", "client")
    flow.end(Outcome.REFUSED, "404")
    (kept,) = log
    assert (kept.kind, kept.service, kept.result, kept.outcome, kept.events) == ("http", "web", "404", "refused", None)


def test_full_keeps_events_with_their_spans() -> None:
    log = FlowLog(Level.FULL, now=lambda: 7.0)
    flow = log.open("http")
    flow.note("request.received", "client", start=3, end=9, method="GET")
    assert flow.events is not None
    (event,) = flow.events
    assert event == (7.0, "client", "request.received", {"method": "GET"}, 3, 9)


def test_the_first_end_counts() -> None:
    log = FlowLog()
    flow = log.open("http")
    flow.end(Outcome.CUT, "gone")
    flow.end(Outcome.OK, "200")
    assert (flow.outcome, flow.result, log.counters.ended) == ("cut", "gone", 1)


def test_the_ring_is_bounded() -> None:
    log = FlowLog(ring=10)
    for _ in range(100):
        log.open("http")
    assert [flow.id for flow in log] == list(range(91, 101))
    assert log.get(95) is not None
    assert log.get(5) is None


def test_a_subscription_drops_and_counts_and_wakes_its_reader_once() -> None:
    woken: list[int] = []
    log = FlowLog()
    subscription = log.subscribe(lambda: woken.append(1), limit=5)
    for _ in range(8):
        log.open("http").end(Outcome.OK)
    assert len(subscription.take()) == 5
    assert subscription.dropped == 11
    assert len(woken) == 1
    log.open("http")
    assert len(woken) == 2
    subscription.close()
    log.open("http")
    assert len(subscription.take()) == 1


def test_a_subscriber_raises_the_level_while_it_listens() -> None:
    log = FlowLog(Level.SUMMARY)
    subscription = log.subscribe(level=Level.FULL)
    assert log.open("http").full
    subscription.close()
    assert not log.open("http").full


def test_a_tape_keeps_up_to_its_limit_and_counts_the_rest() -> None:
    tape = Tape(10)
    tape.write(1.0, "client", b"abcdef")
    tape.write(2.0, "server", b"ghijkl")
    tape.write(3.0, "client", b"mno")
    assert (tape.kept, tape.truncated, tape.offsets) == (10, True, {"client": 9, "server": 6})
    assert tape.read("client") == b"abcdef"
    assert tape.read("server", 1, 3) == b"hi"


def test_the_budget_empties_the_oldest_tapes_first() -> None:
    budget = Budget(100)
    tapes = [Tape(1000, budget) for _ in range(3)]
    for tape in tapes:
        tape.write(0.0, "client", b"x" * 40)
    assert [tape.kept for tape in tapes] == [0, 40, 40]
    assert (budget.kept, budget.evicted) == (80, 40)


def test_a_tape_that_nobody_holds_gives_its_bytes_back() -> None:
    log = FlowLog(Level.FULL, ring=1)
    flow: Any = log.open("tcp")
    flow.wire = log.tape()
    flow.wire.write(0.0, "client", b"x" * 50)
    assert log.budget.kept == 50
    del flow
    log.open("tcp")  # pushes the first one out of the ring
    gc.collect()
    assert log.budget.kept == 0


@given(st.lists(st.tuples(st.sampled_from(["client", "server"]), st.binary(max_size=20)), max_size=30))
def test_a_tape_gives_back_what_was_written(pieces: list[tuple[Any, bytes]]) -> None:
    tape = Tape(1 << 20)
    for side, data in pieces:
        tape.write(0.0, side, data)
    for side in ("client", "server"):
        whole = b"".join(data for who, data in pieces if who == side)
        assert tape.read(side) == whole  # type: ignore[arg-type]  # one of the two sides
        assert tape.read(side, 3, 9) == whole[3:9]  # type: ignore[arg-type]  # one of the two sides


def test_wall_time_is_the_epochs() -> None:
    import time

    log = FlowLog()
    flow: Flow = log.open("http")
    assert abs(log.wall(flow.started) - time.time()) < 5
