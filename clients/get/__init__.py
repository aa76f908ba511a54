"""Fetch a URL over HTTP/1.1, and show what happens on the way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from clients.get.client import Client, fetch
from netlab.config import Duration, Flag, positional
from netlab.net.listen import Endpoint

__all__ = ["EXAMPLES", "Client", "Config", "fetch", "run"]

Addresses = Callable[[], Awaitable[Mapping[str, Mapping[str, Mapping[str, str]]]]]
"""Gives the address map of the labs that run on this machine."""

Services = Callable[..., AbstractAsyncContextManager[Sequence[Endpoint]]]
"""Runs a service of this name, with these settings, for as long as its context: see `netlab.lab.alone`."""

EXAMPLES = (
    ("netlab get http://127.0.0.1:8080/hello", "the content, as it comes"),
    ("netlab get -v https://localhost:8443/hello", "heads, TLS, certificates, and where the time went"),
    ('netlab get -d \'{"a": 1}\' -H "Content-Type: application/json" http://127.0.0.1:8080/anything', "a POST"),
    ("netlab get -d @photo.jpg -X PUT http://127.0.0.1:8080/photo", "a file, streamed"),
    ("netlab get --proxy http://127.0.0.1:3128 https://localhost:8443/", "through a proxy, by CONNECT"),
    ("netlab get --audit http://127.0.0.1:8080/", "what an origin learns of who asks, directly and by proxy"),
    ("netlab get --json http://127.0.0.1:8080/hello", "the whole exchange for a program"),
)


@dataclass(frozen=True, kw_only=True)
class Config:
    url: Annotated[str, positional]
    """What to fetch; without a scheme it is http."""
    method: Annotated[str, Flag("-X", "--method", "--request")] = ""
    """The method; GET, or POST with --data."""
    field: Annotated[tuple[str, ...], Flag("-H", "--field", "--header")] = ()
    """A field "Name: value" to send; "Name:" takes away one that is usually sent."""
    data: Annotated[tuple[str, ...], Flag("-d", "--data")] = ()
    """Content to send: TEXT, @FILE, or @- for standard input; files are streamed as they are. Texts are joined by &."""
    http1_0: Annotated[bool, Flag("--http1.0")] = False
    """Speak HTTP/1.0."""
    resolve: tuple[str, ...] = ()
    """HOST:PORT:ADDRESS: go to this address for this host and port, and ask no resolver."""
    proxy: Annotated[str, Flag("-x", "--proxy")] = ""
    """The HTTP proxy to go through, such as http://127.0.0.1:3128; https:// speaks TLS with the proxy itself."""
    proxy_field: Annotated[tuple[str, ...], Flag("--proxy-field", "--proxy-header")] = ()
    """A field "Name: value" for the proxy alone, such as "Anonymity-Level: elite"."""
    audit: bool = False
    """Ask directly and through each level of an anonymizing proxy (--proxy, else one of its own), and show side by side
    what the origin learnt, with a score."""
    cacert: Path | None = None
    """The only authorities to trust, in PEM; by default the system's and the lab's own."""
    insecure: Annotated[bool, Flag("-k", "--insecure")] = False
    """Take any certificate."""
    cert: Path | None = None
    """Our own certificate in PEM, for servers that ask for one."""
    key: Path | None = None
    """Its key, where it is not in the same file."""
    json: bool = False
    """Print the whole exchange as JSON: request, response, timings, TLS, certificates."""
    verbose: Annotated[bool, Flag("-v", "--verbose")] = False
    """Show both heads, TLS, certificates and timings."""
    include: Annotated[bool, Flag("-i", "--include")] = False
    """Show the head of the answer before its content."""
    head: Annotated[bool, Flag("-I", "--head")] = False
    """Ask for the head alone (HEAD), and show it."""
    output: Annotated[str, Flag("-o", "--output")] = ""
    """The file the content goes to; - is standard output, even for binary content on a terminal."""
    location: Annotated[bool, Flag("-L", "--location")] = False
    """Follow redirects, at most 10; credentials stay with their origin."""
    timeout: Duration = 30.0
    """The longest wait for each step: resolving, connecting, TLS, the answer, and its next bytes."""
    fail: Annotated[bool, Flag("-f", "--fail")] = False
    """Exit with 1, and without content, for a status of 400 and above."""
    raw: bool = False
    """Offer no content codings, and show the content as it came."""


async def run(config: Config, *, addresses: Addresses | None = None, services: Services | None = None) -> int:
    """Fetch, show, and give the exit code; `addresses` is asked about hosts that a running lab may know, `services`
    for a proxy to be audited.

    Raises UsageError for what cannot be asked, and NetlabError, beginning with the stage, for what went wrong.
    """
    from clients.get.command import Command

    command = Command(config)
    if config.audit:
        from clients.get.audit import Audit

        return await Audit(command, services).run(addresses)
    return await command.run(addresses)
