"""Credentials as curl, requests and httpx give them, and the numbers of RFC 7616."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
import requests
from requests.auth import HTTPDigestAuth

from netlab.cores.fields import Fields
from netlab.cores.http1 import Frame, Request
from netlab.http.endpoints.digest import hashed, response
from netlab.policy.auth.credentials import Credentials, parse_credentials
from tests.http.endpoints.site import Site, site


async def test_basic_openly_and_hidden() -> None:
    async with site() as here, here.http() as client:
        for path, refusal in (("/basic-auth/us%C3%A9r/p:w", 401), ("/hidden-basic-auth/us%C3%A9r/p:w", 404)):
            right = await client.get(path, auth=("usér", "p:w"))
            assert (right.status_code, right.json()) == (200, {"authenticated": True, "user": "usér"})
            assert (await client.get(path)).status_code == refusal
            assert (await client.get(path, auth=("usér", "x"))).status_code == refusal
        for value in ("Basic", "Basic ???", "Basic dXNlcg==", "Digest x=y", "basic " + "A" * 9000):
            assert (await client.get("/basic-auth/a/b", headers={"Authorization": value})).status_code == 401
        lower = await client.get("/basic-auth/a/b", headers={"Authorization": "bAsIc YTpi"})
        assert lower.status_code == 200


async def test_any_bearer_token() -> None:
    async with site() as here, here.http() as client:
        for value, status in (("Bearer abcd1234", 200), ("bearer a.b-c_d", 200), ("Bearer", 401), ("Basic YTpi", 401)):
            answer = await client.get("/bearer", headers={"Authorization": value})
            assert answer.status_code == status
        assert (await client.get("/bearer")).headers["www-authenticate"] == "Bearer"
        by_curl = await here.curl("/bearer", "--oauth2-bearer", "t0ken")
        assert json.loads(by_curl.out) == {"authenticated": True, "token": "t0ken"}


# RFC 7616 3.9.1: the same request by two algorithms
URI = "/dir/index.html"
GIVEN = {
    "realm": "http-auth@example.org",
    "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    "nc": "00000001",
    "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    "qop": "auth",
}
RESPONSES = {
    "MD5": "8ca523f5e9506fed4657c9700eebdbec",
    "SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
}


@pytest.mark.parametrize("algorithm", RESPONSES)
def test_the_example_of_rfc_7616(algorithm: str) -> None:
    request = Request("GET", URI, "1.1", Fields(()), Frame(False, 0, False, True))
    given = {**GIVEN, "algorithm": algorithm}
    assert response(given, "Mufasa", "Circle of Life", request, b"") == RESPONSES[algorithm]


async def test_digest_from_curl() -> None:
    async with site() as here:
        for algorithm in ("MD5", "SHA-256"):
            path = f"/digest-auth/auth/user/pass/{algorithm}"
            right = await here.curl(path, "--digest", "-u", "user:pass")
            assert json.loads(right.out) == {"authenticated": True, "user": "user"}
            for wrong in ("user:x", "other:pass"):
                answer = await here.curl(path, "--digest", "-u", wrong, "-o", "/dev/null", "-w", "%{http_code}")
                assert answer.out == b"401"


async def test_digest_from_httpx_and_requests() -> None:
    async with site() as here:
        for algorithm in ("MD5", "SHA-256", "SHA-512"):
            path = f"/digest-auth/auth/us er/pass/{algorithm}?a=1"
            answer = await here.get(path, auth=httpx.DigestAuth("us er", "pass"))
            assert answer.json() == {"authenticated": True, "user": "us er"}

            def ask(url: str = here.url(path)) -> None:
                with requests.Session() as session:
                    session.trust_env = False
                    session.auth = HTTPDigestAuth("us er", "pass")
                    assert session.get(url).status_code == 200
                    assert session.get(url).status_code == 200

            await asyncio.to_thread(ask)


@pytest.mark.parametrize("qop", ["auth", "auth-int", "both", None])
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512"])
async def test_every_quality_of_protection(qop: str | None, algorithm: str) -> None:
    async with site() as here, here.http() as client:
        path = f"/digest-auth/{qop or 'any'}/user/pass/{algorithm}"
        challenge = await client.get(path)
        assert challenge.status_code == 401
        assert challenge.cookies["stale_after"] == "never"
        parameters = read(challenge)
        assert parameters["algorithm"] == algorithm
        assert parameters["stale"] == "false"
        offered = parameters["qop"].split(", ")
        assert offered == (["auth", "auth-int"] if qop in ("both", None) else [qop])
        chosen = None if qop is None else offered[-1]
        for body in (b"", b"request payload"):
            answer = await client.request("GET", path, content=body, headers=prove(parameters, path, chosen, body))
            assert answer.json() == {"authenticated": True, "user": "user"}
        tampered = prove(parameters, path, chosen, b"what was sent")
        status = (await client.request("GET", path, content=b"what came", headers=tampered)).status_code
        assert status == (401 if chosen == "auth-int" else 200)


async def test_a_nonce_goes_stale_after_so_many_uses() -> None:
    path = "/digest-auth/auth/user/pass/MD5/2"
    async with site() as here, here.http() as client:
        parameters = read(await client.get(path))
        assert [await status_of(client, path, parameters) for _ in range(2)] == [200, 200]
        again = await client.get(path, headers=prove(parameters, path, "auth"))
        assert again.status_code == 401
        assert read(again)["stale"] == "true"
        assert await status_of(client, path, read(again)) == 200


async def test_a_nonce_that_was_refused_is_stale() -> None:
    path = "/digest-auth/auth/user/pass"
    async with site() as here, here.http() as client:
        parameters = read(await client.get(path))
        wrong = await client.get(path, headers=prove(parameters, path, "auth", password="guess"))
        assert (wrong.status_code, read(wrong)["stale"]) == (401, "false")
        reused = await client.get(path, headers=prove(parameters, path, "auth"))
        assert (reused.status_code, read(reused)["stale"]) == (401, "true")


async def test_a_weaker_algorithm_than_was_asked_for_is_refused() -> None:
    path = "/digest-auth/auth/user/pass/SHA-256"
    async with site() as here, here.http() as client:
        parameters = {**read(await client.get(path)), "algorithm": "MD5"}
        assert await status_of(client, path, parameters) == 401


async def test_cookies_can_be_required() -> None:
    path = "/digest-auth/auth/user/pass?require-cookie=1"
    async with site() as here:
        async with here.http() as client:
            parameters = read(await client.get(path))
            assert await status_of(client, path, parameters) == 200
        assert (await here.get(path, headers=prove(parameters, path, "auth"))).status_code == 401
        missing = await here.get(path, headers={**prove(parameters, path, "auth"), "Cookie": "other=1"})
        assert missing.status_code == 403
        assert missing.json() == {"errors": ["missing cookie set on challenge"]}


async def test_nonces_come_from_the_seed() -> None:
    async def nonce(here: Site) -> str:
        return read(await here.get("/digest-auth/auth/u/p"))["opaque"]

    async with site(seed=5) as one, site(seed=5) as same, site(seed=6) as other:
        assert await nonce(one) == await nonce(same) != await nonce(other)


def read(answer: httpx.Response) -> dict[str, str]:
    given = parse_credentials(answer.headers["www-authenticate"])
    assert isinstance(given, Credentials)
    return dict(given.parameters)


async def status_of(client: httpx.AsyncClient, path: str, parameters: dict[str, str]) -> int:
    return (await client.get(path, headers=prove(parameters, path, "auth"))).status_code


def prove(
    given: dict[str, str], uri: str, qop: str | None, body: bytes = b"", *, password: str = "pass"
) -> dict[str, str]:
    """Authorization as RFC 7616 3.4.1 has it, written here once more, from the other side."""
    algorithm = given["algorithm"]

    def digest(text: str) -> str:
        return hashed(algorithm, text.encode())

    a2 = f"GET:{uri}" + (f":{hashed(algorithm, body)}" if qop == "auth-int" else "")
    middle = f"{given['nonce']}:00000001:c0ffee:{qop}" if qop else given["nonce"]
    a1 = f"user:{given['realm']}:{password}"
    answer = digest(f"{digest(a1)}:{middle}:{digest(a2)}")
    fields = f'username="user", realm="{given["realm"]}", nonce="{given["nonce"]}", uri="{uri}", response="{answer}"'
    if qop:
        fields += f", qop={qop}, nc=00000001, cnonce=c0ffee"
    return {"Authorization": f"Digest {fields}, algorithm={algorithm}"}
