"""Engines of others over the same world: unbound and named as peers of our resolver, dig, delv and kdig as clients."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import dns.asyncquery
import dns.exception
import dns.message
import dns.rcode
import pytest

from tests.servers.dns.peer_comparison import TARDY
from tests.servers.dns.small_internet import SECONDS, answers, ask, free_port, nameservers

PACKAGES = {"unbound": "unbound", "named": "bind9", "dig": "bind9-dnsutils", "delv": "bind9-dnsutils"} | {
    "kdig": "knot-dnsutils"
}
SHOP = "127.0.53.3"
KINDS = ("A", "AAAA", "MX", "TXT", "CNAME", "DNAME")


def needs(tool: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is missing: apt install {PACKAGES[tool]}")


def reason(peer: str, name: str, kind: str, ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    """Why a peer may say another thing here; empty where there is no reason."""
    same = {key for key in ours if ours[key] == theirs.get(key)}
    rcodes = (ours["rcode"], theirs["rcode"])
    if peer == "named" and rcodes[1] == "SERVFAIL" and name.endswith("liar.broken.test.") and not ours.get("answer"):
        return "its denials refer sideways: to named that server is lame, to us and unbound it has denied"
    if rcodes == ("SERVFAIL", "SERVFAIL") and "answer" not in same and not ours["answer"]:
        return "they show the aliases that led nowhere, we show none with a failure"
    aliases = peer == "unbound" and kind in ("CNAME", "DNAME") and bool(ours["answer"])
    if aliases and rcodes == ("NOERROR", "NOERROR") and {"answer", "flags"} <= same:
        return "an alias on the way is of the type asked for: unbound lets it pass for the answer, without a SOA"
    mine, told = set(ours.get("answer", ())), set(theirs.get("answer", ()))
    if kind in ("CNAME", "DNAME") and any(" dname " in each for each in mine & told) and (mine <= told or told <= mine):
        return "a DNAME, or the alias made of it, is of the type asked for: whether one goes on there is left open"
    if rcodes[1] == "nothing" and name.endswith(TARDY):
        return "they try for longer than is waited for"
    return ""


@pytest.mark.parametrize("peer", ["unbound", "named"])
def test_a_peer_over_the_same_world_says_the_same(peer: str, tmp_path: Path) -> None:
    needs(peer)
    alone = ("unshare", "-rn")
    if shutil.which("unshare") is None or subprocess.run((*alone, "true"), capture_output=True, check=False).returncode:
        pytest.skip("no network namespace can be had here: unshare -rn (util-linux)")
    done = subprocess.run(
        (*alone, sys.executable, "-m", "tests.servers.dns.peer_comparison", str(tmp_path), peer),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert not done.returncode, done.stderr
    found = json.loads(done.stdout)
    assert found["questions"] > 2000
    differences = found["differences"][peer]
    unexplained = [
        each for each in differences if not reason(peer, *each["question"][:2], each["ours"], each["theirs"])
    ]
    assert not unexplained, "\n".join(map(str, unexplained))
    assert len(differences) < 200


@pytest.mark.parametrize(
    ("tool", "options"),
    [
        ("dig", ("+norecurse", "+noall", "+answer")),
        ("kdig", ("+norecurse", "+noall", "+answer")),
        ("delv", ("-i",)),
    ],
)
async def test_a_client_reads_of_our_nameserver_what_dnspython_reads(tool: str, options: tuple[str, ...]) -> None:
    needs(tool)
    names = ("www", "shop", "api", "x.customers", "www.old", "_smtp._tcp", "status")
    if tool == "delv":
        names = tuple(name for name in names if "old" not in name)  # delv prints a DNAME as if it were the name's own
    asked = [(f"{name}.shop.test", kind) for name in names for kind in ("A", "SRV")]
    asked += [("shop.test", kind) for kind in ("SOA", "NS", "MX", "TXT", "CAA")]
    async with nameservers() as (_, port):
        for name, kind in asked:
            process = await asyncio.create_subprocess_exec(
                tool, f"@{SHOP}", "-p", str(port), *options, name, kind, stdout=asyncio.subprocess.PIPE
            )
            async with asyncio.timeout(SECONDS):
                out, _ = await process.communicate()
            lines = [line.split() for line in out.decode().splitlines() if line.strip() and not line.startswith(";")]
            reply = await ask((SHOP, port), dns.message.make_query(name, kind))
            printed = sorted(" ".join((owner, *rest)) for owner, _, _, *rest in lines)
            assert printed == answers(reply), (name, kind)


NAMED = """options {{
  directory "{folder}"; pid-file none; session-keyfile none; listen-on port {own} {{ 127.0.0.1; }}; recursion no;
  listen-on-v6 {{ none; }}; dnssec-validation no; notify no; minimal-responses yes;
}};
controls {{ }};
zone "shop.test" {{ type secondary; primaries port {port} {{ {shop}; }}; file "shop"; masterfile-format text; }};
"""
UNBOUND = """server:
  interface: 127.0.0.1
  port: {own}
  directory: "{folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  do-daemonize: no
  do-not-query-localhost: no
  module-config: "iterator"
  local-zone: "test." nodefault
  qname-minimisation: yes
  use-caps-for-id: yes
  minimal-responses: yes
