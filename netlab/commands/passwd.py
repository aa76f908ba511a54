"""Users and their passwords, in a file of verifiers from which no password can be read."""

from __future__ import annotations

import getpass
import json
import re
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from netlab.config import Kind, positional
from netlab.errors import NetlabError, UsageError
from netlab.policy.auth.names import UserName, parse_realm, parse_roles
from netlab.policy.auth.users import HASHES, User, make_digest, make_scram, make_scrypt
from netlab.stores.users import changing, read_users
from netlab.text import escape

EXAMPLES = (
    (
        "netlab passwd users.txt ada --roles staff",
        "add ada, or change her password and roles; asks twice, shows nothing",
    ),
    ("echo secret | netlab passwd users.txt bob", "the password from a pipe"),
    ("netlab passwd users.txt ada --roles admin --keep-password", "other roles, the same password"),
    ("netlab passwd users.txt ada --delete", "no ada any more"),
    ("netlab passwd users.txt", "who is in the file"),
    ("netlab serve http --auth /private=basic --users users.txt", "let them in, and no one else"),
)
LONGEST = 1024
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

Name = Annotated[str, Kind(parse=UserName, allowed="a user's name: 1 to 128 characters, no colon", metavar="USER")]
Roles = Annotated[
    tuple[str, ...], Kind(parse=parse_roles, allowed="roles with commas between, such as staff,admin", metavar="ROLE,…")
]
Realm = Annotated[str, Kind(parse=parse_realm, allowed="1 to 64 printable ASCII characters", metavar="REALM")]


@dataclass(frozen=True, kw_only=True)
class Config:
    file: Annotated[Path, positional]
    """The file of users; it is made if there is none, for you alone (0600)."""
    user: Annotated[Name | None, positional] = None
    """Whose password; without it, who is in the file."""
    roles: Roles | None = None
    """What the user may be asked for by `--auth PATH=…:ROLE`."""
    mechanisms: tuple[Literal["basic", "digest", "scram"], ...] = ("basic", "digest", "scram")
    """What the password is for; Digest's and SCRAM's verifiers are sooner guessed from by whoever reads the file."""
    realm: tuple[Realm, ...] = ("netlab",)
    """The realms a Digest verifier is made for."""
    keep_password: bool = False
    """Change the roles only."""
    delete: bool = False
    """Remove the user."""
    json: bool = False
    """Print JSON."""

    def __post_init__(self) -> None:
        if self.user is None and (self.delete or self.keep_password or self.roles is not None):
            raise UsageError("netlab passwd needs USER for --roles, --keep-password and --delete")
        if self.delete and (self.keep_password or self.roles is not None):
            raise UsageError("--delete removes a user: --roles and --keep-password mean nothing with it")


def run(config: Config) -> int:
    if config.user is None:
        show(read_users(config.file)[0], config)
    elif config.delete:
        with changing(config.file) as users:
            if users.pop(config.user, None) is None:
                raise NetlabError(f"{config.user!r} is not in {config.file}")
        say(config, "removed", config.user)
    else:
        change(config, config.user)
    return 0


def change(config: Config, name: str) -> None:
    """Add a user or change one; the password is asked for before the file is touched."""
    password = None if config.keep_password else ask(name)
    verifiers = () if password is None else tuple(made(config, name, password))
    with changing(config.file) as users:
        before = users.get(name)
        if password is None:
            if before is None:
                raise NetlabError(f"{name!r} is not in {config.file}, so there is no password to keep")
            verifiers = before.verifiers
        roles = before.roles if config.roles is None and before is not None else config.roles or ()
        users[name] = User(name, roles, verifiers)
    say(config, "added" if before is None else "changed", name)


def made(config: Config, name: str, password: str) -> list[str]:
    """A verifier for each mechanism; with a new password no verifier of the old one is kept, of whatever kind."""
    verifiers = []
    if "basic" in config.mechanisms:
        verifiers.append(make_scrypt(password, secrets.token_bytes(16)))
    if "digest" in config.mechanisms:
        verifiers += [make_digest(algorithm, name, realm, password) for realm in config.realm for algorithm in HASHES]
    if "scram" in config.mechanisms:
        verifiers.append(make_scram(password, secrets.token_bytes(16)))
    return verifiers


def ask(name: str) -> str:
    """The password: typed twice without echo, or the first line of standard input where that is no terminal."""
    if sys.stdin.isatty():
        password = getpass.getpass(f"password for {name}: ")
        if password != getpass.getpass("the same again: "):
            raise NetlabError("the two are not the same; nothing was changed")
    else:
        password = sys.stdin.readline(LONGEST + 2).removesuffix("\n").removesuffix("\r")
    if not password or len(password) > LONGEST or CONTROL.search(password):
        raise UsageError(f"a password has 1 to {LONGEST} characters, and no control characters; nothing was changed")
    return password


def show(users: list[User], config: Config) -> None:
    """Names, roles, and the kinds of their verifiers."""
    if config.json:
        print(json.dumps([{"user": user.name, "roles": user.roles, "verifiers": kinds(user)} for user in users]))
        return
    width = max((len(user.name) for user in users), default=0)
    for user in sorted(users, key=lambda user: user.name):
        print(
            f"{escape(user.name):<{width}}  {','.join(user.roles) or '-'}  ({', '.join(kinds(user)) or 'no password'})"
        )


def kinds(user: User) -> list[str]:
    return list(dict.fromkeys(verifier.split("$")[1] for verifier in user.verifiers))


def say(config: Config, what: str, name: str) -> None:
    print(json.dumps({"user": name, "did": what, "file": str(config.file)}) if config.json else f"{what} {name}")
