"""Whatever bytes come, however they are cut: the same events, and nothing is raised."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from netlab.cores.http1_refusals import refuse_chunk_line, refuse_request_head, refuse_response_head
from netlab.errors import RemoteProtocolError
from tests.cores.http1_conversations import ClientCore, Limits, Request, Response, ServerCore, ask, cuts, serve
from tests.cores.http1_corpus import CHUNKS
from tests.cores.http1_strategies import limits, places, request_bytes, response_bytes, spoilt

CHUNK_LINES = [body.replace(b"<!>", b"") for body, _ in CHUNKS if len(body) < 100]

thorough = settings(max_examples=150, deadline=None)


@thorough
@given(spoilt(request_bytes), places, limits)
def test_requests_in_any_split(data: bytes, places: list[int], limits: Limits) -> None:
    assert serve(ServerCore(limits), cuts(data, places)) == serve(ServerCore(limits), [data] if data else [])


@thorough
@given(spoilt(response_bytes), places, limits, st.sampled_from(["GET", "HEAD", "CONNECT"]), st.booleans())
def test_responses_in_any_split(data: bytes, places: list[int], limits: Limits, method: str, upgrade: bool) -> None:
    whole = ask(ClientCore(limits), [data] if data else [], method=method, upgrade=upgrade)
    assert ask(ClientCore(limits), cuts(data, places), method=method, upgrade=upgrade) == whole


@thorough
@given(spoilt(request_bytes), limits)
def test_a_violation_never_changes(data: bytes, limits: Limits) -> None:
    """Once a beginning is refused, nothing that follows could have changed why."""
    answers = [refuse_request_head(data[:size], 0, limits) for size in range(len(data) + 1)]
    found = [answer for answer in answers if answer is not None]
    assert all(answer == found[0] for answer in found)
    assert answers[len(data) - len(found) + 1 :] == found


@thorough
@given(spoilt(response_bytes), limits)
def test_a_violation_of_a_response_never_changes(data: bytes, limits: Limits) -> None:
    answers = [refuse_response_head(data[:size], 0, limits) for size in range(len(data) + 1)]
    found = [answer for answer in answers if answer is not None]
    assert all(answer == found[0] for answer in found)
    assert answers[len(data) - len(found) + 1 :] == found


@thorough
@given(st.sampled_from(CHUNK_LINES) | spoilt(st.sampled_from(CHUNK_LINES)), st.integers(1, 30))
def test_a_violation_of_a_chunk_line_never_changes(data: bytes, limit: int) -> None:
    line = data[: data.find(b"\n") + 1 or len(data)][:limit]
    answers = [refuse_chunk_line(line[:size], 0, limit) for size in range(len(line) + 1)]
    found = [answer for answer in answers if answer is not None]
    assert all(answer == found[0] for answer in found)
    assert answers[len(line) - len(found) + 1 :] == found


@thorough
@given(spoilt(request_bytes) | st.binary(max_size=60), limits)
def test_both_readings_of_a_head_agree(data: bytes, limits: Limits) -> None:
    """The quick one accepts exactly what the slow one finds nothing wrong with (Host and framing apart)."""
    core = ServerCore(limits)
    for event in core.receive(data) if data else []:
        if isinstance(event, Request):
            assert refuse_request_head(data[event.start : event.end], 0, limits) is None


@thorough
@given(spoilt(response_bytes), limits)
def test_both_readings_of_a_status_line_agree(data: bytes, limits: Limits) -> None:
    core = ClientCore(limits)
    core.request("GET", "/", [("Host", "a")])
    for event in core.receive(data) if data else []:
        if isinstance(event, Response):
            assert refuse_response_head(data[event.start : event.end], 0, limits) is None


@thorough
@given(st.lists(st.binary(min_size=1, max_size=40), max_size=10), limits)
@example([b"\r"] * 10, Limits())
def test_any_bytes_raise_nothing(pieces: list[bytes], limits: Limits) -> None:
    for core in (ServerCore(limits), ClientCore(limits)):
        seen: list[object] = []
        for piece in [*pieces, b"", b""]:
            seen += core.receive(piece)
        violations = [event for event in seen if isinstance(event, RemoteProtocolError)]
        assert violations == seen[-1:] or not violations
        assert core.received == sum(map(len, pieces))


@pytest.mark.parametrize("core", [ServerCore, ClientCore])
def test_nothing_is_read_behind_a_violation(core: type[ServerCore | ClientCore]) -> None:
    peer = core()
    assert len(peer.receive(b"\x00")) == 1
    assert peer.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") == []
    assert peer.receive(b"") == []
    assert peer.resume() == []
    assert peer.buffered == 0
