"""What becomes of a request's fields at one level: sanitized, dressed, signed, each in its place."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from netlab.cores.http1 import encode_fields
from netlab.cores.http1_client import WITH_CONTENT
from netlab.http.exchange import Exchange
from netlab.http.exits import client_of
from netlab.http.gateway import BLOCKS
from netlab.http.hops import hops_left, one_less
from netlab.http.roles import Asker
from netlab.http.undoing import Undone
from netlab.policy.anonymity.anonymize import Anonymity, Applied, Asked, Change
from netlab.policy.anonymity.dress import arrange
from netlab.policy.anonymity.levels import NAMES, Rules
from netlab.policy.anonymity.profiles import Profile, engine_of, pool
from netlab.policy.anonymity.pseudonym import NONCE, pseudonym
from netlab.policy.anonymity.responses import Answered
from netlab.policy.anonymity.sessions import Sessions
from netlab.policy.anonymity.sites import Place
from netlab.policy.forwarding import FORWARDING, Arrival, Hop, request_fields
from netlab.service import Context
from servers.anonymizing_proxy.config import Config

Pair = tuple[str, str]
LEVEL_FIELD = "anonymity-level"
"""By which a request asks for another level; it ends here."""
SILENT = Hop(name="", tells="nothing", passes=True, via=False)
SIGNATURES = FORWARDING | {"via"}
NOWHERE = Arrival(client="", scheme="", host="", version="")


class Sanitized(NamedTuple):
    """A request's fields as they go on: a block, where in it the core frames the message, and to whom it answers.

    signed what is put behind the answer's fields
    apart  the level, where it is another than that of the tunnel it is in, or that of the proxy
    """

    block: bytes
    framing: int | None
    anonymity: Anonymity
    answered: Answered
    signed: bytes
    apart: str


class Prepared(NamedTuple):
    """The fields as they go on, but for a name in Via that is another one each time."""

    block: bytes
    framing: int | None
    applied: Applied


class Sanitizer:
    """All levels of one proxy, and its sessions. `secret` is what our pseudonyms in Via are known by."""

    def __init__(self, config: Config, context: Context, hop: Hop, secret: bytes) -> None:
        self.hop, self.secret = hop, secret
        self.random, self.clock = context.random, context.clock
        self.levels = {name: Anonymity(config.rules(name), keep=config.keep, drop=config.drop) for name in NAMES}
        profiles = pool(config.browser, config.language)
        seed = context.random.getrandbits(64) if context.seed is None else context.seed
        self.sessions = Sessions(seed, profiles, config.session_time)

    def sanitize(self, exchange: Exchange, to: Place, host: str, level: str, usual: str) -> Sanitized:
        """The fields for an origin that is called `host`; what the answer needs is set up with the exchange. `usual` is
        the level where a request does not ask for its own.
        """
        request, anonymity = exchange.request, self.levels[level]
        block, framing, applied = self._prepared(exchange, to, host, anonymity)
        if applied.undo is not None:
            exchange.recode(Undone(applied.undo))
        if applied.order and request.frame.expects_continue:
            exchange.want()  # no browser asks before it sends, so that nobody else will tell the client to go on
        if exchange.flow.events is not None:
            note_changes(exchange, "request.anonymized", applied.changes, level=level, relation=applied.relation)
        via = self.hop.name
        if anonymity.rules.via == "passing":
            via = pseudonym(self.secret, self.random.randbytes(NONCE))
            block += f"Via: {request.version} {via}\r\n".encode("ascii")
        answered = Answered(request.method, applied.relation, time.time())
        signed = b"" if anonymity.rules.via == "none" else f"Via: 1.1 {via}\r\n".encode("ascii")
        return Sanitized(block, framing, anonymity, answered, signed, "" if level == usual else level)

    def _prepared(self, exchange: Exchange, to: Place, host: str, anonymity: Anonymity) -> Prepared:
        """All that is the same for a client that repeats itself: made once, and kept with its connection."""
        connection, request = exchange.connection, exchange.request
        profile = self.profile(exchange, anonymity.rules)
        facts = (to, host, anonymity, request.method, request.frame.upgrade, frames(exchange), profile)
        kept: Any = connection.onward  # where a gateway keeps its blocks
        fields, known = kept
        if fields is not request.fields or len(known) >= BLOCKS:
            connection.onward = (request.fields, known := {})
        found: Prepared | None = known.get(facts)
        if found is None:
            found = known[facts] = self._prepare(exchange, to, host, anonymity, profile)
        return found

    def _prepare(self, exchange: Exchange, to: Place, host: str, anonymity: Anonymity, profile: Profile) -> Prepared:
        request, rules = exchange.request, anonymity.rules
        upgrade = bool(request.frame.upgrade)
        applied = anonymity.apply(travelling(exchange), Asked(method=request.method, to=to, upgrade=upgrade), profile)
        order = applied.order or own_order([name for name, _ in request.fields])
        fields = self._signed(exchange, applied.fields, to.scheme, host) if rules.via == "own" else applied.fields
        block, framing = placed(
            fields,
            host,
            order,
            keep_alive=rules.software == "profile" and not upgrade and "connection" in order,
            frame_at="connection" if upgrade else "content-length" if frames(exchange) else "",
        )
        return Prepared(block, framing, applied)

    def profile(self, exchange: Exchange, rules: Rules) -> Profile:
        """Whom the client looks like: its session's browser, or the one that all clients look like."""
        engine = engine_of(exchange.request.fields.get("user-agent"))
        if rules.software != "profile":
            return self.sessions.uniform(engine)
        return self.sessions.of(client_of(exchange.flow), engine, self.clock.now()).profile

    def _signed(self, exchange: Exchange, fields: list[Pair], scheme: str, host: str) -> list[Pair]:
        """With what a transparent proxy says of itself and of its client."""
        client = exchange.flow.client
        address = str(client[0]) if isinstance(client, tuple) else ""
        arrival = Arrival(client=address, scheme=scheme, host=host, version=exchange.request.version)
        return request_fields(fields, (), self.hop, arrival)


