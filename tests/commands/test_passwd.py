"""`netlab passwd`: from a pipe and from a terminal, and what it refuses."""

from __future__ import annotations

import json
import os
import pty
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from netlab.policy.auth.users import check_scrypt, digest_hash
from netlab.stores.users import read_users
from tests.netlab_process import call

SECONDS = 30


def passwd(*arguments: str | Path, password: str | None = None) -> subprocess.CompletedProcess[str]:
    return call("passwd", *map(str, arguments), given=password or "")


def test_add_change_and_remove(tmp_path: Path) -> None:
    path = tmp_path / "users"
    done = passwd(path, "ada", "--roles", "staff,admin", password="secret\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "added ada\n", "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (ada,) = read_users(path)[0]
    assert ada.roles == ("staff", "admin")
    assert ada.scrypt is not None
    assert check_scrypt(ada.scrypt, "secret")
    assert ada.ha1("SHA-256", "netlab") == digest_hash("SHA-256", b"ada:netlab:secret")
    assert "secret" not in path.read_text()

    assert passwd(path, "ada", password="new\r\n").stdout == "changed ada\n"
    (changed,) = read_users(path)[0]
    assert changed.roles == ("staff", "admin")
    assert changed.scrypt is not None
    assert check_scrypt(changed.scrypt, "new")

    assert passwd(path, "ada", "--roles", "guest", "--keep-password").returncode == 0
    assert read_users(path)[0][0].roles == ("guest",)
    assert read_users(path)[0][0].verifiers == changed.verifiers

    listed = passwd(path, "--json")
    assert json.loads(listed.stdout) == [
        {"user": "ada", "roles": ["guest"], "verifiers": ["scrypt", "digest", "scram-sha-256"]}
    ]
    assert passwd(path).stdout == "ada  guest  (scrypt, digest, scram-sha-256)\n"
    assert passwd(path, "ada", "--delete", "--json").stdout.startswith('{"user": "ada", "did": "removed"')
    assert read_users(path)[0] == []


def test_verifiers_for_what_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "users"
    assert passwd(path, "ada", "--mechanisms", "basic", password="x").returncode == 0
    assert (
        passwd(path, "bob", "--mechanisms", "digest", "--realm", "one", "--realm", "two", password="x").returncode == 0
    )
    ada, bob = read_users(path)[0]
    assert len(ada.verifiers) == 1
    assert bob.scrypt is None
    assert bob.ha1("MD5", "one") != bob.ha1("MD5", "two")


def test_a_terminal_shows_nothing_of_it(tmp_path: Path) -> None:
    path = tmp_path / "users"
    control, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "netlab", "passwd", str(path), "ada"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,  # no terminal of the tests' own: getpass falls back to this one
        close_fds=True,
    )
    os.close(terminal)
    shown = b""
    for asked in (b"password for ada: ", b"the same again: "):
        while asked not in shown:
            shown += os.read(control, 1000)
        os.write(control, b"s3cr3t\n")
    while b"added ada" not in shown:
        shown += os.read(control, 1000)
    assert process.wait(SECONDS) == 0
    os.close(control)
    assert b"s3cr3t" not in shown
    assert len(read_users(path)[0]) == 1


@pytest.mark.parametrize(
    ("arguments", "password", "code", "words"),
    [
        (("ada",), "", 2, "a password has 1 to 1024 characters"),
        (("ada",), "\n", 2, "a password has 1 to 1024 characters"),
        (("ada",), "x" * 1025, 2, "a password has 1 to 1024 characters"),
        (("ada",), "a\tb", 2, "no control characters"),
        (("a:b",), "x", 2, "is not a user's name"),
        (("#a",), "x", 2, "is not a user's name"),
        (("ada", "--roles", "a b"), "x", 2, "--roles 'a b' is not roles with commas between"),
        (("ada", "--realm", 'x"'), "x", 2, "--realm"),
        (("ada", "--keep-password"), None, 1, "no password to keep"),
        (("ada", "--delete"), None, 1, "'ada' is not in"),
        (("ada", "--delete", "--roles", "x"), None, 2, "mean nothing with it"),
        (("--delete",), None, 2, "needs USER"),
        ((), None, 2, "cannot be read: No such file"),
    ],
)
def test_what_cannot_be_meant(
    tmp_path: Path, arguments: tuple[str, ...], password: str | None, code: int, words: str
) -> None:
    path = tmp_path / "users"
    done = passwd(path, *arguments, password=password)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not path.exists()


def test_a_damaged_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text("ada::\nnonsense\n")
    done = passwd(path, "bob", password="x")
    assert (done.returncode, path.read_text()) == (2, "ada::\nnonsense\n")
    assert f"{path}:2: a line is NAME:ROLES:VERIFIERS" in done.stderr
