"""The grammar of credentials and challenges: a scheme, then a token68 or parameters (RFC 9110 11.2 to 11.4)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

LONGEST = 8 << 10
"""Characters of a field of credentials that are looked at; more is refused."""

TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105  RFC 9110 5.6.2, no password
QUOTED = r'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"'  # RFC 9110 5.6.4
SCHEME = re.compile(rf"({TOKEN})(?: +(.*))?", re.DOTALL)
TOKEN68 = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
PARAMETER = re.compile(rf"({TOKEN})[ \t]*=[ \t]*(?:({TOKEN})|({QUOTED}))")
SEPARATOR = re.compile(r"[ \t]*,[ \t,]*")
ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client presents: the scheme in lower case, then its token68 or its parameters (names in lower case)."""

    scheme: str
    token: str = field(default="", repr=False)
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why credentials are not taken: a stable name, one sentence that repeats no secret, and where the rule stands.

    status   401: try others; 400: the request is broken; 403: known, and not allowed
    stale    Digest: user and password were right, and only the nonce has to be a new one
    """

    rule: str
    reason: str
    section: str
    status: int = 401
    stale: bool = False


MALFORMED = Refusal("credentials.malformed", "the credentials cannot be read", "RFC 9110 11.4", 400)
TOO_LONG = Refusal("credentials.size", f"credentials have at most {LONGEST} characters here", "RFC 9110 11.4", 400)


def parse_credentials(value: str) -> Credentials | Refusal:
    """The value of Authorization or Proxy-Authorization (latin-1, as fields are)."""
    if len(value) > LONGEST:
        return TOO_LONG
    match = SCHEME.fullmatch(value.strip(" \t"))
    if match is None:
        return MALFORMED
    scheme, rest = match[1].lower(), match[2] or ""
    if not rest or TOKEN68.fullmatch(rest):
        return Credentials(scheme, rest)
    parameters = _parameters(rest)
    return MALFORMED if parameters is None else Credentials(scheme, "", parameters)


def _parameters(text: str) -> dict[str, str] | None:
    """`a=b, c="d"`; None for anything else, and where a name occurs twice (RFC 9110 11.2)."""
    found: dict[str, str] = {}
    text = text.strip(" \t,")  # RFC 9110 5.6.1.2: empty members of a list are ignored
    at = 0
    while True:
        match = PARAMETER.match(text, at)
        if match is None or match[1].lower() in found:
            return None
        found[match[1].lower()] = match[2] if match[3] is None else ESCAPED.sub(r"\1", match[3][1:-1])
        at = match.end()
        if at == len(text):
            return found
        separator = SEPARATOR.match(text, at)
        if separator is None:
            return None
        at = separator.end()


def challenge(scheme: str, parameters: Iterable[tuple[str, str]]) -> str:
    """The value of WWW-Authenticate or Proxy-Authenticate (RFC 9110 11.3)."""
    return f"{scheme} {', '.join(f'{name}={value}' for name, value in parameters)}"


def quoted(text: str) -> str:
    """A quoted-string (RFC 9110 5.6.4)."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
