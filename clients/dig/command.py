"""What `netlab dig` does: the question from its words, the asking, and what is shown."""

from __future__ import annotations

import ipaddress
import json
import random
from dataclasses import dataclass
from time import time

from clients.dig import Addresses, Config
from clients.dig.show import as_json, dig_like, short
from clients.dig.steps import Story, explained, page
from netlab.clock import SystemClock
from netlab.cores.dns_codes import PTR, A, type_number
from netlab.cores.dns_message import CD, RD, TC, Edns, Message, Question
from netlab.cores.dns_names import from_text, reverse
from netlab.cores.resolution import Resolved, Resolver
from netlab.cores.resolution_asking import Ask, Result, Settings
from netlab.errors import PeerUnreachable, UsageError
from netlab.flow import FlowLog, Level
from netlab.net.addresses import AddressMap, Overrides, SocketAddress
from netlab.net.dial import Dialer
from netlab.net.dns_asking import Asker, Locate
from netlab.net.resolve import SystemResolver, known, resolve
from netlab.net.tasks import Tasks
from netlab.policy.dns_cache import DnsCache
from netlab.policy.dns_servers import ServerBook
from netlab.text import escape


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked, and of whom."""

    question: Question
    host: str
    port: int


class Command:
    """One call."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.wish = read_words(config)
        self.flows, self.tasks = FlowLog(Level.SUMMARY), Tasks("dig")

    async def run(self, addresses: Addresses | None) -> int:
        lab = AddressMap() if addresses is None else AddressMap.from_json(await addresses())
        if self.config.trace or self.config.explain or self.config.html is not None:
            return await self._trace(lab)
        return await self._ask(lab)

    # -- one server ----------------------------------------------------------------------------------------------

    async def _ask(self, lab: AddressMap) -> int:
        config, wish = self.config, self.wish
        where = await locate(wish.host, wish.port, lab)
        asker = self._asker(lab, lambda _address: where)
        edns = Edns(config.edns_size, do=config.dnssec) if config.edns_size else None
        ask = Ask(wish.host, wish.question, RD if config.recurse else 0, edns, config.tcp, config.timeout)
        result = Result(time(), None)
        for _ in range(1 if config.tcp else config.tries):
            result = await asker.ask(ask)
            if result.reply is not None:
                break
        if result.reply is not None and result.reply.flags & TC and not ask.tcp:
            ask = ask._replace(tcp=True)
            result = await asker.ask(ask)
        if result.reply is None:
            raise PeerUnreachable(f"{where}: {result.problem}", stage="resolve")
        self._show(result, result.reply, where, tcp=ask.tcp)
        return 1 if result.reply.rcode not in (0, 3) else 0

    def _asker(self, lab: AddressMap, locating: Locate) -> Asker:
        dialer = Dialer(self.flows, addresses=lab)
        return Asker(self.flows, SystemClock(), dialer, locating, random.SystemRandom(), self.tasks, "dig")

    def _show(self, result: Result, reply: Message, where: SocketAddress, *, tcp: bool) -> None:
        if self.config.json:
            print(json.dumps(as_json(reply, where, result.rtt, tcp=tcp)))
        elif self.config.short:
            print("\n".join(short(reply.answer)), end="\n" if reply.answer else "")
        else:
            print(dig_like(reply, where, result, tcp=tcp))

    # -- from the root down --------------------------------------------------------------------------------------

    async def _trace(self, lab: AddressMap) -> int:
        config, question = self.config, self.wish.question
        settings = Settings(
            hints={from_text("root."): (config.root.host,)},
            minimise=config.qname_minimisation == "yes",
            serve_stale=False,
        )
        chance = random.SystemRandom()
        resolver = Resolver(settings, DnsCache(), ServerBook(), chance=chance)
        asker = self._asker(lab, lambda address: lab.locate(address, config.root.port))
        steps = resolver.resolve(question.name, question.type, time(), flags=CD if config.dnssec else 0)
        resolved: Resolved
        try:
            ask = next(steps)
            while True:
                ask = steps.send(await asker.ask(ask))
        except StopIteration as ended:
            resolved = ended.value
        return show_story(config, Story.of(resolved))


def show_story(config: Config, story: Story) -> int:
    """The steps to an answer, as they are wanted; the exit code."""
    trace = story.trace
    if config.html is not None:
        config.html.write_text(page(story), encoding="utf-8")
    if config.json:
        answer = {"rcode": story.rcode, "answer": story.answer, "error": story.error}
        print(json.dumps(answer | {"trace": trace.as_json(), "queries": trace.queries()}))
    else:
        print("\n".join(explained(trace) if config.explain else map(escape, trace.lines())))
        print(f"\n{story.rcode} after {trace.queries()} queries", end="")
        print(f": {escape(story.error[1])} (extended error {story.error[0]})" if story.error else "")
        for line in story.answer:
            print(f"  {line}")
    return 1 if story.rcode == "SERVFAIL" else 0


def read_words(config: Config) -> Wish:
    """Name, type and server from the words; UsageError for what cannot be meant."""
    name, kind, host, port = "", None, "127.0.0.1", config.port
    for word in config.words:
        if word.startswith("@"):
            host, port = _server(word[1:], config.port)
        elif kind is None and (found := _type(word)) is not None and (name or len(config.words) > 1):
            kind = found
        elif not name:
            name = word
        else:
            raise UsageError(f"{word!r} is neither a type nor @SERVER, and {name!r} is the name already")
    if config.reverse:
        try:
            return Wish(Question(reverse(config.reverse), PTR if kind is None else kind), host, port)
        except ValueError:
            raise UsageError(f"-x {config.reverse!r} is no address; 192.0.2.1 and 2001:db8::1 are") from None
    if not name:
        raise UsageError("which name? netlab dig NAME [TYPE] [@SERVER]")
    return Wish(Question(from_text(name), A if kind is None else kind), host, port)


def _type(word: str) -> int | None:
    try:
        return type_number(word)
    except UsageError:
        return None


def _server(text: str, port: int) -> tuple[str, int]:
    try:
        return str(ipaddress.ip_address(text)), port
    except ValueError:
        host, colon, number = text.rpartition(":")
    if not colon:
        return text, port
    if not number.isdecimal() or not 0 < int(number) < 65536:
        raise UsageError(f"@{text}: {number!r} is no port")
    return host.strip("[]"), int(number)


async def locate(host: str, port: int, lab: AddressMap) -> SocketAddress:
    """Where a server is: the lab's word, a literal, or what the system's resolver says first."""
    found = known(host, port, lab, Overrides()) or await resolve(host, SystemResolver())
    return lab.locate(found.addresses[0], port)
