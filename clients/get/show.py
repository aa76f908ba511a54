"""What `netlab get --verbose` says: the connection, its TLS, both heads, and where the time went."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from clients.get.hop import Hop
from netlab.cores.http1 import Informational, Response
from netlab.text import duration, escape, peer_text, size

BAR = 40
"""Columns of the waterfall."""
SHOWN_NAMES = 8
"""Names of a certificate that are listed."""
NAMES = {"tls": "TLS"}


def tell(lines: Iterable[str]) -> None:
    """Write lines to standard error, what netlab says of itself dimmed on a terminal."""
    colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    for line in lines:
        print(f"\x1b[2m{line}\x1b[0m" if colour and line.startswith("*") else line, file=sys.stderr)
    sys.stderr.flush()


def connection(hop: Hop) -> Iterator[str]:
    """Where the request goes."""
    assert hop.connection is not None
    flow = hop.connection.flow
    to, source = peer_text(flow.server), peer_text(flow.client)
    if hop.reused:
        yield f"* once more on the connection to {to} from {source}"
        return
    took = hop.timings()
    resolved = f", its name resolved in {duration(took['resolve'])}" if took["resolve"] else ""
    yield f"* connected to {to} from {source} in {duration(took['connect'])}{resolved}"
    if took["proxy"]:
        yield f"* the proxy opened a tunnel to {escape(hop.request.url.endpoint)} in {duration(took['proxy'])}"


def tls(facts: Mapping[str, Any]) -> Iterator[str]:
    """TLS and the certificates, from the server's own to the last it sent."""
    resumed = ", resumed" if facts["resumed"] else ""
    yield f"* {facts['version']}, {facts['cipher']}, ALPN {facts['alpn'] or 'none'}{resumed}"
    for number, certificate in enumerate(facts["chain"], start=1):
        yield f"* certificate {number}: {escape(certificate['subject'])}"
        yield f"*   issued by {escape(certificate['issuer'])}"
        names = certificate["names"]
        if names:
            more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
            yield f"*   names {escape(', '.join(names[:SHOWN_NAMES]))}{more}"
        yield f"*   valid {certificate['not_before'][:10]} to {certificate['not_after'][:10]}"
        yield f"*   key {certificate['key']}, signed with {certificate['signature']}"
    yield f"* {'verified' if facts['verified'] else 'NOT verified'}: {escape(facts['why'])}"


def request(hop: Hop) -> Iterator[str]:
    assert hop.exchange is not None
    yield from (f"> {escape(line)}" for line in hop.exchange.head_sent.decode("latin-1").split("\r\n")[:-1])


def answer(hop: Hop) -> Iterator[str]:
    """The interim answers and the final one's head."""
    assert hop.exchange is not None
    for head in (*hop.exchange.interim, hop.exchange.response):
        if head is not None:
            yield from (f"< {escape(line)}" for line in head_lines(head))
            yield "< "


def head_lines(head: Response | Informational) -> list[str]:
    """A response's head as it stood on the wire, but for the blanks around values."""
    version = head.version if isinstance(head, Response) else "1.1"
    return [f"HTTP/{version} {head.status} {head.reason}", *(f"{name}: {value}" for name, value in head.fields)]


def end(hop: Hop) -> Iterator[str]:
    """Trailers, sizes, and the waterfall."""
    assert hop.exchange is not None
    for name, value in hop.exchange.trailers:
        yield f"< {escape(name)}: {escape(value)}"
    if hop.exchange.complete:
        sent = f"{size(hop.exchange.sent)} of content sent, " if hop.exchange.sent else ""
        yield f"* {sent}{size(hop.exchange.received)} received"
    yield from (f"* {line}" for line in waterfall(hop.timings()))


def waterfall(timings: Mapping[str, float]) -> Iterator[str]:
    """One bar a stage, one behind the other; stages that did not happen have none."""
    total = sum(timings.values())
    at = 0.0
    for stage, seconds in timings.items():
        if seconds > 0:
            left = min(int(at / total * BAR), BAR - 1)
            right = min(max(round((at + seconds) / total * BAR), left + 1), BAR)
            bar = " " * left + "=" * (right - left) + " " * (BAR - right)
            yield f"{NAMES.get(stage, stage):<8} |{bar}| {duration(seconds):>8}"
            at += seconds
    if total:
        yield f"{'in all':<8}  {' ' * BAR}  {duration(total):>8}"
