"""The control socket: its folder, its protocol, its clients; and that nobody on it can delay the lab."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import thread_time
from typing import Any

import pytest

from netlab.control.calls import WATCH_QUEUE, LabCalls
from netlab.control.client import MAX_REQUEST, choose, connect, folder, labs, own_folder
from netlab.control.server import MAX_CONNECTIONS, SHAPE, ControlServer
from netlab.errors import ConnectionLost, NetlabError, UsageError
from netlab.flow import Level, Outcome
from netlab.inspect.record import Record
from netlab.lab.options import Options
from netlab.lab.process import Lab
from tests.netlab_process import place


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with place() as own:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(own.folder))
        yield own.folder


@pytest.fixture
async def lab() -> Lab:
    return Lab("probe", Options())


@asynccontextmanager
async def serving(lab: Lab, pid: int | None = None) -> AsyncIterator[Path]:
    path = own_folder() / f"{pid or os.getpid()}.sock"
    async with ControlServer(path, LabCalls(lab).table()):
        yield path


def finished(lab: Lab, label: str = "GET /hello", outcome: str = Outcome.OK) -> None:
    flow = lab.flows.open("http", "probe")
    flow.label = label
    flow.end(outcome, "200")


async def converse(path: Path, *lines: bytes) -> list[Any]:
    """What the socket answers to these lines and the end."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"".join(line + b"\n" for line in lines))
    writer.write_eof()
    async with asyncio.timeout(10):
        answers = (await reader.read()).splitlines()
    writer.close()
    await writer.wait_closed()
    return [json.loads(answer) for answer in answers]


# -- the folder --------------------------------------------------------------------------------------------------


def test_the_folder_is_ours_alone(runtime: Path) -> None:
    assert own_folder() == runtime / "netlab"
    assert own_folder().stat().st_mode & 0o777 == 0o700


def test_a_folder_open_to_others_is_refused(runtime: Path) -> None:
    (runtime / "netlab").mkdir(mode=0o700)
    (runtime / "netlab").chmod(0o755)
    with pytest.raises(UsageError, match=r"netlab is open to others \(mode 0755\); run: chmod 700 .*netlab$"):
        own_folder()


def test_a_link_is_not_followed(runtime: Path) -> None:
    (runtime / "elsewhere").mkdir(mode=0o700)
    (runtime / "netlab").symlink_to(runtime / "elsewhere")
    with pytest.raises(UsageError, match="belongs to somebody else; set XDG_RUNTIME_DIR"):
        own_folder()


def test_a_file_in_its_place_is_named(runtime: Path) -> None:
    (runtime / "netlab").write_text("")
    with pytest.raises(UsageError, match="it is no folder"):
        own_folder()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_somebody_else_s_folder_is_refused(runtime: Path) -> None:
    (runtime / "netlab").mkdir(mode=0o700)
    os.chown(runtime / "netlab", 65534, 65534)
    with pytest.raises(UsageError, match="belongs to somebody else"):
        own_folder()


