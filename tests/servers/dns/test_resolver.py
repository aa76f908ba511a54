"""The resolver over the world: by every way in, from the cache and from afar, and what it answers by itself."""

from __future__ import annotations

import asyncio
import base64
import random
import shutil
import ssl
from pathlib import Path

import dns.asyncquery
import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.reversename
import dns.rrset
import httpx
import pytest

from netlab.net.tasks import Tasks
from servers.resolver.config import Forward
from tests.servers.dns.small_internet import SECONDS, answers, ask, exchange, framed, internet, stream


async def test_lessons_of_the_world_end_as_they_say(tmp_path: Path) -> None:
    """The gallery of broken zones, each by its expectation."""
    from servers.nameserver.world import read_world

    async with internet(tmp_path, ipv6=False) as here:
        lessons = read_world().lessons
        asked = [lesson.ask.split() for lesson in lessons]
        replies = await asyncio.gather(*(here.ask(name, *kind) for name, *kind in asked))
        for lesson, reply in zip(lessons, replies, strict=True):
            if lesson.expect.startswith("SERVFAIL"):
                assert reply.rcode() == dns.rcode.SERVFAIL, lesson
                (error,) = (option for option in reply.options if isinstance(option, dns.edns.EDEOption))
                assert f"EDE {error.code}" in lesson.expect, (lesson, error)
            else:
                assert reply.rcode() == dns.rcode.NOERROR, lesson
                assert reply.answer or reply.flags & dns.flags.TC
        assert answers(await here.ask("www.shop.test")) == ["www.shop.test. A 127.0.80.1"]  # not what the liar says


async def test_a_known_answer_is_as_the_first_but_for_its_age(tmp_path: Path) -> None:
    async with internet(tmp_path) as here:
        for text in ("shop.shop.test A", "nope.shop.test A", "shop.test MX", "x.old.shop.test A"):
            name, kind = text.split()
            first = await here.ask(name, kind)
            here.clock.jump(7)
            again = await here.ask(name.upper(), kind)
            assert again.rcode() == first.rcode()
            for before, after in zip(first.answer + first.authority, again.answer + again.authority, strict=True):
                assert after.ttl == before.ttl - 7
                assert after.to_rdataset() == before.to_rdataset()
            assert str(again.question[0].name) == f"{name.upper()}."


async def test_what_is_ready_is_not_given_behind_its_time(tmp_path: Path) -> None:
    async with internet(tmp_path) as here:
        assert (await here.ask("status.shop.test")).answer[0].ttl == 10
        here.clock.jump(9)
        assert (await here.ask("status.shop.test")).answer[0].ttl == 1
        here.clock.jump(1)
        assert (await here.ask("status.shop.test")).answer[0].ttl == 10


async def test_the_same_question_of_many_is_asked_once(tmp_path: Path) -> None:
    async with internet(tmp_path) as here:
        replies = await asyncio.gather(*(here.ask("www.slow.broken.test") for _ in range(20)))
        assert all(answers(reply) == ["www.slow.broken.test. A 127.0.80.7"] for reply in replies)
        asked = [flow for flow in here.resolver.context.flows if flow.parent and "127.0.53.7" in flow.label]
        assert len(asked) <= 4


