"""SASL mechanisms: the RFCs' own examples, both sides against each other, and what is not theirs."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlab.policy.auth import sasl
from netlab.policy.auth.sasl import Claim, Failed, Password, Proven, Script
from netlab.policy.auth.sasl_client import Answers, answers, choose
from netlab.policy.auth.users import make_scram, parse_user, scram_verifier

SALT = b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")


def run(script: Script, *responses: bytes) -> tuple[list[bytes], Claim]:
    challenges = [next(script)]
    for response in responses:
        try:
            challenge = script.send(response)
        except StopIteration as ended:
            return challenges, ended.value
        challenges.append(challenge)
    raise AssertionError("it asks for more")


def meet(script: Script, client: Answers) -> Claim:
    """Let both sides talk to each other."""
    said, challenge = next(client), next(script)
    while True:
        if said is None:
            said = client.send(challenge)
        try:
            challenge = script.send(said)
        except StopIteration as ended:
            claim: Claim = ended.value
            return claim
        said = client.send(challenge)


def test_plain_as_in_rfc_4616() -> None:
    assert run(sasl.plain(), b"\0tim\0tanstaaftanstaaf")[1] == Password("tim", "tanstaaftanstaaf")
    assert run(sasl.plain(), b"tim\0tim\0x")[1] == Password("tim", "x")
    assert isinstance(run(sasl.plain(), b"Ursel\0Kurt\0xipj3plmq")[1], Failed)


@pytest.mark.parametrize("said", [b"", b"a\0b", b"a\0b\0c\0d", b"\0\xff\0x"])
def test_what_is_no_plain(said: bytes) -> None:
    claim = run(sasl.plain(), said)[1]
    assert isinstance(claim, Failed)
    assert claim.malformed


def test_cram_md5_as_in_rfc_2195() -> None:
    challenge = b"<1896.697170952@postoffice.reston.mci.net>"
    said = b"tim b913a602c7eda7a495b4e6e7334d3890"
    assert run(sasl.cram_md5(challenge, {"tim": "tanstaaftanstaaf"}.get), said) == ([challenge], Proven("tim"))
    assert run(sasl.cram_md5(challenge, {"tim": "other"}.get), said)[1] == Failed("user or password are wrong", "tim")
    assert isinstance(run(sasl.cram_md5(challenge, {}.get), said)[1], Failed)
    assert run(sasl.cram_md5(challenge, None), said)[1] == Proven("tim")
    assert isinstance(run(sasl.cram_md5(challenge, None), b"tim")[1], Failed)


def test_scram_as_in_rfc_7677() -> None:
    """Section 3, whose server's part of the nonce is given."""
    nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    challenges, claim = run(
        sasl.scram_sha_256(nonce, lambda _user: scram_verifier("pencil", SALT)),
        b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO" + nonce.encode() + b",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        b"",
    )
    assert challenges[1] == b"r=rOprNGfwEbeRWgbNEkqO" + nonce.encode() + b",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    assert challenges[2] == b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    assert claim == Proven("user")


@pytest.mark.parametrize(
    "first", [b"", b"n,,n=user", b"p=tls-unique,,n=user,r=x", b"n,a=other,n=user,r=x", b"n,,m=1,n=u,r=x"]
)
def test_what_is_no_scram(first: bytes) -> None:
    assert isinstance(run(sasl.scram_sha_256("nonce", lambda _user: scram_verifier("x", SALT, 1)), first)[1], Failed)


def servers(password: str) -> dict[str, Callable[[], Script]]:
    return {
        "CRAM-MD5": lambda: sasl.cram_md5(b"<1@x>", lambda _user: password),
        "SCRAM-SHA-256": lambda: sasl.scram_sha_256("nonce", lambda _user: scram_verifier(password, SALT, 10)),
        "PLAIN": sasl.plain,
        "LOGIN": sasl.login,
    }


@pytest.mark.parametrize("mechanism", servers(""))
def test_both_sides_understand_each_other(mechanism: str) -> None:
    user, password = "a=d,a", "gehéim"
    claim = meet(servers(password)[mechanism](), answers(mechanism, user, password, "clientnonce"))
    assert claim in (Proven(user), Password(user, password))
    if mechanism in ("CRAM-MD5", "SCRAM-SHA-256"):
        assert isinstance(meet(servers("other")[mechanism](), answers(mechanism, user, password, "n")), Failed)


def test_a_client_does_not_believe_a_server_that_does_not_know_the_password() -> None:
    client = answers("SCRAM-SHA-256", "user", "pencil", "abc")
    next(client)
    client.send(b"r=abcdef,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=10")
    with pytest.raises(ValueError, match="does not know the password"):
        client.send(b"v=AAAA")
    client = answers("SCRAM-SHA-256", "user", "pencil", "abc")
    next(client)
    with pytest.raises(ValueError, match="does not go with ours"):
        client.send(b"r=xyz,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=10")


def test_the_one_that_tells_least_is_chosen() -> None:
    assert choose(["LOGIN", "PLAIN", "CRAM-MD5"], secure=False) == "CRAM-MD5"
    assert choose(["SCRAM-SHA-256", "PLAIN"], secure=True) == "PLAIN"
    assert choose(["XOAUTH2"], secure=True) == ""


def test_a_file_of_users_has_verifiers_for_it() -> None:
    user = parse_user(f"ada::{make_scram('secret', SALT)}")
    assert user.scram == scram_verifier("secret", SALT)
    assert parse_user("bob::").scram is None


@settings(max_examples=60)
@given(st.sampled_from(sorted(servers(""))), st.lists(st.binary(max_size=40), min_size=3, max_size=3))
def test_no_bytes_raise_anything(mechanism: str, said: list[bytes]) -> None:
    claim: object = None
    script = servers("x")[mechanism]()
    next(script)
    for each in said:
        try:
            script.send(each)
        except StopIteration as ended:
            claim = ended.value
            break
    assert isinstance(claim, Claim)
