"""Credentials, Basic, Bearer and users' lines: tables, and that no text whatever does harm."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.policy.auth.basic import basic_challenge, basic_credentials
from netlab.policy.auth.bearer import bearer_challenge, bearer_token
from netlab.policy.auth.credentials import Credentials, Refusal, challenge, parse_credentials, quoted
from netlab.policy.auth.names import UserName, parse_roles
from netlab.policy.auth.users import User, check_scrypt, make_digest, make_scrypt, parse_user

CHEAP = (4, 1, 1)
SALT = b"0123456789abcdef"


@pytest.mark.parametrize(
    ("value", "scheme", "token", "parameters"),
    [
        ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "basic", "QWxhZGRpbjpvcGVuIHNlc2FtZQ==", {}),
        ("BEARER  mF_9.B5f-4.1JqM", "bearer", "mF_9.B5f-4.1JqM", {}),
        ("Negotiate", "negotiate", "", {}),
        ("Digest", "digest", "", {}),
        (' Digest a=b , C = "d\\"e, f" ', "digest", "", {"a": "b", "c": 'd"e, f'}),
        ("Digest ,,a=b,, ,c=,", None, "", {}),
        ('Digest , a=b,,c="",', "digest", "", {"a": "b", "c": ""}),
        ("Digest a=b, A=c", None, "", {}),
        ("Digest a=b c=d", None, "", {}),
        ('Digest a="b', None, "", {}),
        ('Digest a="b\\"', None, "", {}),
        ("Digest a", "digest", "a", {}),
        ("Digest a, b", None, "", {}),
        ("Digest a b", None, "", {}),
        ("Digest a=\x00", None, "", {}),
        ("", None, "", {}),
        ("Bas(ic x", None, "", {}),
        ("Basic\tx", None, "", {}),
    ],
)
def test_credentials(value: str, scheme: str | None, token: str, parameters: dict[str, str]) -> None:
    found = parse_credentials(value)
    if scheme is None:
        assert isinstance(found, Refusal)
        assert (found.status, found.rule) == (400, "credentials.malformed")
    else:
        assert found == Credentials(scheme, token, parameters)


def test_credentials_have_a_bound() -> None:
    found = parse_credentials("Bearer " + "x" * 9000)
    assert isinstance(found, Refusal)
    assert found.rule == "credentials.size"


LATIN = st.text(st.characters(max_codepoint=255), max_size=60)
NAMES = st.from_regex(r"[a-z][a-z0-9*-]{0,8}", fullmatch=True)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E) | st.sampled_from("\t\xa0\xff"), max_size=20)


@given(st.one_of(LATIN, LATIN.map(lambda text: "Digest " + text), LATIN.map(lambda text: "Basic " + text)))
def test_any_text_is_credentials_or_refused(value: str) -> None:
    found = parse_credentials(value)
    assert isinstance(found, Credentials | Refusal)
    if isinstance(found, Credentials):
        assert not found.token or not found.parameters
        for judged in (basic_credentials(found), bearer_token(found)):
            assert isinstance(judged, tuple | str | Refusal)


@given(st.dictionaries(NAMES, VALUES, min_size=1))
def test_parameters_round_trip(parameters: dict[str, str]) -> None:
    spelled = challenge("Digest", [(name, quoted(value)) for name, value in parameters.items()])
    assert parse_credentials(spelled) == Credentials("digest", "", parameters)


def basic(data: bytes) -> tuple[str, str] | Refusal:
    return basic_credentials(Credentials("basic", base64.b64encode(data).decode()))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"Aladdin:open sesame", ("Aladdin", "open sesame")),  # RFC 7617 2
        (b"test:123\xc2\xa3", ("test", "123£")),  # RFC 7617 2.1
        (b"test:123\xa3", ("test", "123£")),
        ("Zoe\u0308:e\u0301".encode(), ("Zoë", "é")),
        (b"user:", ("user", "")),
        (b":", ("", "")),
        (b"a:b:c", ("a", "b:c")),
        (b"a", "basic.colon"),
        (b"", "basic.base64"),
        (b"a:\x00", "basic.control"),
        (b"a\n:b", "basic.control"),
        (b"a:\x85", "basic.control"),
    ],
)
def test_basic(data: bytes, expected: tuple[str, str] | str) -> None:
    found = basic(data)
    assert (found.rule if isinstance(found, Refusal) else found) == expected


@pytest.mark.parametrize("token", ["", "QQ", "Q===", "QQ=", "Q-_A", "QUJD=QUI"])
def test_basic_is_base64(token: str) -> None:
    found = basic_credentials(Credentials("basic", token))
    assert isinstance(found, Refusal)
    assert found.rule == "basic.base64"


@given(
    st.from_regex(r"[^:\x00-\x1f\x7f-\x9f]{1,10}", fullmatch=True),
    st.from_regex(r"[^\x00-\x1f\x7f-\x9f]{0,10}", fullmatch=True),
)
def test_basic_round_trip(user: str, password: str) -> None:
    import unicodedata

    expected = tuple(unicodedata.normalize("NFC", part) for part in (user, password))
    assert basic(f"{user}:{password}".encode()) == expected


def test_challenges() -> None:
    assert basic_challenge('a"b\\c') == 'Basic realm="a\\"b\\\\c", charset="UTF-8"'
    assert bearer_challenge("x") == 'Bearer realm="x"'
    assert (
        bearer_challenge("x", error="invalid_token", description='no "sub"\n')
        == 'Bearer realm="x", error="invalid_token", error_description="no \'sub\'\'"'
    )
    assert isinstance(bearer_token(Credentials("bearer")), Refusal)


# -- users -------------------------------------------------------------------------------------------------------


def test_a_line_and_back() -> None:
    verifiers = (
        make_scrypt("secret", SALT, CHEAP),
        make_digest("SHA-256", "Zoë", "net lab:x", "secret"),
        "$scram-sha-256$4096$c2FsdA$c3RvcmVk$c2VydmVy",
    )
    user = User("Zoë", ("staff", "admin"), verifiers)
    assert parse_user(user.line()) == user
    assert "secret" not in user.line()
    assert "$" not in repr(user)
    assert user.scrypt == verifiers[0]
    assert user.ha1("SHA-256", "net lab:x") is not None
    assert user.ha1("SHA-256", "netlab") is None
    assert user.ha1("MD5", "net lab:x") is None


def test_the_verifier_of_digest_is_h_of_a1() -> None:
    """RFC 7616 3.9.1: H(A1) as md5sum has it."""
    user = User("Mufasa", (), (make_digest("MD5", "Mufasa", "http-auth@example.org", "Circle of Life"),))
    assert user.ha1("MD5", "http-auth@example.org") == "3d78807defe7de2157e2b0b6573a855f"


def test_the_example_of_rfc_7914() -> None:
    """RFC 7914 12, the second vector, its first 32 bytes."""
    expected = bytes.fromhex("fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162")
    verifier = make_scrypt("password", b"NaCl", (10, 8, 16))
    assert verifier.rpartition("$")[2] == base64.b64encode(expected).decode().rstrip("=")


def test_scrypt() -> None:
    verifier = make_scrypt("pässword", SALT, CHEAP)
    assert check_scrypt(verifier, "pässword")
    assert check_scrypt(verifier, "pa\u0308ssword")  # the same letters
    assert not check_scrypt(verifier, "passwort")
    assert not check_scrypt("$scrypt$nothing", "pässword")
    assert not check_scrypt(verifier.replace("ln=4", "ln=24,").replace("r=1", "r=99"), "pässword")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "ada",
        "ada:",
        ":staff:",
        "ada:st aff:",
        "ada:staff,:",
        " ada::",
        "ad\x00a::",
        "x" * 129 + "::",
        "ada::password",
        "ada::$",
        "ada::$scrypt$x",
        "ada::$scrypt$ln=30,r=8,p=1$c2FsdA$" + "A" * 43,
        "ada::$scrypt$ln=0,r=8,p=1$c2FsdA$" + "A" * 43,
        "ada::$scrypt$ln=4,r=8,p=1$c2FsdA$AA",
    ],
)
def test_lines_that_are_none(line: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_user(line)


@given(st.text(max_size=80))
def test_any_line_is_a_user_or_refused(line: str) -> None:
    try:
        user = parse_user(line)
    except ValueError:
        return
    assert parse_user(user.line()) == user


@given(st.text(max_size=140))
def test_names(text: str) -> None:
    try:
        name = UserName(text)
    except ValueError:
        return
    assert name == name.strip()
    assert ":" not in name
    assert parse_user(f"{name}::").name == name


def test_roles() -> None:
    assert parse_roles("") == parse_roles(" ") == ()
    assert parse_roles("b, a,b") == ("b", "a")
    for text in ("a b", ",", "a,,b", "ä", "-a"):
        with pytest.raises(ValueError, match="is no role"):
            parse_roles(text)
