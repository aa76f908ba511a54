"""What is answered to a question: from what is ready, by names of our own, or after a search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from functools import partial
from pathlib import Path

from netlab import __version__
from netlab.cores.dns_codes import (
    ANY,
    AXFR,
    BADVERS,
    CNAME,
    FORMERR,
    IN,
    IXFR,
    NOERROR,
    NOTIMP,
    OPT,
    PADDING,
    QUERY,
    REFUSED,
    RRSIG,
    SOA,
    rcode_name,
    type_name,
)
from netlab.cores.dns_master import read_master
from netlab.cores.dns_message import (
    AD,
    CD,
    HEADER,
    PLAIN_UDP,
    QR,
    RA,
    RD,
    Edns,
    Message,
    Question,
    Record,
    extended_error,
    parse_query,
    serialize,
)
from netlab.cores.dns_names import to_text
from netlab.cores.dns_options import Identity, padded, told
from netlab.cores.dns_rdata import show, target
from netlab.cores.resolution import Resolved
from netlab.errors import RemoteProtocolError, UsageError
from netlab.flow import Flow, Level, Outcome
from netlab.net.tasks import Tasks
from netlab.policy.dns_local import FILTERED, LOCAL_TTL, LocalNames, negative_soa
from netlab.service import Context
from servers.resolver.config import Config
from servers.resolver.ready import EDNS_SIZE, Ready, ReadyAnswers
from servers.resolver.recursion import Recursion, Then
from servers.resolver.statistics import Statistics

META = frozenset((OPT, AXFR, IXFR, 249, 250, 253, 254))
PROHIBITED, NOT_AUTHORITATIVE, NOT_SUPPORTED = 18, 20, 21
BYTES_READY = 2000
"""Bytes that a ready answer costs, roughly; a quarter of the cache is for them."""

Send = Callable[[bytes], None]


def nothing() -> None:
    """A query that is not answered needs no farewell over UDP."""


class Way(Enum):
    """How a question came, and the answer goes."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"
    HTTPS = "https"


