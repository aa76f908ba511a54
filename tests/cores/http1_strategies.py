"""Hypothesis strategies for what a peer may send: right messages, spoilt ones, small bounds."""

from __future__ import annotations

from hypothesis import strategies as st

from netlab.cores.http1 import Limits
from tests.cores.http1_corpus import REQUESTS, RESPONSES

MORSELS = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\x00",
    b" ",
    b"\t",
    b":",
    b",",
    b";",
    b"=",
    b'"',
    b"0",
    b"5",
    b"f",
    b"\x7f",
    b"\xff",
]
MORSELS += [
    b"HTTP/1.1",
    b"Host: a\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: 5\r\n",
    b"\r\n\r\n",
    b"#",
    b"x",
]

request_bytes = st.lists(st.sampled_from([case.data for case in REQUESTS if len(case.data) < 1000]), max_size=3).map(
    b"".join
)
response_bytes = st.lists(st.sampled_from([case.data for case in RESPONSES]), max_size=2).map(b"".join)
places = st.lists(st.integers(0, 500), max_size=8)
tight_limits = st.builds(
    Limits,
    request_line=st.integers(1, 60),
    head=st.integers(1, 120),
    fields=st.integers(0, 4),
    body=st.none() | st.integers(0, 12),
    chunk_line=st.integers(1, 20),
    chunk_extensions=st.integers(0, 12),
    trailers=st.integers(0, 30),
    memo=st.sampled_from([0, 4096]),
)
limits = st.just(Limits()) | tight_limits


@st.composite
def spoilt(draw: st.DrawFn, base: st.SearchStrategy[bytes]) -> bytes:
    """Bytes with a few morsels put in, or bytes taken out."""
    data = draw(base)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        gone = draw(st.sampled_from([0, 0, 1, 2, 7]))
        data = data[:at] + draw(st.sampled_from(MORSELS) | st.binary(max_size=3)) + data[at + gone :]
    return data
