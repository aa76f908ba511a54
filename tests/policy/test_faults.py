"""Faults: how they are written, whom they strike, and what a struck line does to bytes; all of it without a clock."""

from __future__ import annotations

import math
import pickle
import random
import statistics
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlab.errors import UsageError
from netlab.policy.faults import End, Fault, Faults, Leg, Line, Piece, Strike, Towards, parse_fault
from netlab.policy.faults.line import delay

FACTS: dict[str, Any] = {
    "kind": "http",
    "label": "GET /api/1",
    "details": {"path": "/api/1", "upstream": "127.0.0.1:9101"},
    "events": [{"fields": {"version": "1.1", "fields": [("Host", "shop.test"), ("X-Tag", "a")]}}],
}


def struck(text: str, number: int = 1, seed: int = 1) -> Strike:
    return Strike(parse_fault(text), number, lambda purpose: random.Random(f"{seed}/{number}/{purpose}"))


class Told:
    """What a line says that happened."""

    def __init__(self) -> None:
        self.effects: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, strike: Strike, effect: str, facts: dict[str, Any]) -> None:
        self.effects.append((effect, facts))


def line(*texts: str, told: Told | None = None) -> Line:
    return Line([struck(text, number) for number, text in enumerate(texts)], told or Told())


def everything(line: Line) -> list[Piece]:
    pieces = []
    while (piece := line.pull()) is not None:
        pieces.append(piece)
    return pieces


# -- writing them ------------------------------------------------------------------------------------------------


def test_what_is_written_is_what_is_meant() -> None:
    fault = parse_fault(
        "name=slow leg=upstream towards=server latency=200ms±50ms distribution=normal bandwidth=64KiB/s, slice=16 "
        "gap=10ms stall=5s corrupt=0.1% slow-close=2s after=head+1KiB probability=30% "
        "when host == shop.test and path contains /api"
    )
    assert (fault.name, fault.leg, fault.towards) == ("slow", Leg.UPSTREAM, Towards.SERVER)
    assert (fault.latency, fault.jitter, fault.distribution) == (0.2, 0.05, "normal")
    assert (fault.bandwidth, fault.slice, fault.gap, fault.stall) == (65536, 16, 0.01, 5.0)
    assert (fault.corrupt, fault.slow_close, fault.probability) == (0.001, 2.0, 0.3)
    assert (fault.after_head, fault.after) == (True, 1024)
    assert fault.when(FACTS)
    assert not fault.when({**FACTS, "details": {"path": "/"}})


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("latency=1s+-300ms", {"latency": 1.0, "jitter": 0.3}),
        ("stall", {"stall": math.inf}),
        ("corrupt", {"corrupt": 0.01}),
        ("corrupt=1/1000", {"corrupt": 0.001}),
        ("reset after=10", {"reset": True, "after": 10}),
        ("truncate after=head", {"truncate": True, "after_head": True}),
        ("status=503 probability=0.25", {"status": 503, "probability": 0.25}),
        ("latency=99h", {"latency": 3600.0}),
    ],
)
def test_short_forms(text: str, changes: dict[str, Any]) -> None:
    assert parse_fault(text) == Fault(text=text, **changes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "needs something that goes wrong: one of latency, "),
        ("when path == /", "needs something that goes wrong: one of latency, "),
        ("latancy=1s", "has 'latancy=1s', where one of latency,"),
        ("latency", "needs a value for latency, such as latency=200ms±50ms"),
        ("latency=soon", "has latency=soon, which should look like latency=200ms±50ms"),
        ("bandwidth=0", "has bandwidth=0, which should look like"),
        ("probability=30%", "needs something that goes wrong: one of latency,"),
        ("status=503 probability=130%", "has a share of 130%; shares are 0 to 1"),
        ("status=503 probability=nan", "has a share of nan"),
        ("status=99", "has status=99; a response has 200 to 599"),
        ("status=503 after=head", "has after=, which is about bytes"),
        ("reset truncate", "has reset together with truncate"),
        ("reset=5", "has reset=5; reset takes no value"),
        ("latency=1s distribution=normal", "has distribution= without a jitter"),
        ("latency=1s±1s distribution=flat", "has distribution=flat; there are uniform, normal"),
        ("latency=1s gap=1s", "has gap= without slice="),
        ("reset leg=sideways", "has leg=sideways, which should look like leg=upstream"),
        ("reset name=a,b", "has 'b', where one of"),
        ("reset name=a/b", "has name=a/b, which is not 1 to 40 letters"),
        ("reset when status == 200", "has a condition on status, which is not known yet"),
        ("reset when http.outcome == ok", "has a condition on outcome, which is not known yet"),
        ("reset when path =", "has a condition that cannot be read: filter, column 6: write =="),
    ],
)
def test_mistakes_are_named(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=r"^(has|needs) ") as caught:
        parse_fault(text)
    assert str(caught.value).startswith(words)


