"""Upstreams that die, stall, lie and come back: who answers instead, what is never repeated, and who is left alone."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from netlab.flow import Outcome
from netlab.http.retry_on import RetryOn
from netlab.net.certs import Authority
from netlab.net.tls_context import leaf_context
from netlab.policy.breaker import State
from tests.http.serving import SECONDS, connected
from tests.http.upstreams import OK, Called, Script, Scripted, dying, named, saying, scripted, silent
from tests.servers.reverse_proxy.proxied import Reverse, members, proxied


async def free_port() -> int:
    async with scripted(silent) as upstream:
        return upstream.port


async def closing(called: Called) -> None:
    """Takes a request's head and closes."""
    await called.head()


@asynccontextmanager
async def two(first: Script, second: Script, **options: Any) -> AsyncIterator[tuple[Scripted, Scripted, Reverse]]:
    """Two upstreams and a proxy to them."""
    async with scripted(first) as one, scripted(second) as other, proxied(one.port, other.port, **options) as proxy:
        yield one, other, proxy


async def shut(called: Called) -> None:
    """Resets every connection as soon as it stands."""
    called.reset()


async def eager(called: Called) -> None:
    """Speaks before it is asked, as servers of other protocols do."""
    await called.say(b"220 mail.test ESMTP\r\n")
    await called.reader.read(-1)


