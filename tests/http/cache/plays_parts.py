"""Plays about parts of a representation, and about what throws out what is stored."""

from __future__ import annotations

from tests.http.cache.playing import Play, Turn, play

LASTING = "Cache-Control: max-age=3600\n"
STRONG = LASTING + 'ETag: "a"\n'


def ranged(name: str, asked: str, content: str, shown: str) -> Play:
    """A range of what is stored whole."""
    return play(
        f"range-{name}",
        Turn(answer=LASTING + "A: 1", body="0123456789A"),
        Turn(
            ask=f"Range: {asked}", expect="hit", gives=206, content=content, shows=(f"Content-Range: {shown}", "A: 1")
        ),
    )


def part(name: str, asked: str, content: str | None) -> Play:
    """A range of what is stored in part: bytes 4 to 8 of 10."""
    first = Turn(ask="Range: bytes=4-8", answer=STRONG + "Content-Range: bytes 4-8/10", status=206, body="45678")
    if content is None:
        return play(f"part-{name}", first, Turn(ask=f"Range: {asked}", told=(f"Range: {asked}",)))
    return play(f"part-{name}", first, Turn(ask=f"Range: {asked}", expect="hit", gives=206, content=content))


FRONT = Turn(ask="Range: bytes=0-4", answer=STRONG + "Content-Range: bytes 0-4/10", status=206, body="01234")
RANGES = (
    ranged("both-ends", "bytes=0-1", "01", "bytes 0-1/11"),
    ranged("no-last", "bytes=1-", "123456789A", "bytes 1-10/11"),
    ranged("suffix", "bytes=-1", "A", "bytes 10-10/11"),
    play(
        "range-none-within",
        Turn(answer=LASTING, body="0123"),
        Turn(ask="Range: bytes=90-", expect="hit", gives=416, shows=("Content-Range: bytes */4",)),
    ),
    play(
        "range-malformed", Turn(answer=LASTING, body="0123"), Turn(ask="Range: bytes=b", expect="hit", content="0123")
    ),
    play(
        "range-if-range",
        Turn(answer=STRONG, body="0123"),
        Turn(ask='Range: bytes=0-1\nIf-Range: "a"', expect="hit", gives=206, content="01"),
    ),
    play(
        "range-if-range-other",
        Turn(answer=STRONG, body="0123"),
        Turn(ask='Range: bytes=0-1\nIf-Range: "b"', expect="hit", gives=200, content="0123"),
    ),
    play(
        "range-if-range-weak",
        Turn(answer=LASTING + 'ETag: W/"a"', body="0123"),
        Turn(ask='Range: bytes=0-1\nIf-Range: W/"a"', expect="hit", gives=200, content="0123"),
    ),
    play(
        "range-of-a-404",
        Turn(answer=LASTING, body="0123", status=404),
        Turn(ask="Range: bytes=0-1", expect="hit", gives=404, content="0123"),
    ),
    play(
        "range-forwarded",
        Turn(ask="Range: bytes=0-1", answer=LASTING, body="0123", told=("Range: bytes=0-1",)),
        Turn(expect="hit", content="0123"),
    ),
)
PARTS = (
    part("same", "bytes=4-8", "45678"),
    part("within", "bytes=6-8", "678"),
    part("suffix-past-the-end", "bytes=-1", None),
    part("before", "bytes=3-5", None),
    play(
        "part-suffix",
        Turn(ask="Range: bytes=-5", answer=STRONG + "Content-Range: bytes 5-9/10", status=206, body="56789"),
        Turn(ask="Range: bytes=-1", expect="hit", gives=206, content="9"),
        Turn(ask="Range: bytes=6-", expect="hit", gives=206, content="6789"),
    ),
    play(
        "part-completed",
        FRONT,
        Turn(
            answer=STRONG + "Content-Range: bytes 5-9/10",
            status=206,
            body="56789",
            gives=200,
            content="0123456789",
            told=("Range: bytes=5-", 'If-Range: "a"'),
        ),
        Turn(expect="hit", content="0123456789"),
    ),
    play(
        "part-completed-by-all",
        FRONT,
        Turn(answer=STRONG, body="0123456789", told=("Range: bytes=5-",), content="0123456789"),
        Turn(expect="hit", content="0123456789"),
    ),
    play(
        "part-without-validator",
        Turn(ask="Range: bytes=0-4", answer=LASTING + "Content-Range: bytes 0-4/10", status=206, body="01234"),
        Turn(answer=LASTING, body="whole", told=("Range: bytes=5-",), untold=("If-Range",), content="whole"),
    ),
    play(
        "part-joined",
        FRONT,
        Turn(ask="Range: bytes=5-9", answer=STRONG + "Content-Range: bytes 5-9/10", status=206, body="56789"),
        Turn(expect="hit", content="0123456789"),
    ),
    play(
        "part-of-another",
        FRONT,
        Turn(
            ask="Range: bytes=5-9", answer=LASTING + 'ETag: "b"\nContent-Range: bytes 5-9/10', status=206, body="fghij"
        ),
        Turn(ask="Range: bytes=0-4", told=("Range: bytes=0-4",)),
    ),
    play(
        "part-of-unknown-size",
        Turn(ask="Range: bytes=0-1", answer=STRONG + "Content-Range: bytes 0-1/*", status=206, body="01"),
        Turn(ask="Range: bytes=0-1"),
    ),
    play(
        "part-of-wrong-length",
        Turn(ask="Range: bytes=-5", answer=STRONG + "Content-Range: bytes 4-9/10", status=206, body="01234"),
        Turn(ask="Range: bytes=-5"),
    ),
)


def changes(method: str, name: str, *, fails: bool) -> Play:
    return play(
        f"invalidate-{name}{'-failed' if fails else ''}",
        Turn(answer=LASTING),
        Turn(method=method, status=500 if fails else 200),
        Turn(expect="hit" if fails else "miss"),
    )


def names_another(method: str, field: str) -> Play:
    name = f"invalidate-{method}-{field}"
    return play(
        name,
        Turn(answer=LASTING, at="/other"),
        Turn(method=method, answer=f"{field}: /{name}/other"),
        Turn(at="/other"),
    )


INVALIDATION = (
    *(changes(method, method, fails=fails) for method in ("POST", "PUT", "DELETE", "M-SEARCH") for fails in (0, 1)),
    *(names_another(method, name) for method in ("POST", "PUT", "DELETE") for name in ("Location", "Content-Location")),
    play(
        "invalidate-not-elsewhere",
        Turn(answer=LASTING, at="/other"),
        Turn(method="POST", answer="Location: http://else.test/invalidate-not-elsewhere/other"),
        Turn(at="/other", expect="hit"),
    ),
    play(
        "invalidate-relative",
        Turn(answer=LASTING, at="/b/c"),
        Turn(method="POST", at="/b/d", answer="Location: c#fragment"),
        Turn(at="/b/c"),
    ),
    play(
        "invalidate-303",
        Turn(answer=LASTING),
        Turn(method="POST", status=303, answer="Location: /"),
        Turn(),
    ),
    play("invalidate-not-by-options", Turn(answer=LASTING), Turn(method="OPTIONS"), Turn(expect="hit")),
)