async def test_over_tcp_tls_and_https(tmp_path: Path) -> None:
    async with internet(tmp_path, tls=True, https=True) as here:
        query = dns.message.make_query("www.shop.test", "A")
        (wire,) = await stream(("127.0.0.1", here.endpoints["dns"]), framed(query.to_wire()), 1)
        assert answers(dns.message.from_wire(wire)) == ["www.shop.test. A 127.0.80.1"]
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        secure = await dns.asyncquery.tls(
            query, "127.0.0.1", port=here.endpoints["dns+tls"], timeout=SECONDS, ssl_context=context
        )
        assert answers(secure) == ["www.shop.test. A 127.0.80.1"]
        wishes = [dns.edns.GenericOption(code, b"") for code in (3, 11, 12)]  # NSID, keepalive, padding
        polite = dns.message.make_query("www.shop.test", "A", use_edns=0, options=wishes).to_wire()
        (told,) = await stream(("127.0.0.1", here.endpoints["dns+tls"]), framed(polite), 1, context)
        assert len(told) == 468  # RFC 8467 4.1
        assert [option.otype for option in dns.message.from_wire(told).options] == [3, 11, 12]
        (told,) = await stream(("127.0.0.1", here.endpoints["dns"]), framed(polite), 1)
        options = {option.otype: option.to_wire() for option in dns.message.from_wire(told).options}
        assert options == {3: b"resolver", 11: b"\0\x64"}  # RFC 5001, RFC 7828: ten seconds
        url = f"https://127.0.0.1:{here.endpoints['https']}/dns-query"
        head, wire = {"content-type": "application/dns-message"}, query.to_wire()
        async with httpx.AsyncClient(verify=context, timeout=SECONDS) as client:
            coded = base64.urlsafe_b64encode(wire).rstrip(b"=").decode()
            for reply in (
                await client.post(url, content=wire, headers=head),
                await client.get(url, params={"dns": coded}),
            ):
                assert reply.headers["cache-control"] == "max-age=300"  # RFC 8484 5.1
                assert answers(dns.message.from_wire(reply.content)) == ["www.shop.test. A 127.0.80.1"]
            assert (await client.get(url)).status_code == 400
            assert (await client.get(url, params={"dns": "!"})).status_code == 400
            assert (await client.get(url, params={"dns": "AAAA"})).status_code == 400
            assert (await client.post(url, content=wire)).status_code == 415
            assert (await client.put(url, content=wire)).status_code == 405


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is missing: apt install curl")
async def test_curl_finds_a_host_by_https(tmp_path: Path) -> None:
    """Its DoH: to a server that listens at the address that www.shop.test has in the world."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nshop")
        await writer.drain()
        writer.close()

    async with internet(tmp_path, https=True) as here, await asyncio.start_server(serve, "127.0.80.1", 0) as shop:
        url = f"https://127.0.0.1:{here.endpoints['https']}/dns-query"
        site = f"http://www.shop.test:{shop.sockets[0].getsockname()[1]}/"
        command = ("curl", "-sS", "--noproxy", "*", "--doh-insecure", "--doh-url", url, "-m", "10", site)
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        assert (await process.communicate())[0] == b"shop"
        assert any(flow.label == "www.shop.test. A" for flow in here.resolver.context.flows)


async def test_slow_and_quick_questions_of_one_connection_are_answered_as_they_are_ready(tmp_path: Path) -> None:
    async with internet(tmp_path) as here:
        await here.ask("www.shop.test")
        queries = [dns.message.make_query(name, "A") for name in ("www.slow.broken.test", "www.shop.test")]
        data = framed(*(query.to_wire() for query in queries))
        replies = [
            dns.message.from_wire(wire)
            for wire in await stream(("127.0.0.1", here.endpoints["dns"]), data, 2, end=True)
        ]
        assert [str(reply.question[0].name) for reply in replies] == ["www.shop.test.", "www.slow.broken.test."]


async def test_names_of_ones_own_and_names_that_are_blocked(tmp_path: Path) -> None:
    hosts, ads = tmp_path / "hosts", tmp_path / "ads"
    hosts.write_text("192.0.2.77 printer printer.home.arpa  # mine\n::1 six.printer\n")
    ads.write_text("0.0.0.0 ads.shop.test\ntracker.test\n127.0.0.1 localhost\n")
    own = ("www.own.test 60 A 192.0.2.78", "*.wild.test 60 TXT hello", "alias.test CNAME www.own.test")
    async with internet(tmp_path, hosts=(hosts,), block=(ads,), local=own) as here:
        assert answers(await here.ask("printer")) == ["printer. A 192.0.2.77"]
        assert answers(await here.ask("77.2.0.192.in-addr.arpa", "PTR")) == ["77.2.0.192.in-addr.arpa. PTR printer."]
        assert answers(await here.ask("a.b.wild.test", "TXT")) == ['a.b.wild.test. TXT "hello"']
        blocked = await here.ask("x.ads.shop.test")
        assert blocked.rcode() == dns.rcode.NXDOMAIN
        (error,) = (option for option in blocked.options if isinstance(option, dns.edns.EDEOption))
        assert error.code == 15
        assert "ads:1" in str(error.text)
        assert answers(await here.ask("localhost")) == ["localhost. A 127.0.0.1"]
        assert (await here.ask("x.onion")).rcode() == dns.rcode.NXDOMAIN


async def test_aliases_of_ones_own_are_followed_and_those_to_blocked_names_are_not(tmp_path: Path) -> None:
    ads = tmp_path / "ads"
    ads.write_text("www.shop.test\n")
    own = ("near.own.test CNAME far.own.test", "far.own.test CNAME echo.ws.test", "dead.own.test CNAME www.own.test")
    own += ("cloak.own.test CNAME shop.shop.test", "www.own.test 60 A 192.0.2.78")
    async with internet(tmp_path, block=(ads,), local=own, blocked="null") as here:
        chain = ["far.own.test. CNAME echo.ws.test.", "near.own.test. CNAME far.own.test."]
        assert answers(await here.ask("near.own.test")) == sorted([*chain, "echo.ws.test. A 127.0.81.1"])
        assert answers(await here.ask("near.own.test")) == sorted([*chain, "echo.ws.test. A 127.0.81.1"])
        assert answers(await here.ask("near.own.test", "CNAME")) == chain[1:]
        denied = await here.ask("dead.own.test", "TXT")
        assert answers(denied) == ["dead.own.test. CNAME www.own.test."]
        assert denied.authority
        for name in ("shop.shop.test", "cloak.own.test"):  # in the world, shop.shop.test is an alias of www.shop.test
            blocked = await here.ask(name)
            assert answers(blocked) == [f"{name}. A 0.0.0.0"]
            assert blocked.extended_errors()[0].code == 15


async def test_without_recursion_desired_only_what_is_known_is_told(tmp_path: Path) -> None:
    """RFC 1034 4.3.1."""
    async with internet(tmp_path) as here:
        where, query = ("127.0.0.1", here.endpoints["dns"]), dns.message.make_query("www.shop.test", "A", use_edns=0)
        query.flags &= ~dns.flags.RD
        unknown = await ask(where, query)
        assert (unknown.rcode(), unknown.extended_errors()[0].code) == (dns.rcode.REFUSED, 20)
        await here.ask("www.shop.test")
        assert answers(await ask(where, query)) == ["www.shop.test. A 127.0.80.1"]
        asked = [flow.label.lower() for flow in here.resolver.context.flows]
        assert len([label for label in asked if label.startswith("www.shop.test. a @")]) == 1


async def test_names_of_special_use_are_never_asked_of_anyone(tmp_path: Path) -> None:
    async with internet(tmp_path, exempt=()) as here:
        for name in (
            "1.0.168.192.in-addr.arpa",
            "1.0.64.100.in-addr.arpa",
            "1.0.0.0.d.f.ip6.arpa",
            "x.alt",
            "shop.test",
        ):
            reply = await here.ask(name, "PTR")
            assert (reply.rcode(), len(reply.authority)) == (dns.rcode.NXDOMAIN, 1), name
        one = dns.reversename.from_address("::1").to_text()
        assert answers(await here.ask(one, "PTR")) == [f"{one} PTR localhost."]
        assert not [flow for flow in here.resolver.context.flows if "@" in flow.label]


async def test_private_addresses_of_public_names_are_not_passed_on(tmp_path: Path) -> None:
    async with internet(tmp_path, exempt=(), special_use=False) as here:
        reply = await here.ask("www.shop.test")
        assert (reply.rcode(), reply.answer) == (dns.rcode.REFUSED, [])


async def test_a_zone_is_forwarded_and_the_rest_is_not(tmp_path: Path) -> None:
    async with internet(tmp_path) as other:
        port = other.endpoints["dns"]
        rules = ("shop.test=127.0.0.1:{}", "iot.test=tcp://127.0.0.1:{}", "ws.test=localhost:9")
        forwarding = tuple(Forward.parse(rule.format(port)) for rule in rules)
        async with internet(tmp_path, forward=forwarding) as third:
            assert answers(await third.ask("www.shop.test")) == ["www.shop.test. A 127.0.80.1"]
            assert answers(await third.ask("broker.iot.test")) == ["broker.iot.test. A 127.0.82.1"]
            assert answers(await third.ask("www.liar.broken.test")) == ["www.liar.broken.test. A 127.0.80.9"]
            asked = [flow.label for flow in third.resolver.context.flows if flow.parent is not None]
            over_udp = {label.partition(" ")[0].lower() for label in asked if f" @127.0.0.1:{port}" in label}
            over_tcp = {label.partition(" ")[0].lower() for label in asked if f"@tcp://127.0.0.1:{port}" in label}
            assert (over_udp, over_tcp) == ({"www.shop.test."}, {"broker.iot.test."})
            assert (await third.ask("echo.ws.test")).rcode() == dns.rcode.SERVFAIL  # another port: nobody is there


@pytest.mark.parametrize(
    ("text", "says"), [("shop.test", "no '='"), (".=dns.test:53", "an IP address is due"), ("a..b=::1", "two dots")]
)
def test_what_is_no_forwarding_is_said(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=f"^has .*{says}"):
        Forward.parse(text)


async def test_who_has_waited_gets_what_was_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 8767 5: before the servers have failed, an answer behind its time is given; and asked for they are again."""
    monkeypatch.setattr("servers.resolver.recursion.CLIENT_PATIENCE", 0.05)
    async with internet(tmp_path) as here:
        fresh = await here.ask("www.slow.broken.test")  # the server takes half a second
        here.clock.jump(400)
        stale = await here.ask("www.slow.broken.test")
        assert answers(stale) == answers(fresh)
        assert stale.answer[0].ttl == 30
        (error,) = (option for option in stale.options if isinstance(option, dns.edns.EDEOption))
        assert error.code == 3
        assert here.resolver.answering.statistics.as_json()["answers"]["stale"] == 1
        while here.resolver.answering.recursion.under_way:  # it is still looked for
            await asyncio.sleep(0)
        renewed = await here.ask("www.slow.broken.test")
        assert renewed.answer[0].ttl == 300
        assert not renewed.options