@given(st.text(max_size=40))
def test_any_text_is_a_fault_or_a_sentence(text: str) -> None:
    try:
        parse_fault(text)
    except ValueError as error:
        assert str(error).startswith(("has ", "needs "))  # noqa: PT017  either is right, but nothing else


def test_another_process_can_be_sent_one() -> None:
    fault = parse_fault("name=a latency=1s when path contains api")
    copy = pickle.loads(pickle.dumps(fault))
    assert copy == fault
    assert copy.when(FACTS)


# -- whom they strike --------------------------------------------------------------------------------------------


def table(*texts: str, seed: int = 1) -> Faults:
    faults = Faults(random.Random, seed)
    for text in texts:
        faults.add(parse_fault(text))
    return faults


def lots(faults: Faults, count: int = 200) -> list[list[str]]:
    return [[strike.fault.name for strike in faults.strike(Leg.DOWNSTREAM, FACTS)] for _ in range(count)]


def test_the_same_seed_the_same_lots() -> None:
    rules = ("reset probability=30%", "latency=1s probability=0.5")
    assert lots(table(*rules)) == lots(table(*rules))
    assert lots(table(*rules)) != lots(table(*rules, seed=2))
    again = table(*rules)
    before = lots(again)
    again.reseed(1)
    assert lots(again) == before


def test_a_fault_beside_changes_no_others_lots() -> None:
    alone = lots(table("reset name=a probability=30%"))
    both = lots(table("latency=1s name=b probability=50%", "reset name=a probability=30%"))
    assert [[name for name in names if name == "a"] for names in both] == alone


def test_probability_is_a_share() -> None:
    faults = table("reset probability=30%", "latency=1s probability=0%", "status=500")
    struck = lots(faults, 2000)
    assert 0.26 < sum("f1" in names for names in struck) / 2000 < 0.34
    assert not any("f2" in names for names in struck)
    assert all("f3" in names for names in struck)
    assert [(fault["met"], fault["struck"] == fault["met"]) for fault in faults.as_json()["faults"]] == [
        (2000, False),
        (2000, False),
        (2000, True),
    ]


def test_leg_and_condition_choose() -> None:
    faults = table(
        "reset leg=upstream when upstream == 127.0.0.1:9101",
        "reset when x-tag == a and method == GET",
        "reset when host == other.test",
        "reset when kind == socks",
    )
    assert [s.fault.name for s in faults.strike(Leg.UPSTREAM, FACTS)] == ["f1"]
    assert [s.fault.name for s in faults.strike(Leg.DOWNSTREAM, FACTS)] == ["f2"]


def test_switching_is_told_only_where_it_matters() -> None:
    faults, told = table(), list[bool]()
    faults.follow(told.append)
    assert told == []
    first, second = faults.add(parse_fault("reset")), faults.add(parse_fault("truncate"))
    assert told == [True]
    faults.remove(first)
    faults.remove(second)
    assert told == [True, False]
    faults.add(parse_fault("reset name=x"))
    faults.follow(told.append)
    assert told == [True, False, True, True]
    faults.clear()
    faults.clear()
    assert told[4:] == [False, False]


def test_names() -> None:
    faults = table("reset name=f1", "reset")
    assert [fault.name for fault in faults] == ["f1", "f2"]
    with pytest.raises(UsageError, match="there is a fault called f1 already"):
        faults.add(parse_fault("truncate name=f1"))
    with pytest.raises(UsageError, match="there is no fault called 'x'; f1, f2"):
        faults.remove("x")


