"""What can be set for the forward proxy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from netlab.config import Kind
from netlab.http.cache.rules import CacheSettings
from netlab.http.parents import Parent
from netlab.http.proxy_settings import Admission, ProxySettings
from netlab.policy.forwarding import Node, Told
from netlab.policy.rewrite import Rewrite, parse_rewrite


def rewrite_rule(text: str) -> Rewrite:
    """A rule as it is written on the command line; what is wrong with it is said in its own words."""
    try:
        return parse_rewrite(text)
    except ValueError as error:
        raise ValueError(f"has a mistake: {error}") from None


RewriteRule = Annotated[
    Rewrite,
    Kind(
        parse=rewrite_rule,
        allowed="PATTERN ACTION, such as '*.shop.test/* set-request X-Debug: 1' or 'ads.test block'",
        metavar="'PATTERN ACTION [ARGUMENT]'",
        write=lambda value: str(value.text),
    ),
]


@dataclass(frozen=True, kw_only=True)
class Passing(Admission):
    """What happens to what passes."""

    rewrite: tuple[RewriteRule, ...] = ()
    """Change what passes, by URL: 'PATTERN set-request NAME: VALUE', remove-request NAME, set-response NAME: VALUE,
    remove-response NAME, to URL, file PATH, block [STATUS], delay TIME."""
    parent: tuple[Parent, ...] = ()
    """Go through another proxy for such hosts; the first that fits counts."""
    tell: Told = "nothing"
    """What the origin is told about the client, in Forwarded or X-Forwarded-For; Via is always there."""
    client_id: Node = "address"
    """What those fields call a client: its address, an identifier that only tells it from others, or unknown."""


@dataclass(frozen=True, kw_only=True)
class Config(ProxySettings, CacheSettings, Passing):
    """What can be set for the forward proxy."""

    cache_target: tuple[str, ...] = ()
    """Fields that count in place of Cache-Control where they are there (RFC 9213); the first comes first."""
