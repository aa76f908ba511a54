"""A nameserver's answers: from a query to the reply that its zones give, without I/O (RFC 1034 4.3.2)."""

from __future__ import annotations

from collections.abc import Iterable

from netlab.cores.dns_codes import (
    ANY,
    AXFR,
    BADVERS,
    CLASSES,
    DS,
    FORMERR,
    IN,
    IXFR,
    NOERROR,
    NOTAUTH,
    NOTIMP,
    NXDOMAIN,
    OPT,
    QUERY,
    REFUSED,
    TSIG,
    YXDOMAIN,
)
from netlab.cores.dns_message import AA, Edns, Message, Record, extended_error
from netlab.cores.dns_names import ROOT, ancestors, parent, read, to_text
from netlab.cores.dns_options import NOBODY, Identity, told
from netlab.cores.dns_zone import Outcome, Zone
from netlab.errors import RemoteProtocolError

NOT_AUTHORITATIVE, NOT_SUPPORTED = 20, 21
BADKEY = 17
META = frozenset((OPT, 249, TSIG, IXFR, AXFR, 253, 254))
RCODES = {Outcome.NXDOMAIN: NXDOMAIN, Outcome.TOO_LONG: YXDOMAIN}


class Authority:
    """The zones of one server, by folded name; the deepest that a name is in answers for it."""

    def __init__(self, zones: Iterable[Zone], identity: Identity = NOBODY, *, edns_size: int = 1232) -> None:
        self.zones = {zone.origin: zone for zone in zones}
        self.identity, self.edns_size = identity, edns_size

    def find(self, name: bytes, kind: int) -> Zone | None:
        """The zone to answer from. DS is the parent's, where both are here (RFC 4035 3.1.4.1)."""
        key = name.lower()
        if kind == DS and key in self.zones and (above := self._deepest(parent(key))) is not None:
            return above
        return self._deepest(key)

    def _deepest(self, key: bytes) -> Zone | None:
        return next((self.zones[each] for each in ancestors(key) if each in self.zones), None)

    def respond(self, query: Message, *, idle: float | None = None) -> Message:
        """The reply to a query, before it is cut to a size; transfers are the server's own business.

        `idle`: seconds that the connection it came on may be without a query.
        """
        reply = self._reply(query)
        if query.edns is not None and reply.edns is not None and query.edns.options:
            reply.edns = reply.edns._replace(options=(*reply.edns.options, *told(query.edns, self.identity, idle)))
        return reply

    def objection(self, query: Message) -> Message | None:
        """What is said to a query that is not looked into."""
        if query.edns is not None and query.edns.version > 0:
            return self._refuse(query, BADVERS)  # RFC 6891 6.1.3
        if query.opcode != QUERY:
            return self._refuse(query, NOTIMP)
        if len(query.question) != 1:
            return self._refuse(query, FORMERR)
        if query.additional and (signature := query.additional[-1]).type == TSIG:
            return self._not_signed(query, signature)
        return None

    def _reply(self, query: Message) -> Message:
        if (refused := self.objection(query)) is not None:
            return refused
        (asked,) = query.question
        if (own := self.identity.answers(asked)) is not None:
            reply = self._refuse(query, NOERROR)
            reply.answer = [own]
            return reply
        if asked.klass not in (IN, CLASSES["ANY"]) or asked.type in META - {ANY}:
            return self._refuse(query, NOTIMP if asked.type in META else REFUSED, NOT_SUPPORTED, "not asked here")
        zone = self.find(asked.name, asked.type)
        if zone is None:
            return self._refuse(
                query, REFUSED, NOT_AUTHORITATIVE, f"{to_text(asked.name)} is in no zone of this server"
            )
        found = zone.lookup(asked.name, asked.type)
        sure = found.authoritative and asked.klass == IN  # RFC 1035 6.2: of all classes nothing is known with authority
        reply = query.reply(RCODES.get(found.outcome, NOERROR), flags=AA if sure else 0)
        reply.answer, reply.authority, reply.additional = found.answer, found.authority, found.additional
        reply.edns = self.edns(query)
        return reply

    def _refuse(self, query: Message, rcode: int, code: int | None = None, text: str = "") -> Message:
        reply = query.reply(rcode)
        reply.edns = self.edns(query, () if code is None else (extended_error(code, text),))
        return reply

    def _not_signed(self, query: Message, signature: Record) -> Message:
        """No key is known here: this is said in the signature's own terms, without one (RFC 8945 5.2.1)."""
        data = signature.rdata
        try:
            at = read(data, 0)[1] + 8  # behind algorithm, time and fudge
        except RemoteProtocolError:
            return self._refuse(query, FORMERR)
        reply = query.reply(NOTAUTH)
        said = data[:at] + bytes(2) + query.id.to_bytes(2, "big") + BADKEY.to_bytes(2, "big") + bytes(2)
        opt = [] if query.edns is None else [Record(ROOT, OPT, 0, b"", self.edns_size)]
        reply.additional = [*opt, signature._replace(rdata=said)]  # RFC 8945 5.1: the signature is the last record
        return reply

    def edns(self, query: Message, options: tuple[tuple[int, bytes], ...] = ()) -> Edns | None:
        """Only to who sent one (RFC 6891 7)."""
        if query.edns is None:
            return None
        return Edns(self.edns_size, do=query.edns.do, options=options)
