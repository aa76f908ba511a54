"""`netlab faults` and `--fault`: set at the start, by file and while it runs; the same seed, the same run."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from netlab.commands.faults import Config, page
from netlab.control.calls import LabCalls
from netlab.control.client import own_folder
from netlab.control.faults import change_faults
from netlab.control.server import ControlServer
from netlab.errors import UsageError
from netlab.lab.options import Options, Sources
from netlab.lab.process import Lab
from netlab.lab.workers_calls import WorkersCalls
from netlab.policy.faults import Leg
from tests.http.faults.setting import set_faults
from tests.netlab_process import Place, Process, place


def statuses(process: Process, count: int) -> list[int]:
    found = []
    for _ in range(count):
        try:
            found.append(urllib.request.urlopen(process.url + "/hello", timeout=10).status)
        except urllib.error.HTTPError as error:
            with error:
                found.append(error.code)
    return found


def test_switched_while_it_runs(here: Place) -> None:
    with here.serve("--seed", "7", "--fault", "name=half status=503 probability=50% when path == /hello") as process:
        first = statuses(process, 20)
        assert set(first) == {200, 503}
        found = json.loads(here.call("faults", "--json").stdout)
        assert found == {
            "seed": 7,
            "faults": [
                {
                    "name": "half",
                    "fault": "name=half status=503 probability=50% when path == /hello",
                    "met": 20,
                    "struck": first.count(503),
                }
            ],
        }
        assert here.call("faults", "seed", "7").returncode == 0
        assert statuses(process, 20) == first
        done = here.call("faults", "add", "status=418", "when", "user_agent", "contains", "urllib")
        assert done.stdout.splitlines()[2].split(maxsplit=4) == [
            *("f1", "0", "of", "0", "status=418 when user_agent contains urllib")
        ]
        assert here.call("faults", "remove", "half").returncode == 0
        assert statuses(process, 2) == [418, 418]
        assert here.call("faults", "clear").stdout == "no faults are set (seed 7)\n"
        assert statuses(process, 2) == [200, 200]
        wrong = here.call("faults", "add", "latancy=1s")
        assert wrong.returncode == 2
        assert wrong.stderr.startswith("netlab: the fault 'latancy=1s' has 'latancy=1s', where one of latency,")
        assert "[fault half: name=half status=503" in process.end()[1]


def settled(path: Path, text: str) -> Options:
    path.write_text(text)
    return Sources("netlab serve http", {"config": str(path)}).settle(Options, "lab")


def test_by_a_file(tmp_path: Path) -> None:
    text = '[lab]\nseed = 3\nfault = ["status=503 when path == /hello", "name=b reset"]\n'
    faults = Lab("probe", settled(tmp_path / "lab.toml", text)).context.faults
    assert faults.seed == 3
    assert [(fault.name, fault.text) for fault in faults] == [
        ("f1", "status=503 when path == /hello"),
        ("b", "name=b reset"),
    ]
    with pytest.raises(UsageError, match=r"lab\.toml:2: fault 'status=600' has status=600; a response has 200 to 599$"):
        settled(tmp_path / "lab.toml", '[lab]\nfault = ["status=600"]\n')


async def test_workers_change_and_count_together(monkeypatch: pytest.MonkeyPatch) -> None:
    with place() as own:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(own.folder))
        labs = [Lab("http", Options(seed=number)) for number in (1, 2)]
        sockets = [own_folder() / f"1.w{number}.sock" for number in (1, 2)]
        calls = WorkersCalls("http", sockets, [], lambda: None)
        async with (
            ControlServer(sockets[0], LabCalls(labs[0]).table()),
            ControlServer(sockets[1], LabCalls(labs[1]).table()),
        ):
            await calls.faults(add=["reset when kind == tcp"])
            for lab, count in zip(labs, (2, 3), strict=True):
                for _ in range(count):
                    lab.context.faults.strike(Leg.DOWNSTREAM, {"kind": "tcp"})
            found = await calls.faults()
            assert found["faults"] == [{"name": "f1", "fault": "reset when kind == tcp", "met": 5, "struck": 5}]
            with pytest.raises(UsageError, match="has 'nonsense'"):
                await calls.faults(add=["nonsense"])
            assert (await calls.faults(clear=True))["faults"] == []
            assert not any(lab.context.faults for lab in labs)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"action": "add"}, "netlab faults add needs a fault"),
        ({"action": "remove"}, "netlab faults remove needs a name"),
        ({"action": "clear", "what": ("x",)}, "netlab faults clear takes nothing behind it, not 'x'"),
    ],
)
def test_what_is_missing_or_too_much(config: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Config(**config)  # type: ignore[arg-type]  # mistakes are the matter at hand


def test_a_seed_is_a_number() -> None:
    with pytest.raises(UsageError, match="takes one whole number, not 'x'"):
        Config(action="seed", what=("x",)).change()


def test_a_mistake_in_one_change_leaves_everything() -> None:
    faults = set_faults("name=a reset")
    for wrong in (
        {"add": ["truncate", "nonsense"]},
        {"add": ["truncate name=b", "reset name=b"]},
        {"add": ["truncate name=a"]},
    ):
        with pytest.raises(UsageError):
            change_faults(faults, **{"add": [], "remove": [], "clear": False, "seed": None, **wrong})
        assert [fault.name for fault in faults] == ["a"]
    change_faults(faults, add=["truncate name=a"], remove=["a"], clear=False, seed=9)
    assert [fault.text for fault in faults] == ["truncate name=a"]
    assert faults.seed == 9


def test_what_is_printed_cannot_steer_a_terminal() -> None:
    text = page({"seed": 1, "faults": [{"name": "a", "fault": "reset when x == '\x1b[2J'", "met": 1, "struck": 1}]})
    assert "\x1b" not in text
