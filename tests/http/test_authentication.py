"""Authentication on paths, as curl and httpx do it, and as those try it who should not get in."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.errors import RemoteProtocolError, UsageError
from netlab.http.admission import AdmissionSettings, admitting
from netlab.http.prefixes import Prefixes, canonical
from netlab.http.rules import Guard
from netlab.http.tree import Tree
from netlab.policy.auth.credentials import Credentials, parse_credentials
from netlab.policy.jwt import secret_key, sign
from netlab.service import Context
from netlab.stores import passwords
from netlab.stores.token_key import own_key
from tests.http.served import CHEAP, Served, served, user, users_file
from tests.http.serving import connected

SLOW = (14, 8, 1)


def guard(text: str) -> Guard:
    return Guard.parse(text)


@pytest.fixture(autouse=True)
def _cheap_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user that there is none of is hashed for as long as others are."""
    monkeypatch.setattr(passwords, "COST", CHEAP)


@pytest.fixture
def users(tmp_path: Path) -> Path:
    return users_file(tmp_path, user("ada", "secret", "staff"), user("Zoë", "pässwörd"), user("eve", "other", "guest"))


def status_of(out: bytes) -> int:
    """The status of the last answer that `curl -i` shows."""
    heads = [line for line in out.split(b"\n") if line.startswith(b"HTTP/1.1 ")]
    return int(heads[-1].split()[1])


# -- Basic -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("credentials", "status"),
    [
        ("ada:secret", 200),
        ("Zoë:pässwörd", 200),
        ("ada:Secret", 401),
        ("ada:", 401),
        ("nobody:secret", 401),
        (":", 401),
    ],
)
async def test_curl_with_user_and_password(tmp_path: Path, users: Path, credentials: str, status: int) -> None:
    async with served(tmp_path, auth=(guard("/anything=basic"),), users=users) as site:
        for _ in range(2):  # by the slow hash, and from memory
            got = await site.curl("/anything/x", "-i", "--user", credentials)
            assert status_of(got.out) == status
        assert (b'WWW-Authenticate: Basic realm="netlab", charset="UTF-8"' in got.out) is (status == 401)


async def test_only_the_first_request_waits(tmp_path: Path, users: Path) -> None:
    async with served(tmp_path, auth=(guard("/=basic"),), users=users) as site, site.http() as client:
        for _ in range(3):
            assert (await client.get("/hello", auth=("ada", "secret"))).status_code == 200
        handler: Any = site.server.http.handler
        assert repr(handler._authenticator.passwords) == "<Passwords 1 remembered, 0 being checked>"
        first, *others = site.notes("authentication.accepted")
        assert first == {"mechanism": "basic", "user": "ada", "roles": ["staff"]}
        assert len(others) == 2


async def test_a_new_password_counts_at_once(tmp_path: Path, users: Path) -> None:
    async with served(tmp_path, auth=(guard("/=basic"),), users=users) as site, site.http() as client:
        assert (await client.get("/hello", auth=("ada", "secret"))).status_code == 200
        users_file(tmp_path, user("ada", "new"))
        handler: Any = site.server.http.handler
        handler._authenticator.users._looked = -1e9  # as if a second had passed
        assert (await client.get("/hello", auth=("ada", "secret"))).status_code == 401
        assert (await client.get("/hello", auth=("ada", "new"))).status_code == 200


async def test_content_is_there_after_the_slow_hash(tmp_path: Path, users: Path) -> None:
    async with served(tmp_path, auth=(guard("/=basic"),), users=users) as site, site.http() as client:
        for content in (b"x" * 300_000, b"short", b""):
            answer = await client.post("/anything", content=content, auth=("ada", "secret"))
            assert answer.json()["data"] == content.decode()


async def test_nobody_waits_for_guesses(tmp_path: Path) -> None:
    """While passwords are hashed, others are answered; more guesses at once than is sane are turned away."""
    users = users_file(tmp_path, user("ada", "secret", cost=SLOW))
    async with served(tmp_path, auth=(guard("/get=basic"),), users=users) as site, site.http() as client:
        start = asyncio.get_running_loop().create_task
        guesses = [start(client.get("/get", auth=("ada", f"guess {n}"))) for n in range(6)]
        while not site.notes("request.received"):
            await asyncio.sleep(0)
        assert (await client.get("/hello")).status_code == 200
        assert not all(guess.done() for guess in guesses)
        answers = await asyncio.gather(*guesses)
        statuses = [answer.status_code for answer in answers]
        assert sorted(set(statuses)) == [401, 503]
        assert {answer.headers.get("retry-after") for answer in answers if answer.status_code == 503} == {"1"}


