"""Topic names and filters: the examples of the specification (MQTT 5.0 4.7), and trees that say what `matches` says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.cores.mqtt_topics import FilterTree, Shared, TopicTree, filter_error, matches, name_error, shared

MATCHES = [
    ("sport/tennis/player1/#", "sport/tennis/player1", True),
    ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
    ("sport/#", "sport", True),
    ("#", "sport/tennis", True),
    ("sport/tennis/+", "sport/tennis/player1", True),
    ("sport/tennis/+", "sport/tennis/player1/ranking", False),
    ("sport/+", "sport", False),
    ("sport/+", "sport/", True),
    ("+/+", "/finance", True),
    ("/+", "/finance", True),
    ("+", "/finance", False),
    ("#", "$SYS/uptime", False),
    ("+/monitor/Clients", "$SYS/monitor/Clients", False),
    ("$SYS/#", "$SYS/uptime", True),
    ("$SYS/monitor/+", "$SYS/monitor/Clients", True),
    ("ACCOUNTS", "Accounts", False),
    ("a/b", "a/b/", False),
    ("a//b", "a//b", True),
    ("a/+/b", "a//b", True),
]
levels = st.sampled_from(["a", "b", "", "$a"])
topics = st.lists(levels, min_size=1, max_size=4).map("/".join).filter(bool)
filters = st.builds(
    lambda parts, rest: "/".join([*parts, "#"] if rest else parts),
    st.lists(st.sampled_from(["a", "b", "", "+", "$a"]), max_size=4),
    st.booleans(),
).filter(bool)


@pytest.mark.parametrize(("pattern", "topic", "expected"), MATCHES)
def test_examples(pattern: str, topic: str, expected: bool) -> None:
    assert matches(pattern, topic) is expected


@given(st.lists(filters, max_size=12), topics)
def test_a_tree_of_filters_finds_what_matches(patterns: list[str], topic: str) -> None:
    tree: FilterTree[str] = FilterTree()
    for pattern in patterns:
        tree.put(pattern, "key", pattern)
    found = [value for values in tree.match(topic) for value in values.values()]
    assert sorted(found) == sorted({pattern for pattern in patterns if matches(pattern, topic)})


@given(st.lists(topics, max_size=12), filters)
def test_a_tree_of_topics_finds_what_matches(names: list[str], pattern: str) -> None:
    tree: TopicTree[str] = TopicTree()
    for name in names:
        tree.put(name, "", name)
    assert sorted(tree.match(pattern)) == sorted({name for name in names if matches(pattern, name)})


@given(st.lists(st.tuples(topics, st.booleans()), max_size=20))
def test_what_is_removed_leaves_nothing(steps: list[tuple[str, bool]]) -> None:
    tree: TopicTree[str] = TopicTree()
    kept: dict[str, str] = {}
    for name, put in steps:
        if put:
            assert tree.put(name, "", name) is (name not in kept)
            kept[name] = name
        else:
            assert tree.remove(name, "") == kept.pop(name, None)
        assert len(tree) == len(kept)
        assert tree.get(name, "") == kept.get(name)
    seen: list[str] = []
    tree.walk(seen.append)
    assert sorted(seen) == sorted(kept)
    for name in list(kept):
        tree.remove(name, "")
    assert not tree.root.below


@pytest.mark.parametrize("pattern", ["", "a#", "#/a", "a/#/b", "a+", "+a/b", "a/b+", "##", "$share/", "$share/g",
                                     "$share//a", "$share/g/", "$share/+/a", "$share/g#/a", "$share/g/a#"])  # fmt: skip
def test_filters_that_cannot_be(pattern: str) -> None:
    assert filter_error(pattern)


@pytest.mark.parametrize(
    "pattern", ["#", "+", "a/+/#", "/", "//", "+/+", "$SYS/#", "$share/g/#", "$share/g/a/+", "$shared"]
)
def test_filters_that_can(pattern: str) -> None:
    assert not filter_error(pattern)


def test_names() -> None:
    assert name_error("")
    assert name_error("a/+")
    assert name_error("#")
    assert not name_error("/a b/ü/")


def test_shared_subscriptions_are_taken_apart() -> None:
    assert shared("$share/g/a/+/b") == Shared("g", "a/+/b")
    assert shared("$share/g//a") == Shared("g", "/a")
    assert shared("a/b") is None