stub-zone:
  name: "shop.test."
  stub-addr: {shop}@{port}
remote-control:
  control-enable: no
"""


async def ready(where: tuple[str, int]) -> bool:
    """Whether a server answers by now."""
    query = dns.message.make_query("www.shop.test", "A")
    try:
        return bool((await dns.asyncquery.udp(query, where[0], port=where[1], timeout=0.1)).answer)
    except dns.exception.Timeout:
        return False


@asynccontextmanager
async def asking(
    tool: str, text: str, flags: tuple[str, ...], port: int, folder: Path
) -> AsyncIterator[tuple[str, int]]:
    """One of theirs that asks our nameserver at this port; gives where it answers itself."""
    path = folder / "conf"
    for _ in range(10):  # the port may be taken before it is there
        own = ("127.0.0.1", free_port(own="127.0.0.1"))
        path.write_text(text.format(folder=folder, own=own[1], port=port, shop=SHOP))
        with (folder / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(tool, *flags, "-c", str(path), stdout=log, stderr=log)
        try:
            async with asyncio.timeout(SECONDS):
                while process.returncode is None and not await ready(own):
                    pass
            if process.returncode is None:
                yield own
                return
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
    pytest.fail((folder / "log").read_text())


@pytest.mark.one_loop
@pytest.mark.parametrize(
    ("tool", "text", "flags"), [("named", NAMED, ("-g", "-4")), ("unbound", UNBOUND, ("-d", "-p"))]
)
async def test_a_server_that_asks_ours_says_what_ours_does(
    tool: str, text: str, flags: tuple[str, ...], tmp_path: Path
) -> None:
    """named takes the whole zone (AXFR) as a secondary; unbound asks for each name, minimised and with 0x20."""
    needs(tool)
    names = ("www", "shop", "x.old", "nope", "y.customers")
    questions = [(f"{name}.shop.test", kind) for name in names for kind in KINDS]
    questions += [("shop.test", kind) for kind in ("SOA", "NS", "MX", "TXT", "CAA", "HTTPS")]
    async with nameservers() as (_, port), asking(tool, text, flags, port, tmp_path) as own:
        for name, kind in questions:
            query = dns.message.make_query(name, kind, use_edns=0)
            ours, theirs = await ask((SHOP, port), query), await ask(own, query)
            if theirs.rcode() == dns.rcode.SERVFAIL:  # on a busy machine it has not waited long enough for us
                theirs = await ask(own, query)
            said, meant = ([each.lower() for each in answers(reply)] for reply in (theirs, ours))
            assert (theirs.rcode(), said) == (ours.rcode(), meant), (name, kind)
