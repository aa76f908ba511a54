"""The anonymizing proxy's own page: how to use it, what each level does, its exits, and how the audit counts."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from netlab.http.exchange import Exchange
from netlab.http.exits import Exits
from netlab.http.proxy_page import JSON, ProxyPage
from netlab.policy.anonymity.levels import NAMES, SENTENCES, lines
from netlab.policy.anonymity.score import FORMULA, ITEMS
from servers.anonymizing_proxy.config import Config

TUNNELS = (
    "<p><b>Inside of a tunnel (CONNECT, SOCKS) nothing can be sanitized</b>: what your program says to the origin is "
    "encrypted for it. At every level only two things change there: the address that the origin sees, and who looks "
    "its name up. With <code>--intercept HOST</code> TLS is opened here, and its requests are sanitized as any other; "
    "the TLS that the origin sees is then this proxy's, which is like no browser's.</p>\n"
)


class AnonymityPage(ProxyPage):
    """Its tables are the policy's own."""

    title = "netlab anonymizing proxy"
    intro = (
        "It asks in your place, and tells origins as much as its level allows; every exchange is a flow: "
        '<code>netlab watch</code>, <code>netlab show ID</code>. For programs: <a href="/levels.json">/levels.json</a>.'
    )

    def __init__(self, config: Config, exits: Exits, ca: str) -> None:
        super().__init__(ca)
        self.config, self.exits = config, exits
        self.lines = lines(tuple(map(config.rules, NAMES)))

    def answer(self, exchange: Exchange) -> None:
        if exchange.request.method in ("GET", "HEAD") and exchange.request.path.partition("?")[0] == "/levels.json":
            exchange.respond(200, JSON, json.dumps(self.record(), indent=2).encode() + b"\n")
        else:
            super().answer(exchange)

    def record(self) -> dict[str, Any]:
        """What the page says, for programs."""
        return {
            "service": "anonymizing-proxy",
            "level": self.config.level,
            "levels": {
                name: {"sentence": SENTENCES[name], **{line.what: line.words[index] for line in self.lines}}
                for index, name in enumerate(NAMES)
            },
            "rotate": self.config.rotate,
            "exits": self.exits.state(),
            "score": {
                "formula": FORMULA,
                "items": [{"name": item.name, "weight": item.weight, "learnt": item.sentence} for item in ITEMS],
            },
        }

    def about(self) -> str:
        return f"{self._levels()}{TUNNELS}{self._exits()}{SCORE}"

    def _levels(self) -> str:
        now = self.config.level
        head = "".join(f"<th{' class=now' if name == now else ''}>{name}</th>" for name in NAMES)
        sentences = "".join(f"<li><b>{name}</b>: {escape(SENTENCES[name])}</li>\n" for name in NAMES)
        rows = "".join(
            f"<tr><td>{escape(line.what)}</td>{''.join(f'<td>{escape(word)}</td>' for word in line.words)}</tr>\n"
            for line in self.lines
        )
        return (
            f"<h2>Levels</h2>\n<p>It runs at the level <b>{now}</b>; one request asks for another by the field "
            f"<code>Anonymity-Level: elite</code> (<code>curl --proxy-header</code>), which goes no further.</p>\n"
            f"<ul>\n{sentences}</ul>\n<table><tr><th></th>{head}</tr>\n{rows}</table>\n"
        )

    def _exits(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(str(found['name']))}</td><td>{escape(_health(found))}</td></tr>\n"
            for found in self.exits.state()
        )
        return (
            f"<h2>Exits</h2>\n<p>Rotation: {escape(self.config.rotate.replace('_', ' '))}.</p>\n"
            f"<table><tr><th>exit</th><th>health</th></tr>\n{rows}</table>\n"
        )


def _health(found: dict[str, object]) -> str:
    return "healthy" if found["healthy"] else f"left out, tried again in {found['again_in']} s"


SCORE = (
    "<h2>Score</h2>\n<p><code>netlab get --audit URL</code> shows what an origin learns directly and at each level: "
    f"{escape(FORMULA)}.</p>\n<table><tr><th>what it may learn</th><th>weight</th></tr>\n"
    + "".join(f"<tr><td>{escape(item.sentence)}</td><td>{item.weight}</td></tr>\n" for item in ITEMS)
    + "</table>\n"
)
