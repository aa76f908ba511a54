"""What a message says between its lines: its way here with the delays, how to unsubscribe, where its links lead."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape

from netlab.cores.mail_digest import html_text
from netlab.cores.mail_fields import decode_words, seconds
from netlab.cores.mail_message import Part

MOST_HOPS = 100
MOST_LINKS = 500
LOOKED_AT = 1 << 20
"""Characters of a body in which links are looked for."""

_CLAUSE = re.compile(r"\b(from|by|via|with|id|for)\s+([^\s;]+)", re.IGNORECASE)
_URI = re.compile(r"<([^<>\s]{1,2000})>")
_PLAIN_LINK = re.compile(r"\b(?:https?|ftp)://[^\s<>\"']{1,2000}")
_TAGS = "a|area|img|link|script|iframe|form|input|source|video|audio|embed|object|body|td|table"
_TAG = re.compile(rf"<({_TAGS})\b([^<>]*)>", re.IGNORECASE)
_TARGET = re.compile(
    r"\b(href|src|action|background|poster|data|srcset)\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s\"'>]+)", re.IGNORECASE
)
_STYLE_URL = re.compile(r"url\(\s*[\"']?((?:https?:)?//[^\s\"')]{1,2000})", re.IGNORECASE)
_HOST = re.compile(r"(?:https?://)?(?:www\.)?([a-z0-9-]+(?:\.[a-z0-9-]+)+)(?=[:/?#]|$)", re.IGNORECASE)
LOADING = frozenset({"src", "background", "poster", "data", "srcset"})


@dataclass(frozen=True, slots=True)
class Hop:
    """One Received field (RFC 5321 4.4). `delay` is the seconds since the hop before it, None for the first."""

    clauses: dict[str, str]  # from, by, via, with, id, for
    comment: str  # what stands in brackets: the address it saw, for one
    time: float | None
    delay: float | None
    text: str


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """List-Unsubscribe (RFC 2369 3.2) and List-Unsubscribe-Post (RFC 8058); `problems` are sentences."""

    links: tuple[str, ...]
    one_click: bool
    header: str
    post: str
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """One place a message leads to, or loads from when it is shown; `note` is what one should know of it."""

    url: str
    kind: str  # "link", or "loads": a reader that shows the message fetches it, and so tells the sender
    text: str
    note: str


def hops(message: Part) -> list[Hop]:
    """The way of the message, the first hop first; every host on it put its field before those that were there."""
    found: list[Hop] = []
    before: float | None = None
    for value in reversed(message.all("received")[:MOST_HOPS]):
        told, _, date = value[:4096].rpartition(";")
        outside, comment = _without_comments(told or value[:4096])
        clauses = {name.lower(): text for name, text in reversed(_CLAUSE.findall(outside))}
        time = seconds(date) if told else None
        delay = round(time - before, 3) if time is not None and before is not None else None
        found.append(Hop(clauses, comment, time, delay, value[:4096]))
        before = before if time is None else time
    return found


def _without_comments(text: str) -> tuple[str, str]:
    outside: list[str] = []
    inside: list[str] = []
    depth = 0
    for piece in re.split(r"([()])", text):
        if piece in ("(", ")"):
            depth = max(depth + (1 if piece == "(" else -1), 0)
        else:
            (inside if depth else outside).append(piece)
    return " ".join(outside), " ".join(" ".join(inside).split())


def unsubscribe(message: Part) -> Unsubscribe | None:
    """How the message says one leaves its list, and what is wrong with that; None where it says nothing."""
    header, post = message.get("list-unsubscribe")[:8192], message.get("list-unsubscribe-post")[:200]
    if not header and not post:
        return None
    links = tuple(_URI.findall(header))[:20]
    problems = []
    if not links:
        problems.append("List-Unsubscribe holds URIs in angle brackets, and there is none (RFC 2369 2)")
    if any(link.lower().startswith("http:") for link in links):
        problems.append("an http: URI can be read and changed on its way; https: is wanted (RFC 8058 3.1)")
    one_click = post.replace(" ", "").lower() == "list-unsubscribe=one-click"
    if post and not one_click:
        problems.append("List-Unsubscribe-Post is to be List-Unsubscribe=One-Click and nothing else (RFC 8058 3.1)")
    if one_click and not any(link.lower().startswith("https:") for link in links):
        problems.append("one click needs an https: URI in List-Unsubscribe (RFC 8058 3.1)")
    if one_click and not message.get("dkim-signature"):
        problems.append("no DKIM-Signature: readers offer one click only if one covers both fields (RFC 8058 4)")
    return Unsubscribe(links, one_click and not problems, header, post, tuple(problems))


def links(message: Part, content: bytes) -> list[Link]:
    """Every link and everything that a reader would load, of all bodies, once each."""
    found: dict[tuple[str, str], Link] = {}
    for part in message.walk(into_messages=False):
        if not part.is_body or len(found) >= MOST_LINKS:
            continue
        text = part.text(content)[0][:LOOKED_AT]
        for link in _in_page(text) if part.type == "text/html" else _in_text(text):
            found.setdefault((link.kind, link.url), link)
    return list(found.values())[:MOST_LINKS]


def _in_text(text: str) -> list[Link]:
    return [Link(match[0].rstrip(".,;:!?)"), "link", "", "") for match in _PLAIN_LINK.finditer(text)]


def _in_page(page: str) -> list[Link]:
    found = []
    for match in _TAG.finditer(page):
        tag = match[1].lower()
        for name, value in _TARGET.findall(match[2]):
            url = unescape(value.strip("\"'")).strip()
            if not url or url.startswith("#"):
                continue
            loads = name.lower() in LOADING or tag == "link"
            text = _text_of(page, match.end()) if tag == "a" else ""
            found.append(Link(url[:2000], "loads" if loads else "link", text, _note(url, text, match[2], loads)))
    found += [Link(match[1], "loads", "", "an image of a style") for match in _STYLE_URL.finditer(page)]
    return found


def _text_of(page: str, start: int) -> str:
    """What stands between a link and its end, or the next 500 characters."""
    shown = page[start : start + 500]
    end = shown.lower().find("</a")
    return decode_words(" ".join(html_text(shown[:end] if end >= 0 else shown).split()))[:200]


def _note(url: str, text: str, attributes: str, loads: bool) -> str:
    scheme = url.partition(":")[0].lower()
    if scheme in ("javascript", "vbscript", "data") and not loads:
        return f"a {scheme}: link runs what its sender wrote"
    shown, real = _HOST.match(text), _HOST.match(url)
    if shown and real and not _related(shown[1].lower(), real[1].lower()):
        return f"shows {shown[1]} and leads to {real[1]}"
    if loads and re.search(r"\b(?:width|height)\s*=\s*[\"']?[01]\b", attributes):
        return "too small to be seen: it tells the sender that the message was read"
    return ""


def _related(one: str, other: str) -> bool:
    """Whether one host is the other, or below it."""
    return f".{one}".endswith(f".{other}") or f".{other}".endswith(f".{one}")
