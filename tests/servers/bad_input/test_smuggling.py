"""What two readers could take for different requests is refused at the door: nothing of it comes to the upstream."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import pytest

from tests.cores.http1_corpus import REQUESTS, Case, chunked, with_field
from tests.http.serving import connected
from tests.http.upstreams import Called, scripted
from tests.servers.bad_input.judged import DOORS, Door, Judge, judging

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


@both
async def test_what_is_taken_comes_out_as_one_request_that_nobody_can_read_otherwise(door: Any) -> None:
    """Every request that is right but odd: h11 reads from it what we did."""
    wrong: list[str] = []
    async with judging() as (judge, port), door(port, judge) as here:
        for one in [
            one for one in REQUESTS if one.rule is None and b"CONNECT" not in one.data and b"://" not in one.data
        ]:
            whole = len(judge.requests)
            answer = await here.say(here.asked(one.data))
            finals = re.findall(rb"(?:^|\n)HTTP/1\.1 ([2-5]\d\d) ", answer)
            if len(judge.requests) - whole != finals.count(b"200") or judge.faults:
                wrong.append(f"{one.id}: {finals}, {judge.requests[whole:]}, {judge.faults}")
                judge.faults.clear()
    assert wrong == []


@both
@pytest.mark.parametrize(
    "fields",
    [
        b"Content_Length: 5",
        b"Transfer_Encoding: chunked",
        b"TRANSFER_ENCODING: chunked",
        b"X_Forwarded_For: 6.6.6.6",
        b"x-forwarded_for: 6.6.6.6",
        b"Proxy_Authorization: Basic eDp5",
        b"Connection: Content-Length, Host, Transfer-Encoding, X-Forwarded-For",
        b"Connection: close, Via",
        b"Keep-Alive: 5\r\nProxy-Connection: keep-alive\r\nTE: chunked",
    ],
)
async def test_fields_that_another_reader_takes_for_others(door: Any, fields: bytes) -> None:
    """What CGI and its heirs cannot tell from a field of framing or forwarding does not travel; nor can one be lost."""
    async with judging() as (judge, port), door(port, judge) as here:
        shape = b"POST /x HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\nContent-Length: 7\r\n\r\ncontent"
        assert (await here.say(here.asked(shape))).startswith(b"HTTP/1.1 200 ")
        assert judge.requests == [("POST", "/x", b"content")]
        head = judge.heard[0].partition(b"\r\n\r\n")[0]
        names = [line.partition(b":")[0].lower().replace(b"_", b"-") for line in head.split(b"\r\n")[1:]]
        assert names.count(b"content-length") == names.count(b"host") == 1
        assert names.count(b"via") == 1
        assert not {b"transfer-encoding", b"proxy-authorization", b"keep-alive", b"te", b"connection"} & set(names)
        assert b"6.6.6.6" not in head


@both
async def test_the_target_counts_and_not_host(door: Any) -> None:
    """RFC 9112 3.2.2: in absolute form, whatever stands in Host; the upstream is told one name."""
    async with judging() as (judge, port), door(port, judge) as here:
        there = here.upstream.encode()
        await here.say(b"GET http://%b/x HTTP/1.1\r\nHost: evil.test\r\n\r\n" % there)
        assert judge.requests == [("GET", "/x", b"")]
        assert b"evil.test" not in judge.heard[0]
        assert b"\r\nHost: %b\r\n" % there in judge.heard[0]


@both
@pytest.mark.parametrize("frame", [b"Content-Length: %d" % len(SMUGGLED), b"Transfer-Encoding: chunked"])
async def test_content_that_comes_when_the_upstream_has_answered_is_no_request(door: Any, frame: bytes) -> None:
    """A pause, and an upstream that does not wait for content (CL.0): its connection is not used any more."""
    answered, told = asyncio.Event(), asyncio.Event()

    async def hasty(called: Called) -> None:
        while True:
            head = await called.head()
            await called.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            if b"POST" in head:
                answered.set()
                await called.until(b"smuggled")
                told.set()

    content = SMUGGLED if b"Length" in frame else b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)
    async with scripted(hasty) as upstream, door(upstream.port, Judge()) as here, connected(here.proxy.port) as client:
        here.judge, here.upstream = Judge(), f"127.0.0.1:{upstream.port}"
        await client.send(here.asked(b"POST /x HTTP/1.1\r\nHost: a\r\n" + frame + b"\r\n\r\n"))
        await answered.wait()
        assert (await client.response())[1] == b"ok"
        await client.send(content + here.asked(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"))
        client.end()
        rest = await client.all()
        assert rest.count(b"HTTP/1.1 ") <= 1
        assert not told.is_set()
        assert b"smuggled" not in b"".join(called.heard for called in upstream.calls)
        assert len(upstream.calls) == 1 + rest.count(b"HTTP/1.1 200 ")
