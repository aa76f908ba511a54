"""Plays about Vary: who selects what is stored."""

from __future__ import annotations

from tests.http.cache.playing import Play, Turn, play

LASTING = "Cache-Control: max-age=5000\nLast-Modified: {now-3000}\nDate: {now}\n"


def vary(name: str, vary_by: str, first: str, then: str, *, hit: bool, more: str = "") -> Play:
    answer = LASTING + "".join(f"Vary: {line}\n" for line in vary_by.split("|")) + more
    return play(f"vary-{name}", Turn(ask=first, answer=answer), Turn(ask=then, expect="hit" if hit else "miss"))


STARS = {"star": "*", "star-star": "*, *", "lines": "*|*", "empty-star": ", *", "empty-line": "|*"}
STARS |= {"star-foo": "*, Foo", "foo-star": "Foo, *"}
LANGUAGES = "Accept-Language: en, de"
VARY = (
    vary("match", "Foo", "Foo: 1", "Foo: 1", hit=True),
    vary("no-match", "Foo", "Foo: 1", "Foo: 2", hit=False),
    vary("omit-stored", "Foo", "", "Foo: 1", hit=False),
    vary("omit", "Foo", "Foo: 1", "", hit=False),
    vary("other", "Foo", "Foo: 1\nOther: 2", "Foo: 1\nOther: 3", hit=True),
    vary("two-match", "Foo, Bar", "Foo: 1\nBar: abc", "Foo: 1\nBar: abc", hit=True),
    vary("two-no-match", "Foo, Bar", "Foo: 1\nBar: abc", "Foo: 2\nBar: abc", hit=False),
    vary("two-lines", "Foo|Bar", "Foo: 1\nBar: abc", "Foo: 1\nBar: abd", hit=False),
    vary("two-omit", "Foo, Bar", "Foo: 1\nBar: abc", "", hit=False),
    vary("three-order", "Foo, Bar, Baz", "Foo: 1\nBar: a\nBaz: 7", "Baz: 7\nFoo: 1\nBar: b", hit=False),
    vary("three-omit", "Foo, Bar, Baz", "Foo: 1\nBaz: 7", "Baz: 7\nFoo: 1", hit=True),
    *(vary(f"syntax-{name}", value, "Foo: 1", "Foo: 1", hit=False) for name, value in STARS.items()),
    vary("combined", "Foo", "Foo: 1, 2", "Foo: 1\nFoo: 2", hit=True),
    vary("blanks", "Foo", "Foo: 1,2", "Foo:  1, 2 ", hit=True),
    vary("quoted-blanks", "Foo", 'Foo: "1,2"', 'Foo: "1, 2"', hit=False),
    vary("language-order", "Accept-Language", LANGUAGES, "Accept-Language: de, en", hit=True),
    vary("language-case", "Accept-Language", LANGUAGES, "Accept-Language: eN, De", hit=True),
    vary("language-blanks", "Accept-Language", LANGUAGES, "Accept-Language:  en ,   de", hit=True),
    vary("language-weights", "Accept-Language", LANGUAGES, "Accept-Language: en;q=0.5, de", hit=False),
    vary(
        "language-select",
        "Accept-Language",
        LANGUAGES,
        "Accept-Language: fr;q=0.5, de;q=1.0",
        hit=True,
        more="Content-Language: de\n",
    ),
    vary(
        "language-other",
        "Accept-Language",
        LANGUAGES,
        "Accept-Language: fr, de;q=0.9",
        hit=False,
        more="Content-Language: de\n",
    ),
    vary(
        "encoding-weights", "Accept-Encoding", "Accept-Encoding: gzip, br", "Accept-Encoding: br;q=1.0,gzip", hit=True
    ),
    vary("written-here", "X-Forwarded-For", "", "", hit=False),
    play(
        "vary-two-variants",
        Turn(ask="Foo: 1", answer=LASTING + "Vary: Foo", body="one"),
        Turn(ask="Foo: 2", answer=LASTING + "Vary: Foo", body="two"),
        Turn(ask="Foo: 1", expect="hit", content="one"),
        Turn(ask="Foo: 2", expect="hit", content="two"),
    ),
    play(
        "vary-mismatch-is-not-validated",
        Turn(ask="Foo: 1", answer=LASTING + 'ETag: "a"\nVary: Foo'),
        Turn(ask="Foo: 2", untold=("If-None-Match",)),
    ),
)
