"""`netlab token`: made, read, and refused."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from netlab.errors import UsageError
from netlab.policy.jwt import Token, secret_key, sign, verify
from netlab.stores.token_key import own_key, read_keys
from tests.netlab_process import call


def token(state: Path, *arguments: str | Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
    return call("token", *map(str, arguments), given=given or "", NETLAB_STATE=str(state))


def pem(folder: Path, key: Any) -> tuple[Path, Path]:
    """Private and public key of a pair, as files."""
    private, public = folder / "private.pem", folder / "public.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


def test_a_token_of_this_machine(tmp_path: Path) -> None:
    made = token(tmp_path, "ada", "--roles", "staff,admin", "--lifetime", "5m", "--claim", "shop=7", "--claim", "a=b")
    assert (made.returncode, made.stderr) == (0, "")
    found = verify(made.stdout.strip(), [own_key(tmp_path)], time.time())
    assert isinstance(found, Token)
    assert found.claims | {"iat": 0, "exp": 0} == {
        "sub": "ada",
        "roles": ["staff", "admin"],
        "shop": 7,
        "a": "b",
        "iat": 0,
        "exp": 0,
    }
    assert found.claims["exp"] - found.claims["iat"] == 300
    assert stat.S_IMODE((tmp_path / "token.key").stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["token.key"]


def test_reading_one(tmp_path: Path) -> None:
    made = token(tmp_path, "ada").stdout.strip()
    shown = token(tmp_path, "--read", made)
    assert shown.returncode == 0
    assert "verdict good" in shown.stdout
    from_pipe = token(tmp_path, "--read", "-", "--json", given=made + "\n")
    assert json.loads(from_pipe.stdout)["good"] is True
    elsewhere = token(tmp_path / "other", "--read", made)
    assert elsewhere.returncode == 1
    assert "the signature does not fit the token (signature.wrong, RFC 7515 5.2)" in elsewhere.stdout
    old = sign({"sub": "a\x1b", "exp": 1}, own_key(tmp_path))
    expired = token(tmp_path, "--read", old)
    assert (expired.returncode, "\x1b" in expired.stdout) == (1, False)
    assert "claim.exp" in expired.stdout


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(rsa.generate_private_key(65537, 2048), "RS256"), (ed25519.Ed25519PrivateKey.generate(), "EdDSA")],
)
def test_another_key(tmp_path: Path, key: Any, algorithm: str) -> None:
    private, public = pem(tmp_path, key)
    made = json.loads(token(tmp_path / "state", "ada", "--key", private, "--json").stdout)
    assert made["algorithm"] == algorithm
    assert token(tmp_path / "state", "--read", made["token"], "--key", public).returncode == 0
    assert token(tmp_path / "state", "--read", made["token"]).returncode == 1
    refused = token(tmp_path / "state", "ada", "--key", public)
    assert refused.returncode == 2
    assert "cannot sign" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "needs USER, or --read TOKEN"),
        (("ada", "--read", "x"), 2, "needs USER, or --read TOKEN"),
        (("--read", "x"), 1, "this is no JSON Web Token: it has 1 part, and not three with dots"),
        (("--read", "x.y.z"), 1, "this is no JSON Web Token: its header is not base64url"),
        (("--read", "e30.W10.z"), 1, "this is no JSON Web Token: its payload is not an object"),
        (("ada", "--claim", "x"), 2, "--claim 'x' is not NAME=VALUE"),
        (("ada", "--claim", "sub=x"), 2, "needs another name"),
        (("ada", "--roles", "a b"), 2, "--roles 'a b' is not roles"),
        (("ada", "--key", "/nothing"), 2, "/nothing cannot be read: No such file"),
        (("ada", "--key", "/dev/null"), 2, "/dev/null holds no key for tokens"),
    ],
)
def test_what_cannot_be_meant(tmp_path: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    done = token(tmp_path, *arguments)
    assert done.returncode == code
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_two_who_make_the_key_at_once_use_one(tmp_path: Path) -> None:
    first = own_key(tmp_path)
    assert own_key(tmp_path) == first


def test_keys_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "token.key").write_text("00ff\n")
    with pytest.raises(UsageError, match="holds no key for tokens: remove it"):
        own_key(tmp_path)
    (tmp_path / "token.key").write_text("zz")
    with pytest.raises(UsageError, match="holds no key for tokens: remove it"):
        own_key(tmp_path)
    (tmp_path / "keys.json").write_text('{"keys": []}')
    with pytest.raises(UsageError, match="holds no key for HS256"):
        read_keys(tmp_path / "keys.json")
    (tmp_path / "keys.json").write_text('{"keys": [{"kty": "oct", "k": "AA"}]}')
    with pytest.raises(UsageError, match="RFC 7518"):
        read_keys(tmp_path / "keys.json")


def test_a_key_set_from_a_file(tmp_path: Path) -> None:
    jwk = {"kty": "oct", "k": "A" * 43, "kid": "one"}
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [jwk, {"kty": "new"}]}))
    assert read_keys(tmp_path / "keys.json") == (secret_key(bytes(32), kid="one"),)
