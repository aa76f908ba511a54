"""What is refused, at which byte, by which rule, and that a place and a caret point at it."""

from __future__ import annotations

import re

import pytest

from netlab.errors import RemoteProtocolError
from tests.cores.http1_conversations import ClientCore, ServerCore, ask, serve
from tests.cores.http1_corpus import REQUESTS, RESPONSES, Case


@pytest.mark.parametrize("case", REQUESTS, ids=lambda case: case.id)
def test_request(case: Case) -> None:
    events = serve(ServerCore(), [case.data] if case.data else [])
    check(case, events)


@pytest.mark.parametrize("case", RESPONSES, ids=lambda case: case.id)
def test_response(case: Case) -> None:
    events = ask(ClientCore(), [case.data] if case.data else [], method=case.method)
    check(case, events)


def check(case: Case, events: list[object]) -> None:
    violations = [event for event in events if isinstance(event, RemoteProtocolError)]
    if case.rule is None:
        assert violations == []
        return
    (error,) = violations
    assert error is events[-1]
    assert (error.rule, error.offset) == (case.rule, case.at), error
    assert re.fullmatch(r"RFC \d{4} \d+(\.\d+)*", error.section)
    assert error.reason
    if error.excerpt:
        assert case.data[error.offset - error.caret :].startswith(error.excerpt)


STATUSES = {
    "version.unsupported": 505,
    "transfer_encoding.unsupported": 501,
    "request_line.too_long": 414,
    "fields.too_large": 431,
    "fields.too_many": 431,
    "body.too_large": 413,
}


@pytest.mark.parametrize("case", [case for case in REQUESTS if case.rule], ids=lambda case: case.id)
def test_statuses_of_violations(case: Case) -> None:
    """400, where no other status says it better."""
    error = serve(ServerCore(), [case.data])[-1]
    assert error.status == STATUSES.get(error.rule, 400)


@pytest.mark.parametrize("case", [case for case in REQUESTS if case.rule], ids=lambda case: case.id)
def test_every_violation_closes(case: Case) -> None:
    core = ServerCore()
    serve(core, [case.data])
    assert core.closed
    assert core.outgoing().rpartition(b"HTTP/1.1 ")[2].count(b"Connection: close\r\n") == 1


@pytest.mark.parametrize("case", REQUESTS, ids=lambda case: case.id)
def test_request_byte_by_byte(case: Case) -> None:
    """Nothing depends on how the network cut the bytes."""
    whole = serve(ServerCore(), [case.data] if case.data else [])
    assert serve(ServerCore(), [case.data[i : i + 1] for i in range(len(case.data))]) == whole


@pytest.mark.parametrize("case", RESPONSES, ids=lambda case: case.id)
def test_response_byte_by_byte(case: Case) -> None:
    whole = ask(ClientCore(), [case.data] if case.data else [], method=case.method)
    pieces = [case.data[i : i + 1] for i in range(len(case.data))]
    assert ask(ClientCore(), pieces, method=case.method) == whole
