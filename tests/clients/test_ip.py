"""`netlab ip`: kinds, classes, networks, hosts, splits; held against the standard library and known answers."""

from __future__ import annotations

import ipaddress
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients import ip
from netlab.errors import UsageError
from tests.netlab_process import place


def known(text: str) -> dict[str, Any]:
    return ip.facts(ip.parse(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.168.17.5/24", {"kind": "private", "class": "C", "scope": "private networks", "section": "RFC 1918 3"}),
        ("127.0.0.1", {"kind": "loopback", "class": "A", "scope": "this machine"}),
        ("8.8.8.8", {"kind": "global unicast", "scope": "the Internet", "reverse": "8.8.8.8.in-addr.arpa"}),
        ("100.64.0.1", {"kind": "shared", "section": "RFC 6598"}),
        ("224.0.0.251", {"kind": "multicast", "class": "D", "scope": "the link"}),
        ("255.255.255.255", {"kind": "limited broadcast", "class": "E"}),
        ("198.51.100.7", {"kind": "documentation", "binary": "11000110.00110011.01100100.00000111"}),
        ("::1", {"kind": "loopback", "expanded": "0000:0000:0000:0000:0000:0000:0000:0001"}),
        ("2001:db8::1", {"kind": "documentation", "hexadecimal": "0x20010db8000000000000000000000001"}),
        ("::ffff:192.0.2.1", {"kind": "IPv4-mapped", "ipv4": "192.0.2.1"}),
        ("64:ff9b::192.0.2.1", {"kind": "NAT64", "ipv4": "192.0.2.1"}),
        ("2002:c000:0201::", {"kind": "6to4", "ipv4": "192.0.2.1"}),
        (
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            {"kind": "Teredo", "ipv4": "192.0.2.45", "teredo_server": "65.54.227.120"},
        ),
        ("fe80::204:61ff:fe9d:f156", {"kind": "link-local", "mac": "00:04:61:9d:f1:56", "scope": "the link"}),
        ("fd00::1", {"kind": "unique local"}),
        (
            "ff02::1:ff00:1234",
            {"scope": "the link", "meaning": "to neighbours with these last 24 bits, in place of ARP"},
        ),
        ("ff05::2", {"kind": "multicast", "scope": "the site"}),
        ("2606:4700::1111", {"kind": "global unicast"}),
        ("4000::", {"kind": "reserved"}),
    ],
)
def test_what_an_address_is(text: str, expected: dict[str, str]) -> None:
    found = known(text)
    assert {key: found[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("text", "prefix", "hosts", "first", "last", "place"),
    [
        ("192.168.17.5/24", "192.168.17.0/24", 254, "192.168.17.1", "192.168.17.254", "a host"),
        ("10.0.0.0/8", "10.0.0.0/8", 16777214, "10.0.0.1", "10.255.255.254", "the network's own address, no host's"),
        ("10.0.3.255/22", "10.0.0.0/22", 1022, "10.0.0.1", "10.0.3.254", "the broadcast address, no host's"),
        ("172.16.9.1/255.255.240.0", "172.16.0.0/20", 4094, "172.16.0.1", "172.16.15.254", "a host"),
        ("10.0.0.5/31", "10.0.0.4/31", 2, "10.0.0.4", "10.0.0.5", "one of two, of a link between two (RFC 3021)"),
        ("10.0.0.5", "10.0.0.5/32", 1, "10.0.0.5", "10.0.0.5", "the network is this address alone"),
    ],
)
def test_what_its_network_is(text: str, prefix: str, hosts: int, first: str, last: str, place: str) -> None:
    network = known(text)["network"]
    assert (network["prefix"], network["hosts"], network["first"], network["last"]) == (prefix, hosts, first, last)
    assert network["place"] == place


@settings(max_examples=40)
@given(st.ip_addresses(), st.integers(0, 128))
def test_any_address_of_any_length_agrees_with_the_standard_library(address: Any, length: int) -> None:
    interface = ip.parse(f"{address}/{min(length, address.max_prefixlen)}")
    found = ip.facts(interface)
    assert found["network"]["addresses"] == interface.network.num_addresses
    assert ipaddress.ip_address(found["network"]["first"]) in interface.network
    assert ipaddress.ip_address(found["network"]["last"]) in interface.network
    assert ip.lines(found)
    json.dumps(found)


async def test_a_split_and_what_is_inside(capsys: pytest.CaptureFixture[str]) -> None:
    assert await ip.run(ip.Config(address="10.0.0.0/22", split=24)) == 0
    assert capsys.readouterr().out.splitlines()[-5:] == [
        "4 networks of /24",
        *(f"  10.0.{number}.0/24" for number in range(4)),
    ]
    assert await ip.run(ip.Config(address="2001:db8::/32", split=64, json=True)) == 0
    parts = json.loads(capsys.readouterr().out)["split"]
    assert (parts["count"], len(parts["networks"]), parts["networks"][1]) == (1 << 32, 64, "2001:db8:0:1::/64")
    assert await ip.run(ip.Config(address="10.0.0.0/22", contains="10.0.3.9")) == 0
    assert await ip.run(ip.Config(address="10.0.0.0/22", contains="10.0.4.0/24")) == 1
    assert await ip.run(ip.Config(address="10.0.0.0/22", contains="::1")) == 1
    for length in (21, 33):
        with pytest.raises(UsageError, match="divides into prefixes of /22 to /32"):
            await ip.run(ip.Config(address="10.0.0.0/22", split=length))


@pytest.mark.parametrize("text", ["fe80::1%eth0/64", "[fe80::1%eth0]/64"])
async def test_a_zone(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await ip.run(ip.Config(address=text, json=True)) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["zone"], found["network"]["prefix"]) == ("eth0", "fe80::/64")


async def test_an_address_of_ipv4_has_no_zone() -> None:
    with pytest.raises(UsageError, match="only IPv6 addresses have a zone"):
        await ip.run(ip.Config(address="192.0.2.1%eth0"))


@pytest.mark.parametrize("text", ["", "300.1.1.1", "10.0.0.0/33", "::g", "1.2.3", "10.0.0.0/255.0.255.0"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UsageError, match="is no address, and no network such as"):
        ip.parse(text)


def test_the_command() -> None:
    with place() as here:
        shown = here.run("ip", "192.168.17.5/24")
        assert shown.returncode == 0, shown.stderr
        assert "class      C, 192.0.0.0 to 223.255.255.255" in shown.stdout
        assert "classes are history" in shown.stdout
        wrong = here.run("ip", "1.2.3")
        assert (wrong.returncode, wrong.stdout) == (2, "")
        assert wrong.stderr.startswith("netlab: '1.2.3' is no address")
