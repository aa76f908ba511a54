"""An active check as people write it: what is asked of an upstream, on which port, and which answer is good."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from netlab.config.values import Kind, parse_port

STATUSES = re.compile(r"([1-5][0-9][0-9])(?:-([1-5][0-9][0-9]))?")
TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckRule:
    """Written `tcp`, `tls`, `http:/path`, `https:/path`, `agent`, with `,port=N` for a port of its own; HTTP also takes
    `,status=200-299`, `,body=TEXT` (it must hold it), `,method=HEAD`, `,host=NAME`, which in TLS is the name that the
    certificate must have, too; `,verify=none` takes any. `command:PROGRAM ARGUMENT …` runs a program, whose exit code 0
    is good. `text` is what was written.
    """

    what: Literal["tcp", "tls", "http", "https", "agent", "command"]
    port: int = 0  # 0: where the upstream serves
    path: str = "/"
    method: str = "GET"
    host: str = ""
    insecure: bool = False
    statuses: tuple[range, ...] = (range(200, 400),)
    body: bytes = b""
    command: tuple[str, ...] = ()
    text: str = ""

    kind: ClassVar[Kind]

    @classmethod
    def parse(cls, text: str) -> CheckRule:
        """ValueError, beginning with "has" or "needs", says what is wrong."""
        if text.startswith("command:"):
            return cls(what="command", command=_command(text.removeprefix("command:")), text=text)
        first, *options = text.split(",")
        what, colon, path = first.partition(":")
        if what not in PLAIN or (colon and not (what in WEB and re.fullmatch(r"/[!-~]*", path))):
            raise ValueError
        rule = replace(PLAIN[what], path=path or "/", text=text)
        for option in options:
            key, equals, value = option.partition("=")
            if not equals or key not in _options(what):
                raise ValueError(
                    f"has {option[:60]!r}, where {', '.join(f'{known}=' for known in _options(what))} may stand"
                )
            rule = replace(rule, **READERS[key](value))
        return rule

    @property
    def secure(self) -> bool:
        """Whether it speaks TLS, whatever else is spoken with the upstream."""
        return self.what in SECURE

    @property
    def accepted(self) -> str:
        """The good statuses as they are written."""
        spans = self.statuses
        return ", ".join(f"{span[0]}-{span[-1]}" if len(span) > 1 else str(span[0]) for span in spans)

    def __str__(self) -> str:
        return self.text


WEB = frozenset(("http", "https"))
SECURE = frozenset(("tls", "https"))
PLAIN: dict[str, CheckRule] = {
    "tcp": CheckRule(what="tcp"),
    "tls": CheckRule(what="tls"),
    "http": CheckRule(what="http"),
    "https": CheckRule(what="https"),
    "agent": CheckRule(what="agent"),
}


def _options(what: str) -> list[str]:
    """What may stand behind it."""
    of_tls = ("host", "verify") if what in SECURE else ()
    return [key for key in READERS if key == "port" or key in of_tls or (what in WEB and key != "verify")]


def _command(text: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise ValueError(f"has a quote that does not end ({error})") from None
    if not words:
        raise ValueError("has command: without a program behind it")
    return words


def _statuses(value: str) -> dict[str, Any]:
    spans = []
    for part in value.split("+"):
        found = STATUSES.fullmatch(part)
        if found is None or int(found[2] or found[1]) < int(found[1]):
            raise ValueError(f"has status={value}, which is not such as 200, 200-299 or 200+404")
        spans.append(range(int(found[1]), int(found[2] or found[1]) + 1))
    return {"statuses": tuple(spans)}


def _port(value: str) -> dict[str, Any]:
    try:
        port = parse_port(value)
    except ValueError:
        port = 0
    if not port:
        raise ValueError(f"has port={value}; a port is 1 to 65535")
    return {"port": port}


def _token(key: str) -> Callable[[str], dict[str, Any]]:
    def read(value: str) -> dict[str, Any]:
        if not TOKEN.fullmatch(value.replace(":", "")):
            raise ValueError(f"has {key}={value}, which cannot be sent")
        return {key: value}

    return read


def _verify(value: str) -> dict[str, Any]:
    if value != "none":
        raise ValueError(f"has verify={value}; certificates are verified unless verify=none is said")
    return {"insecure": True}


READERS: dict[str, Callable[[str], dict[str, Any]]] = {
    "port": _port,
    "status": _statuses,
    "body": lambda value: {"body": value.encode()},
    "method": _token("method"),
    "host": _token("host"),
    "verify": _verify,
}
CheckRule.kind = Kind(
    parse=CheckRule.parse,
    allowed="tcp, tls, http:/path, https:/path, agent or command:PROGRAM, such as http:/health,port=8008,status=200",
    metavar="CHECK",
)
