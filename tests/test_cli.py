"""The `netlab` command from outside: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from netlab import __version__
from tests.netlab_process import Place


def test_without_arguments_it_says_what_there_is(here: Place) -> None:
    for arguments in ([], ["--help"], ["help"]):
        result = here.call(*arguments)
        assert (result.returncode, result.stderr) == (0, "")
        assert "\n  serve" in result.stdout
        assert "\n  up " in result.stdout
        assert "http" in result.stdout


def test_version(here: Place) -> None:
    result = here.run("--version")
    assert (result.returncode, result.stdout) == (0, f"netlab {__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["watsch"], "there is no command 'watsch'; did you mean watch?"),
        (["xyzzy"], "there is no command 'xyzzy'; `netlab --help` shows what there is"),
        (["http"], "there is no command 'http'; did you mean `netlab serve http`?"),
        (["serve", "htp"], "there is no service 'htp'; did you mean http?"),
        (["up", "htp"], "there is no service 'htp'; did you mean http?"),
        (["serve", "http", "--lisen", ":1"], "netlab serve http has no flag --lisen; did you mean --listen?"),
        (["serve", "http", "--recrd", "off"], "netlab serve http has no flag --recrd; did you mean --record?"),
        (["serve", "http", "--record", "ful"], "--record 'ful' is not one of off, summary, full; did you mean full?"),
        (["serve", "http", "--workers", "0"], "--workers '0' is not a whole number of 1 or more"),
        (["serve", "http", "extra"], "netlab serve http takes no arguments, and not 'extra'"),
        (["serve", "http", "--config", "no.toml"], "cannot read no.toml: No such file or directory"),
        (["show"], "netlab show needs ID"),
        (["show", "1", "2"], "netlab show takes ID, and not '2'"),
        (["watch", "--filter", "a ="], "filter, column 3: write == to compare\n  a =\n    ^"),
        (["export"], "netlab export needs a form: --har, --pcapng, --jsonl, or a file name that ends in one of them"),
        (["export", "--har", "--jsonl"], "netlab export writes one form at a time: --har, --pcapng or --jsonl"),
    ],
)
def test_wrong_usage_is_one_sentence_and_code_2(here: Place, arguments: list[str], sentence: str) -> None:
    result = here.call(*arguments)
    assert (result.returncode, result.stdout, result.stderr) == (2, "", f"netlab: {sentence}\n")
    assert here.sockets == []


def test_a_wrong_variable_is_named(here: Place) -> None:
    result = here.run("serve", "http", NETLAB_HTTP_LISTEN="x")
    assert result.returncode == 2
    assert result.stderr.startswith("netlab: NETLAB_HTTP_LISTEN 'x' has no port; write HOST:PORT, such as x:8080")
    result = here.run("serve", "http", NETLAB_LAB_RECORDING="off")
    assert result.stderr == (
        "netlab: NETLAB_LAB_RECORDING is set, but lab has no such setting; did you mean NETLAB_LAB_RECORD?\n"
    )


def test_a_wrong_line_is_named(here: Place) -> None:
    file = here.folder / "lab.toml"
    file.write_text('[lab]\nrecord = "off"\n\n[http]\nlisten = "127.0.0.1:99999"\n')
    for command in (["serve", "http"], ["up"]):
        result = here.run(*command, "--config", str(file))
        assert result.stderr == f"netlab: {file}:5: listen '127.0.0.1:99999' has port 99999; ports are 0 to 65535\n"
        assert result.returncode == 2


def test_paths_in_a_file_are_seen_from_the_file(here: Place) -> None:
    site = here.folder / "conf" / "site"
    site.mkdir(parents=True)
    (site / "x.txt").write_text("found")
    file = here.folder / "conf" / "lab.toml"
    file.write_text('[http]\nlisten = ":0"\nroot = "site"\naccess_log = "site/log"\nhost = ["a.test=site"]\n')
    with here.start("serve", "http", "-q", "--config", str(file)) as process:
        process.wait_until_ready()
        done = subprocess.run(["curl", "-sS", f"{process.url}/x.txt"], capture_output=True, text=True, timeout=15)
        assert done.stdout == "found"
        assert process.end()[0] == 0
    assert "GET /x.txt" in (site / "log").read_text()


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ('root = "nowhere"', "root: {folder}/nowhere cannot be served: No such file or directory"),
        ('listen = "0.0.0.0:0"', "listen 0.0.0.0:0 would let other machines use this server; say --expose"),
        ('auth = "/=basic"\nusers = "absent"', "users: the users in {folder}/absent cannot be read: No such file"),
        ('root = "."\ncache_control = "x"', "cache_control 'x' is not PATTERN=VALUE"),
    ],
)
def test_what_a_server_refuses_is_named_where_it_stood(here: Place, key: str, sentence: str) -> None:
    file = here.folder / "lab.toml"
    file.write_text(f"[http]\n# of the site\n{key}\n")
    line = 3 + key.count("\n")
    for command in (["serve", "http", "--listen", ":0"] if "listen" not in key else ["serve", "http"], ["up", "http"]):
        result = here.run(*command, "--config", str(file))
        assert result.returncode == 2
        assert result.stderr.startswith(f"netlab: {file}:{line}: {sentence.format(folder=here.folder)}")
    name, _, value = key.partition("\n")[0].partition(" = ")
    variable = f"NETLAB_HTTP_{name.upper()}"
    if "\n" not in key:
        result = here.run("serve", "http", **{variable: value.strip('"')})
        assert result.stderr.startswith(f"netlab: {variable}{sentence.format(folder='')[len(name) :].split('/')[0]}")


def test_the_file_may_be_named_by_a_variable(here: Place) -> None:
    file = here.folder / "lab.toml"
    file.write_text('[htp]\nlisten = ":0"\n')
    result = here.run("serve", "http", NETLAB_LAB_CONFIG=str(file))
    assert result.stderr == f"netlab: {file}:1: there is no service 'htp'; did you mean http?\n"


@pytest.mark.parametrize("command", ["list", "watch", "show", "export", "status", "stop", "up"])
def test_every_command_has_help_with_examples(here: Place, command: str) -> None:
    result = here.call(command, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"Usage: netlab {command} [flags]")
    assert "\nExamples:\n" in result.stdout


def test_a_service_has_help_with_both_groups(here: Place) -> None:
    text = here.call("serve", "http", "--help").stdout
    assert "http (also: table [http] of the file, variables like NETLAB_HTTP_LISTEN)" in text
    assert "lab (also: table [lab] of the file, variables like NETLAB_LAB_CONFIG)" in text
    assert "--workers N" in text
    assert here.call("serve", "--help").stdout.startswith("Usage: netlab serve NAME [flags]\n\nServices:\n")


def test_serve_without_a_name_is_wrong_usage_and_says_which_there_are(here: Place) -> None:
    result = here.call("serve")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("netlab: netlab serve needs the NAME of a service\n\nUsage: netlab serve NAME")
    assert "\n  http " in result.stderr


def test_list_for_people_and_programs(here: Place) -> None:
    assert "\n  http " in here.call("list").stdout
    assert "http" in json.loads(here.call("list", "--json").stdout)["services"]


@pytest.mark.parametrize("command", ["watch", "status", "stop", "export --har", "show 1"])
def test_without_a_lab_the_commands_say_so(here: Place, command: str) -> None:
    result = here.call(*command.split())
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "netlab: no lab is running; start one with `netlab up` or `netlab serve NAME`\n"


def test_a_reader_that_has_enough_ends_it_quietly(here: Place) -> None:
    result = subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} -u -m netlab serve http --help | head -1"],
        env=here.environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (result.stdout, result.stderr) == ("Usage: netlab serve http [flags]\n", "")


def test_a_service_whose_lines_nobody_reads_says_why_it_ends(here: Place) -> None:
    with here.serve() as process:
        assert process.popen.stdout is not None
        process.popen.stdout.close()
        subprocess.run(["curl", "-sS", f"{process.url}/hello"], capture_output=True, timeout=15, check=True)
        code, _, said = process.wait()
        assert code == 0
        assert said == "netlab: nobody reads the lines of flows any more, so it ends (-q prints none, and goes on)\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams(here: Place, closed: str) -> None:
    command = f"{sys.executable} -m netlab list {closed}"
    done = subprocess.run(["sh", "-c", command], env=dict(here.environment), capture_output=True, text=True, timeout=30)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    full = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m netlab list > /dev/full"],
        env=dict(here.environment),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (full.returncode, full.stderr) == (1, "netlab: what was to be printed could not be written: no space left\n")


def test_a_bug_is_one_sentence_too(here: Place) -> None:
    breaks = here.folder / "breaks"
    breaks.mkdir()
    (breaks / "sitecustomize.py").write_text("import netlab.rooms\nnetlab.rooms.services = lambda: 1 / 0\n")
    root = str(Path(__file__).parent.parent)
    result = here.run("list", PYTHONPATH=f"{breaks}:{root}")
    assert result.returncode == 1
    assert result.stderr.startswith("netlab: a bug in netlab: ZeroDivisionError: division by zero (sitecustomize.py:2)")
    assert result.stderr.count("\n") == 1
    assert "Traceback" in here.run("list", PYTHONPATH=f"{breaks}:{root}", NETLAB_DEBUG="1").stderr


def test_somebody_else_s_package_is_not_half_used(here: Place) -> None:
    foreign = here.folder / "servers"
    foreign.mkdir()
    (foreign / "__init__.py").write_text("")
    result = subprocess.run(
        [sys.executable, "-m", "netlab", "serve", "http"],
        cwd=here.folder,  # python -m looks here first
        env=here.environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert result.returncode == 2
    assert result.stderr == (
        f"netlab: the package 'servers' that Python finds is {foreign}, not netlab's own; "
        "start netlab in another folder, or as `python -I -m netlab`\n"
    )


def test_nothing_heavy_is_imported_before_it_is_needed(here: Place) -> None:
    """What `serve` must not pay for on its way to the first answer."""
    probe = (
        "import sys; from netlab.cli import main; main(['serve', 'http', '--help']); "
        "print(*sorted({'rich', 'cryptography', 'pytest', 'servers.http', 'netlab.commands.watch'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", probe], env=here.environment, capture_output=True, text=True, timeout=30, check=True
    )
    assert result.stdout.splitlines()[-1] == "servers.http"
