"""What is typed, piped or read from a file, by the same way."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from netlab.net.standard_input import StandardInput


async def everything(descriptor: int) -> bytes:
    source, parts = StandardInput(descriptor), []
    async with asyncio.timeout(10):
        while data := await source.read():
            parts.append(data)
    return b"".join(parts)


async def test_a_pipe_is_waited_for() -> None:
    reading, writing = os.pipe()
    loop = asyncio.get_running_loop()
    loop.call_later(0.01, os.write, writing, b"one ")
    loop.call_later(0.02, os.write, writing, b"two")
    loop.call_later(0.03, os.close, writing)
    assert await everything(reading) == b"one two"
    os.close(reading)


async def test_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 200_000)
    with path.open("rb") as file:
        assert await everything(file.fileno()) == b"x" * 200_000
    with open(os.devnull, "rb") as file:
        assert await everything(file.fileno()) == b""


async def test_nothing_to_read_is_the_end(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        assert await everything(file.fileno()) == b""


async def test_a_wait_can_be_given_up() -> None:
    reading, writing = os.pipe()
    try:
        async with asyncio.timeout(0.01):
            await StandardInput(reading).read()
    except TimeoutError:
        pass
    os.write(writing, b"later")
    assert await StandardInput(reading).read() == b"later"
    os.close(reading)
    os.close(writing)
