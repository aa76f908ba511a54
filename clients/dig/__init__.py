"""Ask a DNS server and see its whole answer; or follow a name from the root down, step by step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from netlab.config import Address, Count, Duration, Flag, Port, Size, positional

__all__ = ["EXAMPLES", "Config", "run"]

Addresses = Callable[[], Awaitable[Mapping[str, Mapping[str, Mapping[str, str]]]]]
"""Gives the address map of the labs that run on this machine."""

RecordedFlow = Callable[[str, str | None, str], Awaitable[Mapping[str, Any]]]
"""Gives a flow that a running lab has recorded, by its id, the lab's name, if any, and the part that the lab has."""

EXAMPLES = (
    ("netlab dig www.shop.test", "ask the lab's resolver, 127.0.0.1:5300"),
    ("netlab dig shop.test MX @127.0.53.3", "ask one of the lab's nameservers"),
    ("netlab dig -x 127.0.80.1 --short", "the name of an address, and nothing else"),
    ("netlab dig www.shop.test --trace", "from the root down: who was asked what, and what it came to"),
    ("netlab dig www.lame.broken.test --explain", "the one reason why a name does not resolve"),
    (
        "netlab dig --recorded 17 --html why.html",
        "how the lab's resolver came to the answer that `netlab watch` calls 17",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Config:
    words: Annotated[tuple[str, ...], positional] = ()
    """The name, a type (A unless said), and @SERVER or @SERVER:PORT, in any order."""
    reverse: Annotated[str, Flag("-x")] = ""
    """Ask for the name of this address."""
    port: Annotated[Port, Flag("-p")] = 5300
    """The server's port, where @SERVER does not say it; with --trace, that of all servers."""
    tcp: bool = False
    """Ask over TCP; without it, TCP follows on an answer that is cut."""
    recurse: bool = True
    """Ask the server to look for the answer (RD)."""
    dnssec: bool = False
    """Ask for DNSSEC records (DO)."""
    edns_size: Size = 1232
    """Bytes of UDP that we say we take; 0 asks without EDNS."""
    timeout: Duration = 5.0
    """How long to wait for an answer."""
    tries: Count = 3
    """How often to ask over UDP."""
    short: bool = False
    """Print the data of the answer and nothing else."""
    trace: bool = False
    """Look for the answer here, from the root down, and show each step as it was."""
    explain: bool = False
    """The same as --trace, with what each step means."""
    recorded: str = ""
    """The id of a question that the running lab's resolver has recorded in full: show how that was answered."""
    lab: str | None = None
    """The lab that has it, by process id or name, when several are running."""
    root: Address = Address("127.0.53.1", 5300)
    """A server of the root, for --trace and --explain."""
    json: bool = False
    """Print JSON."""
    html: Path | None = None
    """Write the steps of --trace as a page to this file."""
    qname_minimisation: Literal["yes", "no"] = "yes"
    """Tell servers no more of the name than they need, with --trace (RFC 9156)."""


async def run(config: Config, *, addresses: Addresses | None = None, flow: RecordedFlow | None = None) -> int:
    """Ask, show, and give the exit code: 0 where a server answered the question, 1 where it could not, or none did."""
    from clients.dig.command import Command, show_story
    from clients.dig.steps import Story

    if config.recorded and flow is not None:
        found = await flow(config.recorded, config.lab, "answering")
        return show_story(config, Story.of_flow(found, config.recorded))
    return await Command(config).run(addresses)
