"""Our core and h11, the same bytes: the same verdict and the same parse, but for what docs/http1.md lists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlab.cores.http1_h11 import H11ClientCore, H11ServerCore
from netlab.errors import RemoteProtocolError
from tests.cores.http1_conversations import ClientCore, End, Informational, Request, Response, ServerCore, ask, serve
from tests.cores.http1_corpus import REQUESTS, RESPONSES, Case
from tests.cores.http1_strategies import request_bytes, response_bytes, spoilt

LISTED = Path(__file__).parents[2].joinpath("docs", "http1.md").read_text().partition("## Beside h11")[2]
STRICTER = set(re.findall(r"^\| `(\w+\.\w+)` \|", LISTED, re.MULTILINE))
READ_DIFFERENTLY = set(re.findall(r"^\| `([\w.-]+)` \|", LISTED.partition("| read differently")[2], re.MULTILINE))


def both(case: Case) -> tuple[list[Any], list[Any]]:
    pieces = [case.data] if case.data else []
    if case in RESPONSES:
        return ask(ClientCore(), pieces, method=case.method), ask(H11ClientCore(), pieces, method=case.method)
    return serve(ServerCore(), pieces), serve(H11ServerCore(), pieces)


def compare(ours: list[Any], theirs: list[Any]) -> str | None:
    """None if both say the same; else the name under which the difference is listed. Any other one fails."""
    mine, other = [plain(event) for event in ours], [plain(event) for event in theirs]
    if mine == other:
        return None
    at = next(i for i in range(max(len(mine), len(other))) if mine[i : i + 1] != other[i : i + 1])
    here, there = (ours[at] if at < len(ours) else None), (theirs[at] if at < len(theirs) else None)
    if isinstance(here, Informational) or (isinstance(here, Response) and not here.frame.has_body):
        framed = not isinstance(there, RemoteProtocolError) or re.search("Content-Length|Transfer-Encod", there.reason)
        if framed and ("content-length" in here.fields or "transfer-encoding" in here.fields):
            return "framing-unused"
    if isinstance(there, RemoteProtocolError) and not isinstance(here, RemoteProtocolError):
        if "no request line" in there.reason:
            return "empty-lines"
        assert re.search(r"illegal chunk header: .*( |\\t);", there.reason), (ours, theirs)
        return "chunk-blanks"
    if isinstance(here, bytes) and isinstance(there, bytes) and there.startswith(here):
        here = ours[-1]  # h11 has read more of the content
    if isinstance(here, RemoteProtocolError):
        assert here.rule in STRICTER, (ours, theirs)
        return here.rule
    assert isinstance(here, Request | Response), (ours, theirs)
    assert (here.version, here.frame.keep_alive) == ("1.0", True), (ours, theirs)
    assert there.frame == here.frame._replace(keep_alive=False)
    return "keep-alive-1.0"


def plain(event: Any) -> Any:
    """What can be compared of an event: no spans, and a violation is a violation."""
    match event:
        case Request():
            return (event.method, event.target, event.version, named(event.fields), event.frame)
        case Response():
            return (event.status, event.reason, event.version, named(event.fields), event.frame)
        case Informational():
            return (event.status, event.reason, named(event.fields))
        case End():
            return ("end", named(event.trailers))
        case RemoteProtocolError():
            return "violation"
    return event


def named(fields: Any) -> list[tuple[str, str]]:
    """The fields; the value of Transfer-Encoding, which h11 hands out in lower case, in lower case."""
    return [(name, value.lower() if name.lower() == "transfer-encoding" else value) for name, value in fields]


@pytest.mark.parametrize("case", [*REQUESTS, *RESPONSES], ids=lambda case: case.id)
def test_same_verdict_and_parse(case: Case) -> None:
    difference = compare(*both(case))
    assert difference in (None, case.rule) or (case.rule is None and difference in READ_DIFFERENTLY)


@pytest.mark.parametrize("rule", sorted(STRICTER))
def test_each_listed_refusal_is_ours_alone(rule: str) -> None:
    cases = [case for case in [*REQUESTS, *RESPONSES] if case.rule == rule]
    assert any(compare(*both(case)) == rule for case in cases)


@pytest.mark.parametrize("name", sorted(READ_DIFFERENTLY - {"coding-case"}))
def test_each_listed_reading_is_seen(name: str) -> None:
    assert any(compare(*both(case)) == name for case in [*REQUESTS, *RESPONSES] if case.rule is None)


def test_the_case_of_a_coding_is_kept() -> None:
    data = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ChUnKeD\r\n\r\n"
    ours, theirs = ServerCore().receive(data)[0], H11ServerCore().receive(data)[0]
    assert isinstance(ours, Request)
    assert isinstance(theirs, Request)
    assert (ours.fields.get("transfer-encoding"), theirs.fields.get("transfer-encoding")) == ("ChUnKeD", "chunked")


@settings(max_examples=150, deadline=None)
@given(spoilt(request_bytes))
def test_spoilt_requests(data: bytes) -> None:
    pieces = [data] if data else []
    compare(serve(ServerCore(), pieces), serve(H11ServerCore(), pieces))


@settings(max_examples=150, deadline=None)
@given(spoilt(response_bytes), st.sampled_from(["GET", "HEAD", "CONNECT"]))
def test_spoilt_responses(data: bytes, method: str) -> None:
    pieces = [data] if data else []
    compare(ask(ClientCore(), pieces, method=method), ask(H11ClientCore(), pieces, method=method))