# -- Digest ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "MD5-sess", "SHA-256-sess"])
async def test_curl_and_httpx_with_digest(tmp_path: Path, users: Path, algorithm: str) -> None:
    options: dict[str, Any] = {"auth": (guard("/=digest"),), "users": users, "digest_algorithm": (algorithm,)}
    async with served(tmp_path, **options) as site, site.http() as client:
        got = await site.curl("/get?a=b%20c", "-i", "--digest", "--user", "ada:secret")
        assert status_of(got.out) == 200
        assert b"Authentication-Info: rspauth=" in got.out
        assert status_of((await site.curl("/get", "-i", "--digest", "--user", "ada:Secret")).out) == 401
        assert (await client.get("/get", auth=httpx.DigestAuth("ada", "secret"))).status_code == 200
        assert (await client.get("/get", auth=httpx.DigestAuth("ada", "wrong"))).status_code == 401
        assert {note["user"] for note in site.notes("authentication.accepted")} == {"ada"}


async def test_curl_takes_the_strongest(tmp_path: Path, users: Path) -> None:
    async with served(tmp_path, auth=(guard("/=basic,digest"),), users=users) as site:
        got = await site.curl("/get", "-i", "--anyauth", "--user", "ada:secret")
        assert status_of(got.out) == 200
        assert site.notes("authentication.accepted")[0]["mechanism"] == "digest"
        basic = await site.curl("/get", "-i", "--basic", "--user", "ada:secret")
        assert status_of(basic.out) == 200


async def test_a_nonce_grows_stale_and_the_client_goes_on(tmp_path: Path, users: Path) -> None:
    async with served(tmp_path, auth=(guard("/=digest"),), users=users) as site, site.http() as client:
        auth = httpx.DigestAuth("ada", "secret")
        for _ in range(3):
            assert (await client.get("/get", auth=auth)).status_code == 200
            site.clock.jump(1000)
        refused = [note["rule"] for note in site.notes("authentication.refused")]
        assert refused == ["credentials.missing", "digest.stale", "digest.stale"]


async def test_a_request_cannot_be_replayed(tmp_path: Path, users: Path) -> None:
    async with served(tmp_path, auth=(guard("/=digest"),), users=users) as site, site.http() as client:
        first = await client.get("/get", auth=httpx.DigestAuth("ada", "secret"))
        assert first.status_code == 200
        again = await client.get("/get", headers={"Authorization": first.request.headers["authorization"]})
        assert again.status_code == 401
        assert "stale=true" in again.headers["www-authenticate"]


async def test_content_is_part_of_the_proof(tmp_path: Path, users: Path) -> None:
    """auth-int, which hardly any client speaks; the handler gets the content in any case."""
    options: dict[str, Any] = {"auth": (guard("/=digest"),), "users": users, "digest_qop": ("auth", "auth-int")}
    async with served(tmp_path, **options) as site, site.http() as client:
        for proven, status in ((b"content", 200), (b"changed on the way", 401)):
            value = auth_int(await client.post("/anything"), "POST", "/anything", proven)
            answer = await client.post("/anything", content=b"content", headers={"Authorization": value})
            assert answer.status_code == status
            if status == 200:
                assert answer.json()["data"] == "content"


def auth_int(challenged: httpx.Response, method: str, uri: str, content: bytes) -> str:
    challenge = parse_credentials(challenged.headers.get_list("www-authenticate")[0])
    assert isinstance(challenge, Credentials)

    def h(*parts: str) -> str:
        return hashlib.sha256(":".join(parts).encode()).hexdigest()

    nonce, cnonce = challenge.parameters["nonce"], secrets.token_hex(8)
    a2 = h(method, uri, hashlib.sha256(content).hexdigest())
    response = h(h("ada", "netlab", "secret"), nonce, "00000001", cnonce, "auth-int", a2)
    return (
        f'Digest username="ada", realm="netlab", nonce="{nonce}", uri="{uri}", algorithm=SHA-256, qop=auth-int, '
        f'nc=00000001, cnonce="{cnonce}", response="{response}"'
    )


# -- Bearer ------------------------------------------------------------------------------------------------------


def token(site: Served, state: Path, **claims: Any) -> dict[str, str]:
    signed = sign({"sub": "ada", "exp": site.clock.now() + 60, **claims}, own_key(state))
    return {"Authorization": f"Bearer {signed}"}


