"""The file of users: what is read, what is refused with its line, and what is written."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from netlab.errors import UsageError
from netlab.policy.auth.users import User, digest_hash, make_digest, make_scrypt
from netlab.stores.users import Users, changing, read_users, write_users

ADA = User(
    "ada", ("staff",), (make_scrypt("secret", b"salt", (4, 1, 1)), make_digest("MD5", "ada", "netlab", "secret"))
)
BOB = User("bob")


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "users"
    write_users(path, [ADA, BOB])
    assert read_users(path)[0] == [ADA, BOB]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["users"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"ada\n", ":1: a line is NAME:ROLES:VERIFIERS"),
        (b"# x\n\nada::\nada::\n", ":4: 'ada' is there twice"),
        (b"ada::$scrypt$nothing\n", ":1: a verifier of 'ada' is damaged"),
        (b"\xff\n", "is not UTF-8 text"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "users"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=words):
        Users(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        Users(tmp_path / "users")
    with pytest.raises(UsageError, match="cannot be opened"), changing(tmp_path / "none" / "users"):
        pass
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        Users(tmp_path)


def test_a_change_is_seen(tmp_path: Path) -> None:
    path, time = tmp_path / "users", Time()
    write_users(path, [ADA])
    users = Users(path, now=time)
    with changing(path) as changed:
        changed["bob"] = BOB
        del changed["ada"]
    assert users.get("bob") is None
    time.now = 1.0
    assert (users.get("bob"), users.get("ada")) == (BOB, None)


def test_a_file_that_went_bad_leaves_who_was_there(tmp_path: Path) -> None:
    path, time = tmp_path / "users", Time()
    write_users(path, [ADA])
    users = Users(path, now=time)
    for number, spoil in enumerate((lambda: path.write_text("nonsense"), path.unlink), 1):
        spoil()
        time.now = 2.0 * number
        assert users.get("ada") == ADA
    write_users(path, [BOB])
    time.now = 10.0
    assert (users.get("ada"), users.get("bob")) == (None, BOB)


def test_names_in_either_normal_form(tmp_path: Path) -> None:
    write_users(tmp_path / "users", [User("Zoë")])
    assert Users(tmp_path / "users").get("Zoe\u0308") == User("Zoë")


def test_digest_by_name_and_by_hash(tmp_path: Path) -> None:
    write_users(tmp_path / "users", [ADA, BOB])
    users = Users(tmp_path / "users")
    expected = ("ada", digest_hash("MD5", b"ada:netlab:secret"))
    assert users.ha1("netlab", "MD5", "ada", False) == expected
    assert users.ha1("netlab", "MD5", digest_hash("MD5", b"ada:netlab").upper(), True) == expected
    assert users.ha1("netlab", "MD5", "ada", True) is None
    assert users.ha1("netlab", "SHA-256", "ada", False) is None
    assert users.ha1("netlab", "MD5", "bob", False) is None
    assert users.ha1("other", "MD5", "ada", False) is None


def test_one_changes_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "users"
    with changing(path) as users:
        users["ada"] = ADA
        with pytest.raises(UsageError, match="someone else is changing"), changing(path):
            pass
    assert read_users(path)[0] == [ADA]


def test_a_failed_change_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "users"
    write_users(path, [ADA])

    def fail() -> None:
        with changing(path) as users:
            users["bob"] = BOB
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert read_users(path)[0] == [ADA]


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    write_users(tmp_path / "real", [ADA])
    (tmp_path / "link").symlink_to("real")
    with changing(tmp_path / "link") as users:
        users["bob"] = BOB
    assert (tmp_path / "link").is_symlink()
    assert read_users(tmp_path / "real")[0] == [ADA, BOB]
