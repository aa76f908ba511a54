"""Consistent hashing: libketama's points, Maglev's table, and what moves when one leaves or comes."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.policy.balance import Balancer, Decision, Maglev, Modulo, RingHash, share_moved
from tests.policy.candidates import Upstream, keys, many, owners, picks, shares, upstreams

RINGS = [RingHash, lambda: Maglev(4093)]


def ketama(names: list[str], key: bytes) -> str:
    """libketama's `ketama_get_server`, written down once more from its source: 160 points, the next one wins."""
    points = []
    for name in names:
        for number in range(40):
            digest = hashlib.md5(f"{name}-{number}".encode()).digest()
            for h in range(4):
                point = digest[3 + h * 4] << 24 | digest[2 + h * 4] << 16 | digest[1 + h * 4] << 8 | digest[h * 4]
                points.append((point, name))
    digest = hashlib.md5(key).digest()
    wanted = digest[3] << 24 | digest[2] << 16 | digest[1] << 8 | digest[0]
    points.sort()
    return next((name for point, name in points if point >= wanted), points[0][1])


def test_the_ring_is_libketamas() -> None:
    names = ["10.0.1.1:11211", "10.0.1.2:11211", "10.0.1.3:11211"]
    members = tuple(map(Upstream, names))
    ring: RingHash[Upstream] = RingHash()
    asked = keys(300)
    assert owners(ring, members, asked) == [ketama(names, key) for key in asked]


@pytest.mark.parametrize("make", RINGS)
def test_keys_stay_where_they_are(make: type[RingHash[Upstream]]) -> None:
    """Another balancer, started elsewhere with the same members in another order, agrees."""
    members = many(10)
    asked = keys(500)
    assert owners(RingHash(), members, asked) == owners(RingHash(), members[::-1], asked)
    again = make()
    assert owners(again, members, asked) == owners(again, members, asked) == owners(make(), members, asked)


@pytest.mark.parametrize("make", RINGS)
def test_when_one_is_out_only_its_keys_go_elsewhere_and_come_back(make: type[RingHash[Upstream]]) -> None:
    members = many(10)
    balancer = make()
    balancer.arrange(members)
    asked = keys(3000)
    before = owners(balancer, members, asked)
    out = members[3]
    without = tuple(member for member in members if member is not out)
    after = owners(balancer, without, asked)
    assert all(was == now for was, now in zip(before, after, strict=True) if was != out.name)
    moved = shares([now for was, now in zip(before, after, strict=True) if was == out.name])
    assert len(moved) == 9  # and all the others take a part of them
    assert owners(balancer, members, asked) == before


@pytest.mark.parametrize(
    ("make", "most_leaving", "most_joining"),
    [(RingHash, 0.13, 0.13), (Maglev, 0.14, 0.14), (Modulo, 0.95, 0.95)],
)
def test_the_share_of_keys_that_moves(make: type[Balancer[Upstream]], most_leaving: float, most_joining: float) -> None:
    """With ten, a tenth has to move; `hash % n` moves nine tenths."""
    ten, asked = many(10), keys(2000)
    nine = ten[:9]
    leaving = share_moved(make, ten, nine, asked)
    joining = share_moved(make, nine, ten, asked)
    assert 0.07 < leaving < most_leaving
    assert 0.07 < joining < most_joining
    if make is Modulo:
        assert min(leaving, joining) > 0.85


@pytest.mark.parametrize(("make", "slack"), [(lambda: RingHash(), 0.3), (lambda: Maglev(), 0.06)])
def test_shares_are_even_and_go_by_weight(make: type[RingHash[Upstream]], slack: float) -> None:
    asked = keys(20_000)
    even = shares(owners(make(), many(10), asked))
    assert all(abs(share - 0.1) < 0.1 * slack + 0.01 for share in even.values())
    a, b = upstreams(1, 3)
    by_weight = shares(owners(make(), (a, b), asked))
    assert abs(by_weight["b"] - 0.75) < 0.05


def test_every_slot_of_maglevs_table_is_taken_evenly() -> None:
    members = many(7)
    balancer: Maglev[Upstream] = Maglev(1021)
    owners(balancer, members, keys(1))
    slots = [balancer._table.count(place) for place in range(7)]
    assert sum(slots) == 1021
    assert max(slots) - min(slots) <= 1


def test_a_weight_of_nothing_has_no_place() -> None:
    a, b = upstreams(1, 0)
    for make in RINGS:
        balancer = make()
        balancer.arrange((a, b))
        assert set(owners(balancer, (a,), keys(50))) == {"a"}


def test_the_same_address_twice_has_two_places() -> None:
    twins = (Upstream("10.0.0.1:80"), Upstream("10.0.0.1:80 2"))
    for make in RINGS:
        assert len(shares(owners(make(), twins, keys(200)))) == 2


def test_a_request_without_a_key_takes_its_turn() -> None:
    members, decision = upstreams(1, 1, 1), Decision()
    for make in RINGS:
        assert picks(make(), members, 4) == "abca"
        make().pick(members, decision=decision)
        assert decision.rule.startswith("the request has nothing to hash")


@pytest.mark.parametrize("make", RINGS)
@given(key=st.binary(min_size=1, max_size=8))
def test_a_decision_tells_each_ones_way(make: type[RingHash[Upstream]], key: bytes) -> None:
    members, decision = many(5), Decision()
    picked = make().pick(members, key, 0.0, decision)
    assert set(decision.scores) == {member.name for member in members}
    assert min(decision.scores, key=lambda name: decision.scores[name]) == picked.name


def test_weights_beyond_all_bounds_are_scaled_down() -> None:
    a, b = upstreams(1e6, 3e6)
    ring: RingHash[Upstream] = RingHash()
    assert abs(shares(owners(ring, (a, b), keys(2000)))["b"] - 0.75) < 0.04
    assert len(ring._points) <= 4 << 17
