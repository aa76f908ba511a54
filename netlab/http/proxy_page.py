"""What a proxy shows on its own address: how to use it from here, and a proxy auto-configuration file."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from netlab.http.exchange import Exchange
from netlab.http.hops import ALLOW_TUNNELS
from netlab.text import host_port

STYLE = """table{border-collapse:collapse;font-size:.9em}td,th{padding:.25rem .6rem;text-align:left;
vertical-align:top;border-bottom:1px solid #8884}.now{background:#8882}
body{font:16px/1.5 system-ui,sans-serif;max-width:54rem;margin:2rem auto;padding:0 1rem;color:#222}
pre{background:#f3f3f3;padding:.6rem .8rem;overflow:auto;border-radius:.3rem}code{font-size:.95em}
@media(prefers-color-scheme:dark){body{background:#181a1f;color:#ddd}pre{background:#22252b}a{color:#8ab4f8}}"""
_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

JSON = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
PAC = ("Content-Type", "application/x-ns-proxy-autoconfig")
HTML = [("Content-Type", "text/html; charset=utf-8"), ("Content-Security-Policy", POLICY)]
PEM = [("Content-Type", "application/x-pem-file"), ("Content-Disposition", 'attachment; filename="netlab-ca.pem"')]


class Use(NamedTuple):
    """One tool, and what to tell it."""

    tool: str
    lines: Sequence[str]


class ProxyPage:
    """Answers requests that are meant for the proxy itself.

    ca      the authority's certificate in PEM, where connections may be intercepted
    """

    title = "netlab forward proxy"
    intro = (
        "It fetches what you ask for, and shows every exchange: <code>netlab watch</code>, <code>netlab show ID</code>."
    )

    def __init__(self, ca: str = "") -> None:
        self.ca = ca

    def about(self) -> str:
        """More of the page, as HTML."""
        return ""

    def answer(self, exchange: Exchange) -> None:
        request = exchange.request
        path = request.path.partition("?")[0]
        if request.method == "OPTIONS":
            exchange.respond(204, ALLOW_TUNNELS)
        elif request.method not in ("GET", "HEAD"):
            exchange.refuse(405, "this is a proxy: it answers GET on its own address", ALLOW_TUNNELS)
        elif path == "/":
            exchange.respond(200, HTML, self._page(exchange))
        elif path in ("/proxy.pac", "/wpad.dat"):
            exchange.respond(200, [PAC, ("Cache-Control", "no-cache")], pac(*self._own(exchange)))
        elif path == "/ca.pem" and self.ca:
            exchange.respond(200, PEM, self.ca.encode())
        else:
            exchange.refuse(404, f"this is a proxy: on its own address it has /, /proxy.pac and no {path[:200]}")

    def _page(self, exchange: Exchange) -> bytes:
        uses = _uses(*self._own(exchange))
        return (
            f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
            f'<meta name="viewport" content="width=device-width">\n<title>{self.title}</title>\n'
            f"<style>{STYLE}</style>\n<h1>{self.title}</h1>\n"
            f"<p>This is a proxy. {self.intro}</p>\n{TRUST if self.ca else ''}{self.about()}{uses}\n"
            '<p>The configuration file for browsers: <a href="/proxy.pac">/proxy.pac</a>.</p>\n</html>\n'
        ).encode()

    @staticmethod
    def _own(exchange: Exchange) -> tuple[str, bool]:
        """What the client called us, with the port; and whether it came over TLS."""
        secure = exchange.connection.secure
        host = exchange.request.fields.get("host")
        if not host:
            server = exchange.flow.server
            name, port = (str(server[0]), server[1]) if isinstance(server, tuple) else ("127.0.0.1", 3128)
            return host_port(name, port), secure
        if host.endswith("]") or ":" not in host:
            host += ":443" if secure else ":80"
        return host, secure


def pac(own: str, secure: bool) -> bytes:
    """Everything through this proxy; browsers leave their own loopback out by themselves."""
    kind = "HTTPS" if secure else "PROXY"
    text = own.replace("\\", "\\\\").replace('"', '\\"')
    return f'function FindProxyForURL(url, host) {{\n  return "{kind} {text}";\n}}\n'.encode("latin-1")


def uses(own: str, secure: bool) -> list[Use]:
    """What to type, tool by tool."""
    proxy = f"{'https' if secure else 'http'}://{own}"
    found = [
        Use("curl", [f"curl -x {proxy} https://example.com/", f"curl -x {proxy} http://example.com/"]),
        Use("most programs, by environment", [f"export http_proxy={proxy} https_proxy={proxy} no_proxy="]),
        Use(
            "Firefox, Chrome, the system",
            [f"automatic proxy configuration: {proxy}/proxy.pac", f"chromium --proxy-server={proxy}"],
        ),
        Use(
            "Python",
            [
                f'requests.get(url, proxies={{"http": "{proxy}", "https": "{proxy}"}})',
                f'httpx.Client(proxy="{proxy}")',
            ],
        ),
        Use(
            "Node (undici)",
            [
                f'setGlobalDispatcher(new ProxyAgent("{proxy}"))',
                f"NODE_USE_ENV_PROXY=1 https_proxy={proxy} node app.js",
            ],
        ),
        Use("Git", [f"git -c http.proxy={proxy} clone https://example.com/repository.git"]),
        Use("netlab", [f"netlab get -v --proxy {proxy} https://example.com/"]),
    ]
    if not secure:
        found.append(Use("SOCKS (names are resolved here)", [f"curl -x socks5h://{own} https://example.com/"]))
    return found


@lru_cache(16)
def _uses(own: str, secure: bool) -> str:
    return "\n".join(
        f"<h2>{html.escape(use.tool)}</h2>\n<pre><code>{html.escape(chr(10).join(use.lines))}</code></pre>"
        for use in uses(own, secure)
    )


TRUST = (
    "<p>Some https connections are opened here and made anew (<code>--intercept</code>). Their certificates come "
    'from <a href="/ca.pem">this machine\'s netlab authority</a>, which your program has to trust: see '
    "<code>netlab ca</code>.</p>\n"
)
