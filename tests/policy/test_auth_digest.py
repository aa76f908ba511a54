"""Digest: the examples of RFC 7616, a client written from it again, and what nonces and counts allow."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.policy.auth.credentials import Credentials, Refusal, parse_credentials
from netlab.policy.auth.digest import Accepted, Asked, Digest, Ha1, Proof
from netlab.policy.auth.nonces import WINDOW, Counts, Nonces
from netlab.policy.auth.users import User, digest_hash, make_digest

NOW = 1_700_000_000.0
SECRET = b"s" * 32
REALM = "netlab"
ALGORITHMS = ("MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess")

EXAMPLE = {
    "realm": "http-auth@example.org",
    "uri": "/dir/index.html",
    "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    "nc": "00000001",
    "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    "qop": "auth",
}


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_examples_of_rfc_7616(algorithm: str, response: str) -> None:
    ha1 = digest_hash(algorithm, b"Mufasa:http-auth@example.org:Circle of Life")
    assert Proof(EXAMPLE, algorithm, ha1).response("GET", None).decode() == response


def test_the_example_with_userhash() -> None:
    """RFC 7616 3.9.2 with the values of its erratum 4897."""
    given_ = {
        "nonce": "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
        "nc": "00000001",
        "cnonce": "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
        "qop": "auth",
        "uri": "/doe.json",
    }
    name = "Jäsøn Doe"
    hashed = digest_hash("SHA-512-256", f"{name}:api@example.org".encode())
    assert hashed == "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"
    ha1 = digest_hash("SHA-512-256", f"{name}:api@example.org:Secret, or not?".encode())
    expected = "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"
    assert Proof(given_, "SHA-512-256", ha1).response("GET", None).decode() == expected


# -- a server and a client ---------------------------------------------------------------------------------------


def server(**options: Any) -> Digest:
    return Digest(REALM, SECRET, **{"algorithms": ALGORITHMS, "qualities": ("auth", "auth-int"), **options})


def users(*names: str) -> Ha1:
    """Users whose password is "secret"."""
    known = {
        name: User(name, (), tuple(make_digest(a, name, REALM, "secret") for a in ("MD5", "SHA-256", "SHA-512-256")))
        for name in names
    }

    def ha1(algorithm: str, name: str, hashed: bool) -> tuple[str, str] | None:
        if hashed:
            matching = [n for n in known if digest_hash(algorithm, f"{n}:{REALM}".encode()) == name]
            name = matching[0] if matching else ""
        user = known.get(name)
        found = user.ha1(algorithm, REALM) if user is not None else None
        return None if found is None else (name, found)

    return ha1


ADA = users("ada")
GET = Asked("GET", ("/x?y=z",))


def H(algorithm: str, text: str | bytes) -> str:  # noqa: N802  its name in the RFC
    name = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}[algorithm.removesuffix("-sess")]
    return hashlib.new(name, text.encode() if isinstance(text, str) else text).hexdigest()


def client(digest: Digest, now: float = NOW, count: int = 1, **changed: str) -> Credentials:
    """Credentials as RFC 7616 3.4.1 has a client make them; `changed` are sent otherwise than they went in."""
    algorithm = changed.pop("compute", "SHA-256")
    password, method, content = (
        changed.pop("password", "secret"),
        changed.pop("method", "GET"),
        changed.pop("content", ""),
    )
    nonce = changed.pop("nonce", None) or nonce_of(digest, now)
    qop, uri, name = changed.get("qop", "auth"), changed.get("uri", "/x?y=z"), changed.pop("user", "ada")
    cnonce = "0a4f113b"
    a1 = H(algorithm, f"{name}:{REALM}:{password}")
    if algorithm.endswith("-sess"):
        a1 = H(algorithm, f"{a1}:{nonce}:{cnonce}")
    a2 = f"{method}:{uri}" + (f":{H(algorithm, content)}" if qop == "auth-int" else "")
    response = H(algorithm, f"{a1}:{nonce}:{count:08x}:{cnonce}:{qop}:{H(algorithm, a2)}")
    made = {
        "username": name,
        "realm": REALM,
        "nonce": nonce,
        "uri": uri,
        "algorithm": algorithm,
        "qop": qop,
        "nc": f"{count:08x}",
        "cnonce": cnonce,
        "response": response,
    }
    made.update(changed)
    return Credentials("digest", "", {key: value for key, value in made.items() if value != "-"})


def nonce_of(digest: Digest, now: float) -> str:
    found = parse_credentials(digest.challenges(now)[0])
    assert isinstance(found, Credentials)
    return found.parameters["nonce"]


def verdict(digest: Digest, credentials: Credentials, asked: Asked = GET, now: float = NOW, ha1: Ha1 = ADA) -> str:
    found = digest.check(credentials, asked, now, ha1)
    return found.rule if isinstance(found, Refusal) else found.user


def test_challenges() -> None:
    first, second = (parse_credentials(value) for value in server(algorithms=("SHA-256", "MD5")).challenges(NOW))
    assert isinstance(first, Credentials)
    assert isinstance(second, Credentials)
    assert first.parameters["algorithm"] == "SHA-256"
    assert second.parameters["algorithm"] == "MD5"
    assert first.parameters["nonce"] == second.parameters["nonce"]
    assert (first.parameters["qop"], first.parameters["charset"]) == ("auth, auth-int", "UTF-8")
    assert "stale" not in first.parameters
    assert "stale=true" in server().challenges(NOW, stale=True)[0]
    assert "userhash=true" in server(userhash=True).challenges(NOW)[0]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("qop", ["auth", "auth-int"])
def test_who_knows_the_password_is_accepted(algorithm: str, qop: str) -> None:
    digest = server()
    asked = Asked("POST", ("/x?y=z",), b"content")
    right = {"compute": algorithm, "qop": qop, "method": "POST", "content": "content"}
    assert verdict(digest, client(digest, **right), asked) == "ada"
    for wrong in ({"password": "Secret"}, {"method": "GET"}, {"response": "0" * 32}, {"user": "eve"}):
        assert verdict(digest, client(digest, **{**right, **wrong}), asked) == "digest.wrong"
    if qop == "auth-int":
        assert verdict(digest, client(digest, **{**right, "content": "other"}), asked) == "digest.wrong"


def test_the_server_proves_itself_too() -> None:
    """RFC 7616 3.5: response-digest with A2 without a method."""
    digest = server()
    credentials = client(digest)
    found = digest.check(credentials, GET, NOW, ADA)
    assert isinstance(found, Accepted)
    a1, given_ = H("SHA-256", f"ada:{REALM}:secret"), credentials.parameters
    expected = H("SHA-256", f"{a1}:{given_['nonce']}:00000001:0a4f113b:auth:{H('SHA-256', ':/x?y=z')}")
    assert f'rspauth="{expected}"' in found.info


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"uri": "-"}, "digest.missing"),
        ({"qop": "-"}, "digest.missing"),
        ({"username": "-"}, "digest.username"),
        ({"username*": "UTF-8''ada"}, "digest.username"),
        ({"realm": "other"}, "digest.realm"),
        ({"algorithm": "SHA-1"}, "digest.algorithm"),
        ({"algorithm": "-"}, "digest.wrong"),  # none means MD5
        ({"qop": "auth-conf"}, "digest.values"),
        ({"nc": "1"}, "digest.values"),
        ({"nc": "0000000g"}, "digest.values"),
        ({"nc": "00000002"}, "digest.wrong"),
        ({"uri": "/other"}, "digest.uri"),
        ({"response": "é"}, "digest.wrong"),
        ({"username": "-", "username*": "UTF-8''ada"}, "ada"),
        ({"username": "-", "username*": "utf-8'en'%61da"}, "ada"),
        ({"username": "-", "username*": "latin-1''ada"}, "digest.username"),
        ({"username": "-", "username*": "UTF-8''%zz"}, "digest.username"),
        ({"userhash": "false"}, "ada"),
        ({"userhash": "true"}, "digest.wrong"),
        ({"username": H("SHA-256", f"ada:{REALM}"), "userhash": "true"}, "ada"),
    ],
)
def test_rules(changed: dict[str, str], rule: str) -> None:
    digest = server()
    assert verdict(digest, client(digest, **changed)) == rule


def test_only_offered_algorithms_are_taken() -> None:
    digest = server(algorithms=("SHA-256",))
    assert verdict(digest, client(digest, compute="MD5")) == "digest.algorithm"
    assert verdict(digest, client(digest, compute="SHA-256-sess")) == "digest.algorithm"


def test_names_that_are_not_ascii() -> None:
    digest, ha1 = server(), users("Zoë")
    for spelled in ("Zoë".encode().decode("latin-1"), "Zo\xeb"):
        assert verdict(digest, client(digest, user="Zoë", username=spelled), ha1=ha1) == "Zoë"


def test_stale_is_said_only_to_who_knows_the_password() -> None:
    digest = server(lifetime=300)
    nonce = nonce_of(digest, NOW)
    later = NOW + 300
    for made_elsewhere in ("x", "A" * 40, "+" * 40, nonce[:-1] + ("A" if nonce[-1] != "A" else "B")):
        right = digest.check(client(digest, nonce=made_elsewhere), GET, NOW, ADA)
        wrong = digest.check(client(digest, nonce=made_elsewhere, password="x"), GET, NOW, ADA)
        assert isinstance(right, Refusal)
        assert isinstance(wrong, Refusal)
        assert (right.stale, wrong.stale) == (True, False)
    assert verdict(digest, client(digest, nonce=nonce), now=later - 1) == "ada"
    assert verdict(digest, client(digest, nonce=nonce, count=2), now=later) == "digest.stale"
    assert verdict(digest, client(digest, nonce=nonce, count=2), now=NOW - 5) == "digest.stale"


def test_a_count_is_good_once() -> None:
    digest = server()
    nonce = nonce_of(digest, NOW)
    used = [verdict(digest, client(digest, nonce=nonce, count=nc)) for nc in (1, 2, 2, 5, 4, 4, 1, 3, 0)]
    assert used == ["ada", "ada", "digest.stale", "ada", "ada", "digest.stale", "digest.stale", "ada", "digest.stale"]


def test_a_refused_attempt_uses_no_count() -> None:
    digest = server()
    nonce = nonce_of(digest, NOW)
    assert verdict(digest, client(digest, nonce=nonce, password="x")) == "digest.wrong"
    assert verdict(digest, client(digest, nonce=nonce)) == "ada"


@given(st.lists(st.integers(min_value=0, max_value=400), max_size=100))
def test_counts_against_a_set(numbers: list[int]) -> None:
    counts, seen = Counts(), set()
    for number in numbers:
        expected = number > 0 and number not in seen and number > max(seen, default=0) - WINDOW
        assert counts.use(number) is expected
        if expected:
            seen.add(number)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 3)), max_size=60))
def test_no_nonce_and_count_twice_however_few_are_remembered(uses: list[tuple[int, int]]) -> None:
    nonces = Nonces(SECRET, tracked=2)
    made = [nonces.make(NOW) for _ in range(10)]
    assert len(set(made)) == 10
    fresh = [use for use in uses if nonces.use(made[use[0]], use[1], NOW) == "fresh"]
    assert len(fresh) == len(set(fresh))


TEXT = st.text(st.characters(max_codepoint=255), max_size=20)
PARAMETERS = st.fixed_dictionaries(
    {},
    optional={
        "username": TEXT,
        "username*": TEXT | st.just("UTF-8''x"),
        "realm": st.just(REALM) | TEXT,
        "nonce": TEXT | st.text("ABCabc-_=", min_size=40, max_size=40),
        "uri": st.just("/x?y=z") | TEXT,
        "algorithm": st.sampled_from(ALGORITHMS) | TEXT,
        "qop": st.sampled_from(["auth", "auth-int"]) | TEXT,
        "nc": st.just("00000001") | TEXT,
        "cnonce": TEXT,
        "response": TEXT,
        "userhash": st.sampled_from(["true", "false"]) | TEXT,
    },
)


@given(PARAMETERS, st.binary(max_size=10) | st.none())
def test_whatever_is_sent_is_judged(parameters: dict[str, str], content: bytes | None) -> None:
    found = server().check(Credentials("digest", "", parameters), Asked("GET", ("/x?y=z",), content), NOW, ADA)
    assert isinstance(found, Refusal)
