"""`netlab faults` and `--fault`: set at the start, by file and while it runs; the same seed, the same run."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from netlab.commands.faults import Config, page
from netlab.control_faults import change_faults
from netlab.errors import UsageError
from tests.http.faults.setting import set_faults
from tests.netlab_process import Place, Process, place


@pytest.fixture
def here() -> Iterator[Place]:
    with place() as own:
        yield own


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
        found = json.loads(here.run("faults", "--json").stdout)
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
        assert here.run("faults", "seed", "7").returncode == 0
        assert statuses(process, 20) == first
        done = here.run("faults", "add", "status=418", "when", "user_agent", "contains", "urllib")
        assert done.stdout.splitlines()[2].split(maxsplit=4) == [
            *("f1", "0", "of", "0", "status=418 when user_agent contains urllib")
        ]
        assert here.run("faults", "remove", "half").returncode == 0
        assert statuses(process, 2) == [418, 418]
        assert here.run("faults", "clear").stdout == "no faults are set (seed 7)\n"
        assert statuses(process, 2) == [200, 200]
        wrong = here.run("faults", "add", "latancy=1s")
        assert wrong.returncode == 2
        assert wrong.stderr.startswith("netlab: the fault 'latancy=1s' has 'latancy=1s', where one of latency,")
        assert "[fault half: name=half status=503" in process.end()[1]


def test_by_a_file_and_with_workers(here: Place, tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text('[lab]\nseed = 3\nfault = ["status=503 when path == /hello"]\n')
    with here.serve("-q", "--workers", "2", "--config", str(tmp_path / "lab.toml")) as process:
        assert statuses(process, 6) == [503] * 6
        found = json.loads(here.run("faults", "--json").stdout)["faults"]
        assert found == [{"name": "f1", "fault": "status=503 when path == /hello", "met": 6, "struck": 6}]
        here.run("faults", "clear")
        assert statuses(process, 6) == [200] * 6
    (tmp_path / "lab.toml").write_text('[lab]\nfault = ["status=600"]\n')
    done = here.run("serve", "http", "--config", str(tmp_path / "lab.toml"))
    assert done.returncode == 2
    assert done.stderr.endswith("lab.toml:2: fault 'status=600' has status=600; a response has 200 to 599\n")


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
