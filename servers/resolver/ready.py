"""Answers in wire form, found by the bytes of the question: what is known costs a look-up and a few patches."""

from __future__ import annotations

from typing import NamedTuple

from netlab.cores.dns_message import AD, CD, FIXED, HEADER, PLAIN_UDP, RD, Message, serialize
from netlab.cores.dns_names import read
from netlab.cores.dns_options import READ
from netlab.flow import Brief, Outcome

ONE_QUESTION, WITH_OPT = b"\0\1\0\0\0\0\0\0", b"\0\1\0\0\0\0\0\1"
SHORTEST = HEADER.size + 5  # bytes of a query: a question about the root
OPT_SIZE = 11  # bytes of an OPT record without options
EDNS_SIZE = 1232
OWN_OPT = {do: b"\0\0\x29\x04\xd0\0\0" + (b"\x80" if do else b"\0") + b"\0\0\0" for do in (False, True)}
"""Our OPT record: 1232 bytes, version 0, DO as asked (RFC 3225 3)."""


class Ready:
    """One answer: everything behind the question, and where in it the TTLs stand."""

    __slots__ = (
        "_bits",
        "_copied",
        "_counts",
        "_counts_with_opt",
        "_second",
        "_stored",
        "_tail",
        "_ttls",
        "expires",
        "label",
        "result",
    )

    def __init__(
        self, reply: Message, now: float, expires: float, label: str, result: str, *, authentic: bool, do: bool
    ) -> None:
        """`authentic`: this is said to who wants DNSSEC records (`do`) or sets AD (RFC 6840 5.8)."""
        wire = serialize(reply)  # without EDNS: ours is put behind it
        _, at = read(wire, HEADER.size)
        _, bits, _, answers, authorities, additionals = HEADER.unpack_from(wire)
        self._bits = bits & ~(RD | CD | AD) | (AD if authentic and do else 0)
        self._copied = CD | (AD if authentic else 0)
        self._counts = HEADER.pack(0, 0, 1, answers, authorities, additionals)[4:]
        self._counts_with_opt = HEADER.pack(0, 0, 1, answers, authorities, additionals + 1)[4:]
        self._tail = wire[at + 4 :]
        self._ttls = list(_ttls(wire, at + 4, answers + authorities + additionals))
        self._stored, self._second = now, 0
        self.expires, self.label, self.result = expires, label, result

    def changes(self) -> float:
        """When the reply is another one, by its TTLs or because its time is over."""
        return min(self._stored + self._second + 1, self.expires)

    def to(self, query: bytes, end: int, now: float, opt: bytes) -> bytes:
        """The reply to a query whose question ends at `end`: id and question as they stand, TTLs as they are now."""
        passed = int(now - self._stored)
        if passed != self._second:
            self._second, tail = passed, bytearray(self._tail)
            for at, ttl in self._ttls:
                tail[at : at + 4] = (ttl - passed if ttl > passed else 0).to_bytes(4, "big")
            self._tail = bytes(tail)
        bits = self._bits | (query[2] & 1) << 8 | query[3] & self._copied
        counts = self._counts_with_opt if opt else self._counts
        return b"%b%c%c%b%b%b%b" % (query[:2], bits >> 8, bits & 255, counts, query[12:end], self._tail, opt)


def _ttls(wire: bytes, at: int, records: int) -> list[tuple[int, int]]:
    """(place behind the question, seconds) of every record's TTL."""
    found, begin = [], at
    for _ in range(records):
        _, at = read(wire, at)
        _, _, ttl, length = FIXED.unpack_from(wire, at)
        found.append((at + 4 - begin, ttl))
        at += FIXED.size + length
    return found


class Sent(NamedTuple):
    """A reply as it was sent, without its id: good for the same query again until it `changes`."""

    rest: bytes
    changes: float
    ready: Ready
    about: Brief


class ReadyAnswers:
    """Ready answers by question and by whether DNSSEC records are wanted, bounded in number; the oldest go first."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._answers: tuple[dict[bytes, Ready], dict[bytes, Ready]] = ({}, {})
        self.sent_udp: dict[bytes, Sent] = {}
        self._sent: tuple[dict[bytes, Sent], dict[bytes, Sent]] = ({}, self.sent_udp)  # over streams, over UDP

    def reply(self, query: bytes, now: float, *, udp: bool) -> tuple[bytes, Ready] | None:
        """The whole reply, if this is a plain query that is known, and the reply has room. Clients repeat themselves:
        the same bytes behind the id have the same reply behind the id, until a second has passed.
        """
        sent = self._sent[udp].get(query[2:])
        if sent is not None and now < sent.changes:
            return query[:2] + sent.rest, sent.ready
        found = self._found(query, now, udp)
        if found is not None:
            wire, ready = found
            kept = self._sent[udp]
            if len(kept) >= self.most:
                kept.clear()
            about = Brief("dns", "resolver", ready.label, ready.result, Outcome.OK, len(wire))
            kept[query[2:]] = Sent(wire[2:], ready.changes(), ready, about)
        return found

    def _found(self, query: bytes, now: float, udp: bool) -> tuple[bytes, Ready] | None:
        if len(query) < SHORTEST:
            return None
        head = query[4:12]
        if query[2] & 0xFE or (head != ONE_QUESTION and head != WITH_OPT):  # QR, opcode, AA, TC: all zero
            return None
        end = query.find(b"\0", 12) + 5
        question = query[12 : end - 4].lower() + query[end - 4 : end]
        if question not in self._answers[0] and question not in self._answers[1]:
            return None
        do, opt, size = False, b"", PLAIN_UDP
        if head == WITH_OPT:
            at = end
            if len(query) < at + OPT_SIZE or query[at : at + 3] != b"\0\0\x29" or query[at + 6]:
                return None
            length = query[at + 9] << 8 | query[at + 10]
            if len(query) != at + OPT_SIZE + length or (length and not _one_option(query, at + OPT_SIZE, length)):
                return None
            do = query[at + 7] >= 0x80
            opt = OWN_OPT[do]
            size = min(max(query[at + 3] << 8 | query[at + 4], PLAIN_UDP), EDNS_SIZE)
        elif len(query) != end:
            return None
        ready = self._answers[do].get(question)
        if ready is None or now >= ready.expires:
            return None
        wire = ready.to(query, end, now, opt)
        return (wire, ready) if len(wire) <= size or not udp else None

    def keep(self, question: bytes, do: bool, ready: Ready) -> None:
        """`question` is the folded name with type and class behind it."""
        answers = self._answers[do]
        if len(answers) >= self.most:
            del answers[next(iter(answers))]
        answers[question] = ready

    def clear(self) -> None:
        for kept in (*self._answers, *self._sent):
            kept.clear()

    def __len__(self) -> int:
        return sum(map(len, self._answers))


def _one_option(query: bytes, at: int, length: int) -> bool:
    """Whether these bytes are one option of EDNS that changes nothing: a cookie mostly. Others take the long way."""
    return (
        length >= 4
        and query[at] << 8 | query[at + 1] not in READ
        and 4 + (query[at + 2] << 8 | query[at + 3]) == length
    )