LIES = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000,
    b"HTTP/1.1 200 OK\r\nContent-Length",
    b"HTTP/1.1 103 Early\r\n\r\n" * 40,
    b"HTTP/1.1 205 Reset Content\r\nContent-Length: 2\r\n\r\nno",
]
BROKEN: list[Script] = [dying, closing, silent, shut, eager, *(saying(lie) for lie in LIES)]


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_what_one_cannot_answer_the_other_does(broken: Script, method: str) -> None:
    async with two(broken, named("good"), timeout=0.3 if broken is silent else SECONDS) as (bad, _, proxy):
        answers = [await proxy.ask(f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n".encode()) for _ in range(4)]
        assert all(b"HTTP/1.1 200 " in answer for answer in answers)
        assert len(bad.calls) == 2  # every second begins there
        retried = proxy.notes("request.retried")
        assert [note["failed"] for note in retried] == [f"http://127.0.0.1:{bad.port}"] * 2
        legs = [flow for flow in proxy.flows if flow.kind == "http" and flow.parent in proxy.requests()]
        assert len(legs) == 6  # each attempt is a leg of its own
        assert all(flow.outcome == Outcome.OK for flow in proxy.requests())


async def test_nobody_listening_is_no_reason_to_fail_even_for_a_post() -> None:
    async with scripted(named("good")) as good, proxied(await free_port(), good.port) as proxy:
        for _ in range(4):
            answer = await proxy.ask(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
            assert answer.startswith(b"HTTP/1.1 200 ")  # nothing of the request had been sent
        assert len(proxy.notes("request.retried")) == 2


@pytest.mark.parametrize("broken", [dying, silent])
async def test_a_post_that_was_sent_is_not_repeated(broken: Script) -> None:
    async with two(broken, named("good"), timeout=0.3 if broken is silent else SECONDS) as (_, good, proxy):
        answer = await proxy.ask(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
        assert answer.startswith((b"HTTP/1.1 502 ", b"HTTP/1.1 504 "))
        assert not good.calls


async def test_a_put_whose_content_has_begun_is_not_repeated() -> None:
    async def script(called: Called) -> None:
        await called.head()
        await called.exactly(1)
        called.reset()

    async with two(script, named("good")) as (_, good, proxy):
        answer = await proxy.ask(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
        assert answer.startswith(b"HTTP/1.1 502 ")
        assert not good.calls


async def test_an_answer_that_has_begun_is_cut_and_not_repeated() -> None:
    begun = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"
    async with two(saying(begun), named("good")) as (_, good, proxy):
        try:
            answer = await proxy.get()
        except ConnectionResetError:
            answer = b""
        assert len(answer.partition(b"\r\n\r\n")[2]) < 100
        assert not good.calls
        (flow,) = proxy.requests()
        assert flow.outcome == Outcome.CUT


async def test_retries_are_bounded_by_number_and_budget() -> None:
    async with scripted(dying) as one, scripted(dying) as two, scripted(dying) as three:
        ports = (one.port, two.port, three.port)
        async with proxied(*ports, retries=1) as proxy:
            assert (await proxy.get()).startswith(b"HTTP/1.1 502 ")
            assert len(proxy.notes("request.retried")) == 1
        async with proxied(*ports, routes=("path=/ retries=0",)) as proxy:
            assert (await proxy.get()).startswith(b"HTTP/1.1 502 ")
            assert not proxy.notes("request.retried")
        async with proxied(*ports, retry_budget=0.0) as proxy:
            assert (await proxy.get()).startswith(b"HTTP/1.1 502 ")
            assert not proxy.notes("request.retried")
            assert len(proxy.notes("retry.refused")) == 1


async def test_a_stalled_upstream_meets_its_routes_deadline() -> None:
    async with scripted(silent) as bad, proxied(bad.port, routes=("path=/slow timeout=50ms",)) as proxy:
        answer = await proxy.get("/slow")
        assert answer.startswith(b"HTTP/1.1 504 ")
        assert b"error=http_response_timeout" in answer
        assert b"no response within 0.05 s" in answer


async def test_a_client_slow_to_send_does_not_use_up_the_upstreams_time() -> None:
    async def late(called: Called) -> None:
        await called.head()
        await called.exactly(2)
        await called.say(OK)

    async with scripted(late) as up, proxied(up.port, timeout=0.05) as proxy, connected(proxy.port) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n")
        for byte in (b"h", b"i"):
            await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.15)
            await client.send(byte)
        assert (await client.response())[1] == b"ok"


# -- breakers ----------------------------------------------------------------------------------------------------


async def test_a_breaker_opens_tries_and_closes() -> None:
    async with scripted(dying) as upstream, proxied(upstream.port, breaker_failures=3, breaker_pause=5.0) as proxy:
        for _ in range(3):
            assert (await proxy.get()).startswith(b"HTTP/1.1 502 ")
        proxy.clock.jump(1.0)
        answer = await proxy.get()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 4\r\n" in answer
        assert b"error=destination_unavailable" in answer
        assert len(upstream.calls) == 3
        proxy.clock.jump(4.1)
        assert (await proxy.get()).startswith(b"HTTP/1.1 502 ")  # a trial that failed: twice the pause
        proxy.clock.jump(5.1)
        assert (await proxy.get()).startswith(b"HTTP/1.1 503 ")
        proxy.clock.jump(5.0)
        upstream.script = named("back")
        assert (await proxy.get()).startswith(b"HTTP/1.1 200 ")
        (member,) = members(proxy)
        assert member.breaker.state is State.CLOSED
        names = [event.name for flow in proxy.requests() for event in flow.events or () if "breaker" in event.name]
        assert names == ["breaker.opened", "breaker.opened", "breaker.closed"]
        assert proxy.notes("breaker.opened")[0]["upstream"] == member.name


async def test_an_upstream_that_is_out_is_passed_over() -> None:
    async with two(named("bad", status=503), named("good"), breaker_failures=2) as (bad, _, proxy):
        statuses = [(await proxy.get()).split(b" ", 2)[1] for _ in range(10)]
        assert statuses.count(b"503") == 2  # an answer is an answer: it counts, and is not repeated
        assert bad.calls[0].heard.count(b"GET / ") == 2
        why = "failed too often, and is asked again in 5.0 s"
        assert proxy.notes("upstream.picked")[-1]["excluded"] == {f"http://127.0.0.1:{bad.port}": why}


async def test_one_trial_at_a_time_and_a_client_that_leaves_tells_nothing() -> None:
    async with scripted(dying) as upstream, proxied(upstream.port, breaker_failures=1) as proxy:
        await proxy.get()
        proxy.clock.jump(5.1)
        upstream.script = silent
        async with connected(proxy.port) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await proxy.until(lambda: len(proxy.notes("request.sent")) == 2)
            assert (await proxy.get()).startswith(b"HTTP/1.1 503 ")  # the trial is under way
            client.reset()
        await proxy.until(lambda: not members(proxy)[0].active)
        assert members(proxy)[0].breaker.state is State.HALF_OPEN
        upstream.script = named("back")
        assert (await proxy.get()).startswith(b"HTTP/1.1 200 ")


async def test_a_stall_of_one_client_is_no_failure_of_the_upstream() -> None:
    async with scripted(silent) as upstream, proxied(upstream.port, breaker_failures=1) as proxy:
        async with connected(proxy.port) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await proxy.until(lambda: bool(proxy.notes("request.sent")))
            client.reset()
        await proxy.until(lambda: all(flow.ended for flow in proxy.requests()))
        assert members(proxy)[0].breaker.state is State.CLOSED


# -- leaving nothing behind --------------------------------------------------------------------------------------


@pytest.mark.parametrize("turns", range(12))
async def test_a_client_gone_at_any_moment_leaves_nothing(turns: int) -> None:
    async with two(dying, named("good")) as (_, _, proxy):
        async with connected(proxy.port) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            for _ in range(turns):
                await asyncio.sleep(0)
            client.reset()
        await until_nothing_is_left(proxy)


async def test_a_drain_in_the_middle_leaves_nothing() -> None:
    async with scripted(silent) as upstream, proxied(upstream.port) as proxy, connected(proxy.port) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await proxy.until(lambda: bool(proxy.notes("request.sent")))
        proxy.server.gate.drain()


async def until_nothing_is_left(proxy: Reverse) -> None:
    pool = proxy.server.gateway.pool
    async with asyncio.timeout(5):
        while any(slot.leased for slot in pool._slots.values()) or proxy.server.tasks or proxy.server.gateway.sweep:
            await asyncio.sleep(0)


@pytest.mark.parametrize("notified", [True, False])
async def test_an_end_of_tls_that_anybody_may_have_made(tmp_path: Path, notified: bool) -> None:
    """RFC 9112 9.8: without a length, an answer is whole only if TLS itself says that it is over."""
    context = leaf_context(Authority.load(tmp_path).leaf(("localhost",)))

    def answer_once(listener: socket.socket) -> None:
        plain, _ = listener.accept()
        with context.wrap_socket(plain, server_side=True) as tls:
            tls.recv(1 << 16)
            tls.sendall(b"HTTP/1.1 200 OK\r\n\r\nall of it, or not")
            (tls.unwrap() if notified else tls).shutdown(socket.SHUT_RDWR)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        upstream = f"https://localhost:{listener.getsockname()[1]}"
        async with proxied(upstream, state=tmp_path) as proxy, connected(proxy.port) as client:
            served = asyncio.get_running_loop().run_in_executor(None, answer_once, listener)
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            if notified:
                assert (await client.until(b"\r\n0\r\n\r\n")).endswith(b"all of it, or not\r\n0\r\n\r\n")
            else:
                with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                    await client.until(b"\r\n0\r\n\r\n")
                await proxy.until(lambda: proxy.requests()[0].outcome == Outcome.CUT)
            await served


# -- which failures are tried elsewhere --------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"Content-Length: 2\r\n\r\nno", b"Transfer-Encoding: chunked\r\n\r\n2\r\nno\r\n"])
async def test_an_answer_that_is_not_taken_while_there_is_another(body: bytes) -> None:
    """Whole or only begun; what remains is the last one's, as it was."""
    refusing = saying(b"HTTP/1.1 503 Service Unavailable\r\nX-Own: 1\r\n" + body)
    async with two(refusing, named("good"), retry_on=RetryOn.parse("502,503")) as (_, _, proxy):
        assert b"good" in await proxy.get()
        (retried,) = proxy.notes("request.retried")
        assert retried["why"] == "it answered 503"
        legs = [flow for flow in proxy.of_kind("http") if flow.is_leg]
        assert [leg.result for leg in legs] == ["503", "200"]
        post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
        assert sorted([(await proxy.ask(post))[9:12] for _ in range(2)]) == [b"200", b"503"]
    async with two(refusing, refusing, retry_on=RetryOn.parse("503")) as (_, _, proxy):
        answer = await proxy.get()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nX-Own: 1\r\n" in answer
        assert len(proxy.notes("request.retried")) == 1


async def test_an_answer_is_an_answer_unless_it_is_said_otherwise() -> None:
    async with two(named("bad", status=503), named("good")) as (_, good, proxy):
        assert b"bad" in await proxy.get()
        assert not good.calls


@pytest.mark.parametrize(
    ("script", "cause"),
    [(dying, "reset"), (silent, "timeout"), (saying(b"HTTP is what this is not\r\n\r\n"), "invalid")],
)
async def test_only_the_causes_that_are_named(script: Script, cause: str) -> None:
    for retry_on, answered in ((f"connect,{cause}", b"HTTP/1.1 200 "), ("connect", b"HTTP/1.1 50")):
        async with scripted(script) as bad, scripted(named("good")) as good:
            routes = (f"path=/ timeout=50ms retry-on={retry_on}",)
            async with proxied(bad.port, good.port, routes=routes, try_timeout=0.05) as proxy:
                assert (await proxy.get()).startswith(answered)


async def test_a_try_has_less_time_while_there_is_another() -> None:
    """The last one has all the time of the request."""
    release = asyncio.Event()

    async def slow(called: Called) -> None:
        await called.head()
        await release.wait()
        await called.say(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow")

    async with two(silent, slow, try_timeout=0.05, timeout=SECONDS) as (_, _, proxy):
        asking = proxy.server.tasks.start(proxy.get(), "a client")
        await proxy.until(lambda: len(proxy.notes("request.retried")) == 1)
        await asyncio.wait([asking], timeout=0.1)
        assert not asking.done()
        release.set()
        assert b"slow" in await asking


@pytest.mark.parametrize("text", ["", "errors", "200", "connect,", "none,503"])
def test_what_is_no_cause(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the kind says in words what is allowed
        RetryOn.parse(text)
