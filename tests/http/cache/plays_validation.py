"""Plays about validation, conditions, the request's own directives, and what is used stale."""

from __future__ import annotations

from tests.http.cache.playing import Play, Turn, play

FRESH = "Cache-Control: max-age=3600\nDate: {now}\n"
TAGGED = FRESH + 'ETag: "abcdef"'
STALE = "Cache-Control: max-age=2\nTemplate-A: 1"
UPDATED = {
    "Test-Header": ("a", "b"),
    "Content-Foo": ("a", "b"),
    "Cache-Control": ("max-age=1", "max-age=3600"),
    "Content-Type": ("text/plain", "text/plain;charset=utf-8"),
    "Set-Cookie": ("a=b", "a=c"),
    "Expires": ("Fri, 01 Jan 2038 01:01:01 GMT", "Mon, 11 Jan 2038 11:11:11 GMT"),
}
FIXED = ("Content-Encoding", "Content-Range", "Content-MD5", "Content-Digest")


def conditional(name: str, answer: str, ask: str, gives: int = 304) -> Play:
    return play(f"condition-{name}", Turn(answer=answer, wait=3), Turn(ask=ask, expect="hit", gives=gives))


def update(name: str, first: str, then: str, seen: str) -> Play:
    """A field of a 304, and what is seen of it then and later."""
    life = "" if name == "Cache-Control" else "Cache-Control: max-age=2\n"
    answers = [f'Date: {{now}}\n{name}: {value}\n{life}ETag: "a"' for value in (first, then)]
    shown = (f"{name}: {seen}",)
    return play(
        f"update-{name}",
        Turn(answer=answers[0], wait=3),
        Turn(answer=answers[1], expect="validated", shows=shown),
        Turn(expect="hit", shows=shown),
    )


def request(name: str, answer: str, ask: str, *, hit: bool, wait: float = 0) -> Play:
    return play(f"request-{name}", Turn(answer=answer, wait=wait), Turn(ask=ask, expect="hit" if hit else "miss"))


def unreachable(name: str, cache_control: str, *, stale: bool, wait: float = 3) -> Play:
    first = Turn(answer=f"Cache-Control: {cache_control}", body="old", wait=wait)
    if stale:
        return play(f"unreachable-{name}", first, Turn(origin="closes", gives=200, content="old", age=3))
    return play(f"unreachable-{name}", first, Turn(origin="closes", gives=502))