async def test_tokens(tmp_path: Path) -> None:
    async with served(tmp_path, auth=(guard("/get=bearer:staff"),)) as site, site.http() as client:
        missing = await client.get("/get")
        assert (missing.status_code, missing.headers["www-authenticate"]) == (401, 'Bearer realm="netlab"')
        good = await client.get("/get", headers=token(site, tmp_path, roles=["staff"]))
        assert good.status_code == 200
        guest = await client.get("/get", headers=token(site, tmp_path, roles=["guest"]))
        assert guest.status_code == 403
        assert 'error="insufficient_scope"' in guest.headers["www-authenticate"]
        early = token(site, tmp_path, roles=["staff"])
        site.clock.jump(100)
        expired = await client.get("/get", headers=early)
        assert expired.status_code == 401
        assert 'error="invalid_token", error_description="the token expired 40 s' in expired.headers["www-authenticate"]


async def test_tokens_of_others_are_refused(tmp_path: Path) -> None:
    async with served(tmp_path, auth=(guard("/get=bearer"),)) as site, site.http() as client:
        claims = {"sub": "ada", "exp": site.clock.now() + 60}
        header = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
        body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        for forged in (sign(claims, secret_key(b"x" * 32)), f"{header}.{body}.", "x", "a.b.c"):
            answer = await client.get("/get", headers={"Authorization": f"Bearer {forged}"})
            assert answer.status_code == 401
            assert 'error="invalid_token"' in answer.headers["www-authenticate"]
        assert (await client.get("/get", headers={"Authorization": "Bearer"})).status_code == 400


