"""The TLS layer between two fake transports: any split of the ciphertext, half-close, back-pressure, early bytes."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netlab.errors import RemoteProtocolError
from netlab.net.certs import Authority
from netlab.net.tls_transport import SLICE
from tests.tls_apps import Recorder
from tests.tls_pair import Pair, every

QUICKLY = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


# -- splits ----------------------------------------------------------------------------------------------------


@QUICKLY
@given(
    st.lists(st.integers(1, 70_000), min_size=1, max_size=6),
    st.sampled_from([1, 2, 5, 7, 100, 1000, 16_000, 16_406, 65_536]),
    st.sampled_from(["1.2", "1.3"]),
)
async def test_any_split_gives_the_same_bytes(authority: Authority, sizes: list[int], cut: int, version: str) -> None:
    pair = Pair(authority, answer=lambda data: data[::-1], maximum=version)
    pair.carry(every(max(cut, 1)))
    assert (pair.client.calls, pair.server.calls) == (["made"], ["made"])
    sent = b""
    for number, size in enumerate(sizes):
        data = bytes([number]) * size
        sent += data
        pair.client.transport.write(data)
    pair.carry(every(cut if sum(sizes) // cut < 3000 else 997))
    assert bytes(pair.server.received) == sent
    assert len(pair.client.received) == len(sent)
    pair.close()


@QUICKLY
@given(st.lists(st.integers(1, 30_000), min_size=2, max_size=8))
async def test_ragged_splits(authority: Authority, lengths: list[int]) -> None:
    def ragged(stream: bytes) -> list[bytes]:
        pieces = []
        while stream:
            length = next(endless)
            pieces.append(stream[:length])
            stream = stream[length:]
        return pieces

    endless = itertools.cycle(lengths)
    pair = Pair(authority)
    pair.carry(ragged)
    pair.client.transport.writelines([b"x" * 20_000, b"y" * 20_000])
    pair.server.transport.write(b"z" * 100_000)
    pair.carry(ragged)
    assert bytes(pair.server.received) == b"x" * 20_000 + b"y" * 20_000
    assert bytes(pair.client.received) == b"z" * 100_000
    pair.close()


@QUICKLY
@given(st.binary(max_size=300), st.binary(max_size=300))
async def test_junk_raises_nothing(authority: Authority, first: bytes, second: bytes) -> None:
    pair = Pair(authority)
    for data in (first, second):
        if data and not pair.server_raw.closing:
            pair.server_layer.data_received(data)
    assert pair.server.calls == []
    pair.close()
    assert pair.server.calls == ["lost"]


@QUICKLY
@given(st.integers(0, 4000), st.integers(1, 255))
async def test_a_changed_byte_is_noticed(authority: Authority, at: int, change: int) -> None:
    pair = Pair(authority)
    pair.carry()
    pair.client.transport.write(b"x" * 4000)
    stream = bytearray(pair.client_raw.take())
    stream[at] ^= change
    pair.server_layer.data_received(bytes(stream))
    pair.close()
    assert not pair.server.received
    if at > 4:  # in a header the length may have grown, and the rest of the record is still awaited
        assert isinstance(pair.server.error, RemoteProtocolError)
        assert pair.server.calls == ["made", "lost"]


# -- turns -----------------------------------------------------------------------------------------------------


async def test_one_raw_write_a_turn(authority: Authority) -> None:
    pair = Pair(authority)

    class Talkative(Recorder):
        def data_received(self, data: bytes) -> None:
            for _ in range(10):
                self.transport.write(b"piece of an answer ")
            self.transport.writelines([b"and ", b"its end"])

    pair.carry()
    talkative = Talkative()
    talkative.transport = pair.server.transport
    pair.server.transport.set_protocol(talkative)
    assert pair.server.transport.get_protocol() is talkative
    before = pair.server_raw.writes
    pair.client.transport.write(b"question")
    pair.carry()
    assert pair.server_raw.writes == before + 1
    assert bytes(pair.client.received) == b"piece of an answer " * 10 + b"and its end"
    pair.close()


async def test_one_piece_a_read(authority: Authority) -> None:
    pair = Pair(authority)
    pair.carry()
    pair.client.transport.write(b"x" * 200_000)
    pair.carry()
    assert pair.server.pieces == [200_000]
    pair.close()


async def test_the_first_answer_takes_the_tickets_along(authority: Authority) -> None:
    pair = Pair(authority, answer=lambda data: data)
    pair.server_layer.data_received(pair.client_raw.take())
    pair.client_layer.data_received(pair.server_raw.take())
    pair.client.transport.write(b"at once")
    before = pair.server_raw.writes
    pair.carry()
    assert pair.server_raw.writes == before + 1
    assert bytes(pair.client.received) == b"at once"
    pair.close()


async def test_large_writes_do_not_swell_openssl(authority: Authority) -> None:
    pair = Pair(authority)
    pair.carry()
    pair.client.transport.write(memoryview(bytes(3_000_000)))
    assert max(map(len, pair.client_raw.written)) < 2 * SLICE
    assert pair.client.transport.get_write_buffer_size() >= 3_000_000
    pair.carry()
    assert len(pair.server.received) == 3_000_000
    pair.close()


# -- back-pressure ---------------------------------------------------------------------------------------------


async def test_a_paused_reader_gets_nothing(authority: Authority) -> None:
    pair = Pair(authority)
    pair.carry()
    pair.server.transport.pause_reading()
    assert not pair.server_raw.reading
    pair.client.transport.write(b"x" * 50_000)
    pair.server_layer.data_received(pair.client_raw.take())  # one read may have been under way
    assert not pair.server.received
    pair.server.transport.resume_reading()
    assert pair.server_raw.reading
    assert not pair.server.received  # never from within resume_reading
    await asyncio.sleep(0)
    assert len(pair.server.received) == 50_000
    pair.close()


async def test_an_end_while_paused_waits(authority: Authority) -> None:
    pair = Pair(authority)
    pair.carry()
    pair.server.transport.pause_reading()
    pair.client.transport.write(b"last words")
    pair.client.transport.close()
    pair.server_layer.data_received(pair.client_raw.take())
    pair.server_layer.eof_received()
    assert pair.server.calls == ["made"]
    pair.server.transport.resume_reading()
    await asyncio.sleep(0)
    assert pair.server.calls == ["made", "data", "eof"]
    assert not pair.server.transport.truncated
    pair.close()


async def test_pausing_within_a_read_and_closing_while_paused(authority: Authority) -> None:
    pair = Pair(authority)
    pair.carry()
    pair.server.answer = lambda data: pair.server.transport.pause_reading() or b""
    pair.client.transport.write(b"one")
    pair.carry()
    pair.server.transport.pause_reading()
    pair.client.transport.write(b"two")
    pair.server_layer.data_received(pair.client_raw.take())
    pair.server.transport.resume_reading()
    pair.server.transport.close()
    await asyncio.sleep(0)
    assert bytes(pair.server.received) == b"one"
    pair.server.transport.pause_reading()  # both without effect by now
    pair.server.transport.resume_reading()
    pair.close()


async def test_the_raw_transports_pauses_come_through(authority: Authority) -> None:
    pair = Pair(authority)
    pair.server_layer.pause_writing()  # before the handshake is over nobody could make use of it
    pair.carry()
    pair.server_layer.pause_writing()
    pair.server_layer.resume_writing()
    assert pair.server.calls == ["made", "pause", "resume"]
    pair.close()


# -- ends ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.2", "1.3"])
async def test_half_close(authority: Authority, version: str) -> None:
    pair = Pair(authority, maximum=version)
    pair.carry()
    pair.client.transport.write(b"question")
    assert pair.client.transport.can_write_eof()
    pair.client.transport.write_eof()
    pair.client.transport.write(b"too late")
    assert pair.client_raw.eof
    assert not pair.client.transport.is_closing()
    pair.end(pair.client_raw, pair.server_raw)
    assert pair.server.calls == ["made", "data", "eof"]
    pair.server.transport.write(b"answer " * 1000)
    pair.server.transport.close()
    pair.end(pair.server_raw, pair.client_raw)
    assert bytes(pair.client.received) == b"answer " * 1000
    assert pair.client.calls == ["made", "data", "eof"]
    assert (pair.client.transport.truncated, pair.server.transport.truncated) == (False, False)
    pair.close()


async def test_half_close_while_bytes_are_held_back(authority: Authority) -> None:
    pair = Pair(authority)
    pair.carry()
    pair.server.transport.pause_reading()
    pair.client.transport.write(b"x" * 40_000)
    pair.server_layer.data_received(pair.client_raw.take())
    pair.server.transport.write_eof()
    pair.server.transport.resume_reading()
    await asyncio.sleep(0)
    assert len(pair.server.received) == 40_000
    pair.client.transport.write(b"and more")
    pair.carry()
    assert len(pair.server.received) == 40_008
    pair.close()


async def test_without_an_answer_to_the_end_the_transport_closes(authority: Authority) -> None:
    pair = Pair(authority)
    pair.server.half_close = False
    pair.carry()
    pair.client.transport.close()
    pair.carry()
    assert pair.server_raw.closing
    pair.close()
    assert pair.server.calls == ["made", "eof", "lost"]


async def test_a_truncated_stream_is_told_apart(authority: Authority) -> None:
    pair = Pair(authority)
    pair.carry()
    pair.client.transport.write(b"half a mess")
    pair.end(pair.client_raw, pair.server_raw)
    assert pair.server.calls == ["made", "data", "eof"]
    assert pair.server.transport.truncated
    pair.server.transport.write(b"still answered")
    pair.carry()
    assert bytes(pair.client.received) == b"still answered"
    pair.close()


async def test_what_comes_behind_close_notify_is_ignored(authority: Authority) -> None:
    pair = Pair(authority)
    pair.carry()
    pair.client.transport.write_eof()
    pair.carry()
    for _ in range(3):
        pair.server_layer.data_received(b"anything at all" * 1000)
    pair.end(pair.client_raw, pair.server_raw)
    assert pair.server.calls == ["made", "eof"]
    assert not pair.server.transport.truncated
    pair.close()
    assert pair.server.error is None


async def test_nothing_comes_after_close(authority: Authority) -> None:
    pair = Pair(authority, answer=lambda data: data)
    pair.carry()
    pair.server.transport.close()
    pair.server.transport.write(b"too late")
    pair.server.transport.write_eof()
    pair.client.transport.write(b"unread")
    pair.server_layer.data_received(pair.client_raw.take())
    assert pair.server.calls == ["made"]
    pair.carry()
    assert pair.client.calls == ["made", "eof"]
    pair.close()
    pair.server_layer.connection_lost(None)
    assert pair.server.calls == ["made", "lost"]


async def test_abort(authority: Authority) -> None:
    pair = Pair(authority)
    pair.carry()
    pair.server.answer = lambda data: pair.server.transport.abort() or b"too late"
    pair.client.transport.write(b"question")
    pair.carry()
    assert pair.server_raw.closing
    assert pair.server_raw.take() == b""
    pair.close()
    pair.client.transport.write(b"to nobody")
    assert pair.client_raw.take() == b""
