"""Access rules: tables."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from netlab.policy.access import LOOPBACK, NOT_GLOBAL, AccessRules, Asked, in_networks, parse_rule

RULES = AccessRules(
    [
        parse_rule("allow to *.shop.test,127.0.0.0/8 port 443,8000-8999"),
        parse_rule("deny from 10.1.0.0/16"),
        parse_rule("deny to 10.0.0.0/8,192.168.0.0/16"),
        parse_rule("deny method TRACE"),
        parse_rule("allow to *"),
    ],
    otherwise="deny",
)


def asked(
    host: str, port: int = 443, *, client: str = "127.0.0.1", method: str = "GET", address: str | None = None
) -> Asked:
    return Asked(client=client, host=host, port=port, method=method, address=address)


@pytest.mark.parametrize(
    ("question", "rule"),
    [
        (asked("www.shop.test"), None),
        (asked("WWW.Shop.Test."), None),
        (asked("127.0.0.9", 8080), None),
        (asked("example.org"), None),
        (asked("example.org", client="10.1.2.3"), "deny from 10.1.0.0/16"),
        (asked("www.shop.test", client="10.1.2.3"), None),  # the first match wins
        (asked("10.9.9.9"), "deny to 10.0.0.0/8,192.168.0.0/16"),
        (asked("rebind.test", address="192.168.1.1"), "deny to 10.0.0.0/8,192.168.0.0/16"),
        (asked("[::ffff:10.0.0.1]"), "deny to 10.0.0.0/8,192.168.0.0/16"),
        (asked("example.org", method="TRACE"), "deny method TRACE"),
    ],
)
def test_first_match_wins(question: Asked, rule: str | None) -> None:
    refusal = RULES.check(question)
    assert (refusal.rule if refusal else None) == rule


def test_without_a_match() -> None:
    nothing = AccessRules([], otherwise="deny").check(asked("a.test"))
    assert nothing is not None
    assert nothing.reason == "GET to a.test port 443 is not allowed here: no rule allows it"
    assert AccessRules([]).check(asked("a.test")) is None


def test_what_only_the_address_tells() -> None:
    assert RULES.awaits_address(asked("example.org", 443))
    assert not RULES.awaits_address(asked("www.shop.test"))  # the name is enough
    assert not RULES.awaits_address(asked("192.168.1.1"))  # the name is an address
    assert not RULES.awaits_address(asked("example.org", 80, client="10.1.2.3"))  # refused before a network counts
    assert not RULES.awaits_address(asked("example.org", address="198.51.100.1"))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "begins with allow or deny"),
        ("permit all", "begins with allow or deny"),
        ("allow from", "has nothing behind it"),
        ("deny 10.0.0.0/8", "'10.0.0.0/8' is none of from, to, port, method"),
        ("deny to 10.0.0.0/99", "is no host"),
        ("deny to http://a.test/", "is no host"),
        ("deny to a.test,", "is no host"),
        ("deny method G(ET)", "is no method"),
        ("deny from everywhere", "is no network"),
        ("deny to a.test port 0", "is no port"),
        ("deny port 9-1", "is no port"),
        ("deny colour blue", "is none of from, to, port, method"),
    ],
)
def test_what_is_no_rule(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_rule(text)


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "::ffff:10.0.0.1", "2002:a00:1::", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "fe80::1%eth0"]
)
def test_no_way_of_writing_leads_into_a_private_network(address: str) -> None:
    """Mapped, by 6to4, by NAT64: where it leads is what counts."""
    assert in_networks(address, NOT_GLOBAL)
    assert not in_networks(address, LOOPBACK)


def test_an_address_is_in_its_own_network_too() -> None:
    assert in_networks("2002:a00:1::", [ip_network("2002::/16")])
    assert in_networks("64:ff9b::1.1.1.1", [ip_network("64:ff9b::/96")])
    assert not in_networks("64:ff9b::1.1.1.1", NOT_GLOBAL)