async def test_keys_of_an_issuer(tmp_path: Path) -> None:
    """A JSON Web Key Set from a file: what RS256 and ES256 issuers publish."""
    from cryptography.hazmat.primitives.asymmetric import ed25519
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    from netlab.policy.jwt import pem_key

    private = ed25519.Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "key.pem").write_bytes(public)
    key = pem_key(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    options: dict[str, Any] = {"auth": (guard("/get=bearer"),), "token_key": tmp_path / "key.pem"}
    async with served(tmp_path / "state", **options) as site, site.http() as client:
        signed = sign({"sub": "ada", "exp": site.clock.now() + 60}, key)
        assert (await client.get("/get", headers={"Authorization": f"Bearer {signed}"})).status_code == 200
        forged = sign({"sub": "ada", "exp": site.clock.now() + 60}, secret_key(public))
        assert (await client.get("/get", headers={"Authorization": f"Bearer {forged}"})).status_code == 401


# -- all together ------------------------------------------------------------------------------------------------


async def test_challenges_come_in_the_order_of_the_guard(tmp_path: Path, users: Path) -> None:
    async with served(tmp_path, auth=(guard("/=bearer,digest,basic"),), users=users) as site:
        answer = await site.get("/hello")
        schemes = [value.partition(" ")[0] for value in answer.headers.get_list("www-authenticate")]
        assert schemes == ["Bearer", "Digest", "Digest", "Basic"]


async def test_roles_and_parts_that_are_open(tmp_path: Path, users: Path) -> None:
    guards = (guard("/=basic"), guard("/status/=basic:staff,admin"), guard("/hello=none"))
    async with served(tmp_path, auth=guards, users=users) as site, site.http() as client:
        assert (await client.get("/hello")).status_code == 200
        assert (await client.get("/hello/more")).status_code == 404
        assert (await client.get("/nothing")).status_code == 401
        assert (await client.get("/status/204", auth=("ada", "secret"))).status_code == 204
        refused = await client.get("/status/204", auth=("eve", "other"), headers={"Accept": "application/json"})
        assert refused.status_code == 403
        assert refused.json()["detail"] == "this is only for staff or admin (RFC 9110 15.5.4)"
        assert "www-authenticate" not in refused.headers
        assert (await client.get("/get", auth=("eve", "other"))).status_code == 200


@pytest.mark.parametrize(
    "value",
    ["Basic", "Basic x", "Basic YQ==", "Digest a=", "Digest a=b", "@", "Basic a, Basic b", "Bearer " + "x" * 9000],
)
async def test_credentials_that_are_broken(tmp_path: Path, users: Path, value: str) -> None:
    async with served(tmp_path, auth=(guard("/=basic,digest,bearer"),), users=users) as site, site.http() as client:
        answer = await client.get("/hello", headers={"Authorization": value})
        assert answer.status_code == 400
        assert "www-authenticate" not in answer.headers


async def test_another_scheme_is_challenged(tmp_path: Path, users: Path) -> None:
    async with served(tmp_path, auth=(guard("/=digest"),), users=users) as site, site.http() as client:
        assert (await client.get("/hello", auth=("ada", "secret"))).status_code == 401
        assert (await client.get("/hello", headers={"Authorization": "Negotiate abc"})).status_code == 401


async def test_secrets_are_not_noted(tmp_path: Path, users: Path) -> None:
    async with served(tmp_path, auth=(guard("/=basic,digest,bearer"),), users=users) as site, site.http() as client:
        await client.get("/hello", auth=("ada", "hunter2"))
        await client.get("/hello", auth=("ada", "secret"))
        await client.get("/hello", headers=token(site, tmp_path))
        noted = [
            event for flow in site.flows() for event in flow.events or () if event.name.startswith("authentication.")
        ]
        assert len(noted) == 3
        text = repr([event.fields for event in noted]) + repr([flow.details for flow in site.flows()])
        assert "hunter2" not in text
        assert "secret" not in text
        assert "eyJ" not in text


@pytest.mark.parametrize(
    "path",
    [
        "/private",
        "/private/",
        "/private/x",
        "//private/x",
        "/./private/x",
        "/%70rivate/x",
        "/x/../private/x",
        "/private%2Fx",
    ],
)
async def test_however_it_is_spelled(tmp_path: Path, users: Path, path: str) -> None:
    (tmp_path / "root" / "private").mkdir(parents=True)
    (tmp_path / "root" / "private" / "x").write_text("secret")
    options: dict[str, Any] = {"auth": (guard("/private=basic"),), "users": users, "root": tmp_path / "root"}
    async with served(tmp_path, **options) as site, connected(site.port) as client:
        await client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        answer = await client.all()
        assert answer.startswith(b"HTTP/1.1 401 ")
        assert b"secret" not in answer


async def test_paths_that_only_look_like_it(tmp_path: Path, users: Path) -> None:
    async with served(tmp_path, auth=(guard("/private=basic"),), users=users) as site, site.http() as client:
        for path in ("/privat", "/private.txt", "/privately", "/Private", "/x/private"):
            assert (await client.get(path)).status_code == 404


async def test_a_path_under_two_guards_is_refused(tmp_path: Path, users: Path) -> None:
    guards = (guard("/a=basic"), guard("/b=basic:staff"))
    async with served(tmp_path, auth=guards, users=users) as site, connected(site.port) as client:
        await client.send(b"GET /a/../b/x HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await client.until(b"\r\n")).startswith(b"HTTP/1.1 400 ")


PATHS = st.lists(st.sampled_from(["private", "pub", "%70rivate", "..", ".", "", "%2e%2e", "x", "%2F"]), max_size=6).map(
    lambda names: "/" + "/".join(names)
)


@given(PATHS)
def test_no_spelling_gets_past_a_guard(path: str) -> None:
    """What the file system would find below the guarded folder is guarded."""
    guards = Prefixes([("/private", True)])
    try:
        names = Tree(Path("/")).names(path)
    except RemoteProtocolError:
        return
    if names and names[0] == "private":
        assert guards.find(canonical(path))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"auth": (guard("/=basic"),)}, "needs --users FILE"),
        ({"auth": (guard("/=digest,basic"),)}, "--auth with basic and digest needs --users FILE"),
        ({"auth": (guard("/=basic"),), "users": Path("/nothing")}, "cannot be read"),
        ({"users": Path("/nothing")}, "--users keeps nobody out by itself"),
        ({"auth": (guard("/=bearer"),), "users": Path("/nothing")}, "--users keeps nobody out by itself"),
        ({"auth": (guard("/=basic"),), "jwks": "http://x/keys", "users": Path("/x")}, "--jwks keeps nobody out"),
        ({"auth": (guard("/a=bearer"), guard("/a/=none"))}, "--auth says two things of /a"),
        ({"auth": (guard("/a=bearer"),), "token_key": Path("/nothing")}, "cannot be read"),
    ],
)
def test_settings_that_cannot_be_meant(tmp_path: Path, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        admitting(lambda _: None, AdmissionSettings(**settings), Context(state=tmp_path))


@pytest.mark.parametrize(
    "text", ["", "/", "/=", "x=basic", "/=basic:a b", "/=none:x", "/=none,basic", "/=ntlm", "/a?b=basic", "=basic"]
)
def test_guards_that_are_none(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  its words are the setting's
        guard(text)


def test_guards_as_text() -> None:
    for text in ("/=basic", "/a=basic,digest:staff,admin", "/b=none"):
        assert str(guard(text)) == text


def test_nothing_set_up_costs_nothing() -> None:
    def handler(_: Any) -> None:
        return None

    assert admitting(handler, AdmissionSettings(), Context()) is handler
