"""Tokens (JWT) for servers that want Bearer: make one, or see what is in one."""

from __future__ import annotations

import json
import re
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from netlab.config import Duration, Kind, positional
from netlab.errors import NetlabError, UsageError
from netlab.policy.auth.names import parse_roles
from netlab.policy.jwt import Key, Rejected, Rules, sign, verify
from netlab.policy.jwt.encoding import decode, json_object
from netlab.stores.token_key import own_key, read_keys
from netlab.text import counted, escape

EXAMPLES = (
    ("netlab token ada --roles staff", "a token for an hour, signed with this machine's key"),
    (
        'curl -H "Authorization: Bearer $(netlab token ada --roles staff)" http://127.0.0.1:8080/api/v2/users',
        "used at once",
    ),
    ("netlab token ada --key private.pem --lifetime 5m", "signed with RS256, ES256 or EdDSA, as the key is"),
    ("netlab token --read TOKEN", "what a token claims, and whether it is good here; - reads standard input"),
)
RESERVED = frozenset(("sub", "iat", "exp", "roles", "aud", "iss"))


def parse_claim(text: str) -> tuple[str, Any]:
    """`name=value`; the value as JSON where it is, else as text."""
    name, equals, value = text.partition("=")
    if not equals or not re.fullmatch(r"[!-~]{1,64}", name):
        raise ValueError
    if name in RESERVED:
        raise ValueError(f"needs another name: {name} has a setting of its own")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


Roles = Annotated[
    tuple[str, ...], Kind(parse=parse_roles, allowed="roles with commas between, such as staff,admin", metavar="ROLE,…")
]
Claim = Annotated[tuple[str, Any], Kind(parse=parse_claim, allowed="NAME=VALUE", metavar="NAME=VALUE")]


@dataclass(frozen=True, kw_only=True)
class Config:
    user: Annotated[str | None, positional] = None
    """Who the token is for (the claim `sub`)."""
    roles: Roles | None = None
    """What the bearer may be asked for (the claim `roles`)."""
    lifetime: Duration = 3600.0
    """How long it is good."""
    audience: str | None = None
    """Whom it may be shown to (`aud`); a server that has no such name refuses it."""
    issuer: str | None = None
    """Who says so (`iss`)."""
    claim: tuple[Claim, ...] = ()
    """Another claim; its value is JSON, or text."""
    key: Path | None = None
    """A private key in PEM to sign with, or keys to read with (PEM or a JSON Web Key Set); else this machine's own."""
    read: str | None = None
    """Show this token instead of making one."""
    json: bool = False
    """Print JSON."""

    def __post_init__(self) -> None:
        if (self.user is None) == (self.read is None):
            raise UsageError("netlab token needs USER, or --read TOKEN")


def run(config: Config) -> int:
    keys = (own_key(),) if config.key is None else read_keys(config.key)
    if config.read is not None:
        return show(config.read if config.read != "-" else sys.stdin.read(1 << 16).strip(), keys, config)
    if not keys[0].signs:
        raise UsageError(f"{config.key} holds a public key: that reads tokens, and cannot sign them")
    claims = claimed(config, time.time())
    token = sign(claims, keys[0])
    print(json.dumps({"token": token, "algorithm": keys[0].algorithm, "claims": claims}) if config.json else token)
    return 0


def claimed(config: Config, now: float) -> dict[str, Any]:
    """The token's claims; `now` is in seconds since the epoch."""
    claims: dict[str, Any] = {"sub": config.user, "iat": int(now), "exp": int(now + config.lifetime)}
    if config.roles is not None:
        claims["roles"] = list(config.roles)
    named = {"aud": config.audience, "iss": config.issuer}
    return {**dict(config.claim), **claims, **{name: value for name, value in named.items() if value is not None}}


def show(token: str, keys: tuple[Key, ...], config: Config) -> int:
    """Header and claims, whoever signed them, and the verdict; 1 for a token that is not good here."""
    header, claims = parts(token)
    rules = Rules(audience=config.audience, issuer=config.issuer)
    found = verify(token, keys, time.time(), rules)
    good = not isinstance(found, Rejected)
    verdict = "good" if not isinstance(found, Rejected) else f"{found.reason} ({found.rule}, {found.section})"
    if config.json:
        print(json.dumps({"header": header, "claims": claims, "good": good, "verdict": verdict}))
        return 0 if good else 1
    for name, part in (("header", header), ("claims", claims)):
        print(f"{name}  {escape(json.dumps(part, ensure_ascii=False))}")
    for name in ("iat", "nbf", "exp"):
        if isinstance(claims.get(name), int | float):
            print(f"{name:<6}  {date(claims[name])}")
    print(f"verdict {verdict}")
    return 0 if good else 1


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, of a token whose signature may be anything."""
    pieces = token.split(".")
    if len(pieces) != 3:  # RFC 7515 7.1
        raise NetlabError(f"this is no JSON Web Token: it has {counted(len(pieces), 'part')}, and not three with dots")
    return part("header", pieces[0]), part("payload", pieces[1])


def part(name: str, text: str) -> dict[str, Any]:
    data = decode(text)
    if data is None:
        raise NetlabError(f"this is no JSON Web Token: its {name} is not base64url without padding (RFC 7515 2)")
    try:
        return json_object(data)
    except json.JSONDecodeError:
        raise NetlabError(f"this is no JSON Web Token: its {name} is not JSON") from None
    except ValueError as error:
        raise NetlabError(f"this is no JSON Web Token: {str(error).replace('it ', f'its {name} ', 1)}") from None


def date(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return "no date"
