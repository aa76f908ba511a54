"""A look at a server's TLS, for people and for scripts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from clients.tls import messages
from netlab.cores.tls_hello_names import CIPHER_SUITES, GROUPS, VERSIONS, name
from netlab.text import duration, escape

if TYPE_CHECKING:
    from clients.tls.command import Seen
    from clients.tls.scan import Version

WIDE = 100
"""Characters of a field's value that are shown."""


def lines(seen: Seen, *, full: bool) -> Iterator[str]:
    """What a person reads."""
    made = seen.made
    yield _verdict(seen)
    yield ""
    yield "handshake"
    facts: dict[str, Any] = {}
    for message in made.messages:
        title = f"{message.side}  {escape(messages.title(message))}"
        size = f"{len(message.data):>6,} B"
        yield f"  {duration(message.after):>8}  {title:<44} {size}  {messages.digest(message)}".rstrip()
        for depth, one in messages.fields(message, facts) if full else ():
            value = one.value.hex() if isinstance(one.value, bytes) else str(one.value)
            told = f"{value[:WIDE]}{'…' if len(value) > WIDE else ''}" + (f"  {one.meaning}" if one.meaning else "")
            yield f"            {'  ' * depth}{one.label}: {escape(told)}" + (
                f"  ({one.section})" if one.section else ""
            )
    if made.error:
        yield f"  it did not come about: {made.error}"
    if seen.links:
        yield ""
        yield "certificates"
        for link in seen.links:
            certificate = link.certificate
            yield f"  {escape(certificate.subject)}{'' if link.sent else '  (not sent: known here)'}"
            yield f"    {certificate.key}, signed with {certificate.signature}, SHA-256 {certificate.sha256}"
            yield from (f"    + {escape(words)}" for words in link.holds)
            yield from (f"    - {escape(words)}" for words in link.faults)
    yield from _accepted(seen)


def _verdict(seen: Seen) -> str:
    made = seen.made
    if made.error:
        return f"{seen.name}: no TLS: {made.error}"
    resumed = seen.resumed
    if resumed is None:
        again = "nothing to resume it by"
    else:
        means = "ticket" if _by_ticket(seen) else "session ID"
        again = f"resumed in {duration(resumed.seconds)}" if resumed.resumed else f"a {means}, and no resumption by it"
        again += " by its session ID" if resumed.resumed and means != "ticket" else ""
    if made.wants_certificate:
        again += "; it asks for a client's certificate" + (", and refuses to go on without" if made.refuses else "")
    alpn = f", ALPN {made.alpn}" if made.alpn else ""
    holds = f"not valid: {seen.verdict}" if seen.verdict else "the certificates hold"
    return f"{seen.name}: {made.version}, {made.suite}{alpn}, in {duration(made.seconds)}; {again}; {holds}"


def _by_ticket(seen: Seen) -> bool:
    return seen.made.session is not None and seen.made.session.has_ticket


def _accepted(seen: Seen) -> Iterator[str]:
    found = seen.found
    if found is None:
        return
    yield ""
    yield f"accepted  (found out by {found.questions} hellos)"
    for version in found.versions:
        order = ", in the server's order" if version.ordered else ", in the client's order" * (len(version.suites) > 1)
        yield f"  {name(VERSIONS, version.number)}{order}"
        yield f"    suites  {' '.join(name(CIPHER_SUITES, suite) for suite in version.suites)}"
        if version.groups:
            yield f"    groups  {' '.join(name(GROUPS, group) for group in version.groups)}"
    if found.refused:
        yield f"  refused   {', '.join(name(VERSIONS, number) for number in found.refused)}"
    yield f"  ALPN      {', '.join(seen.protocols) or 'none of those that were offered'}"
    yield f"  OCSP      {f'stapled: {seen.staple}' if seen.staple else 'nothing stapled'}"


def as_json(seen: Seen) -> dict[str, Any]:
    """The same as data; times are in seconds."""
    made, found, resumed = seen.made, seen.found, seen.resumed
    return {
        "name": seen.name,
        "ok": seen.ok,
        "error": made.error,
        "version": made.version,
        "cipher_suite": made.suite,
        "alpn": made.alpn,
        "seconds": made.seconds,
        "resumption": {"ticket": _by_ticket(seen), "resumed": resumed is not None and resumed.resumed},
        "wants_certificate": made.wants_certificate,
        "messages": [
            {
                "side": one.side,
                "after": one.after,
                "name": messages.title(one),
                "bytes": len(one.data),
                "told": messages.digest(one),
            }
            for one in made.messages
        ],
        "verdict": seen.verdict,
        "chain": [link.as_json() for link in seen.links],
        **(
            {}
            if found is None
            else {
                "versions": {name(VERSIONS, version.number): _version(version) for version in found.versions},
                "refused": [name(VERSIONS, number) for number in found.refused],
                "protocols": seen.protocols,
                "staple": seen.staple,
            }
        ),
    }


def _version(version: Version) -> dict[str, Any]:
    return {
        "cipher_suites": [name(CIPHER_SUITES, suite) for suite in version.suites],
        "groups": [name(GROUPS, group) for group in version.groups],
        "server_order": version.ordered,
    }
