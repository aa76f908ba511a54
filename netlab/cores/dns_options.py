"""What a server tells beside its answers, where it is asked: who it is, how long a connection may idle, and padding."""

from __future__ import annotations

from typing import NamedTuple

from netlab.cores.dns_codes import ANY, CH, NSID, PADDING, TCP_KEEPALIVE, TXT
from netlab.cores.dns_message import Edns, Question, Record
from netlab.cores.dns_names import from_text

VERSION_NAMES = frozenset(from_text(name) for name in ("version.bind", "version.server"))
SERVER_NAMES = frozenset(from_text(name) for name in ("id.server", "hostname.bind"))
BLOCK = 468
"""Bytes that a padded reply is a multiple of (RFC 8467 4.1)."""
READ = frozenset((NSID, PADDING, TCP_KEEPALIVE))
"""Options of a query that change the reply."""


class Identity(NamedTuple):
    """What a server says of itself."""

    version: str
    name: str

    def answers(self, question: Question) -> Record | None:
        """To `version.server` and `id.server` in class CH, as servers do since BIND's first (RFC 4892)."""
        if question.klass != CH or question.type not in (TXT, ANY):
            return None
        name = question.name.lower()
        if name not in VERSION_NAMES | SERVER_NAMES:
            return None
        text = (self.version if name in VERSION_NAMES else self.name).encode()[:255]
        return Record(question.name, TXT, 0, bytes((len(text),)) + text, CH)


NOBODY = Identity("", "")


def told(query: Edns, identity: Identity, idle: float | None) -> tuple[tuple[int, bytes], ...]:
    """Options of the reply to a query with these; `idle`: seconds that its TCP connection may be without a query."""
    found = []
    for code, _ in query.options:
        if code == NSID:  # RFC 5001 2.3
            found.append((NSID, identity.name.encode()))
        elif code == TCP_KEEPALIVE and idle is not None:  # RFC 7828 3.1: in tenths of a second; never over UDP
            found.append((TCP_KEEPALIVE, min(round(idle * 10), 0xFFFF).to_bytes(2, "big")))
    return tuple(dict(found).items())


def padded(edns: Edns, size: int) -> Edns:
    """With so much padding that a reply of `size` bytes tells no more of its length than the number of its blocks."""
    return edns._replace(options=(*edns.options, (PADDING, bytes(-(size + 4) % BLOCK))))
