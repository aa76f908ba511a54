"""The nameserver on the wire: dig and dnspython ask, transfers, files that change, bytes that are no query."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import dns.tsig
import dns.tsigkeyring
import dns.zone
import pytest

from netlab.config import Address
from netlab.errors import UsageError
from netlab.flow import FlowLog, Level
from netlab.service import Context, running
from servers import nameserver
from servers.nameserver.world import BEHAVIOURS, read_world, world_text
from servers.nameserver.zones import ZoneFiles
from tests.servers.dns.small_internet import answers, ask, dig, exchange, framed, nameservers, stream

SHOP = "127.0.53.3"
needs_dig = pytest.mark.skipif(shutil.which("dig") is None, reason="dig is missing: apt install bind9-dnsutils")


@needs_dig
async def test_dig_follows_the_world_from_its_root() -> None:
    async with nameservers() as (_, port):
        referral = await dig("@127.0.53.1", "-p", str(port), "www.shop.test", "+norecurse")
        assert "status: NOERROR" in referral
        assert "ns.nic.test.\t\t86400\tIN\tA\t127.0.53.2" in referral
        answer = await dig(f"@{SHOP}", "-p", str(port), "shop.shop.test", "+norecurse")
        assert "flags: qr aa;" in answer
        assert "shop.shop.test.\t\t300\tIN\tCNAME\twww.shop.test." in answer
        transfer = await dig(f"@{SHOP}", "-p", str(port), "shop.test", "AXFR", "+noall", "+answer")
        lines = transfer.strip().splitlines()
        assert "SOA" in lines[0]
        assert lines[0] == lines[-1]
        assert any("DNAME" in line for line in lines)


async def test_a_transfer_is_the_zone_and_only_for_whom_it_is_allowed() -> None:
    query = dns.message.make_query("shop.test", "AXFR").to_wire()
    async with nameservers() as (server, port):
        (wire,) = await stream((SHOP, port), framed(query), 1)
        site = next(each for each in server.sites if each.place.address == SHOP)
        assert (
            len(dns.message.from_wire(wire, one_rr_per_rrset=True).answer)
            == len(list(site.authority.zones[b"\4shop\4test\0"].records())) + 1
        )
        for serial, nothing in ((2026010101, True), (2026010100, False)):  # has changed since
            since = dns.message.make_query("shop.test", "IXFR", use_edns=0)
            since.authority.append(dns.rrset.from_text("shop.test.", 0, "IN", "SOA", f". . {serial} 1 1 1 1"))
            (wire,) = await stream((SHOP, port), framed(since.to_wire()), 1)
            reply = dns.message.from_wire(wire, one_rr_per_rrset=True)
            assert (len(reply.answer) == 1) == nothing  # RFC 1995 2 and 4
            assert reply.edns == 0
    async with nameservers(transfer=()) as (_, port):
        (wire,) = await stream((SHOP, port), framed(query), 1)
        assert dns.message.from_wire(wire).rcode() == dns.rcode.REFUSED


async def test_questions_behind_each_other_are_answered_in_one_connection() -> None:
    queries = [
        dns.message.make_query(name, "A").to_wire() for name in ("www.shop.test", "nope.shop.test", "other.test")
    ]
    async with nameservers() as (_, port):
        replies = [dns.message.from_wire(wire) for wire in await stream((SHOP, port), framed(*queries), 3, end=True)]
        assert [reply.rcode() for reply in replies] == [dns.rcode.NOERROR, dns.rcode.NXDOMAIN, dns.rcode.REFUSED]
        assert replies[0].flags & dns.flags.AA


async def test_what_has_no_room_is_cut_and_comes_whole_over_tcp() -> None:
    async with nameservers() as (_, port):
        where = ("127.0.53.5", port)
        cut = await ask(where, dns.message.make_query("www.big.broken.test", "TXT"))
        assert cut.flags & dns.flags.TC
        assert not cut.answer
        (whole,) = await stream(where, framed(dns.message.make_query("www.big.broken.test", "TXT").to_wire()), 1)
        assert len(answers(dns.message.from_wire(whole))) == 7


async def test_any_bytes_are_answered_formerr_or_not_at_all() -> None:
    good = bytearray(dns.message.make_query("www.shop.test", "A").to_wire())
    chance = random.Random(8)
    async with nameservers() as (_, port):
        assert await exchange((SHOP, port), b"\0" * 11, seconds=0.05) is None
        for _ in range(60):
            data = bytearray(good)
            for _ in range(chance.randint(1, 5)):
                data[chance.randrange(2, len(data))] = chance.randrange(256)
            data[2] &= 0x7F  # no reply: those are not answered
            wire = await exchange((SHOP, port), bytes(data))
            assert wire is not None
            assert wire[:2] == bytes(good[:2])
            assert wire[2] & 0x80
        reply = bytearray(good)
        reply[2] |= 0x80
        assert await exchange((SHOP, port), bytes(reply), seconds=0.05) is None
        assert answers(await ask((SHOP, port), dns.message.from_wire(bytes(good)))) == ["www.shop.test. A 127.0.80.1"]


async def test_an_unknown_version_of_edns_is_refused() -> None:
    async with nameservers() as (_, port):
        reply = await ask((SHOP, port), dns.message.make_query("www.shop.test", "A", use_edns=5))
        assert reply.rcode() == dns.rcode.BADVERS  # RFC 6891 6.1.3


async def test_it_says_who_it_is_and_that_it_knows_no_key() -> None:
    async with nameservers() as (_, port):
        for name, told in (("version.bind", "netlab"), ("id.server", "ns1.shop.test")):
            reply = await ask((SHOP, port), dns.message.make_query(name, "TXT", rdclass="CH"))
            assert told in reply.answer[0].to_text()  # RFC 4892
        reply = await ask((SHOP, port), dns.message.make_query("shop.test", "SOA", rdclass="CH"))
        assert reply.rcode() == dns.rcode.REFUSED
        signed = dns.message.make_query("shop.test", "SOA", use_edns=0)
        keyring = dns.tsigkeyring.from_text({"key.": "c2VjcmV0c2VjcmV0"})
        signed.use_tsig(keyring)
        (wire,) = await stream((SHOP, port), framed(signed.to_wire()), 1)
        with pytest.raises(dns.tsig.PeerBadKey):  # RFC 8945 5.2.1
            dns.message.from_wire(wire, keyring=keyring, request_mac=signed.mac)


async def test_a_file_is_served_and_read_again_and_a_bad_one_is_told(tmp_path: Path) -> None:
    path = tmp_path / "shop.zone"
    text = "$TTL 60\nshop.test. SOA ns host {} 1 1 1 60\nshop.test. NS ns.shop.test.\nwww.shop.test. A 192.0.2.{}\n"
    path.write_text(text.format(1, 1))
    config = nameserver.Config(zone=(path,), listen=Address("127.0.0.1", 0))
    server = nameserver.Server(config, Context(flows=FlowLog(Level.FULL)))
    async with running(server, grace=0.2) as endpoints:
        where, query = ("127.0.0.1", endpoints[0].port), dns.message.make_query("www.shop.test", "A")
        assert answers(await ask(where, query)) == ["www.shop.test. A 192.0.2.1"]
        path.write_text("$TTL 60\nshop.test. SOA ns\n")
        assert "shop.zone:2: SOA has 1 of its 7 parts" in server.reload()
        assert answers(await ask(where, query)) == ["www.shop.test. A 192.0.2.1"]
        path.write_text(text.format(2, 2) + "www.shop.test. CNAME shop.test.\n")
        assert "shop.zone:5: www.shop.test. has CNAME and A" in server.reload()
        path.write_text(text.format(2, 2))
        assert server.reload() == "shop.test. 2"
        assert answers(await ask(where, query)) == ["www.shop.test. A 192.0.2.2"]


def test_a_file_that_is_included_is_watched_too(tmp_path: Path) -> None:
    (tmp_path / "zone").write_text("$TTL 60\nshop.test. SOA ns host 1 1 1 1 60\nshop.test. NS ns\n$INCLUDE more\n")
    (tmp_path / "more").write_text("www.shop.test. A 192.0.2.1\n")
    files = ZoneFiles([tmp_path / "zone"])
    files.read()
    assert not files.changed()
    (tmp_path / "more").unlink()
    assert files.changed()


def test_the_world_is_right_and_every_zone_is_as_dnspython_reads_it() -> None:
    world = read_world()
    assert {place.behaviour for place in world.places} == set(BEHAVIOURS)
    assert len(world.lessons) == 10
    for place in world.places:
        for zone in place.zones:
            assert zone.soa


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("127.0.53.1", "here"), "has no IPv4 address"),
        (('"truncating"', '"moody"'), "is no behaviour"),
        (('zones = ["."]', 'zones = ["nowhere."]'), "which is no zone of this world"),
        (("www    A    127.0.80.1", "www    A    127.0.80"), "zone shop.test.:\\d+: '127.0.80' is no IPv4 address"),
        (("[[server]]", "[[server"), "this is not TOML"),
    ],
)
def test_what_is_wrong_with_a_world_is_named(change: tuple[str, str], says: str, tmp_path: Path) -> None:
    path = tmp_path / "world.toml"
    path.write_text(world_text().replace(*change, 1))
    with pytest.raises(UsageError, match=says):
        read_world(path)
