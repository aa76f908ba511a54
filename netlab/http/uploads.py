"""Uploads: PUT, DELETE and forms with files, each of them whole or not at all, and never outside the root."""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import cast
from urllib.parse import quote

from netlab.errors import BodyTooLarge
from netlab.http.disk import in_thread
from netlab.http.exchange import Exchange
from netlab.http.finding import Finder
from netlab.http.form import Form
from netlab.http.found import FoundFile
from netlab.http.incoming import Incoming
from netlab.http.multipart import MultipartParser, boundary_of
from netlab.http.own_origin import stranger
from netlab.http.refused import Refused, explained
from netlab.http.representation import Version
from netlab.http.tree import Tree
from netlab.policy.conditional import Current, evaluate


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadOptions:
    """How many bytes at once, whether they are on the disk before it is acknowledged, and from whose pages."""

    limit: int
    durable: bool
    origins: tuple[str, ...]


class Uploads:
    """Takes files in below one root."""

    def __init__(
        self, tree: Tree, finder: Finder, options: UploadOptions, now: Callable[[], float] = time.time
    ) -> None:
        self.tree, self.finder, self.options, self.now = tree, finder, options, now

    async def serve(self, exchange: Exchange) -> None:
        """Answer PUT, DELETE or POST."""
        path = exchange.request.path.partition("?")[0]
        take = {"PUT": self._put, "DELETE": self._delete, "POST": self._post}[exchange.request.method]
        try:
            self._check_origin(exchange)
            names = self.tree.names(path)
            if names is None:
                raise Refused(403, "nothing can be put at this path")
            await take(exchange, path, names)
        except Refused as refused:
            exchange.unwanted()  # what still comes of the content has no taker any more
            exchange.refuse(refused.status, refused.why, refused.fields)
        finally:
            exchange.unwanted()  # nor behind an error that the connection answers

    def _check_origin(self, exchange: Exchange) -> None:
        """A page of somebody else, open in the user's browser, must not change his files: neither from its own origin,
        nor by having its own name lead here (DNS rebinding).
        """
        origins = self.options.origins
        if "*" in origins or exchange.request.fields.get("origin") in origins:
            return
        if origin := stranger(exchange):
            raise Refused(403, f"pages of {origin} may not change files here")

    # -- PUT -----------------------------------------------------------------------------------------------------

    async def _put(self, exchange: Exchange, path: str, names: list[str]) -> None:
        fields = exchange.request.fields
        if "content-range" in fields:  # RFC 9110 14.5
            raise Refused(400, "Content-Range: a file is put here as a whole, not in parts (RFC 9110 14.5)")
        if (fields.get("content-encoding") or "identity").lower() != "identity":  # RFC 9110 8.4
            raise Refused(
                415, "content is stored as it comes: send it without coding", [("Accept-Encoding", "identity")]
            )
        with self._directory_of(path, names) as directory:
            self._check(exchange, path)
            self._check_room(exchange, directory)
            with Incoming(directory) as incoming:
                async with self._content(exchange) as pieces:
                    async for piece in pieces:
                        self._check_size(exchange)
                        incoming.write(piece)
                await self._sync(incoming)
                there = self._check(exchange, path)  # again: others may have been quicker
                version = incoming.put_in_place(names[-1])
                self.finder.cache.doubt()
            await self._sync_directory(directory)
        self._stored(exchange, version, replaced=there)

    def _stored(self, exchange: Exchange, version: Version, *, replaced: bool) -> None:
        fields = [("ETag", f'"{version.tag}"')]  # RFC 9110 9.3.4: stored as it came, so its validator may be told
        if replaced:
            exchange.respond(204, fields)
        else:
            exchange.text(201, "created\n", fields)

    def _check(self, exchange: Exchange, path: str) -> bool:
        """Whether a file is there already; Refused where a directory is, or a precondition is false."""
        self.finder.cache.doubt()
        found = self.finder.find(path)
        if found is not None and not isinstance(found, FoundFile):
            raise Refused(409, "a directory is here")
        self._check_preconditions(exchange, None if found is None else current_of(found))
        return found is not None

    def _check_preconditions(self, exchange: Exchange, current: Current | None) -> None:
        verdict = evaluate(exchange.request.method, exchange.request.fields, current, now=self.now())
        if verdict is not None:
            raise Refused(verdict.status, f"{verdict.reason} ({verdict.section})")

    # -- DELETE --------------------------------------------------------------------------------------------------

    async def _delete(self, exchange: Exchange, path: str, names: list[str]) -> None:
        if self.finder.find(path) is None:  # before any precondition is looked at (RFC 9110 13.2.1)
            raise Refused(404, "no file is here")
        with self._directory_of(path, names) as directory:
            self._check(exchange, path)
            try:
                os.unlink(names[-1], dir_fd=directory)
            except FileNotFoundError:
                raise Refused(404, "no file is here any more") from None
            self.finder.cache.doubt()
            await self._sync_directory(directory)
        exchange.respond(204)

    # -- POST ----------------------------------------------------------------------------------------------------

    async def _post(self, exchange: Exchange, path: str, names: list[str]) -> None:
        boundary = boundary_of(exchange.request.fields.get("content-type") or "")
        if boundary is None:
            why = "files are taken as multipart/form-data with a boundary (RFC 7578)"
            raise Refused(415, why, [("Accept", "multipart/form-data")])  # RFC 9110 12.5.1
        directory = self.tree.open_directory(self.tree.location(names))
        if directory is None:
            raise Refused(404, "no directory is here")
        form = Form(self.tree, directory)
        try:
            with explained():
                self._check_preconditions(exchange, Current())
                self._check_room(exchange, directory)
                parser = MultipartParser(boundary, offset=exchange.request.end)
                async with self._content(exchange) as pieces:
                    async for piece in pieces:
                        self._check_size(exchange)
                        form.take(parser.receive(piece))
                parser.finish()
                for incoming, _ in form.files:
                    await self._sync(incoming)
                stored = form.put_in_place()
                self.finder.cache.doubt()
                await self._sync_directory(directory)
        finally:
            form.discard()
            os.close(directory)
        self._told(exchange, path, stored)

    def _told(self, exchange: Exchange, path: str, stored: list[tuple[str, Version]]) -> None:
        """To a browser's form the listing, to a program what was stored where."""
        here = "./" if path.endswith("/") else f"./{path.rpartition('/')[2]}/"
        if "text/html" in (exchange.request.fields.get("accept") or ""):
            exchange.text(303, "stored\n", [("Location", here)])
            return
        files = [
            {
                "name": os.fsencode(name).decode("utf-8", "replace"),
                "href": here + quote(os.fsencode(name)),
                "size": version.size,
                "etag": f'"{version.tag}"',
            }
            for name, version in stored
        ]
        fields = [("Content-Type", "application/json")]
        if len(files) == 1:
            fields.append(("Location", str(files[0]["href"])))
        exchange.respond(201, fields, json.dumps({"stored": files}, indent=1).encode() + b"\n")

    # -- what they share -----------------------------------------------------------------------------------------

    @contextmanager
    def _directory_of(self, path: str, names: list[str]) -> Iterator[int]:
        """The open directory in which the path's last name is; system errors become refusals."""
        if not names or path.endswith(("/", "/.", "/..")):
            raise Refused(409, "this is a directory's path, and files are put and deleted one by one")
        directory = self.tree.open_directory(self.tree.location(names[:-1]))
        if directory is None:
            raise Refused(409, "the directory it would be in does not exist")
        try:
            with explained():
                yield directory
        finally:
            os.close(directory)

    def _check_room(self, exchange: Exchange, directory: int) -> None:
        """Refuse what is known to be too large before it is sent (and before 100 Continue)."""
        length = exchange.request.frame.length or 0
        if length > self.options.limit:
            raise Refused(413, f"the content is larger than {self.options.limit} bytes")
        room = os.fstatvfs(directory)
        if length > room.f_bavail * room.f_frsize:
            raise Refused(507, "the disk has no room for it")

    def _content(self, exchange: Exchange) -> aclosing[AsyncGenerator[bytes, None]]:
        """The content piece by piece; left early, its generator ends there and then, not in a task of its own."""
        return aclosing(cast("AsyncGenerator[bytes, None]", exchange.pieces()))

    def _check_size(self, exchange: Exchange) -> None:
        if exchange.received > self.options.limit:
            raise BodyTooLarge(self.options.limit)

    async def _sync(self, incoming: Incoming) -> None:
        if self.options.durable:
            await in_thread(sync_and_close, incoming.duplicate())

    async def _sync_directory(self, directory: int) -> None:
        """A name is durable when its directory is."""
        if self.options.durable:
            await in_thread(sync_and_close, os.dup(directory))


def current_of(found: FoundFile) -> Current:
    return Current(etags=found.etags(), modified=found.identity.current.modified)


def sync_and_close(descriptor: int) -> None:
    """Wait until what a descriptor stands for is on the disk."""
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
