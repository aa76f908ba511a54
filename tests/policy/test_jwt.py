"""Tokens: the RFCs' own examples, every rule by name, and that no text whatever does harm."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from netlab.policy.jwt import Key, Rejected, Rules, Token, jwk_key, jwks_keys, pem_key, secret_key, sign, verify
from netlab.policy.jwt.encoding import decode, encode

NOW = 1_700_000_000.0
SECRET = secret_key(bytes(range(32)))
CLAIMS = {"sub": "ada", "exp": NOW + 60}

# RFC 7515 A.1 to A.3: one payload under three keys
PAYLOAD = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
EXAMPLES = {
    "HS256": (
        f"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{PAYLOAD}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        {
            "kty": "oct",
            "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
        },
    ),
    "RS256": (
        f"eyJhbGciOiJSUzI1NiJ9.{PAYLOAD}."
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CU"
        "Ar7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_d"
        "O--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0ig"
        "cN_IoypGlUPQGe77Rw",
        {
            "kty": "RSA",
            "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR"
            "T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXB"
            "dQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9ia"
            "GNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
            "e": "AQAB",
        },
    ),
    "ES256": (
        f"eyJhbGciOiJFUzI1NiJ9.{PAYLOAD}."
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        {
            "kty": "EC",
            "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        },
    ),
}
EXAMPLE_TIME = 1_300_819_379.0
ED25519 = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}

PRIVATE = {
    "RS256": rsa.generate_private_key(65537, 2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


def private_key(algorithm: str) -> Key:
    return SECRET if algorithm == "HS256" else pem_key(pem(PRIVATE[algorithm]))


def public_key(algorithm: str) -> Key:
    return pem_key(PRIVATE[algorithm].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def raw(header: Any, claims: Any, key: Key = SECRET) -> str:
    """A token of any shape with a right signature."""
    parts = [encode(part if isinstance(part, bytes) else json.dumps(part).encode()) for part in (header, claims)]
    return f"{'.'.join(parts)}.{encode(key.sign('.'.join(parts).encode()))}"


def rule(token: str, key: Key = SECRET, now: float = NOW, **rules: Any) -> str:
    found = verify(token, [key], now, Rules(**rules))
    return found.rule if isinstance(found, Rejected) else ""


@pytest.mark.parametrize("algorithm", EXAMPLES)
def test_examples_of_rfc_7515(algorithm: str) -> None:
    token, jwk = EXAMPLES[algorithm]
    (key,) = jwks_keys(json.dumps({"keys": [jwk]}))
    assert key.algorithm == algorithm
    found = verify(token, [key], EXAMPLE_TIME)
    assert isinstance(found, Token)
    assert found.claims == {"iss": "joe", "exp": 1300819380, "http://example.com/is_root": True}
    assert rule(token, key, EXAMPLE_TIME + 31) == "claim.exp"


def test_the_example_of_rfc_8037() -> None:
    key = jwk_key(ED25519)
    assert key is not None
    assert key.algorithm == "EdDSA"
    assert jwk_key({**ED25519, "alg": "Ed25519"}) == key  # as RFC 9864 calls it
    signed = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
    signature = decode("hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg")
    assert signature is not None
    assert key.verifies(signed, signature)
    assert not key.verifies(signed + b"x", signature)


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "ES256", "EdDSA"])
def test_what_is_signed_is_verified_and_nothing_else(algorithm: str) -> None:
    key = private_key(algorithm)
    other = key if algorithm == "HS256" else public_key(algorithm)
    token = sign(CLAIMS, key)
    found = verify(token, [other], NOW)
    assert isinstance(found, Token)
    assert (found.subject, found.header["alg"]) == ("ada", algorithm)
    head, claims, signature = token.split(".")
    changed = encode(json.dumps({**CLAIMS, "sub": "eve"}).encode())
    assert rule(f"{head}.{changed}.{signature}", other) == "signature.wrong"
    assert rule(f"{head}.{claims}.{encode(bytes(64))}", other) == "signature.wrong"
    assert rule(f"{head}.{claims}.", other) == "signature.wrong"


def test_eddsa_has_two_names() -> None:
    key = private_key("EdDSA")
    assert rule(raw({"alg": "Ed25519"}, CLAIMS, key), key) == ""
    assert rule(raw({"alg": "Ed448"}, CLAIMS, key), key) == "header.alg"


def test_a_public_key_signs_nothing() -> None:
    with pytest.raises(ValueError, match="cannot sign"):
        sign(CLAIMS, public_key("RS256"))


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", None, 0, ["HS256"], "missing"])
def test_an_unsigned_token_is_refused(algorithm: Any) -> None:
    header = {} if algorithm == "missing" else {"alg": algorithm}
    token = raw(header, CLAIMS)
    unsigned = token.rpartition(".")[0] + "."
    assert rule(token) == rule(unsigned) == "header.alg"


def test_a_public_key_is_no_secret() -> None:
    """The confusion of algorithms: an HMAC made with the text of the public key (RFC 8725 2.1)."""
    pem = PRIVATE["RS256"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    forged = sign(CLAIMS, secret_key(pem))
    assert rule(forged, public_key("RS256")) == "header.alg"
    assert rule(raw({"alg": "RS256"}, CLAIMS)) == "header.alg"
    assert rule(raw({"alg": "HS512"}, CLAIMS)) == "header.alg"


def test_keys_are_found_by_their_name() -> None:
    old, new = secret_key(b"o" * 32, kid="old"), secret_key(b"n" * 32, kid="new")
    for key in (old, new):
        assert isinstance(verify(sign(CLAIMS, key), [old, new], NOW), Token)
    assert rule(sign(CLAIMS, secret_key(b"n" * 32, kid="other")), new) == "header.kid"
    assert rule(raw({"alg": "HS256", "kid": "old"}, CLAIMS, new), old) == "signature.wrong"


@pytest.mark.parametrize(
    ("claims", "broken"),
    [
        ({}, "claim.exp"),
        ({"exp": None}, "claim.exp"),
        ({"exp": "2030"}, "claim.exp"),
        ({"exp": True}, "claim.exp"),
        ({"exp": 1e300}, "claim.exp"),
        ({"exp": [NOW + 60]}, "claim.exp"),
        ({"exp": NOW - 30}, "claim.exp"),
        ({"exp": NOW - 29}, ""),
        ({"exp": NOW + 60, "nbf": NOW + 30}, ""),
        ({"exp": NOW + 60, "nbf": NOW + 31}, "claim.nbf"),
        ({"exp": NOW + 60, "nbf": "x"}, "claim.nbf"),
        ({"exp": NOW + 60, "iat": NOW + 31}, "claim.iat"),
        ({"exp": NOW + 60, "iat": {}}, "claim.iat"),
        ({"exp": NOW + 60, "aud": "someone"}, "claim.aud"),
        ({"exp": NOW + 60, "aud": []}, "claim.aud"),
        ({"exp": NOW + 60, "sub": 7}, "claim.sub"),
    ],
)
def test_claims(claims: dict[str, Any], broken: str) -> None:
    assert rule(sign(claims, SECRET)) == broken


def test_audience_and_issuer() -> None:
    for audience, broken in (
        (None, "claim.aud"),
        ("shop", ""),
        (["x", "shop"], ""),
        ("x", "claim.aud"),
        (7, "claim.aud"),
    ):
        claims = CLAIMS | ({} if audience is None else {"aud": audience})
        assert rule(sign(claims, SECRET), audience="shop") == broken
    assert rule(sign(CLAIMS | {"iss": "joe"}, SECRET), issuer="joe") == ""
    assert rule(sign(CLAIMS | {"iss": "eve"}, SECRET), issuer="joe") == "claim.iss"
    assert rule(sign(CLAIMS, SECRET), issuer="joe") == "claim.iss"


@pytest.mark.parametrize(
    ("header", "broken"),
    [
        ({"alg": "HS256", "crit": ["exp"]}, "header.crit"),
        ({"alg": "HS256", "crit": []}, "header.crit"),
        ({"alg": "HS256", "typ": "JWE"}, "header.typ"),
        ({"alg": "HS256", "typ": 7}, "header.typ"),
        ({"alg": "HS256", "typ": "at+jwt"}, ""),
        ({"alg": "HS256", "jwk": {"kty": "oct", "k": "AA"}, "jku": "https://evil.test/"}, ""),  # never looked at
        ([], "token.header"),
        (b'{"alg":"HS256","alg":"none"}', "token.header"),
        (b'{"alg":"HS256","x":NaN}', "token.header"),
        (b'{"alg":"HS256"', "token.header"),
        (b"\xff", "token.header"),
        (b"[" * 3000, "token.header"),
    ],
)
def test_headers(header: Any, broken: str) -> None:
    assert rule(raw(header, CLAIMS)) == broken


def test_claims_are_an_object_and_say_each_thing_once() -> None:
    for claims in ([], b"7", b'{"exp":1,"exp":99999999999}', b""):
        assert rule(raw({"alg": "HS256"}, claims)) == "token.claims"


def test_shapes() -> None:
    token = sign(CLAIMS, SECRET)
    assert rule(token + ".x") == rule(token.rpartition(".")[0]) == rule("") == "token.parts"
    assert rule(token + "=") == rule(token + "\n") == rule(" " + token) == rule(token[:-1] + "+") == "token.base64url"
    assert rule("x" * 9000) == "token.size"
    assert rule(token, max_length=len(token)) == ""
    assert rule(token, max_length=len(token) - 1) == "token.size"


def test_each_value_has_one_spelling() -> None:
    """The last letter of 32 bytes has two bits to spare: another letter there would decode to the same bytes."""
    token = sign(CLAIMS, SECRET)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = token[:-1] + letters[letters.index(token[-1]) + 1]
    lenient = [base64.urlsafe_b64decode(text.rpartition(".")[2] + "=") for text in (token, twin)]
    assert lenient[0] == lenient[1]
    assert rule(twin) == "token.base64url"


@pytest.mark.parametrize(
    "key",
    [
        lambda: secret_key(b"x" * 31),
        lambda: pem_key(b"nothing"),
        lambda: pem_key(b"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"),
        lambda: pem_key(pem(rsa.generate_private_key(65537, 1024))),
        lambda: pem_key(pem(ec.generate_private_key(ec.SECP384R1()))),
        lambda: pem_key(
            PRIVATE["ES256"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
        ),
        lambda: jwk_key({"kty": "oct", "k": "AA"}),
        lambda: jwk_key({"kty": "oct"}),
        lambda: jwk_key({"kty": "RSA", "n": "AQAB", "e": "AQAB"}),
        lambda: jwk_key({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}),
        lambda: jwk_key({"kty": "OKP", "crv": "Ed25519", "x": "AA"}),
        lambda: jwk_key({**ED25519, "kid": 7}),
        lambda: jwks_keys(b"\xff"),
        lambda: jwks_keys("[" * 100_000),
        lambda: jwks_keys("[]"),
        lambda: jwks_keys('{"keys": [1]}'),
        lambda: jwks_keys(json.dumps({"keys": [ED25519] * 65})),
    ],
)
def test_keys_that_are_none(key: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        key()


def pem(key: Any) -> bytes:
    made: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made


@pytest.mark.parametrize(
    "jwk",
    [{"kty": "AKP"}, {"kty": 7}, {}, {**ED25519, "use": "enc"}, {**ED25519, "alg": "ES256"}, {**ED25519, "crv": "X"}],
)
def test_keys_of_other_kinds_are_passed_over(jwk: dict[str, Any]) -> None:
    assert jwks_keys(json.dumps({"keys": [jwk, ED25519]})) == jwks_keys(json.dumps({"keys": [ED25519]})) != ()


def test_secrets_do_not_show() -> None:
    assert repr(SECRET) == "Key(algorithm='HS256', kid=None)"


@given(st.one_of(st.text(), st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]*", fullmatch=True)))
def test_no_text_is_taken_for_a_token(text: str) -> None:
    assert isinstance(verify(text, [SECRET], NOW), Rejected)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["exp", "nbf", "iat", "aud", "iss", "sub", "alg", "typ", "kid", "crit"])


@given(st.dictionaries(NAMES, JSON), st.dictionaries(NAMES, JSON))
def test_anything_the_issuer_signs_is_answered(header: dict[str, Any], claims: dict[str, Any]) -> None:
    found = verify(raw({"alg": "HS256", **header}, claims), [SECRET], NOW)
    if isinstance(found, Token):
        assert found.header["alg"] == "HS256"
        assert found.claims["exp"] > NOW - 30


@given(st.binary())
def test_base64url_round_trip(data: bytes) -> None:
    assert decode(encode(data)) == data


@given(st.text(alphabet="AQgwxyz_-019", max_size=6))
def test_base64url_has_one_spelling(text: str) -> None:
    data = decode(text)
    assert data is None or encode(data) == text
