"""Who may come in at one of the broker's listeners, where that is not as at the others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, get_args

from netlab.config import Kind

Name = Literal["tcp", "tls", "websocket", "unix"]
NAMES: tuple[str, ...] = get_args(Name)


@dataclass(frozen=True, slots=True)
class ListenerRights:
    """Stands for --users, --anonymous and --acl at one listener: what it does not name is not asked for there.

    Written `LISTENER:PART,…`, each part one of `users=FILE`, `anonymous` and `acl=FILE`.
    """

    listener: str
    users: Path | None = None
    anonymous: bool = False
    acl: Path | None = None

    kind: ClassVar[Kind]

    @classmethod
    def parse(cls, text: str) -> ListenerRights:
        listener, colon, rest = text.partition(":")
        if listener not in NAMES or not colon:
            raise ValueError
        files: dict[str, Path] = {}
        anonymous = False
        for part in rest.split(","):
            name, _, file = part.partition("=")
            if part == "anonymous":
                anonymous = True
            elif name in ("users", "acl") and file and name not in files:
                files[name] = Path(file)
            else:
                raise ValueError(f"has {part!r}, which is none of users=FILE, anonymous, acl=FILE")
        return cls(listener, files.get("users"), anonymous, files.get("acl"))

    def __str__(self) -> str:
        parts = [f"users={self.users}"] if self.users is not None else []
        parts += ["anonymous"] if self.anonymous else []
        parts += [f"acl={self.acl}"] if self.acl is not None else []
        return f"{self.listener}:{','.join(parts)}"


ListenerRights.kind = Kind(
    parse=ListenerRights.parse,
    allowed="one of tcp, tls, websocket, unix and its rights, such as tls:users=staff.txt,acl=staff.acl or "
    "unix:anonymous",
    metavar="LISTENER:PART,…",
)
