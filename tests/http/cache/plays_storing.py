"""Plays about what is kept: by method, status, directive and credentials; and which fields of it."""

from __future__ import annotations

from tests.http.cache.playing import Play, Turn, play
from tests.http.cache.plays_freshness import asked, kept

STATUSES = (200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 499, 500, 502, 503, 504, 599)
STORED = ("Test-Header", "X-Test-Header", "Content-Foo", "Content-MD5", "Content-Range", "Content-Security-Policy")
STORED += ("Clear-Site-Data", "Content-Location", "Set-Cookie", "Set-Cookie2", "X-Frame-Options", "Public-Key-Pins")
NOT_STORED = ("Keep-Alive", "Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Authorization")
NOT_STORED += ("Proxy-Connection", "TE", "Upgrade")
NO_CACHE = 'Cache-Control: no-cache="a, b"\na: 1\nb: 2\nc: 3\nCache-Control: max-age=3600'


def statuses() -> tuple[Play, ...]:
    fresh = "Expires: {now+1000}\nCache-Control: max-age=1000\nDate: {now}"
    stale = "Expires: {now-5000}\nDate: {now}"
    return tuple(
        one
        for status in STATUSES
        for one in (
            play(f"status-{status}-fresh", Turn(answer=fresh, status=status), Turn(expect="hit", gives=status)),
            play(f"status-{status}-stale", Turn(answer=stale, status=status), Turn()),
        )
    )


def field(name: str, *, stored: bool) -> Play:
    shows, lacks = ((f"{name}: value",), ()) if stored else ((), (name,))
    first = Turn(answer=f"{name}: value\nCache-Control: max-age=60", shows=shows)
    return play(f"field-{name}", first, Turn(expect="hit", shows=shows, lacks=lacks))


def authorized(name: str, answer: str, *, hit: bool) -> Play:
    first = Turn(ask="Authorization: Basic eDp5", answer=answer, told=("Authorization: Basic eDp5",))
    return play(f"authorization-{name}", first, Turn(expect="hit" if hit else "miss"))


STATUS = (
    *statuses(),
    play("must-understand-unknown", Turn(answer="Cache-Control: max-age=60, must-understand", status=599), Turn()),
    play(
        "must-understand-unknown-no-store",
        Turn(answer="Cache-Control: max-age=60, no-store, must-understand", status=599),
        Turn(),
    ),
    kept("must-understand-known", "Cache-Control: max-age=60, no-store, must-understand"),
    play("status-416", Turn(ask="Range: bytes=90-", answer="Cache-Control: max-age=60", status=416), Turn()),
)
DIRECTIVES = (
    asked("private", "Cache-Control: private, max-age=3600"),
    asked("no-store", "Cache-Control: no-store"),
    asked("no-store-case", "Cache-Control: No-StOrE"),
    asked("no-store-fresh", "Cache-Control: max-age=10000, no-store\nExpires: {now+10000}\nDate: {now}"),
    asked("no-cache", "Cache-Control: max-age=10000, no-cache\nExpires: {now+10000}\nDate: {now}"),
    asked("no-cache-case", "Cache-Control: max-age=10000, No-CaChE"),
    play("no-cache-validated", Turn(answer='Cache-Control: no-cache\nETag: "a"'), Turn(expect="validated")),
    play(
        "no-cache-fresh-validated",
        Turn(answer='Cache-Control: max-age=100, no-cache\nETag: "a"\nExpires: {now+100}\nDate: {now}'),
        Turn(expect="validated", told=('If-None-Match: "a"',)),
    ),
    play(
        "no-cache-fields", Turn(answer=NO_CACHE, shows=("a: 1",)), Turn(expect="hit", shows=("c: 3",), lacks=("a", "b"))
    ),
    play(
        "no-cache-one-field",
        Turn(answer="Cache-Control: no-cache=a, max-age=60\na: 1\nb: 2"),
        Turn(expect="hit", shows=("b: 2",), lacks=("a",)),
    ),
    asked("no-cache-both-forms", 'Cache-Control: no-cache="a", max-age=60, no-cache'),
    asked("no-cache-unreadable-fields", 'Cache-Control: no-cache="a b", max-age=60'),
    play(
        "private-fields",
        Turn(answer='Cache-Control: private="a", max-age=60\na: 1\nb: 2', shows=("a: 1",)),
        Turn(expect="hit", shows=("b: 2",), lacks=("a",)),
    ),
    kept("must-revalidate-fresh", "Cache-Control: max-age=100, must-revalidate"),
    play(
        "must-revalidate-stale",
        Turn(answer='Cache-Control: max-age=2, must-revalidate\nETag: "a"'),
        Turn(expect="hit", wait=3),
        Turn(expect="validated", answer='ETag: "a"'),
    ),
    asked("asked-no-store", "Cache-Control: private"),
    play("request-no-store", Turn(ask="Cache-Control: no-store", answer="Cache-Control: max-age=60"), Turn()),
    kept("attachment", "Cache-Control: max-age=60\nContent-Disposition: attachment"),
    kept("set-cookie", "Cache-Control: max-age=60\nSet-Cookie: a=b"),
    play("cookie", Turn(answer="Cache-Control: max-age=60"), Turn(ask="Cookie: a=b", expect="hit")),
)
AUTHORIZATION = (
    authorized("not-shared", "Expires: {now+1000}\nDate: {now}", hit=False),
    authorized("max-age", "Cache-Control: max-age=60", hit=False),
    authorized("public", "Cache-Control: max-age=60, public", hit=True),
    authorized("must-revalidate", "Cache-Control: max-age=60, must-revalidate", hit=True),
    authorized("s-maxage", "Cache-Control: s-maxage=60", hit=True),
)
FIELDS = (
    play(
        "connection-options",
        Turn(answer="Connection: a, b\na: 1\nb: 2\nc: 3\nCache-Control: max-age=60"),
        Turn(expect="hit", shows=("c: 3",), lacks=("a", "b")),
    ),
    *(field(name, stored=True) for name in STORED),
    *(field(name, stored=False) for name in NOT_STORED),
)
METHODS = (
    play(
        "post-stored",
        Turn(method="POST", answer="Expires: {now+1000}\nDate: {now}\nContent-Location: /post-stored", body="x"),
        Turn(expect="hit", content="x"),
    ),
    play(
        "post-without-location",
        Turn(method="POST", answer="Cache-Control: max-age=60"),
        Turn(),
    ),
    play(
        "post-of-another",
        Turn(method="POST", answer="Cache-Control: max-age=60\nContent-Location: /elsewhere"),
        Turn(),
    ),
    play(
        "post-without-freshness",
        Turn(method="POST", answer="Last-Modified: {now-86400}\nContent-Location: /post-without-freshness"),
        Turn(),
    ),
    play("head-from-get", Turn(answer="Cache-Control: max-age=60"), Turn(method="HEAD", expect="hit")),
    play("head-is-not-stored", Turn(method="HEAD", answer="Cache-Control: max-age=60"), Turn()),
    play("options-is-not-stored", Turn(method="OPTIONS", answer="Cache-Control: max-age=60"), Turn(method="OPTIONS")),
)
KEYS = (
    play("query-differs", Turn(at="?a=1", answer="Cache-Control: max-age=60"), Turn(at="?a=2")),
    play("query-same", Turn(at="?a=1", answer="Cache-Control: max-age=60"), Turn(at="?a=1", expect="hit")),
    play(
        "host-differs",
        Turn(answer="Cache-Control: max-age=60"),
        Turn(at="/", expect="miss"),
    ),
)