REQUESTED = (
    request("max-age-0", FRESH, "Cache-Control: max-age=0", hit=False, wait=3),
    request("max-age-1", FRESH, "Cache-Control: max-age=1", hit=False, wait=3),
    request("max-age-9", FRESH, "Cache-Control: max-age=9", hit=True, wait=3),
    request("max-age-of-aged", FRESH + "Age: 1800", "Cache-Control: max-age=600", hit=False),
    request("max-age-wrong", FRESH, "Cache-Control: max-age=x", hit=False),
    request("max-stale", "Cache-Control: max-age=1", "Cache-Control: max-stale=1000", hit=True, wait=3),
    request("max-stale-any", "Cache-Control: max-age=1", "Cache-Control: max-stale", hit=True, wait=3),
    request("max-stale-too-little", "Cache-Control: max-age=1", "Cache-Control: max-stale=1", hit=False, wait=3),
    request("max-stale-of-aged", "Cache-Control: max-age=1500\nAge: 2000", "Cache-Control: max-stale=1000", hit=True),
    request(
        "max-stale-forbidden",
        "Cache-Control: max-age=1, must-revalidate",
        "Cache-Control: max-stale",
        hit=False,
        wait=3,
    ),
    request("min-fresh", "Cache-Control: max-age=1500", "Cache-Control: min-fresh=2000", hit=False),
    request("min-fresh-enough", "Cache-Control: max-age=1500", "Cache-Control: min-fresh=1000", hit=True),
    request("min-fresh-of-aged", "Cache-Control: max-age=1500\nAge: 1000", "Cache-Control: min-fresh=1000", hit=False),
    request("no-cache", FRESH, "Cache-Control: no-cache", hit=False),
    request("pragma-no-cache", FRESH, "Pragma: no-cache", hit=False),
    request("pragma-beside-cache-control", FRESH, "Pragma: no-cache\nCache-Control: max-age=60", hit=True),
    request("pragma-other", FRESH, "Pragma: unrecognised-extension", hit=True),
    play(
        "request-no-cache-modified",
        Turn(answer=FRESH + "Last-Modified: {now-10000}"),
        Turn(ask="Cache-Control: no-cache", expect="validated"),
    ),
    play("request-no-cache-tag", Turn(answer=TAGGED), Turn(ask="Cache-Control: no-cache", expect="validated")),
    play("response-pragma", Turn(answer=FRESH + "Pragma: no-cache"), Turn(expect="hit")),
    play("only-if-cached", Turn(ask="Cache-Control: only-if-cached", expect="hit", gives=504)),
    play("only-if-cached-hit", Turn(answer=FRESH), Turn(ask="Cache-Control: only-if-cached", expect="hit")),
    play(
        "only-if-cached-stale",
        Turn(answer=STALE, wait=3),
        Turn(ask="Cache-Control: only-if-cached", expect="hit", gives=504),
    ),
)
CONDITIONS = (
    conditional("strong", TAGGED, 'If-None-Match: "abcdef"'),
    conditional("weak-stored", FRESH + 'ETag: W/"abcdef"', 'If-None-Match: W/"abcdef"'),
    conditional("weak-asked", TAGGED, 'If-None-Match: W/"abcdef"'),
    conditional("first-of-several", TAGGED, 'If-None-Match: "abcdef", "1234", "5678"'),
    conditional("second-of-several", TAGGED, 'If-None-Match: "1234", "abcdef", "5678"'),
    conditional("last-of-several", TAGGED, 'If-None-Match: "1234", "5678", "abcdef"'),
    conditional("any", TAGGED, "If-None-Match: *"),
    conditional("another", TAGGED, 'If-None-Match: "x"', gives=200),
    conditional(
        "tag-before-date",
        TAGGED + "\nLast-Modified: {now-5000}",
        'If-None-Match: "abcdef"\nIf-Modified-Since: {now-9000}',
    ),
    conditional("modified", FRESH + "Last-Modified: {now-3000}", "If-Modified-Since: {now-3003}"),
    conditional("modified-earlier", FRESH + "Last-Modified: {now-3000}", "If-Modified-Since: {now-2000}"),
    conditional("modified-later", FRESH + "Last-Modified: {now-3000}", "If-Modified-Since: {now-4000}", gives=200),
    conditional("date-for-modified", FRESH, "If-Modified-Since: {now}"),
    conditional("date-after-modified", FRESH, "If-Modified-Since: {now-3000}", gives=200),
    play(
        "condition-304-fields",
        Turn(answer=TAGGED + "\nX-Big: 1\nVary: Foo"),
        Turn(
            ask='If-None-Match: "abcdef"',
            expect="hit",
            gives=304,
            shows=('ETag: "abcdef"', "Vary: Foo", "Cache-Control: max-age=3600"),
            lacks=("X-Big",),
        ),
    ),
    play("condition-forwarded", Turn(ask='If-None-Match: "a"', told=('If-None-Match: "a"',))),
    play(
        "condition-after-validation",
        Turn(answer="Cache-Control: max-age=2\nLast-Modified: {now-3000}\nDate: {now}", wait=3),
        Turn(ask="If-Modified-Since: {now-3003}", expect="validated", gives=304),
    ),
    play(
        "condition-on-what-is-new",
        Turn(answer='Cache-Control: max-age=2\nETag: "a"', wait=3),
        Turn(ask='If-None-Match: "b"', answer=FRESH + 'ETag: "b"', gives=304, told=('If-None-Match: "a"',)),
        Turn(expect="hit"),
    ),
    play(
        "condition-for-the-origin",
        Turn(answer=TAGGED),
        Turn(ask='If-Match: "abcdef"', told=('If-Match: "abcdef"',)),
    ),
    play(
        "condition-unmodified-for-the-origin",
        Turn(answer=TAGGED),
        Turn(ask="If-Unmodified-Since: {now}"),
    ),
)
VALIDATION = (
    play(
        "validate-strong",
        Turn(answer=STALE + '\nETag: "a"', wait=3),
        Turn(expect="validated", told=('If-None-Match: "a"',), content="validate-strong 0"),
    ),
    play(
        "validate-weak",
        Turn(answer=STALE + '\nETag: W/"a"', wait=3),
        Turn(expect="validated", told=('If-None-Match: W/"a"',)),
    ),
    play(
        "validate-modified",
        Turn(answer=STALE + "\nLast-Modified: {now-100}\nDate: {now}", wait=3),
        Turn(expect="validated", told=("If-Modified-Since: {now-103}",)),
    ),
    play(
        "validate-both",
        Turn(answer=STALE + '\nETag: "a"\nLast-Modified: {now-100}', wait=3),
        Turn(expect="validated", told=('If-None-Match: "a"', "If-Modified-Since: {now-103}")),
    ),
    play(
        "validate-vary",
        Turn(ask="Abc: 1", answer=STALE + '\nETag: "a"\nVary: Abc', wait=3),
        Turn(ask="Abc: 1", expect="validated", told=("Abc: 1",)),
    ),
    play(
        "validate-changed",
        Turn(answer=STALE + '\nETag: "a"', wait=3),
        Turn(answer=FRESH + 'ETag: "b"', body="new", content="new"),
        Turn(expect="hit", content="new", shows=('ETag: "b"',)),
    ),
    play(
        "validate-renews",
        Turn(answer=STALE + '\nETag: "a"\nDate: {now}', wait=3),
        Turn(answer='ETag: "a"', expect="validated", wait=1),
        Turn(expect="hit", age=1),
    ),
    play(
        "validate-keeps-fields",
        Turn(answer=STALE + "\nLast-Modified: {now-100}\nDate: {now}", wait=3),
        Turn(answer="Last-Modified: {now-103}\nDate: {now}", expect="validated", shows=("Template-A: 1",)),
    ),
    play(
        "validate-other-tag",  # a 304 about what is not stored: all of it is asked for, and is the answer
        Turn(answer=STALE + '\nETag: "a"', wait=3),
        Turn(answer='ETag: "b"', status=304, gives=304),
    ),
    *(update(name, first, then, then) for name, (first, then) in UPDATED.items()),
    *(update(name, "a", "b", "a") for name in FIXED),
)
HEAD = (
    play("head-goes-on", Turn(answer=STALE, wait=3), Turn(method="HEAD")),
    play(
        "head-renews",
        Turn(answer=STALE, wait=3),
        Turn(method="HEAD", answer="Cache-Control: max-age=1000\nTemplate-A: 2\nContent-Length: 13"),
        Turn(expect="hit", content="head-renews 0", shows=("Template-A: 2",)),
    ),
    play(
        "head-retains",
        Turn(answer=STALE + "\nOther: 3", wait=3),
        Turn(method="HEAD", answer="Cache-Control: max-age=1000\nContent-Length: 14"),
        Turn(expect="hit", shows=("Template-A: 1", "Other: 3")),
    ),
    play(
        "head-of-another-length",
        Turn(answer="Cache-Control: max-age=60"),
        Turn(method="HEAD", ask="Cache-Control: no-cache", answer="Cache-Control: max-age=60\nContent-Length: 99"),
        Turn(),
    ),
    play(
        "head-of-another-tag",
        Turn(answer=TAGGED),
        Turn(method="HEAD", ask="Cache-Control: no-cache", answer='Cache-Control: max-age=60\nETag: "other"'),
        Turn(),
    ),
    play(
        "head-410",
        Turn(answer=FRESH),
        Turn(method="HEAD", ask="Cache-Control: no-cache", status=410, answer="Cache-Control: max-age=1000"),
        Turn(expect="hit"),
    ),
)
ERRORS = (
    unreachable("max-age", "max-age=2", stale=True),
    unreachable("must-revalidate", "max-age=2, must-revalidate", stale=False),
    unreachable("proxy-revalidate", "max-age=2, proxy-revalidate", stale=False),
    unreachable("no-cache", "max-age=2, no-cache, stale-if-error=60", stale=False),
    unreachable("s-maxage", "s-maxage=2", stale=False),
    unreachable("longer-than-grace", "max-age=2", stale=False, wait=3700),
    unreachable("stale-if-error", "max-age=2, stale-if-error=60", stale=True),
    unreachable("stale-if-error-over", "s-maxage=2, stale-if-error=60", stale=False, wait=90),
    unreachable("stale-if-error-longer-than-grace", "max-age=2, stale-if-error=99999", stale=True, wait=3700),
    play(
        "stale-if-error-503",
        Turn(answer="Cache-Control: max-age=2, stale-if-error=60", body="old", wait=3),
        Turn(status=503, gives=200, content="old"),
    ),
    play(
        "stale-if-error-500-asked",
        Turn(answer="Cache-Control: max-age=2", body="old", wait=3),
        Turn(ask="Cache-Control: stale-if-error=60", status=500, gives=200, content="old"),
    ),
    play("error-503", Turn(answer="Cache-Control: max-age=2", wait=3), Turn(status=503)),
    play(
        "stale-if-error-404",
        Turn(answer="Cache-Control: max-age=2, stale-if-error=60", wait=3),
        Turn(status=404),
    ),
    play(
        "stale-if-error-forbidden",
        Turn(answer="Cache-Control: max-age=2, stale-if-error=60, must-revalidate", wait=3),
        Turn(status=503),
    ),
)
