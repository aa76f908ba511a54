"""The bench: rows that fit together, cases taken in turn, verdicts, and nothing left behind. Nothing here is timed."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bench import markdown, meter, report
from bench.loads.beset import Beset
from bench.loads.download import Download, Upload
from bench.loads.idle import Idle
from bench.loads.tunnels import Tunnels
from bench.loads.wrk import Wrk
from bench.model import Case, Limit, NotAnswering, Ratio, Row, Sample
from bench.peers.behind import Before
from bench.peers.bulk import Bulk
from bench.peers.netlab import Netlab
from bench.rows import all_rows, chosen
from bench.runner import Settings, measure, start
from bench.stage import Stage, StartFailed, Target, free_port

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the bench needs Linux")
ROOT = Path(__file__).resolve().parent.parent


def needs(*tools: tuple[str, str]) -> None:
    for tool, package in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is missing: install {package}")


@dataclass(frozen=True, kw_only=True)
class Counting:
    """A load that does nothing, and writes down when it was asked to."""

    name: str
    rate: float = 1.0
    absent: str = ""
    silent: bool = False
    calls: list[str] = field(default_factory=list, compare=False)

    def missing(self) -> str:
        return self.absent

    def check(self, target: Target) -> None:
        if self.silent:
            raise NotAnswering("it said nothing")

    def run(self, target: Target, seconds: int) -> Sample:
        self.calls.append(self.name)
        return Sample(units=self.rate * seconds, seconds=seconds, values={"memory": 10.0 * len(self.calls)})


@dataclass(frozen=True, kw_only=True)
class Files:
    """A server of somebody else: Python's own."""

    def missing(self) -> str:
        return ""

    def version(self) -> str:
        return "http.server"

    def start(self, stage: Stage) -> Target:
        port = free_port()
        command = ["-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(stage.folder)]
        return Target(port=port, processes=(stage.python(command),))


def row_of(*loads: Counting, claims: tuple[Ratio | Limit, ...] = ()) -> Row:
    return Row(name="a.row", about="", cases=tuple(Case(name=load.name, load=load) for load in loads), claims=claims)


# -- rows --------------------------------------------------------------------------------------------------------


def test_rows_are_well_formed() -> None:
    for row in all_rows().values():
        cases = [case.name for case in row.cases]
        assert len(set(cases)) == len(cases), row.name
        assert set(row.columns) <= set(report.COLUMNS), row.name
        for claim in row.claims:
            assert set(claim.names()) <= set(cases), (row.name, claim)
        for case in row.cases:
            assert case.server is None or hash(case.server) is not None, row.name


def test_rows_are_chosen_by_name_first_word_and_pattern() -> None:
    assert [row.name for row in chosen(["http.small"])] == ["http.small"]
    assert {row.name for row in chosen(["http"])} >= {"http.small", "http.fields", "http.idle-10k"}
    assert [row.name for row in chosen(["http.idle*", "http.idle-10k"])] == ["http.idle-10k"]
    with pytest.raises(LookupError, match=r"there is no row 'gopher'; there are: .*http\.small"):
        chosen(["gopher"])


# -- measuring ---------------------------------------------------------------------------------------------------


def test_cases_take_turns() -> None:
    calls: list[str] = []
    row = row_of(*(Counting(name=name, calls=calls) for name in "ABC"))
    measure(row, Settings(rounds=3, seconds=1))
    assert "".join(calls) == "ABC" + "ABC" + "CBA" + "ABC"  # the first time is the warm-up


def test_a_dry_run_measures_nothing() -> None:
    load = Counting(name="A")
    result = measure(row_of(load), Settings(dry=True))
    assert (load.calls, result.outcome) == ([], "shown")


@pytest.mark.parametrize(
    ("claim", "outcome", "text"),
    [
        (Ratio(of="A", to=("B",), at_least=0.4), "passed", "A ÷ B = 0.50  (bar ≥ 0.4)"),
        (Ratio(of="A", to=("B",), at_least=0.6), "failed", "A ÷ B = 0.50  (bar ≥ 0.6)"),
        (Ratio(of="A", to=("B", "C"), at_least=0.3), "failed", "A ÷ B or C = 0.25  (bar ≥ 0.3)"),
        (Ratio(of="A", to=("B",), at_least=0.6, binding=False), "shown", "A ÷ B = 0.50  (bar ≥ 0.6)"),
        (Ratio(of="C", to=("A", "B"), at_most=2.0), "failed", "C ÷ A or B = 4.00  (bar ≤ 2)"),
        (Ratio(of="A", to=("B",)), "shown", "A ÷ B = 0.50"),
        (Limit(of="A", metric="memory", unit="MB", at_most=30.0), "passed", "A, memory = 30 MB  (bar ≤ 30 MB)"),
        (Limit(of="A", metric="memory", unit="MB", at_most=29.0), "failed", "A, memory = 30 MB  (bar ≤ 29 MB)"),
    ],
)
def test_claims_are_held_against_the_medians(claim: Ratio | Limit, outcome: str, text: str) -> None:
    loads = (Counting(name="A", rate=10), Counting(name="B", rate=20), Counting(name="C", rate=40))
    result = measure(row_of(*loads, claims=(claim,)), Settings(rounds=3, seconds=1))
    assert result.outcome == outcome
    assert result.verdicts[0].text.partition("  [")[0] == text


def test_a_missing_peer_is_said_and_fails_only_where_everything_is_installed() -> None:
    row = row_of(
        Counting(name="A"), Counting(name="B", absent="squid"), claims=(Ratio(of="A", to=("B",), at_least=2.0),)
    )
    lenient, strict = (measure(row, Settings(rounds=1, seconds=1, strict=strict)) for strict in (False, True))
    assert (lenient.outcome, strict.outcome) == ("skipped", "failed")
    assert "skip  B: squid is missing" in report.table(lenient)
    assert "A ÷ B: not measured" in report.table(lenient)


def test_what_does_not_answer_fails_its_row_and_the_others_are_still_measured() -> None:
    result = measure(row_of(Counting(name="A", silent=True), Counting(name="B")), Settings(rounds=1, seconds=1))
    assert result.outcome == "failed"
    assert list(result.medians) == ["B"]
    assert "FAIL  A: it said nothing" in report.table(result)


def test_results_are_json() -> None:
    result = measure(row_of(Counting(name="A", rate=10)), Settings(rounds=1, seconds=1))
    shown = json.loads(json.dumps(report.as_json([result], Settings(rounds=1, seconds=1))))
    assert shown["rows"][0]["medians"]["A"]["rate"] == 10


def test_an_answer_in_the_wrong_coding_is_not_measured() -> None:
    needs(("taskset", "util-linux"), ("setpriv", "util-linux"))
    with Stage() as stage:
        stage.file("data.json", b"[1, 2, 3]")
        target = Files().start(stage)
        stage.wait_until_ready(target)
        Wrk(path="/data.json", length=9).check(target)
        with pytest.raises(NotAnswering, match=r"answered 200 with 9 bytes, not 200 with 9 bytes in gzip$"):
            Wrk(path="/data.json", length=9, coding="gzip").check(target)


def test_a_proxy_has_an_upstream_of_its_own_that_ends_with_it() -> None:
    needs(("taskset", "util-linux"), ("setpriv", "util-linux"), ("curl", "curl"))
    server = Before(proxy=Netlab(service="forward-proxy"), upstream=Bulk())
    with Stage() as stage:
        target = start(server, stage)
        both = target.family() + target.behind.family()
        assert len(both) == 2
        down = Download(path="/3000000", size=3_000_000, first="/10", through=True).run(target, 1)
        up = Upload(path="/sink", size=3_000_000, first="/10", through=True).run(target, 1)
        assert (down.units, up.units) == (3.0, 3.0)
        assert Tunnels(path="/100000").run(target, 1).units > 0
        Idle(greeting=b"GET /0 HTTP/1.1\r\n\r\n", answer=b"HTTP/1.1 200 OK", connections=3, through=True).run(target, 1)
        with pytest.raises(NotAnswering, match="answered 502, not 200"):
            Download(path="/1", size=1, first="/no-number", through=True).check(target)
    assert meter.memory(both) == 0


def test_slow_clients_must_stay_while_another_load_runs() -> None:
    needs(("taskset", "util-linux"), ("setpriv", "util-linux"))
    load = Counting(name="A")
    with Stage() as stage:
        target = Netlab().start(stage)
        stage.wait_until_ready(target)
        Beset(load=load, head=b"GET / HTTP/1.1\r\nX-Slow: ", connections=20).run(target, 1)
        with pytest.raises(NotAnswering, match="said 'held 0', not 'held 20'"):  # these are answered
            Beset(load=load, head=b"GET / HTTP/1.0\r\n\r\n", connections=20).run(target, 1)
    assert load.calls == ["A", "A"]


# -- processes ---------------------------------------------------------------------------------------------------


def test_a_stage_ends_its_processes_and_removes_its_folder() -> None:
    needs(("taskset", "util-linux"), ("setpriv", "util-linux"))
    with Stage() as stage:
        target = Files().start(stage)
        stage.wait_until_ready(target)
        members = target.family()
        assert members == list(target.processes)
        assert meter.memory(members) > 1e6
        assert meter.cpu_seconds(members) >= 0
    assert meter.memory(members) == 0
    assert not stage.folder.exists()


def test_a_server_that_does_not_come_up_is_quoted() -> None:
    needs(("taskset", "util-linux"), ("setpriv", "util-linux"))
    with Stage() as stage:
        stage.python(["-c", "raise SystemExit('no such option')"])
        with pytest.raises(StartFailed, match="ended with code 1: no such option"):
            stage.wait_until_ready(Target(port=free_port()))


def test_the_smallest_row_runs_dry(tmp_path: Path) -> None:
    needs(("taskset", "util-linux"), ("setpriv", "util-linux"), ("wrk", "wrk"))
    command = [sys.executable, "-m", "bench", "http.levels", "--dry-run"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "every case of it can be measured" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    needs(("taskset", "util-linux"), ("setpriv", "util-linux"), ("wrk", "wrk"))
    terminal, theirs = os.openpty()
    command = [sys.executable, "-m", "bench", "http.levels", "--seconds", "60"]
    bench = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=theirs, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    os.close(theirs)
    shown = b""
    while b"warming up record summary" not in shown:  # by then two servers run
        shown += os.read(terminal, 1024)
    members = meter.family(bench.pid)
    assert len(members) > 2
    ends = [os.pidfd_open(pid) for pid in members]
    bench.send_signal(signal.SIGINT)
    assert bench.wait(30) == 130
    os.close(terminal)
    for end in ends:  # what was told to end may take a moment more than who told it
        assert select.select([end], [], [], 10)[0]
        os.close(end)
    assert list(tmp_path.iterdir()) == []


def test_wrong_usage_is_one_sentence() -> None:
    done = subprocess.run([sys.executable, "-m", "bench", "gopher"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("bench: there is no row 'gopher'")


def test_a_row_is_a_line_of_markdown() -> None:
    claims = (Ratio(of="A", to=("B",), at_least=0.4), Ratio(of="C", to=("A",)))
    result = measure(row_of(*(Counting(name=name) for name in "ABC"), claims=claims), Settings(rounds=1, seconds=1))
    assert markdown.line(result) == "| `a.row` |  | A 1.0 requests/s<br>B 1.0 requests/s | A ÷ B = 1.00 (bar ≥ 0.4) ✓ |"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.index(markdown.BEGIN) < readme.index(markdown.END)