# -- what happens to bytes ---------------------------------------------------------------------------------------


def test_latency_delays_and_keeps_order() -> None:
    told = Told()
    one = line("latency=200ms", told=told)
    one.put(10.0, b"a")
    one.put(10.1, b"b")
    assert everything(one) == [Piece(pytest.approx(10.2), b"a"), Piece(pytest.approx(10.3), b"b")]
    assert told.effects == [("latency", {"seconds": 0.2})]


def test_jitter_falls_anew_when_nothing_is_on_its_way() -> None:
    told = Told()
    one = line("latency=100ms±100ms", told=told)
    for at in (0.0, 0.0, 1.0, 2.0):
        one.put(at, b"x")
    pieces = everything(one)
    dues = [piece.due for piece in pieces]
    assert dues == sorted(dues)
    assert dues[0] == dues[1]
    delays = [facts["seconds"] for _, facts in told.effects]
    assert len(set(delays)) == 3
    assert all(0 <= seconds <= 0.2 for seconds in delays)


@pytest.mark.parametrize(
    ("distribution", "mean", "deviation"),
    [("uniform", 1.0, 0.1 / math.sqrt(3)), ("normal", 1.0, 0.1), ("exponential", 1.1, 0.1), ("pareto", 1.05, 0.0866)],
)
def test_distributions(distribution: str, mean: float, deviation: float) -> None:
    fault = parse_fault(f"latency=1s±100ms distribution={distribution}")
    lot = random.Random(5)
    found = [delay(fault, lot) for _ in range(20_000)]
    assert statistics.fmean(found) == pytest.approx(mean, rel=0.01)
    assert statistics.pstdev(found) == pytest.approx(deviation, rel=0.25 if distribution == "pareto" else 0.05)
    assert min(found) >= (0 if distribution == "normal" else 0.9 if distribution == "uniform" else 1.0)


def test_latency_is_never_negative() -> None:
    lot = random.Random(5)
    assert min(delay(parse_fault("latency=0s±1s"), lot) for _ in range(100)) == 0.0


def test_bandwidth_spreads_bytes_over_time() -> None:
    one = line("bandwidth=1000")
    one.put(5.0, b"x" * 500)
    one.put(5.1, b"y" * 500)
    pieces = everything(one)
    assert pieces[-1].due == pytest.approx(6.0)
    assert max(len(piece.data) for piece in pieces) == 20
    assert b"".join(piece.data for piece in pieces) == b"x" * 500 + b"y" * 500
    one.put(9.0, b"z" * 10)  # what was not used is not saved up
    assert everything(one)[-1].due == pytest.approx(9.01)


def test_slices_and_gaps() -> None:
    one = line("slice=4 gap=10ms")
    one.put(1.0, b"0123456789")
    assert [(round(piece.due, 6), piece.data) for piece in everything(one)] == [
        (1.0, b"0123"),
        (1.01, b"4567"),
        (1.02, b"89"),
    ]


def test_a_thousand_slices_take_no_room_before_they_are_pulled() -> None:
    one = line("slice=1")
    one.put(0.0, b"x" * (8 << 20))
    assert one.pull() == Piece(0.0, b"x")


def test_a_stall_happens_once_after_its_bytes() -> None:
    one = line("stall=5s after=3")
    one.put(1.0, b"abcdef")
    one.put(1.5, b"g")
    one.put(9.0, b"h")
    assert everything(one) == [Piece(1.0, b"abc"), Piece(6.0, b"def"), Piece(6.0, b"g"), Piece(9.0, b"h")]


def test_a_stall_for_ever() -> None:
    one = line("stall")
    one.put(1.0, b"a")
    one.put(2.0, b"", End.CLOSED)
    assert everything(one) == [Piece(math.inf, b"a"), Piece(math.inf, b"", End.CLOSED)]


@pytest.mark.parametrize(("text", "end"), [("reset", End.RESET), ("truncate", End.CUT)])
def test_a_cut_lets_so_many_bytes_pass(text: str, end: End) -> None:
    told = Told()
    one = line(f"{text} after=4", told=told)
    one.put(1.0, b"abc")
    assert everything(one) == [Piece(1.0, b"abc")]
    one.put(2.0, b"defgh")
    one.put(3.0, b"more")
    assert everything(one) == [Piece(2.0, b"d"), Piece(2.0, b"", end)]
    assert [effect for effect, _ in told.effects] == [text]