async def test_what_is_looked_for_in_vain_makes_room_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with internet(tmp_path, max_recursions=1) as here:
        where = ("127.0.0.1", here.endpoints["dns"])
        vain = Tasks("test").start(here.ask("www.silent.broken.test"), "ask in vain")
        while not here.resolver.answering.recursion.under_way:
            await asyncio.sleep(0)
        shop = dns.message.make_query("www.shop.test", "A").to_wire()
        assert await exchange(where, shop, seconds=0.05) is None  # no room
        monkeypatch.setattr("servers.resolver.recursion.LONG", 0.0)
        assert answers(await here.ask("www.shop.test")) == ["www.shop.test. A 127.0.80.1"]
        assert "given up for others" in (await vain).extended_errors()[0].text
        assert here.resolver.answering.statistics.dropped == 1


async def test_questions_are_counted(tmp_path: Path) -> None:
    async with internet(tmp_path) as here:
        for name in ("www.shop.test", "www.shop.test", "localhost", "nope.shop.test"):
            await here.ask(name)
        query = framed(dns.message.make_query("www.shop.test", "A").to_wire())
        await stream(("127.0.0.1", here.endpoints["dns"]), query, 1)
        await exchange(("127.0.0.1", here.endpoints["dns"]), b"\0" * 15)
        told = here.resolver.answering.statistics.as_json()
        assert told["questions"] == {"udp": 5, "stream": 1, "https": 0}
        assert told["answers"] == {"ready": 0, "cached": 2, "recursive": 2, "local": 1, "joined": 0, "stale": 0}
        assert (told["hits"], told["unanswered"]["malformed"]) == (0.6, 1)
        assert told["rcodes"] == {"NOERROR": 4, "NXDOMAIN": 1}
        assert told["servers"]["queries"] == sum(
            flow.parent is not None and flow.kind == "dns" and "@" in flow.label for flow in here.resolver.context.flows
        )


