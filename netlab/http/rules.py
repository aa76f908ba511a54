"""Rules as people write them on a command line or in a file: who may pass, how often, which folder is whose.

Every start of a server loads this and few need it, so what reads a rule is imported where one is read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from netlab.config.values import Kind
from netlab.errors import UsageError

MECHANISMS = ("basic", "digest", "bearer", "none")
KEYS = ("client", "user", "api-key", "all")
ALGORITHMS = ("token-bucket", "fixed-window", "sliding-window", "concurrency")


@dataclass(frozen=True, slots=True)
class Guard:
    """Who may pass below a path: whom one of the mechanisms knows, and who has one of the roles, if any are named.

    Written `PATH=MECHANISM[,MECHANISM…][:ROLE[,ROLE…]]`.
    """

    path: str
    mechanisms: tuple[str, ...]
    roles: tuple[str, ...] = ()

    kind: ClassVar[Kind]

    @classmethod
    def parse(cls, text: str) -> Guard:
        from netlab.policy.auth.names import parse_roles

        path, equals, rest = text.rpartition("=")
        mechanisms, colon, roles = rest.partition(":")
        names = tuple(dict.fromkeys(mechanisms.split(",")))
        if not equals or not path.startswith("/") or re.search(r"[?#\s]", path):
            raise ValueError
        if not set(names) <= set(MECHANISMS) or ("none" in names and (len(names) > 1 or colon)):
            raise ValueError
        return cls(path, () if names == ("none",) else names, parse_roles(roles))

    def __str__(self) -> str:
        roles = f":{','.join(self.roles)}" if self.roles else ""
        return f"{self.path}={','.join(self.mechanisms) or 'none'}{roles}"


Guard.kind = Kind(
    parse=Guard.parse,
    allowed="PATH=basic, digest, bearer or none (several with commas), and :ROLE behind it, such as /admin=basic:staff",
    metavar="PATH=MECHANISM[:ROLE]",
)


@dataclass(frozen=True, slots=True)
class LimitRule:
    """So many requests in so much time, for each key, below a path.

    Written `[PATH=]COUNT/TIME[:KEY][:ALGORITHM][:burst=N]`, or `[PATH=]COUNT[:KEY]:concurrency`.
    """

    count: int
    window: float
    key: str = "client"
    algorithm: str = "token-bucket"
    burst: int = 0  # 0: the count
    path: str = "/"

    kind: ClassVar[Kind]

    @classmethod
    def parse(cls, text: str) -> LimitRule:
        from netlab.policy.limit import parse_rate

        path, equals, rest = text.partition("=") if text.startswith("/") else ("/", "=", text)
        rate, *parts = rest.split(":")
        key, algorithm, burst = "client", "token-bucket", 0
        for part in parts:
            if part in KEYS:
                key = part
            elif part in ALGORITHMS:
                algorithm = part
            elif match := re.fullmatch(r"burst=([1-9][0-9]{0,8})", part):
                burst = int(match[1])
            else:
                raise ValueError
        if not re.fullmatch(r"/[!#-\[\]-~]*", path):  # it stands in a quoted string of the RateLimit fields
            raise ValueError(f"has the path {path!r}; percent-encode what is not printable ASCII")
        if not equals or (burst and algorithm != "token-bucket"):
            raise ValueError("needs a token-bucket for a burst" if burst else "")
        if algorithm == "concurrency":
            if not re.fullmatch(r"[1-9][0-9]{0,8}", rate):
                raise ValueError("needs a plain number for concurrency, such as 20:client:concurrency")
            return cls(int(rate), 0.0, key, algorithm, 0, path)
        count, window = parse_rate(rate)
        return cls(count, window, key, algorithm, burst, path)

    @property
    def name(self) -> str:
        """What it is called in RateLimit fields."""
        return self.key if self.path == "/" else f"{self.key} {self.path}"

    @property
    def words(self) -> str:
        each = "" if self.key == "all" else f" for each {self.key}"
        if self.algorithm == "concurrency":
            return f"{self.count} requests at the same time{each}"
        return f"{self.count} requests in {self.window:g} s{each}"

    def __str__(self) -> str:
        rate = str(self.count) if self.algorithm == "concurrency" else f"{self.count}/{self.window:g}s"
        burst = f":burst={self.burst}" if self.burst else ""
        return f"{self.path}={rate}:{self.key}:{self.algorithm}{burst}"


LimitRule.kind = Kind(
    parse=LimitRule.parse,
    allowed=(
        "[PATH=]COUNT/TIME such as 100/s or 60/m, with :client, :user, :api-key or :all, "
        ":token-bucket, :fixed-window, :sliding-window or :concurrency, and :burst=N behind it"
    ),
    metavar="[PATH=]COUNT/TIME[:KEY][:ALGORITHM]",
)


@dataclass(frozen=True, slots=True)
class HostRoot:
    """A host's name, `*.` for all below it, and the folder of its files. Written `NAME=ROOT`."""

    name: str
    root: Path

    kind: ClassVar[Kind]

    @classmethod
    def parse(cls, text: str) -> HostRoot:
        name, equals, root = text.partition("=")
        if not equals or not root:
            raise ValueError
        from netlab.net.certs import canonical  # with it comes all of TLS

        try:
            return cls(canonical(name), Path(root))
        except UsageError:
            raise ValueError(f"has {name!r}, which is no name of a host") from None

    def __str__(self) -> str:
        return f"{self.name}={self.root}"


HostRoot.kind = Kind(parse=HostRoot.parse, allowed="NAME=ROOT, such as www.shop.test=./shop", metavar="NAME=ROOT")


def parse_origin(text: str) -> str:
    from netlab.policy.cors import parse_origin

    return parse_origin(text)


def parse_keys_url(text: str) -> str:
    from netlab.http.url import Url

    try:
        return str(Url.parse(text))
    except UsageError:
        raise ValueError from None


def parse_realm(text: str) -> str:
    from netlab.policy.auth.names import parse_realm

    return parse_realm(text)


Origin = Annotated[
    str,
    Kind(
        parse=parse_origin,
        allowed="*, null or an origin such as http://localhost:3000, https://*.shop.test or http://localhost:*",
        metavar="ORIGIN",
    ),
]
Realm = Annotated[str, Kind(parse=parse_realm, allowed="1 to 64 printable ASCII characters", metavar="REALM")]
KeysUrl = Annotated[
    str,
    Kind(parse=parse_keys_url, allowed="a URL such as https://issuer.test/.well-known/jwks.json", metavar="URL"),
]
