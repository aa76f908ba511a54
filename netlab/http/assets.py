"""The files of a page that comes with netlab, read once; and the policy under which browsers show it."""

from __future__ import annotations

from functools import partial
from importlib import resources

from netlab.http.exchange import Exchange
from netlab.http.routes import Routes

TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Assets:
    """`/` and `/assets/NAME`, from the folder `page` of a package."""

    def __init__(self, package: str) -> None:
        folder = resources.files(package) / "page"
        self.files = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}

    def register(self, routes: Routes) -> None:
        for name in self.files:
            path = "/" if name == "index.html" else f"/assets/{name}"
            routes.add("GET", path, partial(self.answer, name))

    def answer(self, name: str, exchange: Exchange) -> None:
        fields = [
            ("Content-Type", TYPES[name.rpartition(".")[2]]),
            ("Content-Security-Policy", POLICY),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cache-Control", "no-cache"),
        ]
        exchange.respond(200, fields, self.files[name])