async def test_strangers_are_refused_and_the_hasty_are_not_answered(tmp_path: Path) -> None:
    async with internet(tmp_path, allow=()) as here:
        reply = await here.ask("www.shop.test")
        assert (reply.rcode(), reply.extended_errors()[0].code) == (dns.rcode.REFUSED, 18)
        query = framed(dns.message.make_query("www.shop.test", "A").to_wire())
        (wire,) = await stream(("127.0.0.1", here.endpoints["dns"]), query, 1)
        assert dns.message.from_wire(wire).rcode() == dns.rcode.REFUSED
    async with internet(tmp_path, limit=3) as here:
        where = ("127.0.0.1", here.endpoints["dns"])
        here.clock.freeze()
        query = dns.message.make_query("localhost", "A").to_wire()
        got = [await exchange(where, query, seconds=0.1) for _ in range(5)]
        assert [wire is not None for wire in got] == [True, True, True, False, False]


async def test_any_bytes_are_answered_or_dropped_and_nothing_breaks(tmp_path: Path) -> None:
    chance = random.Random(11)
    async with internet(tmp_path) as here:
        await here.ask("www.shop.test")
        where = ("127.0.0.1", here.endpoints["dns"])
        for number in range(80):
            data = bytearray(dns.message.make_query("www.shop.test", "A", use_edns=number % 2 - 1).to_wire())
            for _ in range(chance.randint(0, 4)):
                data[chance.randrange(4, len(data))] = chance.randrange(256)
            wire = await exchange(where, bytes(data), seconds=2)
            if wire is not None:
                assert wire[:2] == bytes(data[:2])
        assert answers(await here.ask("www.shop.test")) == ["www.shop.test. A 127.0.80.1"]


