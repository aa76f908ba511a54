"""Resolvers that forward one zone to the same nameserver: netlab's, unbound, dnsmasq."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass

from bench.peers.netlab import Netlab
from bench.stage import Stage, Target, free_port

NAMES = 1000
ZONE_TTL = 86_400
ZONE = (
    f"$TTL {ZONE_TTL}\nbench.test. SOA ns.bench.test. host.bench.test. 1 1d 1h 1w 1h\nbench.test. NS ns.bench.test.\n"
)


def asked() -> list[str]:
    """The names that are asked for, all in the zone."""
    return [f"host{number}.bench.test" for number in range(NAMES)]


ROOT_ZONE = f"$TTL {ZONE_TTL}\n. SOA ns. host. 1 1d 1h 1w 1h\n. NS ns.\nns. A 127.0.0.1\n*. A 9.9.9.9\n"


@dataclass(frozen=True, kw_only=True)
class Zone:
    """netlab's nameserver with the zone `bench.test`; or with a root that has every name, a world of one level."""

    root: bool = False

    def missing(self) -> str:
        return ""

    def version(self) -> str:
        return "netlab"

    def start(self, stage: Stage) -> Target:
        records = "".join(f"{name}. A 127.1.{number >> 8}.{number & 255}\n" for number, name in enumerate(asked()))
        path, port = stage.write("bench.zone", ROOT_ZONE if self.root else ZONE + records), free_port()
        command = ["-m", "netlab", "serve", "nameserver", "-q", "--record", "off", "--zone", str(path)]
        environment = {"NETLAB_STATE": str(stage.folder / "state"), "XDG_RUNTIME_DIR": str(stage.folder)}
        process = stage.python([*command, "--listen", f"127.0.0.1:{port}"], environment=environment)
        return Target(port=port, scheme="dns", processes=(process,))


UNBOUND = """\
server:
  interface: 127.0.0.1
  port: {port}
  num-threads: 1
  do-daemonize: no
  chroot: ""
  username: ""
  directory: "{folder}"
  pidfile: ""
  use-syslog: no
  do-not-query-localhost: no
  local-zone: "test." nodefault
  module-config: "iterator"
  msg-cache-size: 100m
  rrset-cache-size: 100m
{ask}
"""
FORWARD = """forward-zone:
  name: "test."
  forward-addr: {host}@{upstream}
"""
STUB = """stub-zone:
  name: "."
  stub-addr: {host}@{upstream}
"""


@dataclass(frozen=True, kw_only=True)
class Unbound:
    """One thread, no validation; without `nodefault` it would answer for test. from a zone of its own.

    `root`: what is behind is a root, and asked as one.
    """

    root: bool = False

    def missing(self) -> str:
        return "" if shutil.which("unbound") else "unbound (package unbound)"

    def version(self) -> str:
        said = subprocess.run(["unbound", "-V"], capture_output=True, text=True, check=False).stdout
        return f"unbound {said.split()[1]}"

    def start(self, stage: Stage, upstream: Target | None = None) -> Target:
        port, behind = free_port(), upstream or Target(port=53)
        asks = (STUB if self.root else FORWARD).format(host=behind.host, upstream=behind.port)
        text = UNBOUND.format(port=port, folder=stage.folder, ask=asks)
        path = stage.write("unbound.conf", text)
        return Target(port=port, scheme="dns", processes=(stage.start(["unbound", "-d", "-c", str(path)]),))


@dataclass(frozen=True, kw_only=True)
class FromTheRoot:
    """netlab's resolver over a root of one's own, with nothing else to be known of it but its address."""

    def missing(self) -> str:
        return ""

    def version(self) -> str:
        return Netlab().version()

    def start(self, stage: Stage, upstream: Target | None = None) -> Target:
        behind = upstream or Target(port=53)
        hints = stage.write("hints", f". 1d NS ns.\nns. 1d A {behind.host}\n")
        flags = ("--root-hints", str(hints), "--upstream-port", str(behind.port))
        return Netlab(service="resolver", flags=flags).start(stage, upstream)


@dataclass(frozen=True, kw_only=True)
class Dnsmasq:
    """It only forwards and keeps."""

    def missing(self) -> str:
        return "" if shutil.which("dnsmasq") else "dnsmasq (package dnsmasq-base)"

    def version(self) -> str:
        said = subprocess.run(["dnsmasq", "-v"], capture_output=True, text=True, check=True).stdout
        return f"dnsmasq {said.split()[2]}"

    def start(self, stage: Stage, upstream: Target | None = None) -> Target:
        port, behind = free_port(), upstream or Target(port=53)
        command = ["dnsmasq", "-k", "-p", str(port), "--no-resolv", "--no-hosts", "--listen-address=127.0.0.1"]
        command += ["--bind-interfaces", "--user=", "--pid-file=", "--conf-file=/dev/null", "--cache-size=10000"]
        process = stage.start([*command, f"--server={behind.host}#{behind.port}"])
        return Target(port=port, scheme="dns", processes=(process,))
