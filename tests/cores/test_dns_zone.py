"""Master files and zones: read as dnspython reads them, answered by the algorithm of RFC 1034 and its followers."""

from __future__ import annotations

import dns.rdatatype
import dns.zone
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.cores.dns_codes import TYPES, type_name
from netlab.cores.dns_master import read_master
from netlab.cores.dns_message import Record
from netlab.cores.dns_names import from_text, to_text
from netlab.cores.dns_rdata import show
from netlab.cores.dns_zone import Answer, Outcome, Zone
from netlab.errors import UsageError

SHOP = from_text("shop.test.")
TEXT = r"""
$ORIGIN shop.test.
$TTL 1h
@        IN SOA ns1 hostmaster.shop.test. ( 2026112301 ; serial
                    2h 15m 2w       ; refresh, retry, expire
                    5m )            ; minimum
         IN NS  ns1
         IN NS  ns2.other.test.
         MX 10 mail
         TXT "v=spf1 mx -all" "second; not a comment"
ns1      A 127.0.53.3
www 60 IN A 127.0.80.1
www IN 60 AAAA ::1
MAIL     A 127.0.25.1
shop     CNAME www
far      CNAME www.other.test.
loop1    CNAME loop2
loop2    CNAME loop1
*.wild   A 127.0.80.9
         TXT wild
a.b.c    A 127.0.80.2
sub      NS ns.sub
sub      DS 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118
ns.sub   A 127.0.53.9
old      DNAME new
x.new    A 127.0.80.3
svc      HTTPS 1 www alpn=h2
_sip._tcp SRV 0 0 5060 mail
we\.ird  A 127.0.80.4
blob     TYPE731 \# 3 abcdef
"""


@pytest.fixture(scope="module")
def zone() -> Zone:
    return Zone(SHOP, read_master(TEXT, SHOP, name="shop.zone"))


def shown(records: list[Record]) -> list[str]:
    return [f"{to_text(each.name)} {each.ttl} {type_name(each.type)} {show(each.type, each.rdata)}" for each in records]


def ask(zone: Zone, name: str, kind: str) -> Answer:
    return zone.lookup(from_text(name), TYPES[kind])


def test_a_master_file_is_read_as_dnspython_reads_it() -> None:
    theirs = dns.zone.from_text(TEXT, origin="shop.test.", relativize=False, check_origin=False)
    expected = {
        (
            name.to_text().lower(),
            rdataset.ttl,
            dns.rdatatype.to_text(rdataset.rdtype),
            rdata.to_wire(origin=dns.name.root),
        )
        for name, rdataset in theirs.iterate_rdatasets()
        for rdata in rdataset
    }
    ours = Zone(SHOP, read_master(TEXT, SHOP)).records()
    assert {(to_text(each.name).lower(), each.ttl, type_name(each.type), each.rdata) for each in ours} == expected


@pytest.mark.parametrize(
    ("name", "kind", "outcome", "answer"),
    [
        ("www.shop.test.", "A", Outcome.ANSWER, ["www.shop.test. 60 A 127.0.80.1"]),
        ("WwW.sHop.test.", "A", Outcome.ANSWER, ["WwW.sHop.test. 60 A 127.0.80.1"]),
        ("www.shop.test.", "MX", Outcome.NODATA, []),
        ("b.c.shop.test.", "A", Outcome.NODATA, []),  # an empty non-terminal
        ("nope.shop.test.", "A", Outcome.NXDOMAIN, []),
        ("x.www.shop.test.", "A", Outcome.NXDOMAIN, []),
        (
            "shop.shop.test.",
            "A",
            Outcome.ANSWER,
            ["shop.shop.test. 3600 CNAME www.shop.test.", "www.shop.test. 60 A 127.0.80.1"],
        ),
        ("shop.shop.test.", "CNAME", Outcome.ANSWER, ["shop.shop.test. 3600 CNAME www.shop.test."]),
        ("far.shop.test.", "A", Outcome.ELSEWHERE, ["far.shop.test. 3600 CNAME www.other.test."]),
        ("any.wild.shop.test.", "A", Outcome.ANSWER, ["any.wild.shop.test. 3600 A 127.0.80.9"]),
        ("a.b.wild.shop.test.", "TXT", Outcome.ANSWER, ['a.b.wild.shop.test. 3600 TXT "wild"']),
        ("any.wild.shop.test.", "MX", Outcome.NODATA, []),
        ("wild.shop.test.", "A", Outcome.NODATA, []),
        ("host.sub.shop.test.", "A", Outcome.REFERRAL, []),
        ("sub.shop.test.", "A", Outcome.REFERRAL, []),
        (
            "sub.shop.test.",
            "DS",
            Outcome.ANSWER,
            ["sub.shop.test. 3600 DS 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118"],
        ),
        (
            "x.old.shop.test.",
            "A",
            Outcome.ANSWER,
            [
                "old.shop.test. 3600 DNAME new.shop.test.",
                "x.old.shop.test. 3600 CNAME x.new.shop.test.",
                "x.new.shop.test. 3600 A 127.0.80.3",
            ],
        ),
        ("old.shop.test.", "A", Outcome.NODATA, []),
        ("blob.shop.test.", "TYPE731", Outcome.ANSWER, ["blob.shop.test. 3600 TYPE731 \\# 3 ABCDEF"]),
        ("we\\.ird.shop.test.", "A", Outcome.ANSWER, ["we\\.ird.shop.test. 3600 A 127.0.80.4"]),
    ],
)
def test_questions_are_answered(zone: Zone, name: str, kind: str, outcome: Outcome, answer: list[str]) -> None:
    found = zone.lookup(from_text(name), TYPES.get(kind, 731))
    assert (found.outcome, shown(found.answer)) == (outcome, answer)
    if outcome in (Outcome.NODATA, Outcome.NXDOMAIN):
        (soa,) = found.authority
        assert (soa.type, soa.ttl) == (TYPES["SOA"], 300)  # RFC 2308 3: the minimum


