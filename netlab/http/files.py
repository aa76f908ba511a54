"""Files over HTTP: what is found at a path, and how each method is answered for it."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from netlab.errors import UsageError
from netlab.http.cache_control import CacheRules
from netlab.http.coded import CODERS, Coded
from netlab.http.delivery import Changed, deliver
from netlab.http.disk import in_thread
from netlab.http.exchange import Exchange, Work
from netlab.http.file_cache import FileCache
from netlab.http.finding import Finder
from netlab.http.found import Found, FoundDirectory, FoundFile
from netlab.http.listing import View, as_json, read_listing
from netlab.http.listing_page import POLICY, page
from netlab.http.own_methods import refuse_method
from netlab.http.representation import Representation
from netlab.http.tree import Tree
from netlab.http.uploads import UploadOptions, Uploads
from netlab.policy.coding import IDENTITY, choose

ATTEMPTS = 3
"""How often a file that changes while it is being answered is looked up again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FileOptions:
    """What can be told about the files of one root."""

    index: tuple[str, ...] = ("index.html", "index.htm")
    """Names tried, in this order, where a path means a directory."""

    listing: bool = True
    """List directories that have no index."""

    hidden: bool = False
    """Serve and list names that begin with a dot; `.well-known` always is."""

    cache_control: tuple[str, ...] = ()
    """Rules PATTERN=VALUE, the first that matches wins; VALUE is immutable, revalidate, no-store or the field's own."""

    compress: bool = True
    """Compress what shrinks, for clients that accept it."""

    precompressed: bool = True
    """Send FILE.br, FILE.zst or FILE.gz in place of FILE to clients that accept the coding, if it is not older."""

    cache: int = 64 << 20
    """Bytes of small files and of coded content kept in memory."""

    writable: bool = False
    """Take files in: PUT, DELETE, and forms posted to directories."""

    upload_limit: int = 1 << 30
    """Bytes of one upload; more is refused with 413."""

    durable: bool = False
    """Acknowledge an upload when it is on the disk, not only written."""

    upload_origins: tuple[str, ...] = ()
    """Origins, besides the server's own, whose pages may change files; * for any."""

    spa: str = ""
    """The file, below the root, that answers navigation to where no file is (single-page applications)."""


