"""WebSocket beside Python's libraries for it: echoes small, pipelined and large, a room, and idle connections."""

from __future__ import annotations

from bench.loads.idle import Idle
from bench.loads.websocket import Messages
from bench.model import Case, Limit, Ratio, Row
from bench.peers.netlab import Netlab
from bench.peers.websocket import Library

NETLAB = Netlab(service="websocket")
WEBSOCKETS, AIOHTTP, PICOWS = Library(name="websockets"), Library(name="aiohttp"), Library(name="picows")
SERVERS = {"netlab": NETLAB, "websockets": WEBSOCKETS, "aiohttp": AIOHTTP, "picows": PICOWS}
COLUMNS = ("rate", "cpu", "core", "cost", "load_cpu", "load_core")


def echoes(load: Messages, *, fresh: bool = False) -> tuple[Case, ...]:
    return tuple(Case(name=name, server=server, load=load, fresh=fresh) for name, server in SERVERS.items())


small = Row(
    name="websocket.small",
    about="an echo of 125 bytes, one message in flight on each of 64 connections",
    unit="messages",
    columns=COLUMNS,
    cases=echoes(Messages(), fresh=True),  # one process is up to a tenth quicker than the next
    claims=(
        Ratio(of="netlab", to=("websockets",), at_least=2.0),
        Ratio(of="netlab", to=("picows",), at_least=1.0, binding=False),
        Ratio(of="netlab", to=("aiohttp",)),
    ),
)

pipelined = Row(
    name="websocket.pipelined",
    about="an echo of 125 bytes, 16 messages in one write on each of 16 connections",
    unit="messages",
    columns=COLUMNS,
    cases=echoes(Messages(connections=16, depth=16)),
    claims=(
        Ratio(of="netlab", to=("websockets",), at_least=5.0),
        Ratio(of="netlab", to=("picows",), at_least=2.0),
        Ratio(of="netlab", to=("aiohttp",)),
    ),
)

large = Row(
    name="websocket.64k",
    about="an echo of 64 KiB, one message in flight on each of 16 connections",
    unit="messages",
    columns=COLUMNS,
    cases=echoes(Messages(connections=16, size=64 << 10)),
    claims=(
        Ratio(of="netlab", to=("websockets",), at_least=1.2),
        Ratio(of="netlab", to=("picows",)),
        Ratio(of="netlab", to=("aiohttp",)),
    ),
)

ROOMS = {"netlab": NETLAB, "websockets": WEBSOCKETS}
ONE = Messages(mode="room", path="/chat/bench", connections=1000, size=1024)
SIXTEEN = Messages(mode="room", path="/chat/bench", connections=1000, size=1024, depth=16)

room = Row(
    name="websocket.room",
    about="1 KiB to everyone in a room of 1,000: one message at a time, and 16 that were said in one write",
    unit="messages",
    columns=COLUMNS,
    cases=tuple(Case(name=name, server=server, load=ONE) for name, server in ROOMS.items())
    + tuple(Case(name=f"{name} sixteen", server=server, load=SIXTEEN) for name, server in ROOMS.items()),
    claims=(
        Ratio(of="netlab", to=("websockets",), at_least=1.5),
        Ratio(of="netlab sixteen", to=("websockets sixteen",), at_least=4.0),
    ),
)

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
IDLE = Idle(greeting=HANDSHAKE + b"\r\n", answer=b"HTTP/1.1 101 ", again=b"\x89\x80\0\0\0\0", again_answer=b"\x8a\x00")
OFFER = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
IDLE_DEFLATE = Idle(
    greeting=HANDSHAKE + OFFER, answer=b"HTTP/1.1 101 ", again=b"\x89\x80\0\0\0\0", again_answer=b"\x8a\x00"
)

idle = Row(
    name="websocket.idle-10k",
    about="10,000 idle connections; deflate: with compression agreed on, and not used",
    unit="connections",
    columns=("memory", "idle", "each", "rate"),
    cases=(
        Case(name="netlab", server=NETLAB, load=IDLE, fresh=True),
        Case(name="netlab deflate", server=NETLAB, load=IDLE_DEFLATE, fresh=True),
    ),
    claims=(
        Limit(of="netlab", metric="memory", unit="MB", at_most=150),
        Limit(of="netlab deflate", metric="memory", unit="MB", at_most=200),
    ),
)

ROWS = (small, pipelined, large, room, idle)