class Answering:
    """The order in which a question is thought of, whichever way it came."""

    def __init__(self, config: Config, context: Context, tasks: Tasks) -> None:
        self.config, self.context = config, context
        self.statistics = Statistics()
        self.recursion = Recursion(config, context, tasks, self.statistics)
        self.ready = ReadyAnswers(max(config.cache // 4 // BYTES_READY, 1000))
        self.local = local_names(config)
        self.identity = Identity(f"netlab {__version__}", "resolver")

    def at_once(self, data: bytes, *, udp: bool) -> tuple[bytes, Ready] | None:
        """The reply, where it is ready in wire form; not where a flow would have to tell of each part."""
        if self.context.flows.level is Level.FULL:
            return None
        return self.ready.reply(data, self.context.clock.now(), udp=udp)

    def is_known(self, data: bytes) -> bool:
        """Whether a query can be answered without looking for anything, as far as a glance at its bytes tells."""
        end = data.find(b"\0", HEADER.size) + 1
        name, kind = data[HEADER.size : end].lower(), int.from_bytes(data[end : end + 2], "big")
        try:
            known = self.recursion.resolver.knows(name, kind, self.context.clock.now())
            return known or self.local.answer(name, kind) is not None
        except IndexError:  # no name
            return False

    def respond(self, data: bytes, flow: Flow, send: Send, way: Way, *, drop: Callable[[], None] = nothing) -> None:
        """Read a question, and answer it when that is possible; `drop` is called where it is not answered at all."""
        if flow.full and flow.wire is None and flow.parent is None:
            flow.wire = flow.log.tape()
            flow.wire.write(flow.log.now(), "client", data)
        try:
            query = parse_query(data)
        except RemoteProtocolError as error:
            self._malformed(data, error, flow, send, drop)
            return
        if query.flags & QR:
            flow.end(Outcome.VIOLATION, "a reply, not a query")
            drop()
            return
        refusal = self._refusal(query)
        if refusal is not None:
            self._finish(query, refusal, flow, send, way)
            return
        asked = query.question[0]
        if flow.level:
            flow.label = f"{to_text(asked.name)} {type_name(asked.type)}"
            if flow.full:
                flow.note(
                    "query.received", "client", qname=to_text(asked.name), type=type_name(asked.type), id=query.id
                )
        own = self.local.answer(asked.name.lower(), asked.type)
        if own is None:
            self._look_for(asked.name, query, flow, partial(self._resolved, query, flow, send, way), drop)
            return
        self.statistics.local += 1
        flow.note("answer.local", why=own.why)
        if own.onward:
            then = partial(self._resolved, query, flow, send, way, before=own.answer)
            self._look_for(own.onward, query, flow, then, drop)
            return
        proof = [] if own.answer and own.answer[-1].type != CNAME else [negative_soa(asked.name.lower())]
        self._finish(query, Resolved(own.rcode, list(own.answer), proof, own.error), flow, send, way)

    def _look_for(self, name: bytes, query: Message, flow: Flow, then: Then, drop: Callable[[], None]) -> None:
        """In the cache, and unless the client wants no more than that, among the servers."""
        kind = query.question[0].type
        if not query.flags & RD:  # RFC 1034 4.3.1: recursion is for who desires it
            known = self.recursion.resolver.known(name, kind, self.context.clock.now())
            then(known or Resolved(REFUSED, error=(NOT_AUTHORITATIVE, "not known here, and no recursion desired (RD)")))
        elif not self.recursion.look_for(name, kind, query.flags & CD, flow, then):
            self.statistics.dropped += 1
            flow.end(Outcome.REFUSED, "dropped: too much is looked for already")
            drop()

    def refuse(
        self, data: bytes, flow: Flow, send: Send, why: str, way: Way, *, drop: Callable[[], None] = nothing
    ) -> None:
        """Tell a stranger that this is not for him."""
        try:
            query = parse_query(data)
        except RemoteProtocolError as error:
            self._malformed(data, error, flow, send, drop)
            return
        if query.flags & QR:
            flow.end(Outcome.VIOLATION, "a reply, not a query")
            drop()
        else:
            self._finish(query, Resolved(REFUSED, error=(PROHIBITED, why)), flow, send, way)

    def _malformed(
        self, data: bytes, error: RemoteProtocolError, flow: Flow, send: Send, drop: Callable[[], None]
    ) -> None:
        """FORMERR to what has at least a header and is no reply; silence to anything else."""
        self.statistics.malformed += 1
        flow.label = "malformed"
        flow.note("protocol.violated", "client", **error.facts())
        flow.end(Outcome.VIOLATION, str(error))
        if len(data) >= HEADER.size and not data[2] & 0x80:
            send(serialize(Message(int.from_bytes(data[:2], "big"), QR, data[2] >> 3 & 15, FORMERR)))
        else:
            drop()

    def _refusal(self, query: Message) -> Resolved | None:
        """Why a query is not looked into, if so."""
        if query.edns is not None and query.edns.version > 0:
            return Resolved(BADVERS)
        if query.opcode != QUERY:
            return Resolved(NOTIMP, error=(NOT_SUPPORTED, "only queries are answered here"))
        if len(query.question) != 1:
            return Resolved(FORMERR, error=(NOT_SUPPORTED, f"{len(query.question)} questions; one is due"))
        if (own := self.identity.answers(query.question[0])) is not None:
            return Resolved(NOERROR, [own])
        if query.question[0].type in META:
            return Resolved(NOTIMP, error=(NOT_SUPPORTED, "not a question for a resolver"))
        if query.question[0].klass != IN:
            return Resolved(REFUSED, error=(NOT_SUPPORTED, "only class IN is known here"))
        return None

    def _resolved(
        self,
        query: Message,
        flow: Flow,
        send: Send,
        way: Way,
        resolved: Resolved,
        *,
        before: tuple[Record, ...] = (),
    ) -> None:
        """The answer is here, or the reason why there is none; `before` are aliases of our own that led to it."""
        name = query.question[0].name
        if before:
            resolved = replace(resolved, answer=[*before, *resolved.answer])
        if (blocked := self._blocked(resolved, query.question[0])) is not None:
            resolved = replace(blocked, trace=resolved.trace)
        if self.config.rebinding and (why := self.local.rebinds(name.lower(), resolved.answer)):
            resolved = Resolved(REFUSED, error=(FILTERED, why), trace=resolved.trace)
        if flow.full and resolved.trace is not None:
            answer = [show(each.type, each.rdata) for each in resolved.answer]
            rcode, trace = rcode_name(resolved.rcode), resolved.trace.as_json()
            flow.note("name.resolved", rcode=rcode, answer=answer, error=resolved.error, trace=trace)
        reply = self._finish(query, resolved, flow, send, way)
        if resolved.queries or resolved.error is not None or query.question[0].type == ANY:
            return  # most names are asked for once: an answer is made ready when it is asked for again
        least = min((record.ttl for record in (*reply.answer, *reply.authority)), default=0)
        if least:
            now, do = self.context.clock.now(), query.edns is not None and query.edns.do
            reply.edns, asked = None, query.question[0]
            result, authentic = rcode_name(reply.rcode), resolved.authentic
            ready = Ready(reply, now, now + least, flow.label, result, authentic=authentic, do=do)
            key = name.lower() + asked.type.to_bytes(2, "big") + asked.klass.to_bytes(2, "big")
            self.ready.keep(key, do, ready)

    def _blocked(self, resolved: Resolved, asked: Question) -> Resolved | None:
        """What is said where an alias leads to a name on a block list."""
        for record in resolved.answer:
            if record.type == CNAME:
                refused = self.local.blocked(target(CNAME, record.rdata).lower(), asked.type)
                if refused is not None:
                    answer = [each._replace(name=asked.name) for each in refused.answer]
                    proof = [] if answer else [negative_soa(asked.name.lower())]
                    return Resolved(refused.rcode, answer, proof, refused.error)
        return None

    def _finish(self, query: Message, resolved: Resolved, flow: Flow, send: Send, way: Way) -> Message:
        """Write and send the reply; DNSSEC records only to who wants them (RFC 4035 3.2.1)."""
        reply = query.reply(resolved.rcode, flags=RA)
        do = query.edns is not None and query.edns.do
        if resolved.authentic and resolved.error is None and (do or query.flags & AD):  # RFC 6840 5.8
            reply.flags |= AD
        kind = query.question[0].type if len(query.question) == 1 else 0
        signed = do or kind in (RRSIG, ANY)
        reply.answer = resolved.answer if signed else [each for each in resolved.answer if each.type != RRSIG]
        reply.authority = resolved.authority if do else [each for each in resolved.authority if each.type == SOA]
        size = 65_535
        if query.edns is not None:
            options = () if resolved.error is None else (extended_error(*resolved.error),)
            reply.edns = Edns(EDNS_SIZE, 0, do, options)
            size = min(max(query.edns.size, PLAIN_UDP), EDNS_SIZE) if way is Way.UDP else size
        elif way is Way.UDP:
            size = PLAIN_UDP
        if query.edns is not None and query.edns.options:
            self._tell(reply, query.edns, way)
        wire = serialize(reply, size)
        self.statistics.answered(resolved)
        if flow.wire is not None:
            flow.wire.write(flow.log.now(), "server", wire)
        flow.sent = len(wire)
        rcode, why = rcode_name(reply.rcode), "" if resolved.error is None else resolved.error[1]
        if flow.full:
            flow.note("reply.sent", "server", rcode=rcode, answers=len(reply.answer), why=why)
        flow.end(Outcome.OK if reply.rcode in (0, 3) else Outcome.REFUSED, f"{rcode} ({why})" if why else rcode)
        send(wire)
        return reply

    def _tell(self, reply: Message, query: Edns, way: Way) -> None:
        """Options that the query's ask for; padding only where nobody can read along (RFC 7830 6)."""
        assert reply.edns is not None
        idle = self.config.idle_timeout if way in (Way.TCP, Way.TLS) else None
        reply.edns = reply.edns._replace(options=(*reply.edns.options, *told(query, self.identity, idle)))
        if way in (Way.TLS, Way.HTTPS) and query.option(PADDING) is not None:
            reply.edns = padded(reply.edns, len(serialize(reply)))


def local_names(config: Config) -> LocalNames:
    """Overrides, hosts and block lists as they are set; UsageError with file and line."""
    local = LocalNames(special=config.special_use, exempt=config.exempt, blocked_as=config.blocked)
    for path in config.hosts:
        local.add_hosts(_text(path, "--hosts"), str(path))
    for path in config.block:
        local.block(_text(path, "--block"), str(path))
    for line in config.local:
        for record in _own(line):
            local.add(record.name, record.type, record.rdata, record.ttl)
    return local


def _own(line: str) -> list[Record]:
    try:
        return read_master(f"$TTL {LOCAL_TTL}\n{line}", name="")
    except UsageError as error:
        raise UsageError(f"--local {line!r}: {str(error).partition(': ')[2]}") from None


def _text(path: Path, flag: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{flag} {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{flag} {path} is no text in UTF-8: byte {error.start}") from None
