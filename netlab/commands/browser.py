"""A browser inside the lab: a throw-away profile that goes through the proxy and accepts the lab's certificates."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from netlab.commands.ca import key_pin
from netlab.commands.run import spawned
from netlab.config import Flag, positional
from netlab.control.client import OneLab
from netlab.errors import NetlabError, UsageError
from netlab.lab.surroundings import proxy_of
from netlab.net.certs import Authority

EXAMPLES = (
    ("netlab browser", "the lab's shop in Chromium or Firefox"),
    ("netlab browser https://api.shop.test/v2/products", "another page"),
    ("netlab browser --with firefox", "that one of the two"),
    ("netlab browser --headless | grep '<h1>'", "the page as a browser sees it, for scripts"),
)
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "brave-browser", "microsoft-edge")
FIREFOX = ("firefox", "firefox-esr")


@dataclass(frozen=True, kw_only=True)
class Config(OneLab):
    url: Annotated[str, positional] = "https://www.shop.test/"
    """The page to open."""
    browser: Annotated[Literal["any", "chromium", "firefox"], Flag("--with")] = "any"
    """Which browser; any takes the first that is there."""
    headless: bool = False
    """Without a window: print the page as it is once it is loaded, and end (Chromium only)."""


def run(config: Config) -> int:
    """Until the browser is closed; the profile goes with it."""
    proxy = asyncio.run(proxy_of(config))
    if config.headless and config.browser == "firefox":
        raise UsageError("--headless prints the page, which Firefox has no flag for; leave --with away, or --headless")
    program, is_firefox = find("chromium" if config.headless else config.browser)
    authority = Authority.load()
    with tempfile.TemporaryDirectory(prefix="netlab-browser-", ignore_cleanup_errors=True) as folder:
        profile = Path(folder)
        if is_firefox:
            command = firefox(program, profile, proxy, authority)
        else:
            command = chromium(program, profile, proxy, authority)
        if config.headless:
            command += ["--headless", "--disable-gpu", "--log-level=3", "--dump-dom"]
        return spawned([*command, config.url], os.environ)


def find(wanted: str) -> tuple[str, bool]:
    """A browser's program, and whether it is Firefox."""
    for name in (*(CHROMIUM if wanted != "firefox" else ()), *(FIREFOX if wanted != "chromium" else ())):
        if found := shutil.which(name):
            return found, name in FIREFOX
    what = "Chromium or Firefox" if wanted == "any" else wanted.capitalize()
    raise NetlabError(f"{what} is not on this machine; install it (Debian: apt install chromium)")


def chromium(program: str, profile: Path, proxy: str, authority: Authority) -> list[str]:
    """Its authority is accepted by its key alone: every chain the lab sends carries it. Nothing else is let through."""
    return [
        program,
        f"--user-data-dir={profile}",
        f"--proxy-server={proxy}",
        "--proxy-bypass-list=<-loopback>",  # by itself it would not ask a proxy for names of this machine
        f"--ignore-certificate-errors-spki-list={key_pin(authority.certificate_pem)}",
        "--no-first-run",
        "--no-default-browser-check",
        "--disable-background-networking",  # its own errands would be most of the flows
        *(["--no-sandbox"] if os.geteuid() == 0 else []),  # which it does not start with for root
    ]


def firefox(program: str, profile: Path, proxy: str, authority: Authority) -> list[str]:
    """Its authority stands in the profile's own store, where certutil can put it."""
    certutil = shutil.which("certutil")
    if certutil is None:
        raise NetlabError("Firefox trusts what is in its profile, and certutil puts it there; install libnss3-tools")
    store = ["-d", f"sql:{profile}"]
    subprocess.run([certutil, "-N", *store, "--empty-password"], check=True)
    subprocess.run([certutil, "-A", *store, "-n", "netlab", "-t", "C,,", "-i", authority.certificate_path], check=True)
    host, port = urlsplit(proxy).hostname, urlsplit(proxy).port
    settings: dict[str, str] = {
        "network.proxy.type": "1",
        "network.proxy.allow_hijacking_localhost": "true",
        "network.proxy.no_proxies_on": '""',
        **{f"network.proxy.{kind}": f'"{host}"' for kind in ("http", "ssl")},
        **{f"network.proxy.{kind}_port": str(port) for kind in ("http", "ssl")},
        "browser.shell.checkDefaultBrowser": "false",
        "datareporting.policy.dataSubmissionEnabled": "false",
        "network.captive-portal-service.enabled": "false",
        "network.connectivity-service.enabled": "false",
    }
    lines = [f'user_pref("{name}", {value});\n' for name, value in settings.items()]
    (profile / "user.js").write_text("".join(lines))
    return [program, "--profile", str(profile), "--no-remote"]
