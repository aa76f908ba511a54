"""`netlab get --audit`: the same request directly and through each level of a proxy, and what its origin learnt."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from clients.get.audit import show
from clients.get.audit.asking import Asked, Asker
from clients.get.audit.evidence import View, asked_resolver, dialled, head_of, nothing, sent, told
from clients.get.audit.stands import TUNNEL, Stand, needed, other, own
from clients.get.command import lab_addresses
from clients.get.report import sentence
from clients.get.request import Request, parse_fields
from netlab.errors import NetlabError, UsageError
from netlab.net.addresses import is_literal
from netlab.policy.anonymity.score import FORMULA, ITEMS, Resolver

if TYPE_CHECKING:
    from clients.get import Addresses, Config, Services
    from clients.get.command import Command

LEVEL_FIELD = "Anonymity-Level"
INSPECT = "/inspect?format=json"
SAMPLES = (
    ("Accept-Language", "de-CH,de;q=0.9"),
    ("Referer", "https://search.example/?q=private"),
    ("Cookie", "visitor=4711"),
    ("If-None-Match", '"visitor-4711"'),
    ("X-Request-Id", "4711"),
)
"""What a browser with a past would tell; sent to a netlab http server alone, which does nothing with it."""
EVERYTHING = ("address", "fields", "tls", "resolver")


class Audit:
    """One run: directly first, which tells what kind of origin it is, then by each way."""

    def __init__(self, command: Command, services: Services | None) -> None:
        config = command.config
        _refuse(config)
        self.command, self.config, self.services = command, config, services
        self.request, self.trust = command.request, command.trust
        self.inspected = False  # the origin tells itself what it saw
        self.samples: tuple[tuple[str, str], ...] = ()

    async def run(self, addresses: Addresses | None) -> int:
        """Print what was found; NetlabError where not even the direct request is answered."""
        known = await lab_addresses(self.request.url, addresses)
        asker = Asker(known, self.command.overrides, self.config.timeout)
        try:
            direct = await self._directly(asker)
        except UsageError:
            raise
        except NetlabError as error:
            raise NetlabError(sentence(error)) from error
        views = [direct]
        async with self._stands(asker, direct) as stands:
            views += [await self._view(asker, stand) for stand in stands]
        if self.config.json:
            print(json.dumps(self.record(views), indent=2))
        else:
            show.show(self, views)
        return 0

    # -- asking --------------------------------------------------------------------------------------------------

    async def _directly(self, asker: Asker) -> View:
        asked = await asker.ask(self.request, self.trust.context)
        if asked.server.startswith("netlab"):
            with_samples = self._to_inspect()
            again = await asker.ask(with_samples, self.trust.context)
            if _record(again) is not None:
                self.inspected, self.request, asked = True, with_samples, again
        leg = dialled(asked.flows)
        resolver: Resolver = "client" if asked_resolver(leg) else "nobody"
        return self._seen(View(name="directly", way="directly", seen=nothing(self.request.url)), asked, leg, resolver)

    def _to_inspect(self) -> Request:
        """The request as it is sent to where a netlab http server tells what it saw; with something to tell."""
        given = {name.lower() for name, _ in self.request.fields} | self.request.without
        self.samples = tuple(pair for pair in SAMPLES if pair[0].lower() not in given)
        url = replace(self.request.url, target=INSPECT)
        return replace(self.request, url=url, fields=(*self.request.fields, *self.samples))

    @asynccontextmanager
    async def _stands(self, asker: Asker, direct: View) -> AsyncIterator[list[Stand]]:
        url = self.request.url
        if self.command.proxy is not None:
            yield await other(self.command.proxy, asker, url, self.trust)
            return
        async with own(needed(self.services), asker, url, direct.seen.address, self.trust) as stands:
            yield stands

    async def _view(self, asker: Asker, stand: Stand) -> View:
        view = View(name=stand.name, way=stand.way, level=stand.level, seen=nothing(self.request.url))
        more, _ = parse_fields(self.config.proxy_field)
        level = () if stand.level is None else ((LEVEL_FIELD, stand.level),)
        try:
            asked = await asker.ask(self.request, stand.tls, proxy=stand.proxy, to_proxy=(*more, *level))
        except NetlabError as error:
            return replace(view, failed=sentence(error))
        leg = dialled(stand.flows) if stand.flows is not None else None
        return self._seen(view, asked, leg, self._resolver(stand))

    def _resolver(self, stand: Stand) -> Resolver:
        host = self.request.url.host
        if is_literal(host) or host == "localhost":
            return "nobody"
        if stand.parents:
            return "parent"
        if stand.flows is None:
            return "here" if stand.here else "proxy"
        return "here" if asked_resolver(dialled(stand.flows)) else "nobody"

    # -- what was seen -------------------------------------------------------------------------------------------

    def _seen(self, view: View, asked: Asked, leg: Any, resolver: Resolver) -> View:
        """By the origin's own word, else by what was sent; of a proxy that is not ours, not even that is known."""
        url = self.request.url
        record = _record(asked) if self.inspected else None
        if record is not None:
            return replace(view, seen=told(record, url, resolver), inferred=("resolver",))
        if leg is None:
            seen = replace(nothing(url), resolver=resolver)
            return replace(view, seen=seen, inferred=("resolver",))
        tunnel = view.way == TUNNEL
        return replace(view, seen=sent(leg, url, resolver, head_of(asked.hop) if tunnel else None), inferred=EVERYTHING)

    # -- what is printed -----------------------------------------------------------------------------------------

    def record(self, views: list[View]) -> dict[str, Any]:
        direct = views[0].seen
        return {
            "url": str(self.command.request.url),
            "origin": "netlab" if self.inspected else "stranger",
            "asked": str(self.request.url),
            "samples": [list(pair) for pair in self.samples],
            "formula": FORMULA,
            "items": [{"name": item.name, "weight": item.weight, "learnt": item.sentence} for item in ITEMS],
            "views": [view.as_json(direct) for view in views],
            "notes": show.notes(self, views),
        }


def _refuse(config: Config) -> None:
    """What an audit cannot do; `--audit -d x` would send x to a stranger five times."""
    if (config.method or "GET") != "GET" or config.data or config.head or config.http1_0:
        raise UsageError("--audit compares plain GET requests: leave out --method, --data, --head and --http1.0")
    flags = {"output": "-o", "include": "-i", "location": "-L", "fail": "-f", "verbose": "-v"}
    for name, flag in flags.items():
        if getattr(config, name):
            raise UsageError(f"--audit shows what an origin learnt, not what it answers: leave out {flag}")


def _record(asked: Asked) -> dict[str, Any] | None:
    """What /inspect says; None: it is something else."""
    try:
        record = json.loads(asked.body)
    except ValueError:
        return None
    return record if isinstance(record, dict) and {"connection", "request", "client_hello"} <= record.keys() else None
