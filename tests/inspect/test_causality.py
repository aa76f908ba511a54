"""What led to what: calls joined with the conversations at their other end, however many services lie between."""

from __future__ import annotations

from typing import Any

from netlab.inspect.causality import Causes, timeline


def flow(number: int, service: str, client: str, server: str, **facts: Any) -> dict[str, Any]:
    record = {
        "id": str(number), "kind": "http", "service": service, "parent": None, "leg": False, "client": client,
        "server": server, "started": number / 1000, "ended": 1.0, "label": "GET /", "result": "200", "outcome": "ok",
        "events": [],
    }  # fmt: skip
    return {**record, **facts}


STORY = [
    flow(1, "proxy", "curl", "proxy:1", kind="tcp", label=""),
    flow(2, "proxy", "curl", "proxy:1", parent="1"),
    flow(3, "proxy", "proxy:99", "origin:1", parent="2", leg=True),
    flow(4, "origin", "proxy:99", "origin:1", kind="tcp", label=""),
    flow(5, "origin", "proxy:99", "origin:1", parent="4"),
    flow(6, "proxy", "other", "proxy:1"),
]


def test_a_call_is_joined_with_its_other_end() -> None:
    found = [(depth, record["id"]) for depth, record in Causes(STORY).walk()]
    assert found.index((2, "3")) < found.index((3, "5"))
    assert (0, "6") in found
    assert sorted(number for _, number in found) == ["1", "2", "3", "4", "5", "6"]


def test_each_call_on_a_kept_connection_has_its_own_other_end() -> None:
    """The same two addresses again: the time tells which call a request was."""
    early = flow(3, "proxy", "proxy:99", "origin:1", parent="2", leg=True, ended=0.006)
    again = flow(498, "proxy", "curl", "proxy:1", parent="1")
    late = flow(499, "proxy", "proxy:99", "origin:1", parent="498", leg=True)
    ended = flow(500, "origin", "proxy:99", "origin:1", parent="4")
    causes = Causes([*STORY[:2], early, *STORY[3:5], again, late, ended])
    assert [record["id"] for _, record in causes.walk([late])] == ["499", "500"]


def test_decisions_stand_below_what_they_are_about() -> None:
    picked = {"name": "upstream.picked", "fields": {"upstream": "a:1", "balance": "first", "rule": "the first"}}
    lines = timeline([flow(1, "balancer", "curl", "b:1", events=[picked])])
    assert lines[1].strip() == "balancer: a:1 by first: the first"


def test_nothing_steers_a_terminal() -> None:
    (line,) = timeline([flow(1, "http", "curl", "b:1", label="GET /\x1b[2J")])
    assert "\x1b" not in line


def test_a_story_of_nothing() -> None:
    assert timeline([]) == []
