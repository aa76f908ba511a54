"""Where connections go by what their ClientHello asks for, without their being decrypted."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from typing import ClassVar

from netlab.config import Kind
from servers.l4_balancer.target import Target

NAME = re.compile(r"[a-z0-9*._-]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class RouteRule:
    """Written `sni=NAME,… alpn=PROTOCOL,… to=HOST:PORT*WEIGHT,…`.

    snis   names that are asked for, with * for any characters; empty: any, and none
    alpns  one of these protocols is offered; empty: any, and none
    """

    snis: tuple[str, ...] = ()
    alpns: tuple[str, ...] = ()
    to: tuple[Target, ...] = ()
    text: str = ""

    kind: ClassVar[Kind]

    @classmethod
    def parse(cls, text: str) -> RouteRule:
        """ValueError, beginning with "has" or "needs", says what is wrong."""
        rule = cls(text=text)
        try:
            words = shlex.split(text)
        except ValueError as error:
            raise ValueError(f"has a quote that does not end ({error})") from None
        for word in words:
            rule = _with(rule, word)
        if not rule.to:
            raise ValueError("needs to=HOST:PORT")
        return rule

    def matches(self, name: str | None, offered: tuple[str, ...]) -> bool:
        """Whether a ClientHello with this SNI and ALPN goes here."""
        if self.alpns and not any(protocol in offered for protocol in self.alpns):
            return False
        if not self.snis:
            return True
        return name is not None and any(_fits(name, wanted) for wanted in self.snis)

    @property
    def pool(self) -> str:
        """The name of its upstreams' pool: routes to the same ones share it."""
        return ",".join(map(str, self.to))

    def __str__(self) -> str:
        return self.text


def _with(rule: RouteRule, word: str) -> RouteRule:
    key, equals, value = word.partition("=")
    match key if equals and value else "":
        case "sni":
            names = tuple(value.lower().split(","))
            if not all(map(NAME.fullmatch, names)):
                raise ValueError(f"has sni={value}, which is no name of a host, with * for any characters")
            return replace(rule, snis=rule.snis + names)
        case "alpn":
            return replace(rule, alpns=rule.alpns + tuple(value.split(",")))
        case "to":
            return replace(rule, to=rule.to + tuple(map(Target.parse, value.split(","))))
    raise ValueError(f"has {word[:60]!r}, where one of sni=, alpn= or to= may stand")


def _fits(name: str, wanted: str) -> bool:
    if "*" not in wanted:
        return name == wanted
    return re.fullmatch(".*".join(map(re.escape, wanted.split("*"))), name) is not None


RouteRule.kind = Kind(
    parse=RouteRule.parse,
    allowed="sni=NAME alpn=PROTOCOL to=HOST:PORT, such as 'sni=*.shop.test to=127.0.0.1:9443'",
    metavar="'KEY=VALUE …'",
)
