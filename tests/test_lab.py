"""A lab from outside: ready, seen, and gone without a trace."""

from __future__ import annotations

import asyncio
import json
import os
import re
import select
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from netlab import rooms
from netlab.commands.up import exposed
from netlab.config import Address
from netlab.lab.options import Options
from netlab.lab.process import Lab, live
from netlab.lab.world import LabWorld
from servers import http, l7_balancer
from tests.netlab_process import Place, Process


def get(url: str, *arguments: str) -> str:
    """What curl prints."""
    return subprocess.run(
        ["curl", "-sS", "--max-time", "10", *arguments, url], capture_output=True, text=True, timeout=15, check=True
    ).stdout


# -- one process ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_serve_prints_its_endpoint_answers_and_ends(here: Place, loop: str) -> None:
    with here.serve("--loop", loop) as process:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", process.url)
        assert get(process.url + "/hello") == "Hello, World!"
        assert re.search(r"\d  http +127\.0\.0\.1:\d+ +200 ok +.* GET /hello$", process.line())
        assert here.sockets == [f"{process.pid}.sock"]
        assert process.end() == (0, "", "")
        assert here.sockets == []


def test_quiet_prints_no_flows(here: Place) -> None:
    with here.serve("-q") as process:
        get(process.url + "/hello")
        assert process.end() == (0, "", "")


