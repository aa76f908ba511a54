"""pytest fixtures: servers of netlab on free ports, the flows through them, the lab's clock and faults.

Nothing of a project's own is imported here, nor anything of ours that a project could have by the same name: the
servers run in one process of netlab's, started isolated, which is asked over its control socket.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from netlab.errors import NetlabError
from netlab.net.conversation import Conversation, free_port

PATIENCE = 15.0
"""Seconds that the process may take to start, to answer, and to end."""
FAILED = pytest.StashKey[bool]()


class NetlabProcess:
    """One netlab process, and a conversation with it."""

    def __init__(self) -> None:
        command = [sys.executable, "-I", "-m", "netlab", "embed"]  # -I: the project's own `servers` is not found
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise NetlabError("netlab did not start; see its words above, or try: python -I -m netlab embed")
        self._conversation = Conversation(json.loads(line)["socket"], PATIENCE)
        self.call = self._conversation.call

    def close(self) -> None:
        self._conversation.close()
        assert self._process.stdin is not None
        self._process.stdin.close()  # by which it knows
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


@dataclass(frozen=True)
class NetlabServer:
    """A running server: where it is, and what went through it."""

    lab: NetlabLab = field(repr=False)
    kind: str
    endpoints: Sequence[Mapping[str, Any]]

    @property
    def url(self) -> str:
        """Its first endpoint: `http://127.0.0.1:41234`."""
        return str(self.endpoints[0]["url"])

    @property
    def host(self) -> str:
        return str(self.endpoints[0]["host"])

    @property
    def port(self) -> int:
        return int(self.endpoints[0]["port"])

    def url_of(self, scheme: str) -> str:
        """Another endpoint's, by its scheme: `https`, `smtps`."""
        found = [str(endpoint["url"]) for endpoint in self.endpoints if endpoint["scheme"] == scheme]
        if not found:
            there_are = ", ".join(str(endpoint["scheme"]) for endpoint in self.endpoints)
            raise NetlabError(f"{self.kind} has no endpoint for {scheme}; there are: {there_are}")
        return found[0]

    def flows(self, filter: str = "") -> list[dict[str, Any]]:  # noqa: A002  the word everywhere else
        """What clients did with it, oldest first, in the form of docs/contracts.md; `lab.flows()` has its own calls."""
        places = {f"{endpoint['host']}:{endpoint['port']}" for endpoint in self.endpoints}
        return [flow for flow in self.lab.flows(filter) if flow["server"] in places]


class NetlabClock:
    """The lab's time, by which TTLs, caches, tokens, sessions and the like expire."""

    def __init__(self, lab: NetlabLab) -> None:
        self._lab = lab

    def now(self) -> float:
        """Seconds since the epoch."""
        return float(self._lab.call("clock")["now"])

    def freeze(self, at: float | None = None) -> None:
        self._lab.call("clock", action="freeze", at=at)

    def jump(self, seconds: float) -> None:
        self._lab.call("clock", action="jump", seconds=seconds)

    def run(self, rate: float = 1.0) -> None:
        self._lab.call("clock", action="run", rate=rate)


class NetlabFaults:
    """What goes wrong on purpose, in the words of `netlab faults`."""

    def __init__(self, lab: NetlabLab) -> None:
        self._lab = lab

    def add(self, fault: str) -> None:
        """`status=503 probability=30%`, `latency=200ms`, `reset when path == /a`; seeded, so that a run repeats."""
        self._lab.call("faults", add=[fault])

    def clear(self) -> None:
        self._lab.call("faults", clear=True)


