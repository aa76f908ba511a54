"""`netlab resolver` and `netlab world`: what a running resolver knows, forgets and learns; the world as it is read."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import dns.message
import dns.query
import pytest

from netlab.control.resolver import together
from netlab.errors import UsageError
from netlab.policy.dns_cache import DnsCache
from tests.netlab_process import Place


def test_what_a_resolver_knows(here: Place, tmp_path: Path) -> None:
    zone = tmp_path / "zone"
    zone.write_text("$TTL 900\nown.test. SOA . . 1 1 1 1 600\nown.test. NS ns.own.test.\nwww.own.test. A 192.0.2.1\n")
    lab = ("--lab", "resolver")
    with here.start("serve", "nameserver", "--zone", str(zone), "--listen", "127.0.0.1:0") as nameserver:
        nameserver.wait_until_ready()
        port = nameserver.url.rpartition(":")[2]
        flags = ("--forward", f"own.test=127.0.0.1:{port}", "--listen", "127.0.0.1:0")
        with here.start("serve", "resolver", *flags) as resolver:
            resolver.wait_until_ready()
            where = int(resolver.url.rpartition(":")[2])
            for name in ("www.own.test", "nope.own.test"):
                dns.query.udp(dns.message.make_query(name, "A"), "127.0.0.1", port=where, timeout=10)
            status = here.call("resolver", *lab).stdout
            assert re.search(r"^questions   2 udp, 0 stream, 0 https$", status, re.MULTILINE)
            assert re.search(r"^rcodes      1 NOERROR, 1 NXDOMAIN$", status, re.MULTILINE)
            assert re.search(r"^servers     \d+ queries, \d+ timeouts, [\d.]+ ms on average$", status, re.MULTILINE)
            dump = here.call("resolver", "dump", *lab).stdout
            assert re.search(r"^answer www\.own\.test\. \d+ IN A 192\.0\.2\.1$", dump, re.MULTILINE)
            assert re.search(r"^answer nxdomain nope\.own\.test\. ANY own\.test\. \d+ IN SOA", dump, re.MULTILINE)
            assert here.call("resolver", "flush", "www.own.test", *lab).stdout.startswith("1 forgotten")
            assert here.call("resolver", "flush", "www.own.test", *lab).returncode == 1
            kept = tmp_path / "kept"
            kept.write_text(dump)
            assert json.loads(here.call("resolver", "load", str(kept), "--json", *lab).stdout)["learnt"] == 1
            assert here.call("resolver", "flush-tree", "test", *lab).stdout.endswith("0 entries known, 0 B\n")
            kept.write_text("gossip www.own.test. 900 IN A 192.0.2.1\n")
            assert "line 1 does not begin with a rank" in here.call("resolver", "load", str(kept), *lab).stderr


def test_what_workers_tell_is_added_up() -> None:
    one = {"entries": 2, "hits": 0.5, "rcodes": {"NOERROR": 3}, "servers": {"queries": 2, "mean_rtt": None}}
    other = {"entries": 1, "hits": 1.0, "rcodes": {"NXDOMAIN": 1}, "servers": {"queries": 1, "mean_rtt": 0.2}}
    whole = {"entries": 3, "hits": 0.75, "rcodes": {"NOERROR": 3, "NXDOMAIN": 1}}
    assert together([one, other]) == whole | {"servers": {"queries": 3, "mean_rtt": 0.2}}
    assert together([{"lines": ["a"]}, {"lines": ["b"]}]) == {"lines": ["a", "b"]}


def test_a_line_that_is_no_record_is_named() -> None:
    with pytest.raises(UsageError, match="line 2 has no record"):
        DnsCache().load(["answer a.test. 60 IN A 192.0.2.1", "glue a.test. 60 IN A nowhere"], 0.0)


def test_the_world_is_shown(tmp_path: Path) -> None:
    def netlab(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "netlab", *arguments], capture_output=True, text=True)

    text = netlab("world", "--print").stdout
    path = tmp_path / "mine.toml"
    path.write_text(text)
    world = json.loads(netlab("world", "--file", str(path), "--json").stdout)
    assert world["servers"][0] == {"name": "a.root-servers.test.", "address": "127.0.53.1", "zones": ["."]}
    assert "NXNSAttack" in netlab("world").stdout
    path.write_text("[[server")
    assert netlab("world", "--file", str(path)).returncode == 2