def test_a_referral_has_servers_and_glue(zone: Zone) -> None:
    found = ask(zone, "host.sub.shop.test.", "A")
    assert [each.type for each in found.authority] == [TYPES["NS"], TYPES["DS"]]
    assert shown(found.additional) == ["ns.sub.shop.test. 3600 A 127.0.53.9"]
    assert not found.authoritative


def test_hosts_that_an_answer_names_come_with_it(zone: Zone) -> None:
    assert shown(ask(zone, "shop.test.", "MX").additional) == ["MAIL.shop.test. 3600 A 127.0.25.1"]
    assert len(ask(zone, "svc.shop.test.", "HTTPS").additional) == 2
    assert shown(ask(zone, "shop.test.", "NS").additional) == ["ns1.shop.test. 3600 A 127.0.53.3"]


def test_a_circle_of_aliases_ends(zone: Zone) -> None:
    found = ask(zone, "loop1.shop.test.", "A")
    assert [each.type for each in found.answer] == [TYPES["CNAME"]] * 2


def test_a_dname_that_makes_too_long_a_name_says_so() -> None:
    zone = Zone(SHOP, read_master(f"@ 1 SOA . . 1 1 1 1 1\n@ 1 NS .\nd 1 DNAME {'.'.join(['x' * 50] * 4)}.test.", SHOP))
    assert ask(zone, f"{'y' * 60}.d.shop.test.", "A").outcome is Outcome.TOO_LONG  # RFC 6672 2.2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("@ 1 SOA . . 1 1 1 1 1\n@ 1 NS .\nx 1 A 1.2.3.4\nx 1 CNAME y", "x.shop.test. has CNAME and A"),
        ("@ 1 NS .", "has 0 SOA records"),
        ("@ 1 SOA . . 1 1 1 1 1", "has no NS"),
        ("@ 1 SOA . . 1 1 1 1 1\n@ 1 NS .\nother.test. 1 A 1.2.3.4", "is not in the zone"),
    ],
)
def test_records_that_cannot_stand_together_are_named(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Zone(SHOP, read_master(text, SHOP))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x 1 A 1.2.3", r"z:1: '1.2.3' is no IPv4 address"),
        ("\n\nx 1 BANANA 1", r"z:3: 'BANANA' is not a record type"),
        (" 1 A 1.2.3.4", "z:1: the first record has no owner"),
        ("x 1 A 1.2.3.4\ny (\n 1 A", "z:2: a parenthesis is opened"),
        ("x 1 A 1.2.3.4 )", "z:1: a parenthesis is closed"),
        ('x 1 TXT "open', "z:1: a quote that is not closed"),
        ("x A 1.2.3.4", "no TTL"),
        ("$TTL banana", "z:1: 'banana' is no number"),
        ("$GENERATE 1-3 a A 1.2.3.4", "z:1: \\$GENERATE is not known"),
        ("$INCLUDE other", "z:1: \\$INCLUDE other: not here"),
        ("x 1 CH A 1.2.3.4", "z:1: a record of another class"),
        ("x 1", "z:1: no type"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        read_master(text, SHOP, name="z")


def test_files_are_included_and_their_errors_are_theirs() -> None:
    files = {"hosts": "a 1 A 1.2.3.4\n$INCLUDE bad", "bad": "\nb 1 A nowhere", "circle": "$INCLUDE circle"}
    with pytest.raises(UsageError, match="bad:2: 'nowhere'"):
        read_master("$INCLUDE hosts sub", SHOP, load=files.__getitem__)
    with pytest.raises(UsageError, match="in a circle"):
        read_master("$INCLUDE circle", SHOP, load=files.__getitem__)
    records = read_master("$INCLUDE one sub\nc 1 A 1.2.3.4", SHOP, load=lambda name: "a 1 A 1.2.3.4")
    assert [to_text(each.name) for each in records] == ["a.sub.shop.test.", "c.shop.test."]


@given(st.text(st.sampled_from(' \t\n;()"\\$.@aA1:{}') | st.characters(codec="utf-8"), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read_master(text, SHOP)
    except UsageError:
        pass