class NetlabLab:
    """Servers of one test, which share flows, names, clock and faults, and nothing with another test's."""

    def __init__(self, process: NetlabProcess, number: int) -> None:
        self._process, self._number = process, number
        self._started: dict[str, int] = {}
        self.clock, self.faults = NetlabClock(self), NetlabFaults(self)

    def call(self, name: str, /, **arguments: Any) -> Any:
        """A call of docs/contracts.md, answered by this lab."""
        return self._process.call("lab", lab=self._number, call=name, args=arguments)

    def start(self, kind: str, **settings: Any) -> NetlabServer:
        """A server by the name it has in `netlab serve`, its settings by the names of its flags: `root="site"`."""
        self._started[kind] = count = self._started.get(kind, 0) + 1
        told = {name: _plain(value) for name, value in settings.items()}
        if count == 1:
            return NetlabServer(self, kind, self.call("start", name=kind, settings=told))
        name = f"{kind}-{count}"
        return NetlabServer(self, kind, self.call("start", name=name, kind=kind, settings=told))

    def flows(self, filter: str = "") -> list[dict[str, Any]]:  # noqa: A002  the word everywhere else
        """All flows, oldest first, with their events."""
        return list(self.call("flows", filter=filter, whole=True))

    def keep(self, stem: Path) -> list[str]:
        """Write what was recorded to files whose names begin so."""
        return list(self._process.call("keep", lab=self._number, stem=str(stem)))

    def close(self) -> None:
        self._process.call("close", lab=self._number)


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if isinstance(value, (bool, int, float, str)) else str(value)


# -- fixtures --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def netlab_process() -> Iterator[NetlabProcess]:
    """The process in which all of a run's labs are; started by the first test that wants one."""
    process = NetlabProcess()
    yield process
    process.close()


@pytest.fixture
def netlab_lab(netlab_process: NetlabProcess, request: pytest.FixtureRequest) -> Iterator[NetlabLab]:
    """An empty lab: `lab.start("http", root="site")`, `lab.flows()`, `lab.clock`, `lab.faults`."""
    lab = NetlabLab(netlab_process, netlab_process.call("open", world=True)["lab"])
    yield lab
    if request.node.stash.get(FAILED, False):
        folder = Path(request.config.rootpath) / ".netlab"
        folder.mkdir(exist_ok=True)
        files = lab.keep(folder / re.sub(r"[^\w.-]+", "-", request.node.nodeid)[-120:])
        if files:
            request.node.add_report_section("teardown", "netlab", "kept: " + ", ".join(files))
            _told(request.config).append(f"{request.node.nodeid}: {', '.join(files)}")
    lab.close()


@pytest.fixture
def netlab_http(netlab_lab: NetlabLab) -> NetlabServer:
    """An HTTP server with all its built-in paths (`/status/503`, `/delay/1`, `/anything` …)."""
    return netlab_lab.start("http")


@pytest.fixture
def netlab_proxy(netlab_lab: NetlabLab) -> NetlabServer:
    """A forward proxy: HTTP, CONNECT and SOCKS on one port."""
    return netlab_lab.start("forward-proxy")


@pytest.fixture
def netlab_dns(netlab_lab: NetlabLab) -> NetlabServer:
    """A resolver of the lab's world, by iteration from its own root."""
    port = free_port("127.0.53.1")  # the world's servers are at addresses of their own, with one port
    netlab_lab.start("nameserver", port=port)
    return netlab_lab.start("resolver", upstream_port=port)


@pytest.fixture
def netlab_smtp(netlab_lab: NetlabLab) -> NetlabServer:
    """A mail sink: SMTP at its first endpoint, its API at `url_of("http")`."""
    return netlab_lab.start("smtp")


@pytest.fixture
def netlab_mqtt(netlab_lab: NetlabLab) -> NetlabServer:
    """An MQTT broker."""
    return netlab_lab.start("mqtt")


# -- what pytest tells -----------------------------------------------------------------------------------------

TOLD = pytest.StashKey[list[str]]()


def _told(config: pytest.Config) -> list[str]:
    return config.stash.setdefault(TOLD, [])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Where the flows of failed tests are."""
    for line in config.stash.get(TOLD, []):
        terminalreporter.write_line(f"netlab kept {line}")
