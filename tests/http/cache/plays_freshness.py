"""Plays about how long an answer is fresh, and how old it is."""

from __future__ import annotations

from tests.http.cache.playing import Play, Turn, play

GUESSABLE = (200, 203, 204, 404, 405, 410, 414, 501)
HEURISTIC = {status: status in GUESSABLE for status in (*GUESSABLE, 201, 202, 403, 502, 503, 504, 599)}
INVALID_DATES = {
    "0": "0",
    "no-comma": "Thu 18 Aug 2050 02:01:18 GMT",
    "utc": "Thu, 18 Aug 2050 02:01:18 UTC",
    "other-zone": "Thu, 18 Aug 2050 02:01:18 AEST",
    "two-digit-year": "Thu, 18 Aug 50 02:01:18 GMT",
    "blanks": "Thu, 18  Aug  2050 02:01:18 GMT",
    "dashes": "Thu, 18-Aug-2050 02:01:18 GMT",
    "periods": "Thu, 18 Aug 2050 02.01.18 GMT",
    "one-digit-hour": "Thu, 18 Aug 2050 2:01:18 GMT",
}
VALID_DATES = {
    "rfc850": "Thursday, 18-Aug-50 02:01:18 GMT",
    "asctime": "Thu Aug  8 02:01:18 2050",
    "weekday-case": "THU, 18 Aug 2050 02:01:18 GMT",
    "month-case": "Thu, 18 AUG 2050 02:01:18 GMT",
    "zone-case": "Thu, 18 Aug 2050 02:01:18 gMT",
}


def kept(name: str, answer: str, wait: float = 3) -> Play:
    """An answer that is used again."""
    return play(name, Turn(answer=answer, wait=wait), Turn(expect="hit"))


def asked(name: str, answer: str, wait: float = 3) -> Play:
    """An answer that is not."""
    return play(name, Turn(answer=answer, wait=wait), Turn())


def age(name: str, value: str, *, stale: bool, lifetime: int = 3600) -> Play:
    make = asked if stale else kept
    return make(f"age-{name}", f"Date: {{now}}\nCache-Control: max-age={lifetime}\n{value}")


