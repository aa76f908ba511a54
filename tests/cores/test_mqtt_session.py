"""Sessions: two of them that talk over a line which is cut at any step, and what each may forget by then."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from netlab.cores.mqtt_message import Message
from netlab.cores.mqtt_session import Delivery, Session


def delivery(number: int, qos: int) -> Delivery:
    return Delivery(Message("a", b"%d" % number, qos), qos)


class Line(RuleBasedStateMachine):
    """A sender and a receiver, packets on their way between them, and a cut that loses them.

    What was said at QoS 1 arrives at least once, at QoS 2 exactly once; each in the order in which it was said.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sender, self.receiver = Session("sender"), Session("receiver")
        self.there: deque[tuple[Any, ...]] = deque()
        self.back: deque[tuple[Any, ...]] = deque()
        self.said: dict[int, list[int]] = {1: [], 2: []}
        self.got: dict[int, list[int]] = {1: [], 2: []}
        self.connected = False

    @initialize(window=st.integers(1, 4))
    def begin(self, window: int) -> None:
        self.connect(window)

    @precondition(lambda self: not self.connected)
    @rule(window=st.integers(1, 4))
    def connect(self, window: int) -> None:
        self.connected = True
        self.there.extend(("pubrel", packet_id) for packet_id in self.sender.resume(window))
        self._send_ready()

    @precondition(lambda self: self.connected)
    @rule()
    def cut(self) -> None:
        self.connected = False
        self.there.clear()
        self.back.clear()

    @rule(qos=st.integers(1, 2))
    def say(self, qos: int) -> None:
        number = len(self.said[1]) + len(self.said[2])
        self.said[qos].append(number)
        one = delivery(number, qos)
        if not self.connected:
            self.sender.wait(one)
        elif packet_id := self.sender.offer(one):
            self.there.append(("publish", packet_id, one))

    def _send_ready(self) -> None:
        for packet_id, one, _ in self.sender.ready():
            self.there.append(("publish", packet_id, one))

    @precondition(lambda self: self.there)
    @rule()
    def arrive(self) -> None:
        kind, packet_id, *rest = self.there.popleft()
        if kind == "pubrel":
            self.receiver.release(packet_id)
            self.back.append(("pubcomp", packet_id))
            return
        one: Delivery = rest[0]
        number = int(one.message.payload)
        if one.qos == 1:
            self.got[1].append(number)
            self.back.append(("puback", packet_id))
            return
        if self.receiver.arrived(packet_id) is None:
            self.receiver.accept(packet_id)
            self.got[2].append(number)
        self.back.append(("pubrec", packet_id))

    @precondition(lambda self: self.back)
    @rule()
    def come_back(self) -> None:
        kind, packet_id = self.back.popleft()
        if kind == "puback":
            assert self.sender.puback(packet_id) is not None
        elif kind == "pubcomp":
            assert self.sender.pubcomp(packet_id)
        else:
            assert self.sender.pubrec(packet_id) is not None
            self.there.append(("pubrel", packet_id))
        self._send_ready()

    @invariant()
    def nothing_twice(self) -> None:
        assert max(Counter(self.got[2]).values(), default=1) == 1
        assert self.got[2] == self.said[2][: len(self.got[2])]
        firsts = list(dict.fromkeys(self.got[1]))
        assert firsts == self.said[1][: len(firsts)]

    @invariant()
    def within_the_window(self) -> None:
        under_way = len(self.sender.unacknowledged) + len(self.sender.released)
        assert 0 <= self.sender.in_flight <= max(under_way, self.sender.window)
        assert len(self.there) <= self.sender.window + len(self.sender.released)

    def teardown(self) -> None:
        """Once the line holds, all is delivered, and nobody remembers anything."""
        if not self.connected:
            self.connect(2)
        while self.there or self.back:
            if self.there:
                self.arrive()
            else:
                self.come_back()
        assert set(self.got[1]) == set(self.said[1])
        assert self.got[2] == self.said[2]
        assert self.sender.idle
        assert self.receiver.idle
        assert not self.sender.in_flight


Line.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
test_a_line_that_is_cut = Line.TestCase


def test_identifiers_go_round_and_pass_over_those_in_use() -> None:
    session = Session("c")
    first = session.offer(delivery(0, 1))
    assert first == 1
    for _ in range(65_534):
        packet_id = session.offer(delivery(0, 1))
        assert session.puback(packet_id) is not None
    assert packet_id == 65_535
    assert session.offer(delivery(0, 1)) == 2


@pytest.mark.parametrize("qos", [1, 2])
def test_an_acknowledgement_of_the_other_kind_is_none(qos: int) -> None:
    session = Session("c")
    packet_id = session.offer(delivery(0, qos))
    assert (session.puback(packet_id) is None) is (qos == 2)
    assert (session.pubrec(packet_id) is None) is (qos == 1)
    assert not session.pubcomp(99)


def test_a_smaller_window_after_a_cut() -> None:
    session = Session("c")
    sent = [session.offer(delivery(number, 1)) for number in range(5)]
    assert session.resume(2) == []
    again = list(session.ready())
    assert [packet_id for packet_id, _, _ in again] == sent[:2]
    assert all(again_flag for _, _, again_flag in again)
    assert session.offer(delivery(9, 1)) == 0
    session.puback(sent[0])
    assert [packet_id for packet_id, _, _ in session.ready()] == [sent[2]]
