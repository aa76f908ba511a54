"""The key that signs and verifies this machine's tokens: made once in the state directory, its owner's alone."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from netlab.errors import UsageError
from netlab.net.certs import state_directory
from netlab.policy.jwt import Key, jwks_keys, pem_key, secret_key
from netlab.policy.jwt.keys import SECRET_BYTES

MOST_BYTES = 1 << 20


def own_key(state: Path | None = None) -> Key:
    """The key for HS256 of a state directory (None: the user's), made if there is none yet.

    Of two processes that make one at once, one wins and both use it. Raises UsageError naming the file at fault.
    """
    path = (state_directory() if state is None else state) / "token.key"
    if not os.path.exists(path):  # as what may not be looked at is not: making it says why
        _make(path)
    try:
        secret = bytes.fromhex(path.read_text(encoding="ascii"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        secret = b""
    if len(secret) < SECRET_BYTES:
        raise UsageError(f"{path} holds no key for tokens: remove it, and a new one is made")
    return secret_key(secret)


def read_keys(path: Path) -> tuple[Key, ...]:
    """The keys of a file: one in PEM, public or private, or a JSON Web Key Set. UsageError says what is wrong."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    try:
        keys = jwks_keys(data) if data.lstrip().startswith(b"{") else (pem_key(data),)
    except ValueError as error:
        raise UsageError(f"{path} holds no key for tokens: {error}") from None
    if not keys:
        raise UsageError(f"{path} holds no key for HS256, RS256, ES256 or EdDSA")
    return keys


def _make(path: Path) -> None:
    """In a file of its own that is then given the name: whole, or not at all, and never over another's."""
    draft = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_hex(SECRET_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was first: its key is the one
            path.hardlink_to(draft)
    except OSError as error:
        raise UsageError(
            f"the key for tokens cannot be made at {path}: {error.strerror}; "
            "set NETLAB_STATE to a folder that can be written"
        ) from None
    finally:
        with contextlib.suppress(OSError):  # it never was there
            draft.unlink()
