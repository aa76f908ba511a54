"""What a list and a search want to know of a message: who, what about, how it begins; from its bytes, once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from netlab.cores.mail_addresses import addresses
from netlab.cores.mail_fields import decode_words, seconds
from netlab.cores.mail_message import Part, parse

SEARCHED = 256 << 10
"""Characters of a message's text that can be found by searching."""
SNIPPET = 250
_TAG = re.compile(r"<!--|<[a-zA-Z/!?][^<>]*>")
_HIDDEN = re.compile(r"<(/?)(?:script|style|title|head|template)\b", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]{2,31});")
_SPACE = re.compile(r"[\s\u00ad\u034f\u200b-\u200f\u2060\ufeff]+")  # and what newsletters fill their previews with

Contact = tuple[str, str]
"""Display name and address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """A message in a list, and the words by which it is found."""

    message_id: str
    sender: Contact | None
    to: tuple[Contact, ...]
    cc: tuple[Contact, ...]
    bcc: tuple[Contact, ...]  # of the header, and those of the envelope that the header does not name
    reply_to: tuple[Contact, ...]
    subject: str
    date: float | None
    snippet: str
    attachments: int
    inline: int
    text: str  # to be searched
    tags: tuple[str, ...]  # of X-Tags, in which senders may say what a message is to be found by


def digest(content: bytes, recipients: Sequence[str] = ()) -> Digest:
    """Of a message and the addresses of its envelope."""
    message = parse(content)
    to, cc, bcc = (tuple(addresses(*message.all(name))) for name in ("to", "cc", "bcc"))
    named = {address.lower() for _, address in (*to, *cc, *bcc)}
    bcc += tuple(("", address) for address in recipients if address.lower() not in named)
    text = body_text(message, content)
    besides = [part for part in message.walk(into_messages=False) if part.is_leaf and not part.is_body]
    besides += [part for part in message.walk(into_messages=False) if part.type == "message/rfc822" and part.parts]
    inline = sum(part.is_inline for part in besides)
    return Digest(
        message_id=message.get("message-id").strip("<> ")[:998],
        sender=next(iter(addresses(message.get("from"))), None),
        to=to,
        cc=cc,
        bcc=bcc,
        reply_to=tuple(addresses(*message.all("reply-to"))),
        subject=decode_words(message.get("subject")),
        date=seconds(message.get("date")),
        snippet=text[:SNIPPET],
        attachments=len(besides) - inline,
        inline=inline,
        text=" ".join([text, *(part.filename for part in besides if part.filename)]),
        tags=_tags(message.get("x-tags")),
    )


def _tags(value: str) -> tuple[str, ...]:
    words = (word.strip()[:100] for word in decode_words(value).split(",")[:100])
    return tuple(sorted({word for word in words if word}))


def body_text(message: Part, content: bytes) -> str:
    """The message's text on one line: what is plain, else what HTML says."""
    bodies = [part for part in message.walk(into_messages=False) if part.is_body]
    plain = [part for part in bodies if part.type == "text/plain"]
    shown = [part.text(content)[0][: SEARCHED * 4] for part in (plain or bodies)[:10]]
    return _SPACE.sub(" ", " ".join(shown if plain else map(html_text, shown))).strip()[:SEARCHED]


def html_text(page: str) -> str:
    """The words of a page, roughly; every step is linear in its length."""
    kept, position, hidden = [], 0, 0
    for match in _HIDDEN.finditer(page):
        if match[1]:
            hidden = max(hidden - 1, 0)
            if not hidden:
                position = match.start()
        else:
            if not hidden:
                kept.append(page[position : match.start()])
            hidden += 1
    if not hidden:
        kept.append(page[position:])
    return _ENTITY.sub(_entity, _TAG.sub(" ", "".join(kept)))


def _entity(match: re.Match[str]) -> str:
    from html import unescape

    return unescape(match[0]).encode("utf-8", "replace").decode()