def test_a_cut_comes_as_soon_as_its_bytes_have_passed() -> None:
    one = line("truncate after=3")
    one.put(1.0, b"abc")
    assert everything(one) == [Piece(1.0, b"abc"), Piece(1.0, b"", End.CUT)]


def test_nothing_happens_before_a_byte_comes() -> None:
    one = line("reset")
    assert one.pull() is None
    one.put(1.0, b"a")
    assert everything(one) == [Piece(1.0, b"", End.RESET)]


def test_stall_and_latency_come_before_the_end() -> None:
    one = line("latency=1s stall=2s reset")
    one.put(0.0, b"a")
    assert everything(one) == [Piece(3.0, b"", End.RESET)]


def test_a_slow_close() -> None:
    told = Told()
    one = line("slow-close=2s", told=told)
    one.put(1.0, b"a")
    one.put(1.0, b"", End.CLOSED)
    assert everything(one) == [Piece(1.0, b"a"), Piece(3.0, b"", End.CLOSED)]
    assert told.effects == [("slow-close", {"seconds": 2.0})]


@pytest.mark.parametrize("cut", range(1, 30))
def test_behind_the_head_in_any_split(cut: int) -> None:
    stream = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n0123456789"
    one = line("truncate after=head+3")
    for at in range(0, len(stream), cut):
        one.put(0.0, stream[at : at + cut])
    pieces = everything(one)
    assert b"".join(piece.data for piece in pieces) == b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n012"
    assert pieces[-1].end is End.CUT


SPLITS = st.lists(st.integers(1, 50), min_size=1, max_size=20)


@settings(max_examples=40, deadline=None)
@given(SPLITS, SPLITS, st.integers(0, 60), st.integers(1, 100))
def test_which_bytes_are_corrupted_does_not_depend_on_the_split(
    one: list[int], other: list[int], after: int, percent: int
) -> None:
    stream = bytes(range(256)) * 4

    def pass_through(sizes: list[int]) -> bytes:
        told = Told()
        struck = line(f"corrupt={percent}% after={after}", told=told)
        at = index = 0
        while at < len(stream):
            struck.put(0.0, stream[at : at + sizes[index % len(sizes)]])
            at += sizes[index % len(sizes)]
            index += 1
        out = b"".join(piece.data for piece in everything(struck))
        changed = [index - after for index in range(len(stream)) if out[index] != stream[index]]
        noted = [offset for _, facts in told.effects for offset in facts["offsets"]]
        assert set(noted) <= set(changed)
        assert sum(facts["bytes"] for _, facts in told.effects) == len(changed)
        return out

    first = pass_through(one)
    assert pass_through(other) == first
    assert first[:after] == stream[:after]
    if percent == 100:
        assert all(a != b for a, b in zip(first[after:], stream[after:], strict=True))


RULES = st.lists(
    st.sampled_from(
        ["latency=5ms±5ms", "bandwidth=2000", "slice=7", "slice=3 gap=1ms", "stall=1s after=9", "slow-close=1s"]
    ),
    max_size=4,
)


@settings(max_examples=50, deadline=None)
@given(RULES, st.lists(st.tuples(st.floats(0, 0.5), st.binary(min_size=1, max_size=60)), max_size=12))
def test_whatever_strikes_every_byte_arrives_in_order(rules: list[str], writes: list[tuple[float, bytes]]) -> None:
    one, now, pieces = line(*rules), 0.0, list[Piece]()
    for index, (pause, data) in enumerate(writes):
        now += pause
        one.put(now, data)
        if index % 3 == 0:
            pieces += everything(one)
    one.put(now, b"", End.CLOSED)
    pieces += everything(one)
    assert b"".join(piece.data for piece in pieces) == b"".join(data for _, data in writes)
    dues = [piece.due for piece in pieces]
    assert dues == sorted(dues)
    assert [piece.end for piece in pieces if piece.end] == [End.CLOSED]
    assert dues[-1] >= now