async def test_that_a_forwarder_has_validated_is_passed_on_to_who_asks(tmp_path: Path) -> None:
    class Validating(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
            reply = dns.message.make_response(dns.message.from_wire(data))
            reply.flags |= dns.flags.RA | dns.flags.AD
            reply.answer.append(dns.rrset.from_text(reply.question[0].name, 60, "IN", "A", "192.0.2.1"))
            self.transport.sendto(reply.to_wire(), address)  # type: ignore[attr-defined]  # of datagrams

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Validating, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    try:
        async with internet(tmp_path, forward=(Forward(b"\4corp\4test\0", "127.0.0.1", port),)) as here:
            for _ in range(3):  # asked, from the cache, and as it stands ready
                for flags, do, expected in ((0, False, False), (dns.flags.AD, False, True), (0, True, True)):
                    query = dns.message.make_query("www.corp.test", "A", want_dnssec=do)
                    query.flags |= flags
                    reply = await ask(("127.0.0.1", here.endpoints["dns"]), query)
                    assert bool(reply.flags & dns.flags.AD) == expected  # RFC 6840 5.8
    finally:
        transport.close()


async def test_a_forged_reply_is_not_believed(tmp_path: Path) -> None:
    """A server that answers with other ids, questions and capitals first: only the right reply counts."""
    loop = asyncio.get_running_loop()

    class Forger(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
            query = dns.message.from_wire(data)
            right = dns.message.make_response(query)
            right.flags |= dns.flags.RA
            right.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "A", "192.0.2.1"))
            wrong = dns.message.from_wire(right.to_wire())
            wrong.answer = [dns.rrset.from_text(query.question[0].name, 60, "IN", "A", "192.0.2.66")]
            wrong.id ^= 1
            other = dns.message.make_response(dns.message.make_query("other.corp.test", "A"))
            other.id = query.id
            for message in (wrong, other, right):
                self.transport.sendto(message.to_wire(), address)  # type: ignore[attr-defined]  # of datagrams
            self.transport.sendto(b"\0" * 5, address)  # type: ignore[attr-defined]

    transport, _ = await loop.create_datagram_endpoint(Forger, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    try:
        async with internet(tmp_path, forward=(Forward(b"\4corp\4test\0", "127.0.0.1", port),)) as here:
            assert answers(await here.ask("www.corp.test")) == ["www.corp.test. A 192.0.2.1"]
            asked = next(flow for flow in here.resolver.context.flows if flow.parent is not None)
            assert asked.events is not None
            assert [event.name for event in asked.events].count("reply.ignored") == 2
    finally:
        transport.close()