def test_json_for_programs(here: Place) -> None:
    with here.start("serve", "http", "--listen", "127.0.0.1:0", "--json") as process:
        ready = json.loads(process.line())
        (endpoint,) = ready["endpoints"]
        assert (ready["pid"], endpoint["name"], endpoint["scheme"]) == (process.pid, "http", "http")
        get(endpoint["url"] + "/hello")
        assert json.loads(process.line())["label"] == "GET /hello"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_drain(here: Place, number: signal.Signals) -> None:
    """A request under way is answered; a keep-alive connection does not hold the end up."""
    with here.serve("-q") as process, socket.create_connection(("127.0.0.1", process.port)) as client:
        client.sendall(b"POST /anything HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
        wait_for_flows(here, 1)
        process.popen.send_signal(number)
        wait_until_refused(process.port)
        client.sendall(b"cd")
        answer = b"".join(iter(lambda: client.recv(65536), b""))  # to the end, which the server makes
        assert b"200 OK" in answer
        assert b"Connection: close" in answer
        client.close()
        assert process.wait()[:2] == (0, "")


def test_a_second_interrupt_ends_at_once(here: Place) -> None:
    with here.serve("-q", "--grace", "60") as process, socket.create_connection(("127.0.0.1", process.port)) as client:
        client.sendall(b"POST /anything HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
        wait_for_flows(here, 1)
        process.interrupt()
        assert process.popen.stderr is not None
        assert process.popen.stderr.readline() == (
            "netlab: connections have 1m to end; Ctrl-C again ends them at once\n"
        )
        began = time.monotonic()
        process.interrupt()
        assert process.wait()[0] == 0
        assert time.monotonic() - began < 5
        assert here.sockets == []


def test_the_grace_ends(here: Place) -> None:
    with (
        here.serve("-q", "--grace", "100ms") as process,
        socket.create_connection(("127.0.0.1", process.port)) as client,
    ):
        client.sendall(b"POST /anything HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
        wait_for_flows(here, 1)
        assert process.end()[0] == 0


def test_a_taken_port_is_named_with_its_holder(here: Place) -> None:
    with here.serve("-q") as first:
        sentence = f"127.0.0.1 port {first.port} is in use, held by "
        for more in ([], ["--workers", "2"]):
            result = here.run("serve", "http", "--listen", f"127.0.0.1:{first.port}", *more)
            assert result.returncode == 1
            assert result.stderr.startswith(f"netlab: {sentence}")
            assert result.stderr.endswith(f"(pid {first.pid})\n")
        taken = f"127.0.0.1:{first.port}"
        result = here.run("up", "http", NETLAB_HTTP_LISTEN=taken, NETLAB_HTTP_TLS="no")
        assert result.returncode == 1
        assert result.stderr.startswith(f"netlab: {sentence}")
        assert "NETLAB_HTTP_LISTEN=127.0.0.1:0" in result.stderr
        assert "http goes without it" in result.stderr
        assert here.sockets == [f"{first.pid}.sock"]
        with here.start("up", "http", NETLAB_HTTP_LISTEN="127.0.0.1:0", NETLAB_HTTP_TLS_LISTEN=taken) as rest:
            assert rest.line().startswith("http  http://127.0.0.1:")  # what is free is served all the same
            code, _, said = rest.end()
            assert code == 1
            assert sentence in said


def test_an_address_that_is_not_ours(here: Place) -> None:
    result = here.run("serve", "http", "--expose", "--listen", "192.0.2.1:0")
    assert (result.returncode, result.stderr) == (2, "netlab: 192.0.2.1 is not an address of this machine\n")


def test_a_reader_that_has_gone_ends_the_lab(here: Place) -> None:
    with here.serve() as process:
        assert process.popen.stdout is not None
        process.popen.stdout.close()
        get(process.url + "/hello")
        assert process.popen.wait(20) == 0
        assert here.sockets == []


def test_settings_from_flag_variable_and_file(here: Place) -> None:
    file = here.folder / "lab.toml"
    file.write_text('[lab]\nrecord = "full"\n[http]\necho = true\nlisten = "127.0.0.1:1"\n')
    with here.serve("-q", "--config", str(file), "--no-echo", NETLAB_LAB_RECORD="off") as process:
        assert get(process.url + "/nothing-here").startswith("404")
        assert json.loads(here.call("status", "--json").stdout)["level"] == "off"


def test_up_serves_http_at_its_place(here: Place) -> None:
    file = here.folder / "lab.toml"
    file.write_text('[http]\nlisten = "127.0.0.1:0"\n')
    with here.start("up", "http", "--config", str(file)) as process:
        process.wait_until_ready()
        get(process.url + "/hello")
        status = json.loads(here.call("status", "--json").stdout)
        assert (status["name"], status["level"]) == ("up", "full")
        assert process.end()[0] == 0


@pytest.mark.parametrize("name", rooms.services())
def test_each_service_has_settings_for_the_lab(name: str) -> None:
    """Else `netlab up` would run none of them."""
    module = rooms.services()[name].load()
    if getattr(module, "IN_LAB", True):
        module.Config(**{**getattr(module, "IN_THE_LAB", {}), **LabWorld.load().told(module.Config, name)})


def test_a_lab_for_other_machines(here: Place) -> None:
    assert here.run("up", "http", NETLAB_HTTP_LISTEN="0.0.0.0:0").returncode == 2
    with here.start("up", "http", "--expose", NETLAB_HTTP_LISTEN="0.0.0.0:0") as process:
        process.wait_until_ready()
        assert process.url.startswith("http://0.0.0.0:")
        assert process.end()[0] == 0
    assert "status_listen" not in exposed(l7_balancer.Config)  # which changes things, and stays here
    assert exposed(http.Config) == {"expose": True, "listen": Address("0.0.0.0", 8080)}


# -- from another terminal -----------------------------------------------------------------------------------------


def test_watch_show_export_status_stop(here: Place) -> None:
    with here.serve("-q", "--record", "full") as process, here.start("watch", "--json", "--full") as watch:
        wait_for_watcher(watch, get_it=process.url + "/hello")
        seen = json.loads(watch.line())
        assert (seen["label"], seen["result"], seen["outcome"]) == ("GET /hello", "200", "ok")
        assert seen["events"][0]["name"] == "request.received"
        assert here.call("show", "999").returncode == 1
        assert here.call("show", "1", "--lab", "nope").returncode == 1
        page = here.call("show", seen["id"]).stdout
        assert page.startswith(f"flow {seen['id']}  http  GET /hello  200 ok\n")
        assert "47 45 54 20 2f 68 65 6c  6c 6f" in page
        assert json.loads(here.call("show", seen["id"], "--json").stdout)["parent"]["kind"] == "tcp"
        assert '"version": "1.2"' in here.call("export", "--har").stdout
        lines = here.call("export", "--jsonl", "--filter", "kind == http", "--last", "1").stdout.splitlines()
        assert [json.loads(line)["label"] for line in lines] == ["GET /hello"]
        capture = here.folder / "lab.pcapng"
        exported = here.call("export", str(capture))
        assert exported.returncode == 0
        assert re.fullmatch(rf"{capture}: \d+ conversations? in \d+ packets\n", exported.stderr)
        assert capture.read_bytes()[:4] == bytes.fromhex("0a0d0d0a")  # a section header block
        assert [path.name for path in here.folder.glob("*.part")] == []
        text = here.call("status").stdout
        assert f"http  pid {process.pid}, up " in text
        assert process.url in text
        stopped = here.call("stop")
        assert (stopped.returncode, stopped.stdout) == (0, f"stopped {process.pid} (http: {process.url})\n")
        assert process.wait()[0] == 0
        code, _, said = watch.wait()
        assert (code, said) == (0, "netlab: the lab has ended\n")


def test_watch_shows_only_what_matches_and_ends_with_ctrl_c(here: Place) -> None:
    with here.serve("-q") as process, here.start("watch", "--filter", "http.status == 404") as watch:
        wait_for_watcher(watch, get_it=process.url + "/missing")
        assert watch.line().endswith("  GET /missing")
        watch.interrupt()
        assert watch.wait()[0] == 0


def test_credentials_are_shown_only_on_demand(here: Place) -> None:
    with here.serve("-q", "--record", "full") as process:
        get(process.url + "/hello", "-u", "ada:lovelace", "-H", "Cookie: session=sesame")
        for command in (["show", "2", "--raw"], ["show", "2", "--json"], ["export", "--jsonl"], ["export", "--har"]):
            hidden, shown = here.call(*command).stdout, here.call(*command, "--reveal").stdout
            assert "sesame" not in hidden
            assert "YWRhOmxvdmVsYWNl" not in hidden
            assert "Basic ****************" in hidden
            assert "sesame" in shown


def test_watching_a_lab_that_records_nothing(here: Place) -> None:
    with here.serve("-q", "--record", "off") as process, here.start("watch") as watch:
        get(process.url + "/hello")
        wait_for_watcher(watch, get_it=process.url + "/headers")
        assert watch.line().endswith("  GET /headers")


def test_which_lab_is_meant(here: Place) -> None:
    with here.serve("-q") as first, here.serve("-q") as second:
        result = here.call("status")
        assert result.returncode == 2
        assert result.stderr.startswith("netlab: several labs are running, say which with --lab PID|NAME:\n")
        assert result.stderr.count("\n") == 3
        for process in (first, second):
            assert process.url in result.stderr
            assert process.url in here.call("status", "--lab", str(process.pid)).stdout


def test_of_several_labs_the_one_that_balances_is_meant(here: Place) -> None:
    with (
        here.serve("-q") as origin,
        here.start("serve", "l7-balancer", "--to", origin.url, "--listen", ":0", "-q") as lb,
    ):
        lb.wait_until_ready()
        assert f"127.0.0.1:{origin.port}  " in here.run("balancer").stdout
        assert here.run("cache").returncode == 2  # nobody has one: which lab is asked has to be said


def test_a_lab_that_was_killed_leaves_no_lab_behind(here: Place) -> None:
    with here.serve("-q") as process:
        process.popen.kill()
        process.wait()
        assert here.sockets == [f"{process.pid}.sock"]
        assert here.call("status").returncode == 1
        assert here.sockets == []


# -- workers -------------------------------------------------------------------------------------------------------


def test_workers_look_like_one_lab(here: Place) -> None:
    with here.serve("--workers", "2", "--record", "full") as process:
        for _ in range(12):
            get(process.url + "/hello")
        status = wait_for_flows(here, 24)
        assert (status["workers"], status["pid"], status["flows"]["outcomes"]) == (2, process.pid, {"ok": 24})
        records = [json.loads(line) for line in here.call("export", "--jsonl").stdout.splitlines()]
        assert len(records) == 24
        assert {record["id"].partition(".")[0] for record in records} <= {"w1", "w2"}
        assert [record["started"] for record in records] == sorted(record["started"] for record in records)
        newest = [json.loads(line) for line in here.call("export", "--jsonl", "--last", "3").stdout.splitlines()]
        assert newest == records[-3:]
        name = records[1]["id"]
        assert here.call("show", name).stdout.startswith(f"flow {name}  ")
        assert here.call("show", "2").stderr.startswith("netlab: flow ids are w1.17 to w2.17 here")
        lines = [process.line() for _ in range(12)]
        assert all(line.endswith("  GET /hello") for line in lines)
        assert process.end()[0] == 0
        assert here.sockets == []


def test_a_worker_that_dies_is_started_again(here: Place) -> None:
    with here.serve("-q", "--workers", "2") as process:
        victim = children(process.pid)[0]
        os.kill(victim, signal.SIGKILL)
        assert process.popen.stderr is not None
        assert re.fullmatch(
            rf"netlab: worker \d \(pid {victim}\) was ended by signal 9; starting it again in 0.1 s\n",
            process.popen.stderr.readline(),
        )
        deadline = time.monotonic() + 20
        while json.loads(here.call("status", "--json").stdout)["workers"] < 2:
            assert time.monotonic() < deadline
        assert get(process.url + "/hello") == "Hello, World!"
        assert process.end()[0] == 0
        assert here.sockets == []


def test_workers_end_with_their_parent_however_it_ends(here: Place) -> None:
    with here.serve("-q", "--workers", "2") as process:
        workers = children(process.pid)
        process.popen.kill()
        deadline = time.monotonic() + 20
        while any(Path(f"/proc/{worker}/exe").exists() for worker in workers):
            assert time.monotonic() < deadline


def test_workers_drain_and_a_second_interrupt_ends_them(here: Place) -> None:
    with here.serve("-q", "--workers", "2", "--grace", "60") as process:
        with socket.create_connection(("127.0.0.1", process.port)) as client:
            client.sendall(b"POST /anything HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
            wait_for_flows(here, 1)
            workers = children(process.pid)
            process.interrupt()
            assert process.popen.stderr is not None
            assert "Ctrl-C again" in process.popen.stderr.readline()
            process.interrupt()
            assert process.wait()[0] == 0
        assert not any(Path(f"/proc/{worker}/exe").exists() for worker in workers)
        assert here.sockets == []


# -- inside one process ----------------------------------------------------------------------------------------------


async def test_nothing_is_left_of_a_lab(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """No task, descriptor, socket file or subscription."""
    monkeypatch.setenv("NETLAB_STATE", str(here.folder / "state"))
    path = here.folder / "lab.sock"
    await one_life(path)  # the first may leave what is kept for all: loaded modules, a resolver's thread
    tasks, descriptors = asyncio.all_tasks(), len(os.listdir("/proc/self/fd"))
    await one_life(path)
    assert asyncio.all_tasks() == tasks
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert not path.exists()


async def one_life(path: Path) -> None:
    lab = Lab("http", Options(quiet=True))
    config = http.Config(listen=Address("127.0.0.1", 0))
    life = asyncio.ensure_future(live(lab, {"http": lambda context: http.Server(config, context)}, path))  # noqa: TID251  a test may hold its own
    async with asyncio.timeout(20):
        while not path.exists():
            if life.done():
                life.result()
            await asyncio.sleep(0)
        reader, writer = await asyncio.open_connection("127.0.0.1", lab.endpoints[0].port)
        writer.write(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        lab.stop()
        assert await life == 0
        writer.close()
        await writer.wait_closed()


# -- waiting for what another process does -------------------------------------------------------------------------


def wait_for_flows(here: Place, count: int) -> dict[str, object]:
    """The status once so many flows have been opened."""
    deadline = time.monotonic() + 20
    while True:
        status: dict[str, object] = json.loads(here.call("status", "--json").stdout)
        flows = status["flows"]
        assert isinstance(flows, dict)
        if flows["opened"] >= count:
            return status
        assert time.monotonic() < deadline


def wait_for_watcher(watch: Process, *, get_it: str) -> None:
    """Ask until the watcher, which is a process of its own, has something to tell."""
    deadline = time.monotonic() + 20
    while not select.select([watch.popen.stdout], [], [], 0.05)[0]:
        assert time.monotonic() < deadline
        get(get_it)


def wait_until_refused(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            return
        assert time.monotonic() < deadline


def children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found
