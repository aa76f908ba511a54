"""Asks our resolver and others the same over one world, in a network namespace of its own; prints JSON.

Run as `unshare -rn python -m tests.servers.dns.peer_comparison FOLDER PEER…`: there port 53 is free at every address.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

from netlab.config import Address
from netlab.cores.dns_names import to_text
from netlab.flow import FlowLog, Level
from netlab.service import Context, running
from servers import nameserver, resolver
from servers.nameserver.world import World, read_world, world_text
from tests.servers.dns.small_internet import answers

KINDS = ["A", "AAAA", "CNAME", "MX", "TXT", "NS", "SOA", "SRV", "PTR", "CAA", "HTTPS", "DNAME", "DS", "TYPE65280"]
FLAGS = ("", "do", "cd", "do cd")
COSTLY = ("silent", "slow", "cut", "nxns", "circle", "noglue")
"""Parts of names that keep resolvers busy for seconds: those of the lessons alone are asked, not all types of each."""
OURS, PLACES = "netlab", {"netlab": "127.0.0.1", "unbound": "127.0.0.2", "named": "127.0.0.3"}
PATIENCE = 4.0  # seconds for one question
TARDY = tuple(f"{each}.broken.test." for each in ("slow", "circle-a", "nxns"))
"""Names below these are looked for in vain, by some for longer than they are waited for."""
MANY = 48  # questions of which each server has so many at once

ODD = r'''
[zone."odd.test."]
text = """
$TTL 5m
@            SOA ns2.shop.test. hostmaster.shop.test. 1 30m 15m 1w 5m
@            NS  ns2.shop.test.
@            A   127.0.80.4
one          CNAME two
two          CNAME three
three        CNAME www.shop.test.      ; three aliases, and over to another zone
gone         CNAME nope.shop.test.     ; an alias of nothing
empty        CNAME api.shop.test.      ; an alias of something without most types
back         CNAME shop.old.shop.test. ; alias → DNAME → alias
self         CNAME self
lame         CNAME www.lame.broken.test.
outside      CNAME www.nowhere.
to-wild      CNAME one.customers.shop.test.
a.b.c        A   127.0.80.5            ; b.c and c are empty non-terminals
*            CNAME www.shop.test.
*.wild       A   127.0.80.6
*.wild       TXT "below a star"
kept.wild    A   127.0.80.7            ; a name beside a star: nothing below it is made from the star
x.*.wild     A   127.0.80.8            ; a star in the middle is a label like others
tree         DNAME shop.test.
hop          DNAME tree
round        DNAME in.round
mixed        TXT "one" "two" "with \"quotes\" and \; and \200"
raw          TYPE65280 \\# 4 c0a80001
two\.dots    A   127.0.80.9
under_score  A   127.0.80.10
many         A   127.0.80.11
many         A   127.0.80.12
many         A   127.0.80.13
svc          HTTPS 0 www.shop.test.
mx           MX  0 .
"""
'''


class Question(NamedTuple):
    name: str
    kind: str
    flags: str = ""


READY = Question("www.shop.test.", "A")


def odd_world(folder: Path) -> Path:
    """netlab's world, and in it a zone of everything that is seldom."""
    text = world_text()
    for old, new in (
        ('"ws.test.", "iot.test."]', '"ws.test.", "iot.test.", "odd.test."]'),
        ("iot        NS  ns2.shop\n", "iot        NS  ns2.shop\nodd        NS  ns2.shop\n"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    path = folder / "world.toml"
    path.write_text(text + ODD.replace("\\", "\\\\").replace("\\\\\\\\#", "\\\\#"))
    return path


def questions(world: World) -> list[Question]:
    """Every name with every type; beside, below and above them; the same with DO and CD; and odd ones."""
    zones = {zone.origin: zone for place in world.places for zone in place.zones}
    names = sorted({to_text(record.name) for zone in zones.values() for record in zone.records()})
    names = [name for name in names if not any(each in name for each in COSTLY)]
    asked = [Question(name, kind) for name in names for kind in KINDS]
    asked += [Question(name, kind, flags) for name in names for kind in ("A", "TXT", "SOA") for flags in FLAGS[1:]]
    for parent in (name for name in names if name != "."):
        asked += [Question(f"{label}.{parent}", kind) for label in ("nope", "a.b", "*") for kind in ("A", "MX")]
    below = ("www", "api", "nope", "shop", "x.customers", "_smtp._tcp", "status")
    for zone in ("old.shop.test.", "tree.odd.test.", "hop.odd.test."):
        asked += [
            Question(f"{label}.{zone}", kind, flags)
            for label in below
            for kind in ("A", "CNAME", "DNAME", "MX", "SRV")
            for flags in ("", "do")
        ]
    asked += [Question(lesson.ask.split()[0], "A") for lesson in world.lessons]
    odd = ["com.", "nowhere.", "www.nowhere.", "_tcp.shop.test.", "c.odd.test.", "b.c.odd.test."]
    odd += [f"{'x' * 63}.shop.test.", f"{'.'.join(['y' * 49] * 4)}.old.shop.test.", f"{'z.' * 100}odd.test."]
    odd += ["WWW.Shop.TEST.", "127.in-addr.arpa.", "in-addr.arpa.", "80.127.in-addr.arpa.", "1.0.0.127.in-addr.arpa."]
    odd += ["\\000.shop.test.", "a\\032b.shop.test."]
    asked += [Question(name, kind, flags) for name in odd for kind in ("A", "PTR", "NS", "SOA") for flags in ("", "do")]
    return sorted({each for each in asked if "silent" not in each.name})


async def ask(where: str, question: Question, *, patience: float = PATIENCE) -> dict[str, object]:
    """What a resolver says to it, as far as two of them have to say the same."""
    query = dns.message.make_query(question.name, question.kind, use_edns=0, payload=1232)
    query.want_dnssec("do" in question.flags)
    if "cd" in question.flags:
        query.flags |= dns.flags.CD
    try:
        reply, _ = await dns.asyncquery.udp_with_fallback(query, where, timeout=patience)
    except dns.exception.Timeout:
        return {"rcode": "nothing"}
    found: dict[str, object] = {
        "rcode": dns.rcode.to_text(reply.rcode()),
        "answer": sorted(each.lower() for each in answers(reply)),
        "flags": dns.flags.to_text(reply.flags & ~(dns.flags.QR | dns.flags.TC)),
    }
    kinds = {rrset.rdtype for rrset in reply.answer}
    if reply.rcode() == dns.rcode.NXDOMAIN or not kinds - {dns.rdatatype.CNAME, dns.rdatatype.DNAME}:
        found["denied by"] = [str(each.name).lower() for each in reply.authority if each.rdtype == dns.rdatatype.SOA]
    return found


async def compare(asked: Sequence[Question], peers: Sequence[str]) -> dict[str, list[dict[str, object]]]:
    """Per peer, each question to which it does not say what we say."""
    differences: dict[str, list[dict[str, object]]] = {peer: [] for peer in peers}
    room = asyncio.Semaphore(MANY)
    late: list[Question] = []

    async def one(question: Question, *, again: bool = False) -> None:
        async with room:
            ours, *theirs = await asyncio.gather(*(ask(PLACES[each], question) for each in (OURS, *peers)))
        if not again and not question.name.endswith(TARDY) and {"rcode": "nothing"} in (ours, *theirs):
            late.append(question)  # on a machine that has other things to do
            return
        for peer, said in zip(peers, theirs, strict=True):
            if said != ours:
                differences[peer].append({"question": question, "ours": ours, "theirs": said})

    shuffled = list(asked)
    random.Random(6).shuffle(shuffled)
    await asyncio.gather(*(one(question) for question in shuffled))
    for question in late:
        await one(question, again=True)
    return differences


UNBOUND = """server:
  interface: {address}
  directory: "{folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  do-daemonize: no
  do-ip6: no
  do-not-query-localhost: no
  module-config: "iterator"
  root-hints: "{folder}/hints"
  local-zone: "test." nodefault
  local-zone: "127.in-addr.arpa." nodefault
  minimal-responses: yes
remote-control:
  control-enable: no
"""
NAMED = """options {{
  directory "{folder}"; pid-file none; session-keyfile none;
  listen-on {{ {address}; }}; listen-on-v6 {{ none; }};
  dnssec-validation no; empty-zones-enable no; recursion yes; minimal-responses yes;
}};
controls {{ }};
zone "." {{ type hint; file "hints"; }};
"""
HINTS = ". 86400 NS a.root-servers.test.\na.root-servers.test. 86400 A 127.0.53.1\n"


@asynccontextmanager
async def peer(name: str, folder: Path) -> AsyncIterator[None]:
    """unbound or named over the same root, until the end of the block."""
    text = (UNBOUND if name == "unbound" else NAMED).format(address=PLACES[name], folder=folder)
    (folder / f"{name}.conf").write_text(text)
    (folder / "hints").write_text(HINTS)
    arguments = ("-d", "-p") if name == "unbound" else ("-g", "-4")
    with (folder / f"{name}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            name, *arguments, "-c", str(folder / f"{name}.conf"), stdout=log, stderr=log
        )
    try:
        while (await ask(PLACES[name], READY, patience=0.1))["rcode"] == "nothing":
            assert process.returncode is None, (folder / f"{name}.log").read_text()
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def main(folder: Path, peers: Sequence[str]) -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "address", "add", f"{PLACES['named']}/8", "dev", "lo"], check=True)  # named wants its own
    path = odd_world(folder)
    names = nameserver.Server(nameserver.Config(port=53, world=path), Context(flows=FlowLog(Level.OFF)))
    config = resolver.Config(listen=Address(PLACES[OURS], 53), upstream_port=53, ipv6=False)
    ours = resolver.Server(config, Context(flows=FlowLog(Level.OFF), state=folder))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(names, grace=0.2))
        await stack.enter_async_context(running(ours, grace=0.2))
        for name in peers:
            await stack.enter_async_context(peer(name, folder))
        asked = questions(read_world(path))
        print(json.dumps({"questions": len(asked), "differences": await compare(asked, peers)}))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2:]))
