"""Rewriting of what passes a proxy: a plan for each request, carried out before and behind the gateway."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from netlab.cores.http1 import encode_fields
from netlab.errors import UsageError
from netlab.http.destination import Destination, Turn, destination_of
from netlab.http.exchange import Exchange, Work
from netlab.http.files import FileOptions, Files
from netlab.policy.rewrite import Elsewhere, Pair, Plan, Rewrite, Rewrites

PassOn = Callable[[Exchange, Turn], Work]


class Rewriting:
    """The rules of one proxy. Folders and files that answer are looked at once, at the start."""

    def __init__(self, rules: Sequence[Rewrite]) -> None:
        self.rules = Rewrites(rules)
        self._files = {rule: place(rule) for rule in rules if rule.action == "file"}

    def apply(self, exchange: Exchange, to: Destination, target: str, pass_on: PassOn) -> Work:
        """Do what the rules say of this URL, and pass on what is left to be passed on."""
        found = self.rules.find(f"{to.scheme}://{to.authority}{target}")
        if found is None:
            return pass_on(exchange, Turn(to, target))
        plan, elsewhere = found
        note(exchange, plan, elsewhere)
        if plan.response:
            exchange.amend(lambda block: encode_fields(plan.on_response(decode(block)), framing=True))
        go = partial(self._go, exchange, to, target, pass_on, plan, elsewhere)
        return later(exchange, plan.delay, go) if plan.delay else go()

    def blocks(self, exchange: Exchange, to: Destination) -> bool:
        """Of a tunnel nothing is known but its far end: it can be blocked, and that is all."""
        found = self.rules.find(f"https://{to.authority.removesuffix(':443')}/")
        elsewhere = found[1] if found is not None else None
        if elsewhere is None or elsewhere.rule.action != "block":
            return False
        exchange.connection.core.will_close()
        block(exchange, elsewhere.rule)
        return True

    def _go(
        self,
        exchange: Exchange,
        to: Destination,
        target: str,
        pass_on: PassOn,
        plan: Plan,
        elsewhere: Elsewhere | None,
    ) -> Work:
        change = plan.on_request if plan.request else None
        if elsewhere is None:
            return pass_on(exchange, Turn(to, target, change))
        if elsewhere.rule.action == "block":
            block(exchange, elsewhere.rule)
            return None
        if elsewhere.rule.action == "file":
            files, name = self._files[elsewhere.rule]
            path = name or "/" + elsewhere.rest.partition("?")[0]
            return files.serve(exchange, files.find(path))
        try:
            other, other_target = destination_of(elsewhere.url)
        except UsageError as error:
            exchange.refuse(502, f"a rule sends this elsewhere, but {error}")
            return None
        return pass_on(exchange, Turn(other, other_target, change, moved=True))


async def later(exchange: Exchange, seconds: float, go: Callable[[], Work]) -> None:
    await exchange.pause(seconds)
    work = go()
    if work is not None:
        await work


def place(rule: Rewrite) -> tuple[Files, str]:
    """The files a rule answers with: a folder, or one file of it by its path there."""
    path = Path(rule.argument).expanduser()
    if path.is_dir():
        return Files(path, FileOptions()), ""
    if path.is_file():
        return Files(path.parent, FileOptions(hidden=True)), f"/{path.name}"
    raise UsageError(f"--rewrite {rule.text!r}: there is no file or folder {path}")


def block(exchange: Exchange, rule: Rewrite) -> None:
    status = int(rule.argument)
    exchange.refuse(status, f"blocked here by the rule {rule.text!r}")


def note(exchange: Exchange, plan: Plan, elsewhere: Elsewhere | None) -> None:
    rules = [*plan.request, *plan.response, *([elsewhere.rule] if elsewhere is not None else [])]
    if exchange.flow.full:
        exchange.flow.note("request.rewritten", rules=[rule.text for rule in rules], delay=plan.delay)


def decode(block: bytes) -> list[Pair]:
    """Fields of a block that we wrote ourselves."""
    lines = block.decode("latin-1").split("\r\n")[:-1]
    return [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
