"""What is odd about segments: the notes are those that tshark makes of the same capture."""

from __future__ import annotations

from pathlib import Path

import pytest

from captures.blocks import LinkType, Packet
from captures.files import blocks
from captures.inspector import Inspector
from captures.packet_fields import QUICK, Facts
from captures.pcapng import Writer
from captures.serialize import ACK, FIN, PSH, RST, SYN, ip_packet, tcp_segment
from tests import tshark

CLIENT, SERVER = (bytes((10, 0, 0, 1)), 40000), (bytes((10, 0, 0, 2)), 9999)
ANALYSES = [name for name in QUICK if name.startswith("tcp.analysis.") and not name.endswith(("flags", "rtt"))]
Step = tuple[float, str, int, int, int, bytes, int]
"""Milliseconds, side, sequence and acknowledgement from each side's beginning, flags, payload, window."""

OPENING: list[Step] = [
    (0, "client", 0, 0, SYN, b"", 8000),
    (1, "server", 0, 1, SYN | ACK, b"", 8000),
    (2, "client", 1, 1, ACK, b"", 8000),
]
TEN = b"0123456789"
STORIES: dict[str, list[Step]] = {
    "retransmission": [(10, "client", 1, 1, ACK | PSH, TEN, 8000), (300, "client", 1, 1, ACK | PSH, TEN, 8000)],
    "spurious": [
        (10, "client", 1, 1, ACK | PSH, TEN, 8000),
        (11, "server", 1, 11, ACK, b"", 8000),
        (300, "client", 1, 1, ACK | PSH, TEN, 8000),
    ],
    "fast": [
        (10, "client", 11, 1, ACK, TEN, 8000),
        (11, "server", 1, 1, ACK, b"", 8000),
        (12, "client", 21, 1, ACK, TEN, 8000),
        (13, "server", 1, 1, ACK, b"", 8000),
        (14, "client", 31, 1, ACK, TEN, 8000),
        (15, "server", 1, 1, ACK, b"", 8000),
        (20, "client", 1, 1, ACK, TEN, 8000),
        (21, "server", 1, 41, ACK, b"", 8000),
    ],
    "out of order": [(10, "client", 11, 1, ACK, TEN, 8000), (10.1, "client", 1, 1, ACK, TEN, 8000)],
    "lost, then acknowledged": [(10, "client", 11, 1, ACK, TEN, 8000), (12, "server", 1, 41, ACK, b"", 8000)],
    "zero window": [
        (10, "client", 1, 1, ACK | PSH, TEN, 8000),
        (11, "server", 1, 11, ACK, b"", 0),
        (200, "client", 11, 1, ACK, b"x", 8000),
        (201, "server", 1, 11, ACK, b"", 0),
        (400, "server", 1, 11, ACK, b"", 4000),
    ],
    "window full": [(10, "server", 1, 1, ACK, b"", 20), (11, "client", 1, 1, ACK | PSH, TEN * 2, 8000)],
    "keep-alive": [
        (10, "client", 1, 1, ACK | PSH, TEN, 8000),
        (11, "server", 1, 11, ACK, b"", 8000),
        (9000, "client", 10, 1, ACK, b"", 8000),
        (9001, "server", 1, 11, ACK, b"", 8000),
    ],
    "both close": [
        (10, "client", 1, 1, FIN | ACK, b"", 8000),
        (11, "server", 1, 2, FIN | ACK, b"", 8000),
        (12, "client", 2, 2, ACK, b"", 8000),
    ],
    "SYN again": [(900, "client", 0, 0, SYN, b"", 8000)],
    "reset": [(10, "server", 1, 1, RST | ACK, b"", 0)],
}  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All stories in one capture, each on a client's port of its own."""
    path = tmp_path_factory.mktemp("notes") / "stories.pcapng"
    with path.open("wb") as sink:
        writer = Writer(sink)
        writer.section()
        interface = writer.interface(LinkType.RAW_IP)
        for number, story in enumerate(STORIES.values()):
            client = CLIENT[0], CLIENT[1] + number
            for when, side, sequence, acknowledged, flags, payload, window in [*OPENING, *story]:
                ends = (client, SERVER) if side == "client" else (SERVER, client)
                segment = tcp_segment(*ends, 5000 + sequence, 5000 + acknowledged, flags, payload, window=window)
                time = int((number * 20_000 + when) * 1e6)
                writer.packet(interface, time, ip_packet(ends[0][0], ends[1][0], 6, segment))
    return path


@pytest.fixture(scope="module")
def theirs(path: Path) -> list[set[str]]:
    rows = tshark.fields(path, "frame", *ANALYSES)
    return [{field for field, value in zip(ANALYSES, row, strict=True) if value} for row in rows]


@pytest.mark.parametrize("name", STORIES)
def test_the_notes_of_tshark(name: str, path: Path, theirs: list[set[str]]) -> None:
    if name == "out of order" and tshark.version() >= (4, 2):
        pytest.skip("tshark is newer than 4.0, and takes a segment that fills a gap at once for one sent again")
    inspector = Inspector()
    with path.open("rb") as source:
        found = [Facts(inspector.add(block), 0) for block in blocks(source) if isinstance(block, Packet)]
    ours = [{field for field in ANALYSES if facts.values(field)} for facts in found]
    begin = 0
    for story in list(STORIES)[: list(STORIES).index(name)]:
        begin += len(OPENING) + len(STORIES[story])
    part = slice(begin, begin + len(OPENING) + len(STORIES[name]))
    assert ours[part] == theirs[part]
    assert name in ("both close", "reset") or any(ours[part])
