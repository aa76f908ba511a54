"""What an origin learnt: in its own words where it is a netlab http server, else by what was sent to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clients.get.hop import Hop
from netlab.cores.tls_hello import HelloReader
from netlab.cores.tls_hello_details import HelloDetails, read
from netlab.cores.tls_hello_fingerprint import ja3, ja4
from netlab.cores.tls_hello_names import is_grease
from netlab.flow import Flow, FlowLog
from netlab.http.url import Url
from netlab.policy.anonymity.score import Hello, Mark, Resolver, Seen, judge, score

Pair = tuple[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """One way to ask, and what the origin saw.

    way       "directly", "through a tunnel", "sanitized", "through a proxy"
    level     of the proxy
    inferred  which of address, fields, tls and resolver are not the origin's own word, but what was sent
    failed    why there is nothing to show
    """

    name: str
    way: str
    level: str | None = None
    seen: Seen
    inferred: tuple[str, ...] = ()
    failed: str = ""

    def marks(self, own: Seen) -> list[Mark]:
        return judge(own, self.seen)

    def as_json(self, own: Seen) -> dict[str, Any]:
        seen, marks = self.seen, self.marks(own)
        record: dict[str, Any] = {"name": self.name, "way": self.way, "level": self.level}
        if self.failed:
            return record | {"error": self.failed}
        tls = seen.hello and {"ja3": seen.hello.ja3, "ja4": seen.hello.ja4, "alpn": list(seen.hello.alpn)}
        return record | {
            "address": seen.address or None,
            "fields": None if seen.fields is None else [list(pair) for pair in seen.fields],
            "tls": tls,
            "resolver": seen.resolver,
            "inferred": list(self.inferred),
            "score": score(marks),
            "marks": [
                {"name": mark.item.name, "weight": mark.item.weight, "learnt": mark.learnt, "words": mark.words}
                for mark in marks
            ],
        }


def nothing(url: Url) -> Seen:
    return Seen(origin=origin_of(url), address="", fields=None, hello=None, resolver="unknown")


def origin_of(url: Url) -> str:
    return f"{url.scheme}://{url.authority}"


def told(record: Mapping[str, Any], url: Url, resolver: Resolver) -> Seen:
    """By the JSON of /inspect: the origin's own word."""
    hello = record.get("client_hello")
    return Seen(
        origin=origin_of(url),
        address=str(record["connection"]["client"]["address"]),
        fields=tuple((field["name"], field["value"]) for field in record["request"]["fields"]),
        hello=None if hello is None else _told_hello(hello),
        resolver=resolver,
    )


def _told_hello(hello: Mapping[str, Any]) -> Hello:
    return Hello(
        ja3=hello["ja3"]["hash"],
        ja4=hello["ja4"]["fingerprint"],
        alpn=tuple(hello["alpn"]),
        grease=any(suite.get("grease") for suite in hello["cipher_suites"]),
    )


def sent(leg: Flow | None, url: Url, resolver: Resolver, head: bytes | None = None) -> Seen:
    """By the bytes that left on the connection to the origin; `head` is the request's, where it is not on its tape."""
    if leg is None:
        return nothing(url)
    if head is None:
        tape = leg.plain or leg.wire
        head = tape.read("client").partition(b"\r\n\r\n")[0] if tape is not None else b""
    lines = head.decode("latin-1").split("\r\n")[1:]
    fields = tuple((name, value) for name, _, value in (line.partition(": ") for line in lines if line))
    return Seen(
        origin=origin_of(url),
        address=str(leg.client[0]) if isinstance(leg.client, tuple) else "",
        fields=fields or None,
        hello=hello_of(leg),
        resolver=resolver,
    )


def hello_of(leg: Flow) -> Hello | None:
    """The ClientHello that a connection began with, or that came behind a CONNECT on it."""
    said = leg.wire.read("client") if leg.wire is not None else b""
    if said.startswith(b"CONNECT "):
        said = said.partition(b"\r\n\r\n")[2]
    reader = HelloReader()
    reader.receive(said)
    details = read(reader.message) if reader.message else None
    if not isinstance(details, HelloDetails):
        return None
    alpn = tuple(protocol.decode("latin-1") for protocol in details.alpn)
    return Hello(ja3=ja3(details), ja4=ja4(details), alpn=alpn, grease=any(map(is_grease, details.cipher_suites)))


def dialled(flows: FlowLog) -> Flow | None:
    """The last connection that was made, and not taken."""
    made = [flow for flow in flows if flow.kind == "tcp" and "timings" in (flow.details or {}) and flow.server]
    return made[-1] if made else None


def asked_resolver(leg: Flow | None) -> bool | None:
    """Whether a resolver was asked for the name; None: that is not known."""
    found = [event.fields.get("source") for event in (leg.events or () if leg is not None else ())]
    sources = [source for source in found if source is not None]
    return None if not sources else "resolver" in sources


def head_of(hop: Hop) -> bytes:
    return hop.exchange.head_sent if hop.exchange is not None else b""


def names_of(views: Sequence[View]) -> list[str]:
    """All field names, in the order in which they were met."""
    met: dict[str, str] = {}
    for view in views:
        for name, _ in view.seen.fields or ():
            met.setdefault(name.lower(), name)
    return list(met.values())
