"""Who may go where, as a table: the defaults, rules before them, the lab, and clients from other machines."""

from __future__ import annotations

import pytest

from netlab.http.permission import Permission
from netlab.net.addresses import AddressMap, SocketAddress
from netlab.policy.access import parse_rule

HERE, THERE = "127.0.0.1", "198.51.100.9"


def lab() -> AddressMap:
    addresses = AddressMap()
    addresses.add("www.shop.test", "127.0.60.1", {443: ("127.0.60.1", 8443)})
    return addresses


def allowed(permission: Permission, client: str, host: str, address: str, port: int, method: str) -> bool:
    if permission.refusal(client, host, port, method) is not None:
        return False
    return permission.check(client, host, port, method)(SocketAddress(address, port)) is None


@pytest.mark.parametrize(
    ("client", "host", "address", "port", "method", "usual", "exposed"),
    [
        (HERE, "example.org", "192.0.2.1", 80, "GET", True, True),
        (HERE, "example.org", "192.0.2.1", 8080, "GET", True, True),
        (HERE, "example.org", "192.0.2.1", 443, "CONNECT", True, True),
        (HERE, "example.org", "192.0.2.1", 25, "CONNECT", False, False),
        (HERE, "example.org", "192.0.2.1", 80, "SOCKS", True, True),
        (HERE, "example.org", "192.0.2.1", 25, "SOCKS", False, False),
        (HERE, "localhost", "127.0.0.1", 25, "CONNECT", True, True),
        (HERE, "localhost", "::1", 8080, "GET", True, True),
        (HERE, "www.shop.test", "127.0.60.1", 443, "CONNECT", True, True),
        (HERE, "rebound.example", "192.168.1.1", 80, "GET", False, False),
        (HERE, "rebound.example", "169.254.169.254", 80, "GET", False, False),
        (HERE, "rebound.example", "fd00::1", 443, "CONNECT", False, False),
        (HERE, "rebound.example", "::ffff:192.168.1.1", 443, "CONNECT", False, False),
        (THERE, "localhost", "127.0.0.1", 80, "GET", True, False),
        (THERE, "rebound.example", "127.0.0.1", 80, "GET", True, False),
        (THERE, "rebound.example", "::ffff:127.0.0.1", 80, "GET", True, False),
        (THERE, "www.shop.test", "127.0.60.1", 443, "CONNECT", True, True),
        (THERE, "example.org", "192.0.2.1", 443, "CONNECT", True, True),
    ],
)
def test_without_rules(
    client: str, host: str, address: str, port: int, method: str, usual: bool, exposed: bool
) -> None:
    for permission, expected in (
        (Permission([], lab=lab()), usual),
        (Permission([], lab=lab(), exposed=True), exposed),
    ):
        for _ in range(2):  # the second time from memory
            assert allowed(permission, client, host, address, port, method) is expected


def test_rules_go_before() -> None:
    permission = Permission(
        [
            parse_rule("deny to *.ads.test"),
            parse_rule("allow to 10.0.0.0/8 method GET"),
            parse_rule("deny to www.shop.test"),
        ],
        connect_ports="443,8443",
        lab=lab(),
    )
    assert not allowed(permission, HERE, "x.ads.test", "127.0.0.1", 80, "GET")
    assert allowed(permission, HERE, "intern.example", "10.1.1.1", 80, "GET")
    assert not allowed(permission, HERE, "intern.example", "10.1.1.1", 80, "POST")
    assert allowed(permission, HERE, "example.org", "192.0.2.1", 8443, "CONNECT")
    assert not allowed(permission, HERE, "www.shop.test", "127.0.60.1", 443, "CONNECT")


def test_a_name_is_not_looked_up_to_be_refused() -> None:
    permission = Permission([parse_rule("deny to *.ads.test")])
    refusal = permission.refusal(HERE, "x.ads.test", 80, "GET")
    assert refusal is not None
    assert refusal.rule == "deny to *.ads.test"
    assert permission.refusal(HERE, "example.org", 80, "GET") is None  # the address will tell


def test_memory_is_bounded() -> None:
    permission = Permission([])
    for number in range(10_000):
        permission.refusal(HERE, f"h{number}.example", 80, "GET")
    assert len(permission._verdicts) <= 4096
