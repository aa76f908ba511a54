"""Our core held against websockets' own: any frames, the same messages and the same close code."""

from __future__ import annotations

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.protocol import State
from websockets.server import ServerProtocol

from netlab.cores.websocket import BINARY, CONTINUATION, TEXT, Message, WebSocketCore, encode_frame
from netlab.cores.websocket_close import INVALID_DATA
from netlab.cores.websocket_deflate import Deflate
from tests.cores.websocket_corpus import MASK

HELLO = bytes.fromhex("f248cdc9c90700")
PAYLOADS = [b"", b"a", "ü€".encode(), b"\xc3", b"\xa9", b"\xff", bytes(126), HELLO]
PAYLOADS += [b"\x03\xe8", b"\x03\xe8bye", b"\x03\xed"]  # codes of close frames
FRAMES = st.builds(
    lambda opcode, data, final, rsv, mask: encode_frame(opcode, data, final=final, rsv=rsv, mask=mask),
    st.sampled_from([0, 0, 1, 1, 2, 8, 9, 10, 3, 11]),
    st.sampled_from(PAYLOADS),
    st.booleans(),
    st.sampled_from([0, 0, 0, 4, 1, 2]),
    st.sampled_from([MASK, MASK, MASK, MASK, b""]),
)
READ_ON = b"\x03\xe8bye"
"""Inflated, a final block with something behind it (RFC 7692 7.2.3.4): we read on there, websockets drops it.
And where a compressed message has no payload at all, its decompressor takes the next message for the rest of it.
"""
Said = tuple[list[tuple[int, bytes]], int | None]
AS_ASKED = -1
UNFINISHED = "incomplete fragmented message"
"""What websockets says of a close frame inside of a message; RFC 6455 5.5.1 asks for an answer, not for a failure."""


def ours(data: bytes, compressed: bool) -> Said:
    core, messages = WebSocketCore(deflate=Deflate() if compressed else None), []
    for event in core.receive(data):
        if isinstance(event, Message):
            messages.append((event.opcode, event.data))
        else:
            core.answer(event)
    return messages, None if core.close_sent is None else core.close_sent.code


def theirs(data: bytes, compressed: bool) -> Said:
    protocol = ServerProtocol(state=State.OPEN, max_size=None)
    protocol.extensions = [PerMessageDeflate(False, False, 15, 15)] if compressed else []
    protocol.receive_data(data)
    messages, opcode, said = [], 0, b""
    for event in protocol.events_received():
        frame = event
        if frame.opcode in (TEXT, BINARY):  # type: ignore[union-attr]
            opcode, said = int(frame.opcode), bytes(frame.data)  # type: ignore[union-attr]
        elif frame.opcode == CONTINUATION:  # type: ignore[union-attr]
            said += bytes(frame.data)  # type: ignore[union-attr]
        else:
            continue
        if frame.fin:  # type: ignore[union-attr]
            messages.append((opcode, said))
    close = protocol.close_sent
    if close is not None and close.reason == UNFINISHED:
        return messages, AS_ASKED
    return messages, None if close is None else int(close.code)


@settings(max_examples=150)
@given(st.lists(FRAMES, min_size=1, max_size=5), st.booleans())
def test_the_same_is_heard_and_said(frames: list[bytes], compressed: bool) -> None:
    assume(not compressed or encode_frame(BINARY, READ_ON, rsv=4, mask=MASK)[1:] not in {frame[1:] for frame in frames})
    assume(not compressed or not any(frame[0] & 0x40 and not frame[1] & 0x7F for frame in frames))  # said there
    data = b"".join(frames)
    (messages, code), (expected, close) = ours(data, compressed), theirs(data, compressed)
    if close == AS_ASKED:
        assert messages == expected
    elif (
        code == INVALID_DATA
    ):  # text is checked by their next layer, and a message that cannot be inflated is 1002 there
        assert messages == expected[: len(messages)]
    else:
        assert (messages, code) == (expected, close)
