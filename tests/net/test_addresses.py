"""The address map, overrides and literals."""

from __future__ import annotations

import pytest

from netlab.errors import UsageError
from netlab.net.addresses import AddressMap, Overrides, SocketAddress, interleave, is_literal


def test_a_name_leads_to_its_address_and_the_address_to_where_its_port_is_served() -> None:
    lab = AddressMap()
    lab.add("www.shop.test", "127.0.60.1", {80: ("127.0.60.1", 8080), 443: ("127.0.60.1", 8443)})
    assert list(lab.addresses("WWW.Shop.Test.")) == ["127.0.60.1"]
    assert lab.locate("127.0.60.1", 443) == SocketAddress("127.0.60.1", 8443)
    assert lab.locate("127.0.60.1", 25) == SocketAddress("127.0.60.1", 25)
    assert "www.shop.test" in lab
    assert "shop.test" not in lab


def test_the_map_survives_json() -> None:
    tree = {"a.test": {"127.0.0.9": {"443": "127.0.0.9:8443"}}, "b.test": {"127.0.0.9": {"443": "127.0.0.9:8443"}}}
    assert AddressMap.from_json(tree).as_json() == tree
    assert AddressMap.from_json({"six.test": {"::1": {"80": "[::1]:8080"}}}).locate("::1", 80).port == 8080


def test_overrides_are_for_a_host_and_port_the_last_word_counts() -> None:
    overrides = Overrides(["a.example:443:127.0.0.1", "A.example:443:127.0.0.2,[::1]", "*:80:127.0.0.3"])
    assert list(overrides.addresses("a.example", 443)) == ["127.0.0.2", "::1"]
    assert list(overrides.addresses("a.example", 80)) == ["127.0.0.3"]
    assert not overrides.addresses("a.example", 81)


@pytest.mark.parametrize("text", ["a.example", "a.example:443", "a.example:x:127.0.0.1", "a.example:443:b.example", ""])
def test_an_override_that_cannot_be_meant_says_how_it_is_written(text: str) -> None:
    with pytest.raises(UsageError, match="HOST:PORT:ADDRESS"):
        Overrides([text])


def test_families_take_turns() -> None:
    assert interleave(["::1", "::2", "::3", "127.0.0.1"]) == ["::1", "127.0.0.1", "::2", "::3"]
    assert interleave([]) == []


@pytest.mark.parametrize(("host", "literal"), [("127.0.0.1", True), ("::1", True), ("fe80::1%lo", True), ("1", False)])
def test_literals(host: str, literal: bool) -> None:
    assert is_literal(host) is literal