def test_a_path_too_long_for_a_socket_is_not_used(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = runtime / ("x" * 90)
    deep.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    assert folder() == Path(f"/tmp/netlab-{os.getuid()}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime / "missing"))
    assert folder() == Path(f"/tmp/netlab-{os.getuid()}")


# -- the protocol ------------------------------------------------------------------------------------------------


async def test_calls_are_answered_in_order(runtime: Path, lab: Lab) -> None:
    async with serving(lab) as path:
        assert path.stat().st_mode & 0o777 == 0o600
        status, endpoints = await converse(
            path, b'{"id": 1, "call": "status"}', b'{"id": "b", "call": "endpoints", "args": {}}'
        )
    assert (status["id"], status["result"]["name"], status["result"]["level"]) == (1, "probe", "summary")
    assert endpoints == {"id": "b", "result": []}
    assert not path.exists()


GONE = "there is no flow 9 (any more); 0 flows of the newest are kept"
LEVELS = "level 'ful' is not one of off, summary, full; did you mean full?"
CARET = "filter, column 3: write == to compare\n  a =\n    ^"


@pytest.mark.parametrize(
    ("line", "call_id", "sentence"),
    [
        (b"hello", None, SHAPE),
        (b"[]", None, SHAPE),
        (b'{"id": 1, "args": 3}', None, SHAPE),
        (b"\xff\xfe", None, SHAPE),
        (b"[" * 10_000, None, SHAPE),
        (b'{"id": 4, "call": "statu"}', 4, "there is no call 'statu'; did you mean status?"),
        (b'{"id": 4, "call": 7}', 4, "there is no call '7'"),
        (b'{"id": 4, "call": "flow"}', 4, "flow: missing a required argument: 'id'"),
        (b'{"id": 4, "call": "flow", "args": {"id": "9"}}', 4, GONE),
        (b'{"id": 4, "call": "status", "args": {"x": 1}}', 4, "status: got an unexpected keyword argument 'x'"),
        (b'{"id": 4, "call": "level", "args": {"level": "ful"}}', 4, LEVELS),
        (b'{"id": 4, "call": "flows", "args": {"filter": "a ="}}', 4, CARET),
        (b'{"id": 4, "call": "flows", "args": {"filter": 3}}', 4, "flows: "),
        (b'{"id": 4, "call": "__init__"}', 4, "there is no call '__init__'"),
    ],
)
async def test_mistakes_get_a_sentence(runtime: Path, lab: Lab, line: bytes, call_id: object, sentence: str) -> None:
    async with serving(lab) as path:
        answer, status = await converse(path, line, b'{"id": 2, "call": "endpoints"}')
    assert answer["id"] == call_id
    assert answer["error"].startswith(sentence)
    assert answer["usage"] is (sentence != GONE)
    assert status == {"id": 2, "result": []}


@pytest.mark.parametrize("arguments", ['{"filter": 3}', '{"filter": "a ="}', '{"level": "loud"}'])
async def test_a_watch_that_cannot_be_meant(runtime: Path, lab: Lab, arguments: str) -> None:
    async with serving(lab) as path, connect(path) as control:
        with pytest.raises(UsageError):
            await anext(control.stream("watch", **json.loads(arguments)))
    assert not lab.flows._subscriptions


async def test_a_line_without_end_is_refused(runtime: Path, lab: Lab) -> None:
    async with serving(lab) as path:
        (answer,) = await converse(path, b"x" * (MAX_REQUEST + 10))
    assert answer["error"] == f"a request is one line of at most {MAX_REQUEST} bytes"


async def test_connections_are_bounded(runtime: Path, lab: Lab) -> None:
    async with serving(lab) as path:
        crowd = [await asyncio.open_unix_connection(path) for _ in range(MAX_CONNECTIONS)]
        await converse_until_full(path)
        for _, writer in crowd:
            writer.close()


async def converse_until_full(path: Path) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    async with asyncio.timeout(10):
        answer = json.loads(await reader.readline())
    assert answer["error"] == f"more than {MAX_CONNECTIONS} control connections"
    writer.close()


async def test_flows_come_as_items(runtime: Path, lab: Lab) -> None:
    for number in range(5):
        finished(lab, f"GET /{number}")
    async with serving(lab) as path:
        lines = await converse(path, b'{"id": 1, "call": "flows", "args": {"last": 2, "filter": "not /4"}}')
    assert [line["item"]["label"] for line in lines[:-1]] == ["GET /2", "GET /3"]
    assert lines[-1] == {"id": 1, "result": None}


async def test_one_flow_and_its_family(runtime: Path, lab: Lab) -> None:
    connection = lab.flows.open("tcp", "probe")
    request = lab.flows.open("http", "probe", parent=connection)
    leg = lab.flows.open("tcp", "probe", parent=request)
    async with serving(lab) as path, connect(path) as control:
        found = await control.call("flow", id=str(request.id))
    assert found["flow"]["id"] == str(request.id)
    assert found["parent"]["id"] == str(connection.id)
    assert [child["id"] for child in found["children"]] == [str(leg.id)]


async def test_a_label_that_is_no_text(runtime: Path, lab: Lab) -> None:
    finished(lab, "GET /\udcff\x00")
    async with serving(lab) as path:
        item, _ = await converse(path, b'{"id": 1, "call": "flows"}')
    assert item["item"]["label"] == "GET /\udcff\x00"


async def test_stop_stops_the_lab(runtime: Path, lab: Lab) -> None:
    async with serving(lab) as path, connect(path) as control:
        await control.call("stop")
        assert lab.stopping.is_set()


# -- watching ----------------------------------------------------------------------------------------------------


async def watched(lab: Lab, items: AsyncGenerator[Record]) -> asyncio.Task[Record]:
    """The next item, asked for before what is to be seen happens."""
    before = len(lab.flows._subscriptions)
    following = asyncio.ensure_future(anext(items))  # noqa: TID251  a test may hold its own
    async with asyncio.timeout(10):
        while len(lab.flows._subscriptions) == before:
            await asyncio.sleep(0)
    return following


async def test_watch_tells_of_flows_as_they_end(runtime: Path, lab: Lab) -> None:
    async with serving(lab) as path, connect(path) as control:
        items = control.stream("watch", filter="not POST", level="full")
        following = await watched(lab, items)
        assert lab.flows.level is Level.FULL
        lab.flows.open("tcp", "probe").end(Outcome.OK)
        finished(lab, "POST /")
        finished(lab, "GET /hello")
        assert (await following)["flow"]["label"] == ""  # with a filter, connections are told of as well
        assert (await anext(items))["flow"]["label"] == "GET /hello"
    assert lab.flows.level is Level.SUMMARY
    assert not lab.flows._subscriptions


async def test_a_watcher_that_goes_away_is_forgotten(runtime: Path, lab: Lab) -> None:
    async with serving(lab) as path:
        async with connect(path) as control:
            following = await watched(lab, control.stream("watch"))
            following.cancel()
        async with asyncio.timeout(10):
            while lab.flows._subscriptions:
                await asyncio.sleep(0)


async def test_a_watcher_that_does_not_read_loses_and_delays_nobody(runtime: Path, lab: Lab) -> None:
    async with serving(lab) as path, connect(path) as control:
        items = control.stream("watch")
        following = await watched(lab, items)
        for _ in range(WATCH_QUEUE + 500):
            finished(lab)
        got, dropped = [await following], 0
        async with asyncio.timeout(10):
            while not dropped:
                item = await anext(items)
                got.append(item)
                dropped = item.get("dropped", 0)
        assert (len(got) - 1, dropped) == (WATCH_QUEUE, 500)


async def test_the_end_of_the_lab_ends_the_watch(runtime: Path, lab: Lab) -> None:
    async with connect_late(lab) as (server, control):
        following = await watched(lab, control.stream("watch"))
        await server.__aexit__(None, None, None)
        with pytest.raises(ConnectionLost, match="the lab has ended"):
            await following


@asynccontextmanager
async def connect_late(lab: Lab) -> AsyncIterator[tuple[ControlServer, Any]]:
    path = own_folder() / "1.sock"
    server = await ControlServer(path, LabCalls(lab).table()).__aenter__()
    async with connect(path) as control:
        yield server, control


async def test_long_answers_leave_turns_to_others(runtime: Path, lab: Lab) -> None:
    for number in range(3000):
        finished(lab, f"GET /{number}")
    most = 0.0  # of CPU time, which a busy machine does not make longer
    async with serving(lab) as path:
        answer = asyncio.ensure_future(converse(path, b'{"id": 1, "call": "flows"}'))  # noqa: TID251  a test may hold its own
        last = thread_time()
        while not answer.done():
            await asyncio.sleep(0)
            most, last = max(most, thread_time() - last), thread_time()
        assert len(await answer) == 3001
    assert most < 0.08  # all at once they take longer than this


# -- which lab ---------------------------------------------------------------------------------------------------


async def test_the_only_lab_is_meant(runtime: Path, lab: Lab) -> None:
    with pytest.raises(NetlabError, match="no lab is running; start one with `netlab up` or `netlab serve NAME`"):
        await choose(None)
    async with serving(lab) as path:
        assert (await choose(None)).path == path
        assert (await choose("probe")).pid == os.getpid()
        assert (await choose(str(os.getpid()))).path == path
        with pytest.raises(NetlabError) as caught:
            await choose("other")
        assert not isinstance(caught.value, UsageError)
        assert str(caught.value) == f"no lab is called 'other'; running:\n{os.getpid():>9}  probe  no endpoints"


async def test_among_several_one_must_be_named(runtime: Path, lab: Lab) -> None:
    async with serving(lab), serving(lab, pid=1):
        with pytest.raises(UsageError, match=r"several labs .* with --lab PID\|NAME:\n +1  probe .*\n +\d+  probe "):
            await choose(None)
        with pytest.raises(UsageError, match="several labs are called 'probe'"):
            await choose("probe")
        assert (await choose("1")).pid == 1


async def test_sockets_of_the_dead_are_removed(runtime: Path) -> None:
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    left = own_folder() / f"{int(dead.stdout)}.sock"
    worker = own_folder() / f"{os.getpid()}.w1.sock"
    mine = own_folder() / f"{os.getpid()}.sock"
    for path in (left, mine, worker):
        path.touch()
    assert await labs() == []
    assert (left.exists(), mine.exists(), worker.exists()) == (False, True, True)
