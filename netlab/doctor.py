"""Looks at a machine: everything a lab binds, opens, trusts or calls, each with why it matters and what to type."""

from __future__ import annotations

import os
import resource
import shutil
import ssl
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from netlab import rooms
from netlab.config import Address, settings
from netlab.control.client import folder
from netlab.errors import AddressInUse, UsageError
from netlab.lab.world import LabWorld
from netlab.net.certs import Authority, state_directory
from netlab.net.listen import refusal

DESCRIPTORS = 10_000
"""Open files that a lab under load needs; a proxied connection takes two."""
TOOLS = (
    ("curl", "curl", "tries HTTP, proxies, mail and DNS over HTTPS"),
    ("dig", "bind9-dnsutils", "asks the resolver and the nameservers"),
    ("openssl", "openssl", "looks at TLS from outside"),
    ("tshark", "tshark", "reads what `netlab export --pcapng` writes"),
    ("chromium", "chromium", "`netlab browser` opens it inside the lab"),
    ("mosquitto_sub", "mosquitto-clients", "subscribes to the broker"),
    ("swaks", "swaks", "sends mail to the sink"),
    ("wrk", "wrk", "`make bench` loads servers with it"),
    ("nginx", "nginx-light", "`make bench` measures beside it"),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One look. `missing` costs only what it is for, `wrong` costs the lab."""

    what: str
    state: Literal["fine", "missing", "wrong"]
    found: str
    why: str = ""
    remedy: str = ""


def look() -> list[Finding]:
    return [
        python(),
        loop(),
        descriptors(),
        *loopback(["127.0.0.1", "127.0.53.1", "127.0.80.1"]),
        ipv6(),
        *ports(),
        authority(),
        sockets(),
        *kernel(),
        *tools(),
    ]


def python() -> Finding:
    found = f"{sys.version.split()[0]}, {ssl.OPENSSL_VERSION}"
    return Finding("Python", "fine", found)


def loop() -> Finding:
    try:
        import uvloop  # noqa: F401
    except ImportError:
        why = "netlab runs on asyncio's own loop then, at about half the speed"
        return Finding("uvloop", "missing", "not installed", why, "pip install uvloop")
    return Finding("uvloop", "fine", version("uvloop"))


def descriptors() -> Finding:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS:
        why = f"a lab under load opens up to {DESCRIPTORS:,} files; above the limit connections wait"
        return Finding("open files", "missing", f"{hard:,} at most", why, f"ulimit -Hn {DESCRIPTORS} (as root)")
    return Finding("open files", "fine", "no limit" if hard == resource.RLIM_INFINITY else f"{hard:,} at most")


def loopback(addresses: Iterable[str]) -> Iterator[Finding]:
    """Linux has all of 127/8; macOS has the first, until it is told otherwise."""
    for address in addresses:
        if (error := refusal(address, 0)) is not None:
            why = "the world's servers have addresses of their own"
            yield Finding(address, "wrong", str(error), why, f"sudo ifconfig lo0 alias {address} up")
        else:
            yield Finding(address, "fine", "can be listened on")


def ipv6() -> Finding:
    if (error := refusal("::1", 0)) is not None:
        return Finding("::1", "missing", str(error), "localhost is served on 127.0.0.1 alone then")
    return Finding("::1", "fine", "can be listened on")


def ports() -> Iterator[Finding]:
    """The usual place of every service of the lab; who has several of those that are taken is named once."""
    taken: dict[str, list[str]] = {}
    for what, place in listening():
        error = refusal(place.host, place.port)
        if error is None:
            yield Finding(what, "fine", f"{place} is free")
        elif isinstance(error, AddressInUse):
            taken.setdefault(error.holder or "another user's process", []).append(f"{place} ({what})")
        else:
            yield Finding(what, "wrong", str(error), "`netlab up` goes without it", "netlab up --ports auto")
    for holder, held in taken.items():
        yield occupied(holder, held)


def listening() -> Iterator[tuple[str, Address]]:
    """Service and setting, and where that listens."""
    world = LabWorld.load()
    for name, kind in {**{name: name for name in rooms.services()}, **world.instances}.items():
        module = rooms.services()[kind].load()
        if getattr(module, "IN_LAB", True):
            for setting, place in places(module.Config, world.told(module.Config, name)):
                yield f"{name} {setting}", place


def occupied(holder: str, held: list[str]) -> Finding:
    found = f"in use, held by {holder}: {', '.join(held)}"
    if holder.startswith("netlab "):
        why = "if it is a lab of yours, all is well; another one would go without them"
        return Finding("ports", "missing", found, why, "netlab stop, or netlab up --ports auto")
    return Finding(
        "ports", "missing", found, "`netlab up` goes without them", "netlab up --ports auto, or end who holds"
    )


def places(config: type[Any], told: dict[str, Any]) -> Iterator[tuple[str, Address]]:
    for setting in settings(config):
        value = told.get(setting.name, setting.default)
        if setting.name.endswith("listen") and isinstance(value, Address) and value.port:
            yield setting.flags[0] if setting.flags else setting.name, value


def authority() -> Finding:
    place = state_directory()
    try:
        found = Authority.load()
    except (UsageError, OSError) as error:
        remedy = f"remove {place / 'ca'}, and look again" if os.path.exists(place / "ca") else ""
        return Finding("CA", "wrong", str(error), "without it there is no TLS", remedy)
    key = found.certificate_path.with_name("ca.key")
    if key.exists() and stat.S_IMODE(key.stat().st_mode) & 0o077:
        why = "who can read it can pose as any server to whom this CA is trusted"
        return Finding("CA", "wrong", f"{key} is open to others", why, f"chmod 600 {key}")
    return Finding("CA", "fine", str(found.certificate_path))


def sockets() -> Finding:
    place: Path = folder()
    above = place if place.exists() else place.parent
    if not os.access(above, os.W_OK):
        why = "watch, show, status and stop find a lab by its socket there"
        return Finding(
            "control socket", "wrong", f"{above} cannot be written to", why, "set XDG_RUNTIME_DIR to a folder of yours"
        )
    return Finding("control socket", "fine", str(place))


def kernel() -> Iterator[Finding]:
    if hasattr(os, "splice"):
        yield Finding("splice", "fine", "tunnels are passed on by the kernel")
    else:
        yield Finding("splice", "missing", "not in this system", "tunnels cost about twice the time")
    if sys.platform == "linux":
        yield Finding("saved SYN", "fine", "/inspect shows a visitor's own first packet")
    else:
        yield Finding("saved SYN", "missing", "Linux alone keeps it", "/inspect goes without a visitor's first packet")


def tools() -> Iterator[Finding]:
    for tool, package, use in TOOLS:
        found = shutil.which(tool)
        if found:
            yield Finding(tool, "fine", found)
        else:
            yield Finding(
                tool, "missing", "not installed", f"it {use}" if use[0] != "`" else use, f"apt install {package}"
            )
