"""Who gets through to a route: tokens of every kind with keys by URL, passwords, roles, and how often."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from netlab.policy.jwt import Key, secret_key, sign
from netlab.policy.jwt.keys import asymmetric_key
from tests.http.served import user, users_file
from tests.http.upstreams import Called, Scripted, named, scripted
from tests.servers.reverse_proxy.proxied import Reverse, proxied

RSA = asymmetric_key(rsa.generate_private_key(65537, 2048), kid="rsa")
EC = asymmetric_key(ec.generate_private_key(ec.SECP256R1()), kid="ec")
ED = asymmetric_key(ed25519.Ed25519PrivateKey.generate(), kid="ed")


def b64(number: int, size: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(size, "big")).rstrip(b"=").decode()


def jwk(key: Key) -> dict[str, Any]:
    """The public part, as issuers publish it."""
    public = key.public
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        own = {"kty": "RSA", "n": b64(numbers.n, 256), "e": b64(numbers.e, 3)}
    elif isinstance(public, ec.EllipticCurvePublicKey):
        point = public.public_numbers()
        own = {"kty": "EC", "crv": "P-256", "x": b64(point.x, 32), "y": b64(point.y, 32)}
    else:
        assert public is not None
        raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        own = {"kty": "OKP", "crv": "Ed25519", "x": b64(int.from_bytes(raw, "big"), 32)}
    return {**own, "kid": key.kid}


class Issuer:
    """Publishes keys, and counts how often it is asked."""

    def __init__(self, *keys: Key) -> None:
        self.published: list[Any] = [jwk(key) for key in keys]
        self.status, self.asked = 200, 0
        self.fields = b""

    async def script(self, called: Called) -> None:
        await called.head()
        self.asked += 1
        body = json.dumps({"keys": self.published}).encode()
        head = b"HTTP/1.1 %d X\r\n%bContent-Length: %d\r\n\r\n" % (self.status, self.fields, len(body))
        await called.say(head + body)


@asynccontextmanager
async def guarded(by: Issuer, *routes: str, **options: Any) -> AsyncIterator[tuple[Reverse, Scripted]]:
    async with scripted(by.script) as keys, scripted(named("in")) as upstream:
        jwks = f"http://127.0.0.1:{keys.port}/jwks.json"
        async with proxied(upstream.port, routes=routes or ("path=/ auth=jwt",), jwks=jwks, **options) as proxy:
            yield proxy, upstream


async def enter(proxy: Reverse, token: str, path: str = "/") -> tuple[int, bytes]:
    answer = await proxy.get(path, fields=f"Authorization: Bearer {token}\r\n")
    return int(answer.split(b" ", 2)[1]), answer


def claims(proxy: Reverse, **more: Any) -> dict[str, Any]:
    return {"sub": "ada", "exp": proxy.clock.now() + 60, **more}


@pytest.mark.parametrize("key", [RSA, EC, ED], ids=lambda key: key.algorithm)
async def test_tokens_signed_by_a_key_of_the_set(key: Key) -> None:
    issuer = Issuer(RSA, EC, ED)
    async with guarded(issuer) as (proxy, _):
        token = sign(claims(proxy), key)
        assert [(await enter(proxy, token))[0] for _ in range(3)] == [200, 200, 200]
        assert issuer.asked == 1
        assert proxy.notes("keys.fetched") == [{"url": proxy.server.config.jwks, "keys": ["rsa", "ec", "ed"]}]
        flow = proxy.requests()[0]
        assert [event.fields["user"] for event in flow.events or () if event.name == "authentication.accepted"] == [
            "ada"
        ]


def forged(header: dict[str, Any], body: dict[str, Any], signature: bytes = b"") -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, body)]
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


async def test_none_and_confused_algorithms_are_refused() -> None:
    assert isinstance(RSA.public, rsa.RSAPublicKey)
    pem = RSA.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    async with guarded(Issuer(RSA)) as (proxy, upstream):
        good = claims(proxy)
        for token in (
            forged({"alg": "none", "kid": "rsa"}, good),
            forged({"alg": "NoNe"}, good),
            sign(good, secret_key(pem, kid="rsa")),  # the public key taken for a secret
            sign(good, Key("ES256", "rsa", private=EC.private, public=EC.public)),
            sign(good, RSA)[:-4] + "AAAA",
            "a.b",
        ):
            status, answer = await enter(proxy, token)
            assert status == 401
            assert b'WWW-Authenticate: Bearer realm="netlab", error="invalid_token", error_description="' in answer
        assert not upstream.calls


async def test_times_are_the_labs() -> None:
    async with guarded(Issuer(ED)) as (proxy, _):
        token = sign(claims(proxy, nbf=proxy.clock.now() + 40), ED)
        assert (await enter(proxy, token))[0] == 401
        proxy.clock.jump(20)
        assert (await enter(proxy, token))[0] == 200
        proxy.clock.jump(100)
        status, answer = await enter(proxy, token)
        assert status == 401
        assert b"expired" in answer


async def test_roles_and_whom_a_token_is_for() -> None:
    async with guarded(Issuer(ED), "path=/ auth=jwt roles=admin,staff", audience="shop", issuer="me") as (proxy, _):
        right = {"aud": "shop", "iss": "me", "roles": ["staff"]}
        for wrong, expected in (
            ({}, 200),
            ({"roles": ["guest"]}, 403),
            ({"roles": []}, 403),
            ({"aud": "other"}, 401),
            ({"iss": "them"}, 401),
        ):
            status, answer = await enter(proxy, sign(claims(proxy, **{**right, **wrong}), ED))
            assert status == expected
            assert (b"only for admin or staff" in answer) == (status == 403)
            assert (b'error="insufficient_scope"' in answer) == (status == 403)


async def test_a_key_that_is_not_known_is_asked_for_but_not_too_often() -> None:
    issuer = Issuer(RSA)
    async with guarded(issuer) as (proxy, _):
        assert (await enter(proxy, sign(claims(proxy), RSA)))[0] == 200
        issuer.published.append(jwk(ED))
        token = sign(claims(proxy), ED)
        assert [(await enter(proxy, token))[0] for _ in range(3)] == [401, 401, 401]
        assert issuer.asked == 1  # a moment ago
        proxy.clock.jump(11)
        assert (await enter(proxy, token))[0] == 200
        assert issuer.asked == 2


async def test_keys_are_kept_while_the_issuer_is_away() -> None:
    issuer = Issuer(ED)
    issuer.fields = b"Cache-Control: public, max-age=120\r\n"
    async with guarded(issuer) as (proxy, _):
        assert (await enter(proxy, sign(claims(proxy), ED)))[0] == 200
        issuer.status = 500
        proxy.clock.jump(121)
        for _ in range(2):
            assert (await enter(proxy, sign(claims(proxy), ED)))[0] == 200
        assert issuer.asked == 2


async def test_without_any_keys_nobody_is_let_in() -> None:
    issuer = Issuer()
    async with guarded(issuer) as (proxy, upstream):
        for published, status in (([], 200), ([{"kty": "oct", "k": "A" * 43}], 200), ([], 404)):
            issuer.published, issuer.status = published, status  # a secret that all may read is none
            answered, answer = await enter(proxy, sign(claims(proxy), ED))
            assert answered == 503
            assert b"Retry-After: 10\r\n" in answer
            proxy.clock.jump(11)
        assert (await proxy.get()).startswith(b"HTTP/1.1 401 ")  # who shows no token is not worth a question
        assert not upstream.calls


async def test_what_is_open_asks_no_issuer() -> None:
    issuer = Issuer()
    async with guarded(issuer, "path=/in auth=jwt") as (proxy, _):
        assert (await enter(proxy, "the-upstreams-own", "/"))[0] == 200
        assert issuer.asked == 0


async def test_passwords(tmp_path: Path) -> None:
    users = users_file(tmp_path, user("ada", "secret", "staff"), user("bob", "secret"))
    route = "path=/staff auth=basic roles=staff"
    async with scripted(named("in")) as up, proxied(up.port, state=tmp_path, users=users, routes=(route,)) as proxy:
        for name, password, status in (("ada", "secret", 200), ("ada", "wrong", 401), ("bob", "secret", 403)):
            credentials = base64.b64encode(f"{name}:{password}".encode()).decode()
            answer = await proxy.get("/staff/x", fields=f"Authorization: Basic {credentials}\r\n")
            assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert b'WWW-Authenticate: Basic realm="netlab"' in await proxy.get("/staff")
        assert (await proxy.get("/")).startswith(b"HTTP/1.1 200 ")


async def test_limits_of_a_route_count_users_behind_authentication() -> None:
    route = "path=/ auth=jwt limit=2/m:user"
    async with guarded(Issuer(ED), route) as (proxy, _):
        ada, bob = (sign(claims(proxy, sub=name), ED) for name in ("ada", "bob"))
        assert [(await enter(proxy, ada))[0] for _ in range(3)] == [200, 200, 429]
        status, answer = await enter(proxy, bob)
        assert status == 200
        assert b"RateLimit: " in answer
        proxy.clock.jump(30)
        assert (await enter(proxy, ada))[0] == 200


async def test_limits_know_clients_behind_a_trusted_proxy() -> None:
    from ipaddress import ip_network

    async with scripted(named("in")) as up:
        trust = (ip_network("127.0.0.0/8"),)
        async with proxied(up.port, routes=("path=/ limit=1/m",), trust=trust) as proxy:
            for client, status in (
                ("192.0.2.1", 200),
                ("192.0.2.2", 200),
                ("192.0.2.1", 429),
                ("spoofed, 192.0.2.2", 429),
            ):
                answer = await proxy.get(fields=f"X-Forwarded-For: {client}\r\n")
                assert answer.startswith(b"HTTP/1.1 %d " % status)
