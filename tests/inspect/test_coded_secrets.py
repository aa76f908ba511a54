"""Secrets in what is compressed: hidden though no packet, and no frame, says them alone; what is around them stays."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from random import Random

import pytest

from captures.dissectors.websocket import UNTIL_MESSAGE
from tests.inspect_talks import SWITCHED, UPGRADE, chunks, frame, hidden, packets, shown

NOISE = Random(1).randbytes(400).hex().encode()
WORDS = b'{"more": "%s", "access_token": "swordfish", "end": "%s"}' % (NOISE, NOISE[::-1])


def payloads(data: Sequence[bytes], port: int) -> bytes:
    """What the side of this port has sent, as packets in their order have it."""
    return b"".join(packet[40:] for packet in data if packet[20:22] == port.to_bytes(2, "big") and not packet[33] & 2)


def inflated(stream: bytes, window: int) -> bytes:
    """As much as somebody gets out of it, byte by byte."""
    inflater, plain = zlib.decompressobj(window), b""
    try:
        for byte in stream:
            plain += inflater.decompress(bytes((byte,)))
    except zlib.error:
        pass
    return plain


@pytest.mark.parametrize("size", [1, 500])
@pytest.mark.parametrize(("coding", "window"), [("gzip", 31), ("deflate", 15), ("deflate", -15), ("gzip, chunked", 31)])
def test_compressed_content_in_many_segments_tells_none(coding: str, window: int, size: int) -> None:
    compress = zlib.compressobj(wbits=window)
    body = compress.compress(WORDS) + compress.flush()
    length = b"Content-Length: %d\r\n" % len(body)
    if coding.endswith("chunked"):
        parts = [body[at : at + 50] for at in range(0, len(body), 50)]
        length, body = b"Transfer-Encoding: chunked\r\n", chunks(*parts) + b"\r\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\n%s\r\n" % (coding.split(",")[0].encode(), length)
    seen = payloads(hidden(packets((("client", b"GET / HTTP/1.1\r\n\r\n"), ("server", head + body)), 80, size)), 80)
    assert seen.startswith(head)
    content = seen[len(head) :]
    if coding.endswith("chunked"):
        content = b"".join(content[at + 4 : at + 54] for at in range(0, len(content) - 4, 56))
    plain = inflated(content, window)
    assert b"swordfish" not in plain
    assert NOISE[:400] in plain  # what is before it stays


@pytest.mark.parametrize("context", [b"", b"; server_no_context_takeover"])
@pytest.mark.parametrize("size", [2, 400])
def test_a_compressed_message_in_several_frames_tells_none(size: int, context: bytes) -> None:
    compress = zlib.compressobj(wbits=-15)
    said = [("client", UPGRADE)]
    head = SWITCHED + b"Sec-WebSocket-Extensions: permessage-deflate" + context + b"\r\n\r\n"
    said.append(("server", head))
    for words in (b'{"harmless": 1}', WORDS, b'{"password": "swordfish"}', b'{"harmless": 2}'):
        if context:
            compress = zlib.compressobj(wbits=-15)
        data = (compress.compress(words) + compress.flush(zlib.Z_SYNC_FLUSH))[:-4]
        cuts = (0, len(data) // 3, len(data) // 2, len(data))
        for number in range(3):
            first = (0x41 if not number else 0) | (0x80 if number == 2 else 0)
            said.append(("server", frame(data[cuts[number] : cuts[number + 1]], first)))
    sent = packets(said, 9001, size)
    told, raw = shown(sent)
    assert "swordfish" not in told
    assert any(b'{"harmless": 2}' in data for data in raw)
    assert not any(b"swordfish" in data for data in raw)
    stream, at = payloads(hidden(sent), 9001)[len(head) :], 0
    plain, inflater = [], zlib.decompressobj(-15)
    while at < len(stream):
        extra = 2 if stream[at + 1] == 126 else 0
        length = int.from_bytes(stream[at + 2 : at + 4], "big") if extra else stream[at + 1]
        if stream[at] & 0x40 and context:
            inflater = zlib.decompressobj(-15)
        try:
            plain.append(inflater.decompress(stream[at + 2 + extra : at + 2 + extra + length]))
            plain.append(inflater.decompress(UNTIL_MESSAGE) if stream[at] & 0x80 else b"")
        except zlib.error:
            pass
        at += 2 + extra + length
    assert b"swordfish" not in b"".join(plain)
    assert b'{"harmless": 1}' in b"".join(plain)