class Files:
    """The files below one root."""

    def __init__(self, root: Path, options: FileOptions | None = None, *, now: Callable[[], float] = time.time) -> None:
        """UsageError for a root or an option that cannot be meant; `now` gives seconds since the epoch."""
        self.options = options = options or FileOptions()
        self.now = now
        self.tree = Tree(root, hidden=options.hidden)
        cache = FileCache(size=options.cache)
        self.coded = Coded(self.tree, cache, compress=options.compress, precompressed=options.precompressed)
        rules = CacheRules(options.cache_control)
        self.finder = Finder(self.tree, cache, index=options.index, rules=rules, codes=self.coded.offered, now=now)
        self.find = self.finder.find
        self.repeats = cache.repeats
        uploads = UploadOptions(limit=options.upload_limit, durable=options.durable, origins=options.upload_origins)
        self.uploads = Uploads(self.tree, self.finder, uploads, now)
        self._spa = "/" + quote(options.spa.lstrip("/"))
        if options.spa and not isinstance(self.find(self._spa), FoundFile):
            raise UsageError(f"--spa {options.spa!r} is no file below {root}")

    def fallback(self, exchange: Exchange) -> FoundFile | None:
        """The single-page application's file, for a navigation to a path where nothing else is; ask this last.

        Navigation wants HTML, or at least does not name a file: a missing script must not come back as a page.
        """
        request = exchange.request
        if not self.options.spa or request.method not in ("GET", "HEAD"):
            return None
        name = request.path.partition("?")[0].rpartition("/")[2]
        accept = request.fields.get("accept", "*/*") or ""
        if "text/html" not in accept and ("." in name or "*/*" not in accept):
            return None
        found = self.find(self._spa)
        return found if isinstance(found, FoundFile) else None

    def allowed(self, found: Found | None) -> tuple[str, ...]:
        """The methods of Allow (RFC 9110 10.2.1) for what was found; where nothing was, those that would make it."""
        writable = self.options.writable
        if found is None:
            return ("OPTIONS", "PUT") if writable else ()
        reading = ("GET", "HEAD", "OPTIONS")
        if isinstance(found, FoundFile) and not found.index:
            return (*reading, "PUT", "DELETE") if writable else reading
        return (*reading, "POST") if writable else reading

    def accepts(self, exchange: Exchange) -> bool:
        """Whether `serve` has an answer to this method where nothing was found: a file may be put there."""
        return self.options.writable and exchange.request.method == "PUT"

    def serve(self, exchange: Exchange, found: Found | None) -> Work:
        """Answer; a coroutine comes back only where the answer has to wait."""
        method = exchange.request.method
        if method in ("GET", "HEAD"):
            if isinstance(found, FoundFile):
                known = self.repeats.get(exchange.request.fields, found)
                if known is None or known.body is None or method == "HEAD":
                    return self._file(exchange, found)
                exchange.respond(200, known.fields, known.body)
                return None
            return self._directory(exchange, found) if found is not None else not_found(exchange)
        if method in ("PUT", "DELETE", "POST") and self.options.writable and not self._is_read_only(method, found):
            return self.uploads.serve(exchange)
        allow = ", ".join(self.allowed(found))
        if method == "OPTIONS":
            exchange.respond(204, [("Allow", allow)])
        else:
            refuse_method(exchange, allow)
        return None

    def _is_read_only(self, method: str, found: Found | None) -> bool:
        """A form can only be posted to a directory."""
        return method == "POST" and isinstance(found, FoundFile) and not found.index

    # -- GET and HEAD --------------------------------------------------------------------------------------------

    def _file(self, exchange: Exchange, found: FoundFile, attempts: int = ATTEMPTS) -> Work:
        """Select the representation (RFC 9110 12.5.3) and deliver it."""
        accepted = exchange.request.fields.get("accept-encoding")
        codings = self.coded.codings(found, exchange.connection.loop.time()) if found.varies else ()
        coding = choose(accepted, codings)
        if coding is None:
            return not_acceptable(exchange, codings)
        representation = found.representations.get(coding) or self.coded.at_once(found, coding)
        if representation is None:
            return self._later(exchange, found, coding, attempts)
        try:
            if representation.size >= found.version.size and coding != IDENTITY:
                representation = smaller(found, representation, accepted)
            self.repeats.put(exchange.request.fields, found, representation)
            return deliver(exchange, representation, now=self.now())
        except Changed:
            return self._again(exchange, found, attempts)

    def _again(self, exchange: Exchange, found: FoundFile, attempts: int) -> Work:
        """The file, or a precompressed neighbour, has changed since it was looked at."""
        self.finder.cache.doubt()
        found.looked = -math.inf
        path = exchange.request.path.partition("?")[0]
        again = self.find(path) if attempts else None
        if isinstance(again, FoundFile):
            return self._file(exchange, again, attempts - 1)
        return not_found(exchange)

    async def _later(self, exchange: Exchange, found: FoundFile, coding: str, attempts: int) -> None:
        try:
            representation = await self.coded.make(found, coding)
            accepted = exchange.request.fields.get("accept-encoding")
            work = deliver(exchange, smaller(found, representation, accepted), now=self.now())
        except Changed:
            work = self._again(exchange, found, attempts)
        if work is not None:
            await work

    def _directory(self, exchange: Exchange, found: FoundDirectory) -> Work:
        if not found.slash:
            self._redirect(exchange)
            return None
        if not self.options.listing:
            exchange.refuse(403, "this directory has no index, and directories are not listed here")
            return None
        coding = choose(exchange.request.fields.get("accept-encoding"), self.coded.makes)
        if coding is None:
            return not_acceptable(exchange, self.coded.makes)
        return self._list(exchange, found, coding)

    async def _list(self, exchange: Exchange, found: FoundDirectory, coding: str) -> None:
        request = exchange.request
        view = View.of(request.path.partition("?")[2], request.fields.get("accept"))
        representation = await in_thread(self._listed, found, view, coding)
        work = deliver(exchange, representation, now=self.now())
        if work is not None:
            await work

    def _listed(self, found: FoundDirectory, view: View, coding: str) -> Representation:
        """A listing as a representation like any other, tagged by its content; runs in a thread."""
        listing = read_listing(self.tree, found.location, found.names)
        more = [("Vary", "Accept, Accept-Encoding"), ("Cache-Control", "no-cache")]
        if view.json:
            media_type, body = "application/json", as_json(listing, view)
        else:
            media_type, body = "text/html; charset=utf-8", page(listing, view, writable=self.options.writable)
            more.append(("Content-Security-Policy", POLICY))
        tag = hashlib.sha256(body).hexdigest()[:20]
        if coding != IDENTITY:
            body = CODERS[coding](body)
        return Representation(media_type, tag, coding=coding, more=more, body=body)

    def _redirect(self, exchange: Exchange) -> None:
        """To the same path with a slash behind it, as a relative reference: no host, and none to be smuggled in."""
        path, mark, query = exchange.request.path.partition("?")
        last = path.rpartition("/")[2]
        exchange.text(301, "this is a directory\n", [("Location", f"./{last}/{mark}{query}")])


def not_found(exchange: Exchange) -> Work:
    exchange.refuse(404, "no file is here")
    return None


def not_acceptable(exchange: Exchange, codings: tuple[str, ...]) -> Work:
    why = f"Accept-Encoding excludes all that this can be sent in: {', '.join((*codings, IDENTITY))}"
    exchange.refuse(406, why, [("Vary", "Accept-Encoding")])
    return None


def smaller(found: FoundFile, coded: Representation, accepted: str | None) -> Representation:
    """Identity where a coding does not shrink the content and the client can do without it."""
    if coded.size >= found.version.size and choose(accepted, ()) is not None:
        return found.identity
    return coded
