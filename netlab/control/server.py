"""The control socket from inside: JSON lines in, answers and streams out, nothing that could delay the traffic."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any

from netlab.config.sources import nearest
from netlab.control.client import MAX_REQUEST
from netlab.errors import NetlabError, UsageError
from netlab.net.tasks import Tasks

Calls = Mapping[str, Callable[..., Any]]
"""By name: a coroutine function gives the result, an asynchronous generator the items of a stream."""

MAX_CONNECTIONS = 64
IDLE_TIMEOUT = 300.0


class ControlServer:
    """A Unix socket on which a lab, or the parent of workers, answers calls."""

    def __init__(self, path: Path, calls: Calls) -> None:
        self.path = path
        self._calls = calls
        self._tasks = Tasks("control")
        self._server: asyncio.AbstractServer | None = None

    async def __aenter__(self) -> ControlServer:
        self.path.unlink(missing_ok=True)  # the number is ours now, so what stands there is a dead process's
        self._server = await asyncio.start_unix_server(self._accept, path=self.path, limit=MAX_REQUEST)
        os.chmod(self.path, 0o600)
        return self

    async def __aexit__(self, *_exception: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._tasks.cancel()
        await asyncio.sleep(0)  # one turn, for the transports' last callbacks
        self.path.unlink(missing_ok=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._tasks) >= MAX_CONNECTIONS:
            writer.write(_error(None, NetlabError(f"more than {MAX_CONNECTIONS} control connections")))
            writer.close()
            return
        self._tasks.start(self._converse(reader, writer), "connection")

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                async with asyncio.timeout(IDLE_TIMEOUT):
                    line = await reader.readline()
                if not line:
                    return
                if not await self._answer(line, reader, writer):
                    return
        except ValueError:  # readline's word for a line over the limit; where the next one begins is not known
            writer.write(_error(None, UsageError(f"a request is one line of at most {MAX_REQUEST} bytes")))
        except (ConnectionError, TimeoutError):
            pass  # the other side has gone, or says nothing
        finally:
            writer.close()

    async def _answer(self, line: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; the result is whether the connection goes on."""
        request = _understand(line)
        if request is None:
            writer.write(_error(None, UsageError(SHAPE)))
            await writer.drain()
            return True
        call_id, name, arguments = request
        with _mistakes_answered(writer, call_id, name):
            answer: Any = self._call(name, arguments)
            if inspect.iscoroutine(answer):
                writer.write(_line({"id": call_id, "result": await answer}))
            elif name in ENDLESS:
                await self._send_until_hang_up(call_id, name, answer, reader, writer)
                return False
            else:
                await _send(call_id, name, answer, writer)
        await writer.drain()
        return True

    def _call(self, name: str, arguments: dict[str, Any]) -> Any:
        call = self._calls.get(name)
        if call is None:
            raise UsageError(f"there is no call {name!r}{nearest(name, self._calls)}")
        try:
            inspect.signature(call).bind(**arguments)
        except TypeError as error:
            raise UsageError(f"{name}: {error}") from None
        return call(**arguments)

    async def _send_until_hang_up(
        self,
        call_id: Any,
        name: str,
        items: AsyncGenerator[Any],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        sending = self._tasks.start(_send(call_id, name, items, writer), "stream")
        hanging_up = self._tasks.start(reader.read(1), "hang-up")
        try:
            await asyncio.wait({sending, hanging_up}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sending.cancel()
            hanging_up.cancel()
            await asyncio.wait({sending, hanging_up})


ENDLESS = frozenset({"watch"})
"""Streams that end when the caller's bytes do, or more of them come; a finite one is sent whole in any case."""

SHAPE = 'a request is one line of JSON: {"id": 1, "call": "status", "args": {}}'


def _understand(line: bytes) -> tuple[Any, str, dict[str, Any]] | None:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(request, dict) or not isinstance(arguments := request.get("args", {}), dict):
        return None
    return request.get("id"), str(request.get("call")), arguments


async def _send(call_id: Any, name: str, items: AsyncGenerator[Any], writer: asyncio.StreamWriter) -> None:
    """Every item as a line; a reader that is slow is waited for, while its subscription drops and counts."""
    with _mistakes_answered(writer, call_id, name):
        async with aclosing(items):
            async for item in items:
                writer.write(_line({"id": call_id, "item": item}))
                await writer.drain()
        writer.write(_line({"id": call_id, "result": None}))


@contextmanager
def _mistakes_answered(writer: asyncio.StreamWriter, call_id: Any, name: str) -> Iterator[None]:
    try:
        yield
    except NetlabError as error:
        writer.write(_error(call_id, error))
    except (TypeError, ValueError, KeyError) as error:  # an argument of the wrong type is the caller's mistake
        writer.write(_error(call_id, UsageError(f"{name}: {error}")))
    except ConnectionError:
        pass  # the caller has gone


def _line(answer: Mapping[str, Any]) -> bytes:
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace") + b"\n"


def _error(call_id: Any, error: NetlabError) -> bytes:
    return _line({"id": call_id, "error": str(error), "usage": isinstance(error, UsageError)})
