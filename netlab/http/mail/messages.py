"""One message: as JSON, its fields, its source, its parts, alone as a document, explained, released."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import quote

from netlab.cores.mail_message import Part, parse
from netlab.errors import UsageError
from netlab.http.exchange import Exchange
from netlab.http.mail import frame
from netlab.http.mail.arguments import FRESH, TEXT, Query, answer_json, answer_ok, texts, told
from netlab.http.mail.shapes import body_of, explained_json, headers_json, message_json
from netlab.http.routes import Routes
from netlab.stores.mail import Kept, SqliteStore

HARMLESS = [("Content-Security-Policy", "default-src 'none'; sandbox"), ("X-Content-Type-Options", "nosniff"), FRESH]
"""With what strangers wrote: a browser that opens it runs nothing of it as a page of ours."""
SHOWN = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "text/plain"})
NO_HTML, NO_TEXT = "the message has no HTML", "the message has no text"


class Messages:
    """Every path that begins with a message's id; `latest` is one."""

    def __init__(
        self, store: SqliteStore, release: Callable[[bytes, str, Sequence[str]], Awaitable[None]] | None
    ) -> None:
        self.store, self.send_on = store, release

    def register(self, routes: Routes) -> None:
        base = "/api/v1/message/{id}"
        routes.add("GET", base, self.message)
        routes.add("GET", f"{base}/headers", self.headers)
        routes.add("GET", f"{base}/raw", self.raw)
        routes.add("GET", f"{base}/explained", self.explained)
        routes.add("GET", f"{base}/part/{{part}}", self.part)
        routes.add("GET", f"{base}/part/{{part}}/thumb", self.thumb)
        routes.add("POST", f"{base}/release", self.release)
        for check in ("html-check", "link-check", "sa-check"):
            routes.add("GET", f"{base}/{check}", self.unchecked)
        routes.add("GET", "/view/{name}", self.view)

    async def _kept(self, exchange: Exchange, id: str) -> Kept | None:  # noqa: A002 - the path's own name for it
        kept = await self.store.get(id)
        if kept is None:
            exchange.refuse(404, f"no message has the id {id[:60]}: it was deleted, or never was")
        return kept

    async def message(self, exchange: Exchange, id: str) -> None:  # noqa: A002 - the path's own name for it
        """The message without its attachments; it counts as read from now on."""
        kept = await self._kept(exchange, id)
        if kept is None:
            return
        if not kept.read and exchange.request.method == "GET":
            await self.store.mark([kept.delivery.id], read=True)
        answer_json(exchange, message_json(kept))

    async def headers(self, exchange: Exchange, id: str) -> None:  # noqa: A002 - the path's own name for it
        if kept := await self._kept(exchange, id):
            answer_json(exchange, headers_json(parse(kept.delivery.content)))

    async def explained(self, exchange: Exchange, id: str) -> None:  # noqa: A002 - the path's own name for it
        if kept := await self._kept(exchange, id):
            answer_json(exchange, explained_json(kept))

    async def raw(self, exchange: Exchange, id: str) -> None:  # noqa: A002 - the path's own name for it
        if kept := await self._kept(exchange, id):
            as_file = [_attachment(f"{kept.delivery.id}.eml")] if Query(exchange).text("dl") else []
            exchange.respond(200, [TEXT, *HARMLESS, *as_file], kept.delivery.content)

    async def thumb(self, exchange: Exchange, id: str, part: str) -> None:  # noqa: A002 - the path's own name for it
        """The image itself, for nothing here makes one smaller."""
        await self.part(exchange, id, part, "image/")

    async def part(
        self,
        exchange: Exchange,
        id: str,  # noqa: A002 - the path's own name for it
        part: str,
        wanted: str = "",
    ) -> None:
        """What a part carries, with the type it says it has, which begins as `wanted`."""
        kept = await self._kept(exchange, id)
        if kept is None:
            return
        content = kept.delivery.content
        found = next((each for each in parse(content).walk() if each.id == part), None)
        if found is None or not found.type.startswith(wanted):
            what = f"is no {wanted[:-1]}" if found else "is none of the message"
            exchange.refuse(404, f"part {part[:60]} {what}")
            return
        kind = found.type if found.type.isascii() and found.type.isprintable() else "application/octet-stream"
        if kind.startswith("text/"):
            kind += f"; charset={quote(found.parameters.get('charset', 'utf-8')[:40])}"
        shown = [] if found.type in SHOWN else [_attachment(_name(found))]
        exchange.respond(200, [("Content-Type", kind), *HARMLESS, *shown], found.data(content))

    async def view(self, exchange: Exchange, name: str) -> None:
        """`ID.html` and `ID.txt`: what a mail program would show."""
        id_, _, kind = name.rpartition(".")
        if kind not in ("html", "txt"):
            exchange.refuse(404, "there are /view/ID.html and /view/ID.txt")
            return
        kept = await self._kept(exchange, id_)
        if kept is None:
            return
        content = kept.delivery.content
        message = parse(content)
        if kind == "html":
            text, fields = frame.document(message, content), frame.FIELDS
        else:
            text, fields = body_of(message, content, "text/plain"), [TEXT, *HARMLESS]
        if text:
            exchange.respond(200, fields, text.encode("utf-8", "replace"))
        else:
            exchange.refuse(404, NO_HTML if kind == "html" else NO_TEXT)

    async def release(self, exchange: Exchange, id: str) -> None:  # noqa: A002 - the path's own name for it
        """Send it on to a real server, where one was configured."""
        if self.send_on is None:
            raise UsageError(
                "messages are not released: no server is configured for that (see netlab serve smtp --help)"
            )
        recipients = texts(await told(exchange), "To")
        if not recipients:
            raise UsageError('to whom? {"To": ["ada@example.com"]}')
        if kept := await self._kept(exchange, id):
            await self.send_on(kept.delivery.content, kept.delivery.envelope.sender, recipients)
            answer_ok(exchange)

    async def unchecked(self, exchange: Exchange, id: str) -> None:  # noqa: A002 - the path's own name for it
        exchange.refuse(404, "netlab does not do this check; links are at /api/v1/message/ID/explained")


def _name(part: Part) -> str:
    return part.filename or f"part-{part.id}"


def _attachment(name: str) -> tuple[str, str]:
    """Content-Disposition with a name that cannot be anything else (RFC 6266, RFC 8187)."""
    return "Content-Disposition", f"attachment; filename*=UTF-8''{quote(name.encode('utf-8', 'replace'), safe='')}"