FRESHNESS = (
    asked("freshness-none", ""),
    kept("max-age", "Cache-Control: max-age=3600"),
    asked("max-age-0", "Cache-Control: max-age=0"),
    kept("max-age-2147483647", "Cache-Control: max-age=2147483647"),
    kept("max-age-2147483648", "Cache-Control: max-age=2147483648"),
    kept("max-age-2147483649", "Cache-Control: max-age=2147483649"),
    kept("max-age-99999999999", "Cache-Control: max-age=99999999999"),
    asked("max-age-over", "Cache-Control: max-age=2"),
    kept("max-age-on-the-last-second", "Cache-Control: max-age=3", wait=2.9),
    asked("max-age-age", "Date: {now}\nCache-Control: max-age=3600\nAge: 7200"),
    asked("max-age-date", "Date: {now-7200}\nCache-Control: max-age=3600"),
    kept("max-age-past-expires", "Cache-Control: max-age=3600\nExpires: {now-7200}\nDate: {now}"),
    kept("max-age-invalid-expires", "Cache-Control: max-age=3600\nExpires: 0\nDate: {now}"),
    asked("max-age-0-future-expires", "Cache-Control: max-age=0\nExpires: {now+7200}\nDate: {now}"),
    kept("max-age-extension", "Cache-Control: foobar, max-age=3600"),
    kept("max-age-case", "Cache-Control: MaX-aGe=3600"),
    asked("max-age-negative", "Cache-Control: max-age=-3600"),
    kept("s-maxage", "Cache-Control: s-maxage=3600"),
    asked("s-maxage-shorter", "Cache-Control: max-age=3600, s-maxage=1"),
    asked("s-maxage-shorter-first", "Cache-Control: s-maxage=1, max-age=3600"),
    asked("s-maxage-shorter-lines", "Cache-Control: max-age=3600\nCache-Control: s-maxage=1"),
    kept("s-maxage-longer", "Cache-Control: max-age=1, s-maxage=3600"),
    kept("s-maxage-longer-expires", "Expires: {now-10}\nCache-Control: max-age=0, s-maxage=3600"),
)
PARSING = (
    kept("cc-quoted", 'Cache-Control: max-age="3600"'),
    asked("cc-single-quoted", "Cache-Control: max-age='3600'"),
    asked("cc-inside-quotes", 'Cache-Control: extension="max-age=3600", max-age=1'),
    asked("cc-inside-quotes-behind", 'Cache-Control: max-age=1, extension="max-age=3600"'),
    asked("cc-inside-quotes-both", 'Cache-Control: extension="max-age=3600", max-age="1"'),
    asked("cc-escaped-quote", 'Cache-Control: extension="a\\", max-age=3600", max-age=1'),
    kept("cc-leading-zeros", "Cache-Control: max-age=003600"),
    asked("cc-decimal", "Cache-Control: max-age=3600.5"),
    asked("cc-blank-before-equals", "Cache-Control: max-age =3600"),
    asked("cc-blank-behind-equals", "Cache-Control: max-age= 3600"),
    asked("cc-letter-before", "Cache-Control: max-age=a3600"),
    asked("cc-letter-behind", "Cache-Control: max-age=3600a"),
    kept("cc-first-of-two", "Cache-Control: max-age=1800, max-age=1"),
    kept("cc-first-of-two-lines", "Cache-Control: max-age=1800\nCache-Control: max-age=1"),
    asked("cc-first-of-two-stale", "Cache-Control: max-age=1, max-age=1800"),
    asked("cc-empty-members", "Cache-Control: , ,max-age=1, ,"),
)
AGE = (
    age("letters", "Age: abc", stale=False),
    age("negative", "Age: -7200", stale=False),
    age("float", "Age: 7200.0", stale=False),
    age("parameter", "Age: 7200;foo=bar", stale=False),
    age("2147483647", "Age: 2147483647", stale=True),
    age("2147483648", "Age: 2147483648", stale=True),
    age("99999999999999999999", "Age: 99999999999999999999", stale=True),
    age("old-then-0", "Age: 7200, 0", stale=True),
    age("0-then-old", "Age: 0, 7200", stale=False),
    age("old-then-0-lines", "Age: 7200\nAge: 0", stale=True),
    age("0-then-old-lines", "Age: 0\nAge: 7200", stale=False),
    age("twice-0", "Age: 0, 0", stale=False),
    age("twice-the-same", "Age: 3600\nAge: 3600", stale=False, lifetime=10000),
)
EXPIRES = (
    kept("expires-future", "Expires: {now+2592000}\nDate: {now}"),
    asked("expires-past", "Expires: {now-2592000}\nDate: {now}"),
    asked("expires-now", "Expires: {now}\nDate: {now}", wait=0),
    asked("expires-before-date", "Expires: {now+300}\nDate: {now+400}"),
    kept("expires-invalid-date", "Expires: {now+10}\nDate: foo", wait=0),
    kept("expires-no-date", "Expires: {now+10}"),
    kept("expires-beside-cache-control", "Expires: {now+10}\nDate: {now}\nCache-Control: public"),
    asked("expires-age-slow-date", "Date: {now-10}\nExpires: {now+10}\nAge: 25", wait=0),
    asked("expires-age-fast-date", "Date: {now+10}\nExpires: {now+20}\nAge: 15", wait=0),
    *(asked(f"expires-{name}", f"Expires: {value}\nDate: {{now}}", wait=0) for name, value in INVALID_DATES.items()),
    *(kept(f"expires-{name}", f"Expires: {value}\nDate: {{now}}") for name, value in VALID_DATES.items()),
)
GUESSED = (
    *(
        play(
            f"heuristic-{status}",
            Turn(answer="Last-Modified: {now-86400}\nDate: {now}", status=status),
            Turn(expect="hit", gives=status) if fresh else Turn(status=status),
        )
        for status, fresh in HEURISTIC.items()
    ),
    play(
        "heuristic-599-public",
        Turn(answer="Last-Modified: {now-86400}\nDate: {now}\nCache-Control: public", status=599),
        Turn(expect="hit", gives=599),
    ),
    kept("heuristic-a-tenth", "Last-Modified: {now-600}\nDate: {now}", wait=55),
    asked("heuristic-more-than-a-tenth", "Last-Modified: {now-600}\nDate: {now}", wait=65),
    asked("heuristic-a-day-at-most", "Last-Modified: {now-864000000}\nDate: {now}", wait=90000),
    asked("heuristic-not-for-cookies", "Last-Modified: {now-86400}\nDate: {now}\nSet-Cookie: a=b"),
    kept("heuristic-attachment", "Last-Modified: {now-86400}\nDate: {now}\nContent-Disposition: attachment"),
)
AGED = (
    play("age-generated", Turn(answer="Cache-Control: max-age=60", wait=3), Turn(expect="hit", age=3)),
    play("age-added-to", Turn(answer="Cache-Control: max-age=60\nAge: 30", wait=3), Turn(expect="hit", age=33)),
    play(
        "age-added-to-expires",
        Turn(answer="Expires: {now+600}\nDate: {now}\nAge: 30", wait=3),
        Turn(expect="hit", age=33),
    ),
    play(
        "date-stays",
        Turn(answer="Cache-Control: max-age=60\nDate: {now-5}", wait=3),
        Turn(expect="hit", shows=("Date: {now-8}",), age=8),
    ),
    play(
        "date-given",
        Turn(answer="Cache-Control: max-age=60", wait=3, shows=("Date: {now}",)),
        Turn(expect="hit", shows=("Date: {now-3}",)),
    ),
    play(
        "expires-stays",
        Turn(answer="Expires: {now+600}\nDate: {now}", wait=3),
        Turn(expect="hit", shows=("Expires: {now+597}",)),
    ),
)
TARGETED = (
    kept("cdn-max-age", "CDN-Cache-Control: max-age=3600"),
    kept("cdn-max-age-99999999999", "CDN-Cache-Control: max-age=99999999999"),
    asked("cdn-max-age-age", "Date: {now}\nCDN-Cache-Control: max-age=3600\nAge: 7200"),
    asked("cdn-blank-before-equals", "Cache-Control: max-age=1\nCDN-Cache-Control: max-age =100"),
    asked("cdn-blank-behind-equals", "Cache-Control: max-age=1\nCDN-Cache-Control: max-age= 100"),
    asked("cdn-max-age-0", "CDN-Cache-Control: max-age=0"),
    kept("cdn-extension", "CDN-Cache-Control: foobar, max-age=3600"),
    asked("cdn-upper-case-is-no-key", "CDN-Cache-Control: MaX-aGe=3600"),
    kept("cdn-past-expires", "CDN-Cache-Control: max-age=3600\nExpires: {now-10000}\nDate: {now}"),
    kept("cdn-invalid-expires", "CDN-Cache-Control: max-age=3600\nExpires: 0\nDate: {now}"),
    asked("cdn-max-age-0-expires", "CDN-Cache-Control: max-age=0\nExpires: {now+10000}\nDate: {now}"),
    kept("cdn-longer", "Cache-Control: max-age=1\nCDN-Cache-Control: max-age=3600"),
    asked("cdn-shorter", "Cache-Control: max-age=3600\nCDN-Cache-Control: max-age=1"),
    asked("cdn-private", "CDN-Cache-Control: private\nCache-Control: max-age=10000"),
    asked("cdn-no-cache", "CDN-Cache-Control: no-cache\nCache-Control: max-age=10000"),
    asked("cdn-no-store", "CDN-Cache-Control: no-store\nCache-Control: max-age=10000\nExpires: {now+1000}"),
    kept("cdn-in-place-of-no-store", "Cache-Control: no-store\nCDN-Cache-Control: max-age=10000"),
    asked("cdn-malformed", "CDN-Cache-Control: max-age=10000, &&&&&\nCache-Control: no-store"),
    asked("cdn-wrong-type", 'CDN-Cache-Control: max-age="10000"\nCache-Control: no-store'),
    kept("cdn-empty", "CDN-Cache-Control: \nCache-Control: max-age=60"),
    play(
        "cdn-passed-on",
        Turn(answer="CDN-Cache-Control: max-age=60", shows=("CDN-Cache-Control: max-age=60",), wait=3),
        Turn(expect="hit", shows=("CDN-Cache-Control: max-age=60",), age=3),
    ),
)
