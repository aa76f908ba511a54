"""`netlab tour`: each stop ends, and tells the whole story in order."""

from __future__ import annotations

from tests.world.conftest import World


def test_a_page_visit_is_told_from_the_root_to_the_origin(world: World) -> None:
    told = world.netlab("tour", "page")
    story = (
        "resolver: www.shop.test. A", "nameserver: ", "forward-proxy: CONNECT www.shop.test:443", "TLS: TLSv1.3",
        "reverse-proxy: GET /shop/tea-mint?tour", "cache: ", "l7-balancer: GET", "balancer: 127.0.0.1:910", "origin-",
    )  # fmt: skip
    places = [told.find(words) for words in story]
    assert -1 not in places, told
    assert places == sorted(places)


def test_a_failover_is_told_with_its_reason(world: World) -> None:
    told = world.netlab("tour", "failover")
    assert "fault" in told
    assert "tried again elsewhere" in told
    assert "tour" not in world.netlab("faults")


def test_a_mail_is_told_command_by_command(world: World) -> None:
    told = world.netlab("tour", "mail")
    assert "C: MAIL FROM:<netlab@localhost>" in told
    assert "RFC 5321 4.1.1.2" in told
