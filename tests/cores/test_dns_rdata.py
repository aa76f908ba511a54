"""Data of records in both forms, held against dnspython and the examples of the RFCs."""

from __future__ import annotations

import dns.exception
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.cores.dns_codes import TYPE_NAMES, TYPES, type_number
from netlab.cores.dns_master import entries
from netlab.cores.dns_names import ROOT
from netlab.cores.dns_rdata import LAYOUTS, from_tokens, is_right, show
from netlab.errors import UsageError

SAMPLES = [
    ("A", "192.0.2.1"),
    ("AAAA", "2001:db8::1"),
    ("NS", "ns1.example."),
    ("CNAME", "www.example."),
    ("SOA", "ns.example. hostmaster.example. 2026 3600 900 604800 300"),
    ("SOA", "ns.example. a\\.b.example. 2026 1h 15m 1w 1h30m"),
    ("PTR", "host.example."),
    ("MX", "10 mail.example."),
    ("TXT", '"v=spf1 -all"'),
    ("TXT", '"one" "two \\"quoted\\"" three\\ words \\255'),
    ("HINFO", '"PDP-11" "UNIX"'),
    ("RP", "mbox.example. txt.example."),
    ("AFSDB", "1 afs.example."),
    ("SRV", "0 5 5060 sip.example."),
    ("NAPTR", '100 10 "u" "sip+E2U" "!^.*$!sip:info@example!" .'),
    ("KX", "10 kx.example."),
    ("DNAME", "other.example."),
    ("LOC", "42 21 54.000 N 71 6 18.000 W -24.00m 30.00m 10000.00m 10.00m"),
    ("LOC", "60 9 N 24 39 E 10"),
    ("DS", "60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118"),
    ("SSHFP", "2 1 123456789abcdef67890123456789abcdef67890"),
    ("DNSKEY", "256 3 5 AQPSKmynfzW4kyBv015MUG2DeIQ3 Cbl+BBZH4b/0PY1kxkmvHjcZc8no kfzj31GajIQKY+5CptLr3buXA10h"),
    ("RRSIG", "A 5 3 86400 20030322173103 20030220173103 2642 example. oJB1W6WNGv+ldvQ3WDG0MQkg5IEhjRip8WTr"),
    ("NSEC", "host.example. A MX RRSIG NSEC TYPE1234"),
    ("NSEC3", "1 1 12 aabbccdd 2vptu5timamqttgl4luu9kg21e0aor3s A RRSIG"),
    ("NSEC3", "1 1 12 - 2vptu5timamqttgl4luu9kg21e0aor3s"),
    ("NSEC3PARAM", "1 0 12 aabbccdd"),
    ("TLSA", "3 1 0 0d6fce13243aa7"),
    ("SMIMEA", "3 0 0 aabb"),
    ("CDS", "60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118"),
    ("CDNSKEY", "256 3 5 AQPSKmynfzW4kyBv015MUG2DeIQ3"),
    ("OPENPGPKEY", "AQPSKmynfzW4kyBv015MUG2DeIQ3"),
    ("CSYNC", "66 3 A NS AAAA"),
    ("ZONEMD", "2018031500 1 1 " + "ab" * 48),
    ("SVCB", "0 foo.example."),
    ("SVCB", '1 . alpn="h2,h3" port=8443 ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1'),
    ("SVCB", "16 foo.example. mandatory=alpn,ipv4hint alpn=h2,h3-19 ipv4hint=192.0.2.1"),
    ("SVCB", '1 foo.example. key667="hello\\210qoo"'),
    ("SVCB", '16 foo.example. alpn="f\\\\\\\\oo\\\\,bar,h2"'),
    ("HTTPS", "1 . alpn=h2 no-default-alpn"),
    ("SPF", '"v=spf1 -all"'),
    ("EUI48", "00-00-5e-00-53-2a"),
    ("EUI64", "00-00-5e-ef-10-00-00-2a"),
    ("URI", '10 1 "ftp://ftp.example/public"'),
    ("CAA", '0 issue "ca.example; policy=ev"'),
    ("CERT", "1 2 3 AQPSKmynfzW4kyBv"),
    ("DHCID", "AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA="),
    ("TYPE731", "\\# 6 abcdef 012345"),
    ("A", "\\# 4 C0000201"),
]


def written(kind: str, text: str) -> bytes:
    (entry,) = entries(f"x {text}", "here")
    return from_tokens(type_number(kind), entry.tokens[1:], ROOT)


@pytest.mark.parametrize(("kind", "text"), SAMPLES)
def test_data_is_read_and_shown_as_dnspython_has_it(kind: str, text: str) -> None:
    number = type_number(kind)
    rdata = written(kind, text)
    theirs = dns.rdata.from_text("IN", kind, text, origin=dns.name.root, relativize=False)
    assert rdata == theirs.to_wire(origin=dns.name.root)
    shown = show(number, rdata)
    assert written(kind, shown) == rdata
    again = dns.rdata.from_text("IN", kind, shown, origin=dns.name.root, relativize=False)
    assert again.to_wire(origin=dns.name.root) == rdata
    assert is_right(number, rdata)


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        ("A", "192.0.2", "no IPv4 address"),
        ("A", "192.0.2.1 x", "stands behind all that A has"),
        ("A", "", "has 0 of its 1 parts"),
        ("MX", "mail.example.", "no number from 0 to 65535"),
        ("MX", "10", "has 1 of its 2 parts"),
        ("MX", "70000 mail.", "no number from 0 to 65535"),
        ("NS", "a..b.", "an empty label"),
        ("NS", "a" * 64 + ".", "63 is the most"),
        ("TXT", '"' + "x" * 256 + '"', "255 is the most"),
        ("TXT", "\\999", "no byte"),
        ("SVCB", "1 . alpn=h2 alpn=h3", "given twice"),
        ("SVCB", "1 . mandatory=port", "mandatory names port"),
        ("SVCB", "1 . no-default-alpn", "needs alpn"),
        ("SVCB", "1 . colour=red", "no parameter"),
        ("SVCB", "1 . port=banana", "cannot be meant"),
        ("CAA", '0 is-sue "x"', "no tag"),
        ("LOC", "91 0 0 N 0 0 0 E 0m", "no angle"),
        ("RRSIG", "A 5 3 86400 20031322173103 20030220173103 2642 example. oJB1", "no time"),
        ("DNSKEY", "256 3 5 ab!c", "not base64"),
        ("A", "\\# 3 C00002", "no data of A"),
        ("TYPE731", "192.0.2.1", "RFC 3597"),
    ],
)
def test_what_is_wrong_is_said(kind: str, text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        written(kind, text)


@given(st.sampled_from(sorted(LAYOUTS)), st.binary(max_size=80))
def test_any_bytes_are_shown(kind: int, rdata: bytes) -> None:
    """As their type has them, or as unknown; what is shown means the same bytes again."""
    shown = show(kind, rdata)
    if not is_right(kind, rdata):
        assert shown.startswith("\\#")
    elif shown:
        theirs = None
        try:
            theirs = dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.RdataType.make(kind), rdata, 0, len(rdata))
        except (dns.exception.DNSException, ValueError, OverflowError, IndexError):
            pass  # stricter about a value than the form of the record is
        if theirs is not None:
            assert theirs.to_wire(origin=dns.name.root) == rdata


def test_types_have_the_registered_numbers() -> None:
    for name, number in TYPES.items():
        if name in dns.rdatatype.RdataType.__members__:
            assert dns.rdatatype.RdataType[name] == number
    assert TYPE_NAMES[257] == "CAA"