def travelling(exchange: Exchange) -> list[Pair]:
    """The fields that are not of the client's connection with us."""
    request = exchange.request
    fields = request_fields(request.fields, [*request.fields.tokens("connection"), LEVEL_FIELD], SILENT, NOWHERE)
    fields = [pair for pair in fields if pair[0] != "TE"]  # few browsers say it, and none over HTTP/1.1
    left = hops_left(request)
    return fields if left is None else one_less(left)(fields)


def frames(exchange: Exchange) -> bool:
    """Whether the core writes a field that says how long the content is."""
    request = exchange.request
    return request.frame.has_body or request.method in WITH_CONTENT


def own_order(names: Sequence[str]) -> tuple[str, ...]:
    """The client's names in lower case; those that are written anew keep their places, what we sign with is last."""
    anew = {"proxy-connection": "connection", "transfer-encoding": "content-length"}
    return tuple(anew.get(name.lower(), name.lower()) for name in names if name.lower() not in SIGNATURES)


def placed(
    fields: list[Pair], host: str, order: Sequence[str], *, keep_alive: bool, frame_at: str
) -> tuple[bytes, int | None]:
    """The block, with Host and Connection where the order has them, and where the core's own fields belong in it."""
    order = order if "host" in order else ("host", *order)
    own = [("Host", host)]
    if keep_alive:
        own.append(("Connection", "keep-alive"))
    if frame_at not in order:
        return encode_fields(arrange([*own, *fields], order), framing=True), None
    frame = (frame_at, "")
    pairs = arrange([*own, frame, *fields], order)
    at = pairs.index(frame)
    before = encode_fields(pairs[:at], framing=True)
    return before + encode_fields(pairs[at + 1 :], framing=True), len(before)


def note_changes(exchange: Asker, name: str, changes: Sequence[Change], **facts: str) -> None:
    """For whoever looks: each field with why, without its value, which is what was to be forgotten."""
    found: dict[str, Mapping[str, str]] = {
        what: {change.name: change.why for change in changes if change.what == what}
        for what in ("removed", "replaced", "added")
    }
    told: dict[str, Any] = {what: names for what, names in found.items() if names}
    exchange.flow.note(name, **facts, **told)  # type: ignore[arg-type]  # facts are fields of the event
