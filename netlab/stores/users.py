"""The file of users, a line each: read again when it changes, written whole or not at all, its owner's alone."""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unicodedata import normalize

from netlab.errors import UsageError
from netlab.policy.auth.users import User, digest_hash, parse_user

LOOK_EVERY = 1.0
"""Seconds between looks at whether the file has changed."""
MOST_BYTES = 16 << 20

HEADER = (
    "# Users of netlab, a line each: NAME:ROLES:VERIFIERS. Change it with `netlab passwd`; the order is no matter.\n"
)


class Users:
    """The users of a file. A change is seen within a second; where the file went bad, those read before remain."""

    def __init__(self, path: Path, *, now: Callable[[], float] = time.monotonic) -> None:
        """UsageError for a file that cannot be read or is damaged, with its line."""
        self.path = path
        self._now = now
        self._version: tuple[int, ...] = ()
        self._users: dict[str, User] = {}
        self._hashed: dict[tuple[str, str], dict[str, User]] = {}
        self._looked = now()
        self._read()

    def get(self, name: str) -> User | None:
        self._look()
        return self._users.get(normalize("NFC", name))

    def ha1(self, realm: str, algorithm: str, name: str, hashed: bool) -> tuple[str, str] | None:
        """A user's name and H(A1), by the name or by the hash that Digest's userhash sends in its place."""
        user = self._by_hash(realm, algorithm).get(name.lower()) if hashed else self.get(name)
        found = user.ha1(algorithm, realm) if user is not None else None
        return None if user is None or found is None else (user.name, found)

    def _by_hash(self, realm: str, algorithm: str) -> dict[str, User]:
        """Users by H(name:realm) (RFC 7616 3.4.4)."""
        self._look()
        known = self._hashed.get((realm, algorithm))
        if known is None:
            names = {digest_hash(algorithm, f"{name}:{realm}".encode()): user for name, user in self._users.items()}
            known = self._hashed[realm, algorithm] = names
        return known

    def _look(self) -> None:
        now = self._now()
        if now - self._looked < LOOK_EVERY:
            return
        self._looked = now
        try:
            if _version(os.stat(self.path)) != self._version:
                self._read()
        except (OSError, UsageError):  # being edited, or gone: whoever was let in still is
            return

    def _read(self) -> None:
        users, self._version = read_users(self.path)
        self._users, self._hashed = {user.name: user for user in users}, {}

    def __len__(self) -> int:
        return len(self._users)

    def __repr__(self) -> str:
        return f"<Users {len(self)} in {self.path}>"


def read_users(path: Path) -> tuple[list[User], tuple[int, ...]]:
    """The users of a file, and which version of it that was; UsageError names file and line."""
    try:
        with path.open("rb") as file:
            version, data = _version(os.fstat(file.fileno())), file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"the users in {path} cannot be read: {error.strerror}") from None
    if len(data) > MOST_BYTES:
        raise UsageError(f"{path} is larger than {MOST_BYTES >> 20} MiB: that is no file of users")
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text") from None
    users: dict[str, User] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            user = parse_user(line.rstrip("\r"))
        except ValueError as error:
            raise UsageError(f"{path}:{number}: {error}") from None
        if user.name in users:
            raise UsageError(f"{path}:{number}: {user.name!r} is there twice")
        users[user.name] = user
    return list(users.values()), version


def write_users(path: Path, users: list[User]) -> None:
    """Put a new file in the place of the old one; mode 0600, and at no moment half written."""
    draft = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(HEADER)
            file.writelines(f"{user.line()}\n" for user in users)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def changing(path: Path) -> Iterator[dict[str, User]]:
    """The users of a file, to be changed; what they are in the end is written. One at a time does so."""
    real = path.resolve()  # a symbolic link stays one
    with _locked(real.parent):
        users = {user.name: user for user in read_users(real)[0]} if real.exists() else {}
        before = dict(users)
        yield users
        if users != before:
            write_users(real, list(users.values()))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The folder is locked, not the file: that is another one after each change."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise UsageError(f"the folder {folder} cannot be opened: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise UsageError(f"someone else is changing a file in {folder} just now; try again") from None
    finally:
        os.close(descriptor)


def _version(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
