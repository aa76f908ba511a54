"""Virtual hosts: by Host, by SNI, and what does not fit together."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.config import Address
from netlab.http.hosts import Hosts
from netlab.http.rules import HostRoot
from tests.http.served import served

HOSTS = Hosts(
    {"www.shop.test": "shop", "*.test": "any", "*.shop.test": "below", "127.0.0.1": "address", "::1": "six"}, "default"
)


@pytest.mark.parametrize(
    ("authority", "thing"),
    [
        ("www.shop.test", "shop"),
        ("WWW.Shop.Test:8080", "shop"),
        ("www.shop.test.", "shop"),
        ("a.shop.test", "below"),
        ("a.b.shop.test:1", "below"),
        ("shop.test", "any"),
        ("test", "default"),
        ("127.0.0.1:80", "address"),
        ("[::1]:80", "six"),
        ("[::1]", "six"),
        ("[::2]", "default"),
        ("", "default"),
        ("evil.test.example", "default"),
    ],
)
def test_names(authority: str, thing: str) -> None:
    assert HOSTS.find(authority) == thing


@given(st.text(max_size=30) | st.text("a.*:[]t", max_size=30))
def test_any_authority_belongs_somewhere(authority: str) -> None:
    assert HOSTS.find(authority) in ("shop", "any", "below", "address", "six", "default")


@pytest.mark.parametrize("text", ["", "a", "a=", "=x", "a b=x", "a/b=x", "*.*.a=x", "a..b=x"])
def test_rules_that_are_none(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  its words are the setting's
        HostRoot.parse(text)


def test_rules() -> None:
    assert HostRoot.parse("WWW.shop.test=./a=b") == HostRoot("www.shop.test", Path("./a=b"))
    assert HostRoot.parse("*.test=x").name == "*.test"
    assert HostRoot.parse("münchen.test=x").name == "xn--mnchen-3ya.test"
    assert HostRoot.parse("[::1]=x").name == "::1"


@pytest.fixture
def roots(tmp_path: Path) -> tuple[HostRoot, ...]:
    for name in ("shop", "sites", "default"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text(name)
    return (HostRoot("www.shop.test", tmp_path / "shop"), HostRoot("*.test", tmp_path / "sites"))


async def test_each_host_has_its_own_files(tmp_path: Path, roots: tuple[HostRoot, ...]) -> None:
    async with served(tmp_path, root=tmp_path / "default", host=roots) as site, site.http() as client:
        for host, content in (
            ("www.shop.test", "shop"),
            ("x.test:8080", "sites"),
            ("127.0.0.1", "default"),
            ("", "default"),
        ):
            answer = await client.get("/", headers={"Host": host})
            assert (answer.status_code, answer.text) == (200, content)
        assert (await client.get("/hello", headers={"Host": "www.shop.test"})).text == "Hello, World!"


async def test_the_target_names_the_host_before_the_field(tmp_path: Path, roots: tuple[HostRoot, ...]) -> None:
    async with served(tmp_path, host=roots) as site:
        got = await site.curl("/", "-H", "Host: x.test", "--request-target", "http://www.shop.test/")
        assert got.out == b"shop"


async def test_a_connection_is_for_the_host_of_its_certificate(tmp_path: Path, roots: tuple[HostRoot, ...]) -> None:
    async with served(tmp_path, root=tmp_path / "default", host=roots, tls=True, tls_listen=Address()) as site:
        port = site.ports[1]

        async def ask(name: str, *arguments: str) -> str:
            resolve = ("--resolve", f"{name}:{port}:127.0.0.1", "--cacert", str(tmp_path / "ca" / "ca.pem"))
            got = await site.curl("/hello", *resolve, *arguments, f"https://{name}:{port}/", "-o", "-")
            return got.out.decode().removesuffix("Hello, World!")

        assert await ask("www.shop.test") == "shop"
        assert await ask("x.test") == "sites"
        assert await ask("localhost") == "default"
        assert await ask("x.test", "-H", "Host: y.test") == "sites"  # the same entry
        refused = await ask("x.test", "-H", "Host: www.shop.test")
        assert refused.startswith("421 Misdirected Request\nthis connection is for x.test")
        assert (await ask("127.0.0.1", "-H", "Host: www.shop.test")) == "shop"  # an address: no SNI, nothing promised
