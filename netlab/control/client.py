"""The control socket from outside: where it lies, which labs run, and how to ask one something."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netlab.errors import ConnectionLost, DeadlineExceeded, NetlabError, UsageError

MAX_REQUEST = 64 << 10
"""The longest line a lab reads."""
MAX_ANSWER = 64 << 20
"""The longest line a client reads: a flow at level full with its raw bytes."""
ANSWER_TIMEOUT = 15.0
_LONGEST_PATH = 103 if sys.platform == "darwin" else 107  # sun_path without its final NUL


def folder() -> Path:
    """Where this user's labs have their sockets: `$XDG_RUNTIME_DIR/netlab`, else `/tmp/netlab-UID`."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and os.path.isdir(runtime):
        path = Path(runtime) / "netlab"
        if len(os.fsencode(path / f"{2**22}.w99.sock")) <= _LONGEST_PATH:
            return path
    return Path(f"/tmp/netlab-{os.getuid()}")  # noqa: S108  own_folder() checks owner and mode


def own_folder() -> Path:
    """The same, made if need be; refused if it is not ours alone, for who can write there can pose as a lab."""
    path = folder()
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except FileExistsError:
        raise UsageError(f"{path} is in the way: it is no folder; remove it") from None
    except OSError as error:
        why = f"{path} cannot be made: {error.strerror}"
        raise UsageError(f"{why}; set XDG_RUNTIME_DIR to a folder of your own") from None
    check_own(path)
    return path


def check_own(path: Path) -> None:
    """UsageError unless a folder is this user's alone."""
    facts = path.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid():
        raise UsageError(f"{path} belongs to somebody else; set XDG_RUNTIME_DIR to a folder of your own")
    if facts.st_mode & 0o077:
        raise UsageError(f"{path} is open to others (mode {stat.S_IMODE(facts.st_mode):04o}); run: chmod 700 {path}")


@dataclass(frozen=True, kw_only=True)
class OneLab:
    """The setting that all commands share which talk to a running lab."""

    lab: str | None = None
    """The lab, by process id or name, when several are running."""


@dataclass(frozen=True, slots=True)
class Running:
    """A lab that answered."""

    pid: int
    name: str
    path: Path
    endpoints: tuple[str, ...]
    parts: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """Where it is first reached, and at how many places more."""
        first, more = "".join(self.endpoints[:1]) or "no endpoints", len(self.endpoints) - 1
        return f"{first} and {more} more" if more > 0 else first

    def __str__(self) -> str:
        return f"{self.pid} ({self.name}: {self.where})"


async def labs() -> list[Running]:
    """The labs of this user that run; sockets that dead processes left behind are removed."""
    found = []
    place = folder()
    if not place.exists():
        return []
    check_own(place)
    for path in sorted(place.glob("*.sock")):
        if not path.stem.isdecimal():
            continue  # a worker's: its parent answers for it
        try:
            async with connect(path) as control:
                status = await control.call("status")
            urls = tuple(endpoint["url"] for endpoint in status["endpoints"])
            found.append(Running(int(path.stem), status["name"], path, urls, tuple(status.get("parts", ()))))
        except (NetlabError, KeyError, TypeError, ValueError):
            _remove_if_dead(path)
    return found


def _remove_if_dead(path: Path) -> None:
    try:
        os.kill(int(path.stem), 0)
    except ProcessLookupError:
        path.unlink(missing_ok=True)
    except PermissionError:
        pass  # the number lives again as somebody else's process


async def choose(which: str | None, part: str = "") -> Running:
    """The lab meant by `--lab PID|NAME`, or the only one there is, or that has the part which a call is about."""
    running = await labs()
    if not running:
        raise NetlabError("no lab is running; start one with `netlab up` or `netlab serve NAME`")
    named = [lab for lab in running if which in (None, str(lab.pid), lab.name)]
    if not named:
        raise NetlabError(f"no lab is called {which!r}; running:{_table(running)}")
    if len(named) > 1:
        named = [lab for lab in named if part in lab.parts] or named
    if len(named) > 1:
        what = "running" if which is None else f"called {which!r}"
        raise UsageError(f"several labs are {what}, say which with --lab PID{'' if which else '|NAME'}:{_table(named)}")
    return named[0]


def _table(running: list[Running]) -> str:
    width = max(len(lab.name) for lab in running)
    return "".join(f"\n{lab.pid:>9}  {lab.name:<{width}}  {lab.where}" for lab in running)


async def lab_addresses() -> dict[str, Any]:
    """The address map of the only lab that runs; empty without one, or where it is not clear which is meant."""
    running = await labs()
    if len(running) != 1:
        return {}
    async with connect(running[0].path) as control:
        found: dict[str, Any] = await control.call("addresses")
    return found


async def lab_flow(flow_id: str, lab: str | None = None, part: str = "") -> dict[str, Any]:
    """A flow from the record of the lab that is named, or of the only one that runs, or that has this part."""
    async with connect((await choose(lab, part)).path) as control:
        found: dict[str, Any] = (await control.call("flow", id=flow_id))["flow"]
    return found


class Control:
    """A connection to a lab's control socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._id = 0

    async def call(self, name: str, **arguments: Any) -> Any:
        """Ask, and wait for the answer; NetlabError says what the lab said."""
        await self._ask(name, arguments)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                answer = await self._answer()
        except TimeoutError:
            raise DeadlineExceeded(f"answer from the lab to {name!r}", ANSWER_TIMEOUT) from None
        return answer.get("result")

    async def stream(self, name: str, **arguments: Any) -> AsyncGenerator[Any]:
        """Ask for a sequence: items until the lab says that was all, or ends."""
        await self._ask(name, arguments)
        while "item" in (answer := await self._answer()):
            yield answer["item"]

    async def closed(self, within: float) -> None:
        """Wait until the lab hangs up, which it does when everything else has ended."""
        try:
            async with asyncio.timeout(within):
                while await self._reader.read(MAX_REQUEST):
                    pass
        except ConnectionError:
            pass
        except TimeoutError:
            raise DeadlineExceeded("end of the lab", within) from None

    async def _ask(self, name: str, arguments: Mapping[str, Any]) -> None:
        self._id += 1
        request = {"id": self._id, "call": name, "args": arguments}
        self._writer.write(json.dumps(request, default=str).encode() + b"\n")
        try:
            await self._writer.drain()
        except ConnectionError:
            raise ConnectionLost("the lab has ended") from None

    async def _answer(self) -> dict[str, Any]:
        try:
            line = await self._reader.readline()
        except ValueError:
            raise NetlabError(f"the lab's answer is longer than {MAX_ANSWER} bytes") from None
        except ConnectionError:
            line = b""
        if not line.endswith(b"\n"):
            raise ConnectionLost("the lab has ended")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            kind = UsageError if answer.get("usage") else NetlabError
            raise kind(str(answer["error"]))
        return answer


@asynccontextmanager
async def reach(which: OneLab, part: str = "") -> AsyncIterator[Control]:
    """A connection to the lab that is meant; of several, to the one that has the part which the calls are about."""
    async with connect((await choose(which.lab, part)).path) as control:
        yield control


@asynccontextmanager
async def connect(path: Path) -> AsyncIterator[Control]:
    """A connection to the lab whose socket this is."""
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            reader, writer = await asyncio.open_unix_connection(path, limit=MAX_ANSWER)
    except (OSError, TimeoutError) as error:
        raise NetlabError(f"cannot reach the lab at {path}: {error}") from None
    try:
        yield Control(reader, writer)
    finally:
        writer.close()
        try:
            await writer.wait_closed()
        except ConnectionError:
            pass  # it was gone already
