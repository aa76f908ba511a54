"""What two readers could take for different requests is refused at the door: nothing of it comes to the upstream."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest

from tests.cores.http1_corpus import REQUESTS, Case, chunked, with_field
from tests.servers.bad_input.judged import DOORS, Door, judging

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
GROUPS = sorted({case.group for case in REQUESTS})

both = pytest.mark.parametrize("door", DOORS)


def te(line: bytes) -> Case:
    """A coding that one of two readers may not see, beside a length that holds the smuggled request."""
    body = b"0\r\n\r\n" + SMUGGLED
    return Case("te", with_field(line + b"\r\nContent-Length: %d" % len(body), body), "", 0)


OBFUSCATED = [
    te(line)
    for line in (
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
        b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding:\tchunked",
        b"Transfer-Encoding:\x0bchunked",
        b"Transfer-Encoding:\x0cchunked",
        b" Transfer-Encoding: chunked",
        b"X: X\nTransfer-Encoding: chunked",
        b"X: X\rTransfer-Encoding: chunked",
        b"X: X\r\n\rTransfer-Encoding: chunked",
        b"Transfer-Encoding\n: chunked",
        b"Transfer-Encoding\r\n : chunked",
        b"Transfer-Encoding:\n chunked",
        b"Transfer-Encoding:\r\n chunked",
        b"Transfer-Encoding: cow\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked, cow",
        b"Transfer-Encoding: cow, chunked",
        b"Transfer-Encoding: chunked, identity",
        b'Transfer-Encoding: "chunked"',
        b"Transfer-Encoding: 'chunked'",
        b"Transfer-Encoding: chunk",
        b"Transfer-Encoding: Chunked",
        b"TRANSFER-ENCODING: CHUNKED",
        b"Transfer-Encoding: chunked;",
        b"Transfer-Encoding: chunked\x00",
        b"Transfer-Encoding\x00: chunked",
        b"Transfer-Encoding: \x00chunked",
        b"Transfer-Encoding: chunked\xff",
        b"Transfer-Encoding: \xa0chunked",
        b"Transfer-Encoding\x85: chunked",
        b"\x00Transfer-Encoding: chunked",
        b"Transfer-Encoding: identity",
        b"Transfer-Encoding:",
        b"Transfer-Encoding",
        b"Foo: bar\r\n\tTransfer-Encoding: chunked",
        b":transfer-encoding: chunked",
        b"Transfer-Encoding: chunked\r\nConnection: Transfer-Encoding",
    )
]
LENGTHS = [  # CL.0, 0.CL, and two readers of one number
    Case("cl", with_field(lines, SMUGGLED), "", 0)
    for lines in (
        b"Content-Length: 0\r\nContent-Length: %d" % len(SMUGGLED),
        b"Content-Length: %d\r\nContent-Length: 0" % len(SMUGGLED),
        b"Content-Length: %d\r\ncontent-length: %d" % (len(SMUGGLED), len(SMUGGLED)),
        b"Content-Length : %d" % len(SMUGGLED),
        b"Content-Length:\r\n %d" % len(SMUGGLED),
        b" Content-Length: %d" % len(SMUGGLED),
        b"Content-Length: +%d" % len(SMUGGLED),
        b"Content-Length: 0%d_" % len(SMUGGLED),
        b"Content-Length: 0x%x" % len(SMUGGLED),
        b"Content-Length: %d, %d" % (len(SMUGGLED), len(SMUGGLED)),
        b"Content-Length: %d,0" % len(SMUGGLED),
        b"Content-Length: %d\x00" % len(SMUGGLED),
        b"Content-Length\x00: %d" % len(SMUGGLED),
        b"Content-Length: -1",
        b"Content-Length: 18446744073709551616",
        b"Expect: 100-continue\r\nContent-Length : %d" % len(SMUGGLED),
    )
]
HEADS = [  # what other versions and other readers call a request
    Case("head", data, "", 0)
    for data in (
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a/../b\r\n\r\n",
        b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n:path: /admin\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n:method: POST\r\n:authority: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nfoo: bar\r\n\r",
        b"GET / HTTP/1.1\r\nHost: a\r\nx: \x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nx y: z\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nx(y): z\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\rHost: a\r\r",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: y\n\n",
        b"GET /\rX HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /\t HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET\x00 / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://a@b/ HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/0.9\r\n\r\n",
        b"GET /\r\n",
        b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    )
]
BODIES = [  # found behind a good head, in the same read
    Case("body", chunked(body), "", 0)
    for body in (
        b"0\r\nGET /smuggled HTTP/1.1\r\nX: y\r\n\r\n",
        b"0\r\nContent-Length: 5\r\n\r\n",
        b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"0\r\nHost: b\r\n\r\n",
        b"3;\nabc\r\n0\r\n\r\n",
        b"3;x=\nabc\r\n0\r\n\r\n",
        b'3;x="\n"\r\nabc\r\n0\r\n\r\n',
        b"3;x\rabc\r\n0\r\n\r\n",
        b"3 \r\nabc\r\n0\r\n\r\n",
        b"3\t;x\t\r\nabc\r\n0\r\n\r\n",
        b"0x3\r\nabc\r\n0\r\n\r\n",
        b"+3\r\nabc\r\n0\r\n\r\n",
        b"-1\r\nabc\r\n0\r\n\r\n",
        b"3_0\r\nabc\r\n0\r\n\r\n",
        b"\xef\xbc\x93\r\nabc\r\n0\r\n\r\n",
        b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        b"3\r\nabcX\r\n0\r\n\r\n",
        b"3\r\nabc\n0\r\n\r\n",
        b"3\r\nabc\r0\r\n\r\n",
        b"3\r\nabc0\r\n\r\n",
        b"3\nabc\n0\n\n",
        b"0\n\n",
        b"0\r\r\n",
        b"\r\n0\r\n\r\n",
    )
]
SHAPES = {"te": OBFUSCATED, "cl": LENGTHS, "head": HEADS, "body": BODIES}


async def refused(door: Door, shape: bytes, *pieces: bytes) -> list[str]:
    """What is wrong with how a shape was refused: nothing, or sentences."""
    judge = door.judge
    before, whole = sum(map(len, judge.heard)), len(judge.requests)
    answer = await door.say(*(pieces or (shape + SMUGGLED,)))
    wrong = []
    statuses = re.findall(rb"(?:^|\n)HTTP/1\.1 (\d{3}) ", answer)
    good = shape.count(b"/1 HTTP/1")  # a request before the shape, which is none of it
    if len(statuses) != good + 1 or statuses[-1] not in (b"400", b"413", b"414", b"431", b"501", b"505"):
        wrong.append(f"answered {statuses}")
    if [target for _, target, _ in judge.requests[whole:]] != ["/1"] * good:
        wrong.append(f"requests came through: {judge.requests[whole:]}")
    if not good and sum(map(len, judge.heard)) != before:
        wrong.append(f"the upstream heard {b''.join(judge.heard)[before:]!r}")
    return [f"{shape!r}: {sentence}" for sentence in wrong]


async def all_refused(make: Any, cases: Sequence[Case]) -> list[str]:
    wrong: list[str] = []
    async with judging() as (judge, port), make(port, judge) as door:
        for one in cases:
            await door.warm()
            wrong += await refused(door, door.asked(one.data))
        await door.warm()
        return wrong + judge.faults


@both
@pytest.mark.parametrize("group", GROUPS)
async def test_whatever_the_core_refuses_is_refused_at_the_door(door: Any, group: str) -> None:
    cases = [one for one in REQUESTS if one.group == group and one.rule not in (None, "message.truncated")]
    assert await all_refused(door, cases) == []


@both
@pytest.mark.parametrize("group", SHAPES)
async def test_smuggling_shapes(door: Any, group: str) -> None:
    assert await all_refused(door, SHAPES[group]) == []


@both
async def test_a_shape_in_pieces(door: Any) -> None:
    """However the network cuts it: what has begun breaks off, no whole request comes through, and nothing behind it."""
    wrong: list[str] = []
    async with judging() as (judge, port), door(port, judge) as here:
        for one in [*OBFUSCATED[:8], *LENGTHS[:4], *BODIES]:
            await here.warm()
            whole = len(judge.requests)
            data = here.asked(one.data) + SMUGGLED
            cut = data.index(b"\r\n\r\n") + 4
            await here.say(data[: cut - 3], data[cut - 3 : cut + 1], data[cut + 1 :])
            if judge.requests[whole:] or b"smuggled" in b"".join(judge.heard):
                wrong.append(f"{data!r}: {judge.requests[whole:]}")
        assert wrong == []
        assert judge.faults == []
